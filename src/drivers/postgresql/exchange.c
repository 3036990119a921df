/* SPDX-License-Identifier: MIT
 *
 * One statement there and back. While it is under way libpq is in non-blocking mode and only poll waits, so that a server which neither
 * reads nor answers cannot hold the caller past the deadline.
 */
#include "drivers/postgresql/exchange.h"

#include <errno.h>

#include "drivers/postgresql/error.h"
#include "drivers/postgresql/notices.h"
#include "os/clock.h"

enum dbp_pg_readiness dbp_pg_wait(int fd, int events, int64_t deadline_ns) {
    struct pollfd socket = {.fd = fd, .events = (short)events};
    while (fd >= 0) {
        int ready = dbp_pg->poll(&socket, 1, dbp_deadline_left_ms(deadline_ns));
        if (ready < 0 && errno != EINTR)
            return DBP_PG_FAILED;
        if (deadline_ns != DBP_NEVER && dbp_clock_now() >= deadline_ns)
            return DBP_PG_LATE;
        if (ready > 0)
            return DBP_PG_READY;
    }
    return DBP_PG_FAILED;
}

/* TLS and GSS hand out up to 16 kB at a time and may keep a rest of it that no poll sees. libpq makes room for 8 kB or more before it
 * reads, so that the third read finds nothing kept. */
bool dbp_pg_read(PGconn *conn) {
    int reads = dbp_pg->PQsslInUse(conn) || dbp_pg->PQgssEncInUse(conn) ? 3 : 1;
    bool whole = true;
    while (whole && reads-- > 0)
        whole = dbp_pg->PQconsumeInput(conn);
    return whole;
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

static bool is_copy(const PGresult *result) {
    ExecStatusType status = dbp_pg->PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* Takes the results that have arrived. True when nothing more is to come, or a COPY, which no statement of ours begins and of which there
 * would be no end. */
static bool take(PGconn *conn, PGresult **kept) {
    while (!dbp_pg->PQisBusy(conn)) {
        PGresult *result = dbp_pg->PQgetResult(conn);
        bool over = !result || is_copy(result);
        if (result)
            keep(kept, result);
        if (over)
            return true;
    }
    return false;
}

struct exchange {
    PGconn *conn;
    const char *action;
    int64_t deadline_ns;
    PGresult *kept;
    struct dbp_pg_heard heard;
    dbpool_error *err;
};

static dbpool_status fail(const struct exchange *self) {
    return dbp_pg_error(self->conn, self->kept, self->heard.sqlstate, self->action, self->err);
}

static dbpool_status collect(struct exchange *self) {
    for (;;) {
        int unsent = dbp_pg->PQflush(self->conn);
        if (unsent < 0)
            return fail(self);
        if (take(self->conn, &self->kept))
            return self->kept && !is_error(self->kept) ? DBPOOL_OK : fail(self);
        enum dbp_pg_readiness ready = dbp_pg_wait(dbp_pg->PQsocket(self->conn), unsent ? POLLIN | POLLOUT : POLLIN, self->deadline_ns);
        if (ready == DBP_PG_LATE)
            return dbp_pg_late(self->action, self->err);
        if (ready == DBP_PG_FAILED)
            return fail(self);
        if (!dbp_pg_read(self->conn)) {
            /* Its last words may have come before the end. */
            take(self->conn, &self->kept);
            return fail(self);
        }
    }
}

static dbpool_status run(struct exchange *self, const char *sql) {
    if (dbp_pg->PQsetnonblocking(self->conn, 1) != 0 || !dbp_pg->PQsendQuery(self->conn, sql))
        return fail(self);
    dbpool_status status = collect(self);
    return status == DBPOOL_OK && dbp_pg->PQsetnonblocking(self->conn, 0) != 0 ? fail(self) : status;
}

dbpool_status dbp_pg_exchange(PGconn *conn, const char *action, const char *sql, int64_t deadline_ns, PGresult **result_out,
                              dbpool_error *err) {
    struct exchange self = {.conn = conn, .action = action, .deadline_ns = deadline_ns, .err = err};
    dbp_pg_notices_hear(conn, &self.heard);
    dbpool_status status = run(&self, sql);
    dbp_pg_notices_silence(conn);
    if (status == DBPOOL_OK && result_out)
        *result_out = self.kept;
    else
        dbp_pg->PQclear(self.kept);
    return status;
}
