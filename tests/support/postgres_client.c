/* SPDX-License-Identifier: MIT */
#include "postgres_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

PGconn *postgres_open(const postgres_server *server, bool tcp) {
    dbpool_param params[POSTGRES_SERVER_PARAMS];
    dbpool_error err = {0};
    void *config = NULL, *native = NULL;
    postgres_server_params(server, tcp, params);
    dbpool_status status = dbpool_postgresql_driver.configure(params, POSTGRES_SERVER_PARAMS, &config, &err);
    if (status == DBPOOL_OK)
        status = dbpool_postgresql_driver.open(config, INT64_MAX, &native, &err);
    if (config)
        dbpool_postgresql_driver.release(config);
    if (status == DBPOOL_OK)
        return native;
    printf("%s\n", err.message);
    exit(1);
}

bool postgres_run(PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!done)
        printf("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    return done;
}

bool postgres_number(PGconn *conn, const char *sql, int64_t *out) {
    PGresult *result = PQexec(conn, sql);
    bool done = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && PQnfields(result) == 1;
    if (done)
        *out = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    else
        printf("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    return done;
}

static void await(PGconn *conn, int events) {
    struct pollfd socket = {.fd = PQsocket(conn), .events = (short)events};
    while (poll(&socket, 1, -1) < 1)
        continue;
}

void postgres_await_readable(PGconn *conn) { await(conn, POLLIN | POLLRDHUP); }

void postgres_await_hangup(PGconn *conn) { await(conn, POLLRDHUP); }

bool postgres_terminate(const postgres_server *server, PGconn *conn) {
    char sql[64];
    PGconn *other = postgres_open(server, false);
    snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", PQbackendPID(conn));
    bool sent = postgres_run(other, sql);
    dbpool_postgresql_driver.close(NULL, other, NULL);
    if (sent)
        postgres_await_hangup(conn);
    return sent;
}
