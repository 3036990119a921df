/* SPDX-License-Identifier: MIT
 *
 * One statement there and back. While it is under way libpq is in non-blocking mode and only poll waits, so that a server which neither reads nor answers
 * cannot hold the caller past the deadline.
 */
#include "drivers/postgresql/exchange.h"

#include <errno.h>

#include "drivers/postgresql/error.h"
#include "os/clock.h"

enum dbp_pg_readiness dbp_pg_wait(int fd, int events, int64_t deadline_ns) {
    struct pollfd socket = {.fd = fd, .events = (short)events};
    while (fd >= 0) {
        int ready = dbp_pg->poll(&socket, 1, dbp_deadline_left_ms(deadline_ns));
        if (ready > 0)
            return DBP_PG_READY;
        if (ready < 0 && errno != EINTR)
            return DBP_PG_FAILED;
        if (deadline_ns != DBP_NEVER && dbp_clock_now() >= deadline_ns)
            return DBP_PG_LATE;
    }
    return DBP_PG_FAILED;
}

static bool is_error(const PGresult *result) {
    ExecStatusType status = dbp_pg->PQresultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
}

/* Keeps the newer result, but an error rather than what came after it. */
static void keep(PGresult **kept, PGresult *result) {
    if (*kept && is_error(*kept)) {
        dbp_pg->PQclear(result);
        return;
    }
    dbp_pg->PQclear(*kept);
    *kept = result;
}

/* Takes the results that have arrived. True when there is nothing more to come; no statement sent from here begins a COPY, which would have no end. */
static bool take(PGconn *conn, PGresult **kept) {
    while (!dbp_pg->PQisBusy(conn)) {
        PGresult *result = dbp_pg->PQgetResult(conn);
        if (!result)
            return true;
        keep(kept, result);
    }
    return false;
}

static dbpool_status collect(PGconn *conn, const char *action, int64_t deadline_ns, PGresult **kept, dbpool_error *err) {
    for (;;) {
        int unsent = dbp_pg->PQflush(conn);
        if (unsent < 0)
            return dbp_pg_error(conn, NULL, action, err);
        if (take(conn, kept))
            return *kept && !is_error(*kept) ? DBPOOL_OK : dbp_pg_error(conn, *kept, action, err);
        enum dbp_pg_readiness ready = dbp_pg_wait(dbp_pg->PQsocket(conn), unsent ? POLLIN | POLLOUT : POLLIN, deadline_ns);
        if (ready == DBP_PG_LATE)
            return dbp_pg_late(action, err);
        if (ready == DBP_PG_FAILED || !dbp_pg->PQconsumeInput(conn))
            return dbp_pg_error(conn, *kept, action, err);
    }
}

dbpool_status dbp_pg_exchange(PGconn *conn, const char *action, const char *sql, int64_t deadline_ns, PGresult **result_out,
                              dbpool_error *err) {
    PGresult *kept = NULL;
    if (dbp_pg->PQsetnonblocking(conn, 1) != 0 || !dbp_pg->PQsendQuery(conn, sql))
        return dbp_pg_error(conn, NULL, action, err);
    dbpool_status status = collect(conn, action, deadline_ns, &kept, err);
    if (status == DBPOOL_OK && dbp_pg->PQsetnonblocking(conn, 0) != 0)
        status = dbp_pg_error(conn, NULL, action, err);
    if (status == DBPOOL_OK && result_out)
        *result_out = kept;
    else
        dbp_pg->PQclear(kept);
    return status;
}
