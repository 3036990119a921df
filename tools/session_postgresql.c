/* SPDX-License-Identifier: MIT */
#include <dbpool/postgresql.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

#define NS_PER_MS 1000000

static int left_ms(int64_t deadline_ns) {
    if (deadline_ns == INT64_MAX)
        return -1;
    int64_t left = (deadline_ns - dbpool_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static dbpool_status late(dbpool_error *err) {
    (void)dbpool_error_set(err, DBPOOL_ETIMEOUT, "query: the time ran out");
    err->flags = DBPOOL_ERROR_TIMED_OUT | DBPOOL_ERROR_CONNECTION_LOST;
    return err->status;
}

/* Waits until the next result can be had without blocking. A dead connection counts: its result is the error. */
static bool await_result(PGconn *pg, int64_t deadline_ns) {
    while (PQisBusy(pg)) {
        struct pollfd socket = {.fd = PQsocket(pg), .events = POLLIN};
        int left = left_ms(deadline_ns);
        if (left == 0)
            return false;
        if (poll(&socket, 1, left) > 0 && !PQconsumeInput(pg))
            return true;
    }
    return true;
}

static dbpool_status judge(PGconn *pg, PGresult *result, dbpool_error *err) {
    switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK: return DBPOOL_OK;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        (void)dbpool_error_set(err, DBPOOL_EUNSUPPORTED, "query: COPY from or to the client cannot be run here");
        err->flags = DBPOOL_ERROR_CONNECTION_LOST; /* it waits for data that will not come */
        return err->status;
    default: return dbpool_postgresql_error(pg, result, err);
    }
}

/* Reads every result of what was sent; the first failure is the answer. */
static dbpool_status read_results(PGconn *pg, int64_t deadline_ns, dbpool_error *err) {
    dbpool_status status = DBPOOL_OK;
    for (;;) {
        if (!await_result(pg, deadline_ns))
            return late(err);
        PGresult *result = PQgetResult(pg);
        if (!result)
            return status;
        if (status == DBPOOL_OK)
            status = judge(pg, result, err);
        PQclear(result);
        if (status == DBPOOL_EUNSUPPORTED)
            return status;
    }
}

static dbpool_status run(void *native, const char *sql, int64_t deadline_ns, dbpool_error *err) {
    if (!PQsendQuery(native, sql))
        return dbpool_postgresql_error(native, NULL, err);
    return read_results(native, deadline_ns, err);
}

static bool clean(void *native) {
    dbpool_error err;
    if (PQtransactionStatus(native) != PQTRANS_IDLE)
        (void)run(native, "rollback", INT64_MAX, &err);
    return PQstatus(native) == CONNECTION_OK && PQtransactionStatus(native) == PQTRANS_IDLE;
}

static bool is_socket(const char *host) { return host[0] == '/' || host[0] == '@' || host[0] == '\0'; }

/* By the address that libpq reached, not by the name. */
static bool is_local(void *native) {
    const char *host = PQhost(native), *address = PQhostaddr(native);
    if (is_socket(host))
        return true;
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 || strcmp(host, "localhost") == 0;
}

static void place(void *native, char *text, size_t size) {
    const char *host = PQhost(native);
    const char *colon = strchr(host, ':');
    if (is_socket(host))
        snprintf(text, size, "%s (socket, port %s)", host, PQport(native));
    else
        snprintf(text, size, colon ? "[%s]:%s" : "%s:%s", host, PQport(native));
}

const session_driver session_postgresql = {"postgresql", "select 1", run, clean, is_local, place};
