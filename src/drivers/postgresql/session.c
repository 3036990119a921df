/* SPDX-License-Identifier: MIT
 *
 * An open connection. It is *quiet* when the server owes no answer and none is unread. What the client library knows is asked, never what
 * we remember: PQtransactionStatus says ACTIVE from the moment a statement is sent until PQgetResult has returned NULL, which covers unread
 * results, single-row mode and COPY; pipeline and non-blocking mode are not seen by it and are asked for by name.
 */
#include "drivers/postgresql/session.h"

#include "base/error.h"
#include "drivers/postgresql/error.h"
#include "drivers/postgresql/exchange.h"
#include "drivers/postgresql/notices.h"

/* How often the look reads before it gives a connection up that does not stop talking: some 8 kB each. */
#define READS_MOST 1024

/* ---- State -------------------------------------------------------------------------------------------------------------------- */

/* Takes in what libpq has read but not looked at, and drops notifications: they were for the last holder, or for nobody. False when there
 * was something that nobody had asked for. No system call. */
static bool digest(PGconn *conn) {
    struct dbp_pg_heard heard = {0};
    dbp_pg_notices_hear(conn, &heard);
    bool busy = dbp_pg->PQisBusy(conn);
    for (PGnotify *notify; (notify = dbp_pg->PQnotifies(conn));)
        dbp_pg->PQfreemem(notify);
    dbp_pg_notices_silence(conn);
    return !busy && !heard.unasked;
}

void dbp_pg_session_begin(PGconn *conn) {
    dbp_pg_notices_learn(conn);
    dbp_pg_notices_silence(conn);
    dbp_pg->PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
}

/* Sets back what a holder can set in libpq without telling the server. */
static void tidy(PGconn *conn) {
    dbp_pg_notices_silence(conn);
    dbp_pg->PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    dbp_pg->PQsetErrorContextVisibility(conn, PQSHOW_CONTEXT_ERRORS);
    dbp_pg->PQuntrace(conn);
}

/* Non-blocking mode alone is set back: on a quiet connection nothing is left to send, so that it neither fails nor makes a system call. */
static bool is_quiet(PGconn *conn) {
    PGTransactionStatusType status = dbp_pg->PQtransactionStatus(conn);
    return (status == PQTRANS_IDLE || status == PQTRANS_INTRANS || status == PQTRANS_INERROR) &&
           dbp_pg->PQpipelineStatus(conn) == PQ_PIPELINE_OFF && (!dbp_pg->PQisnonblocking(conn) || dbp_pg->PQsetnonblocking(conn, 0) == 0);
}

dbpool_native_state dbp_pg_state(void *driver_arg, void *native) {
    (void)driver_arg;
    PGconn *conn = native;
    tidy(conn);
    if (!is_quiet(conn) || !digest(conn) || !is_quiet(conn))
        return DBPOOL_NATIVE_UNCLEAN;
    return dbp_pg->PQtransactionStatus(conn) == PQTRANS_IDLE ? DBPOOL_NATIVE_CLEAN : DBPOOL_NATIVE_DIRTY;
}

/* What the socket says now: 1 something to read, 0 nothing, -1 hung up or failed. */
static int peek(PGconn *conn) {
    struct pollfd socket = {.fd = dbp_pg->PQsocket(conn), .events = POLLIN | POLLRDHUP};
    int ready = socket.fd < 0 ? -1 : dbp_pg->poll(&socket, 1, 0);
    return ready <= 0 ? ready : socket.revents == POLLIN ? 1 : -1;
}

bool dbp_pg_look(void *driver_arg, void *native) {
    (void)driver_arg;
    PGconn *conn = native;
    if (!is_quiet(conn) || !digest(conn))
        return false;
    for (int reads = 0; reads < READS_MOST; reads++) {
        int readable = peek(conn);
        if (readable == 0)
            return is_quiet(conn);
        if (readable < 0 || !dbp_pg_read(conn) || !digest(conn))
            return false;
    }
    return false;
}

/* ---- Round trips -------------------------------------------------------------------------------------------------------------- */

dbpool_status dbp_pg_ping(void *driver_arg, void *native, int64_t deadline_ns, dbpool_error *err) {
    (void)driver_arg;
    dbpool_error failure = {0};
    /* The empty statement takes no snapshot, no plan, and no privilege. */
    dbpool_status status = dbp_pg_exchange(native, "ping", "", deadline_ns, NULL, &failure);
    if (status == DBPOOL_OK)
        return status;
    /* Whatever failed, a connection that cannot do this is of no use; what stands in the error is why. */
    failure.status = DBPOOL_EDISCONNECT;
    failure.flags |= DBPOOL_ERROR_CONNECTION_LOST;
    return dbp_error_pass(err, &failure);
}

static dbpool_status end_transaction(PGconn *conn, int32_t reset, int64_t deadline_ns, dbpool_error *err) {
    if (dbp_pg->PQtransactionStatus(conn) == PQTRANS_IDLE)
        return DBPOOL_OK;
    /* A COMMIT of a failed transaction answers ROLLBACK, and no error: the transaction is over. */
    bool commit = reset == DBPOOL_RESET_COMMIT;
    return dbp_pg_exchange(conn, commit ? "commit" : "roll back", commit ? "COMMIT" : "ROLLBACK", deadline_ns, NULL, err);
}

dbpool_status dbp_pg_reset(void *driver_arg, void *native, int32_t reset, int64_t deadline_ns, dbpool_error *err) {
    PGconn *conn = native;
    if (dbp_pg_state(driver_arg, native) == DBPOOL_NATIVE_UNCLEAN)
        return dbp_error_set_native(err, DBPOOL_EDISCONNECT, DBPOOL_ERROR_CONNECTION_LOST, 0,
                                    "reset: the connection is closed or not quiet");
    dbpool_status status = reset == DBPOOL_RESET_NONE ? DBPOOL_OK : end_transaction(conn, reset, deadline_ns, err);
    /* A statement of its own: it is refused inside a transaction, and two statements sent as one are one. */
    if (status == DBPOOL_OK && reset == DBPOOL_RESET_FULL)
        status = dbp_pg_exchange(conn, "discard the session's state", "DISCARD ALL", deadline_ns, NULL, err);
    if (status == DBPOOL_OK && reset != DBPOOL_RESET_NONE && dbp_pg_state(driver_arg, native) != DBPOOL_NATIVE_CLEAN)
        status = dbp_error_set(err, DBPOOL_EDRIVER, "reset: the connection is not clean after it");
    return status;
}

/* ---- The end ------------------------------------------------------------------------------------------------------------------ */

dbpool_status dbp_pg_close(void *driver_arg, void *native, dbpool_error *err) {
    (void)driver_arg;
    (void)err;
    PGconn *conn = native;
    /* PQfinish sends a goodbye, which in blocking mode waits for room in the socket. To leave that mode libpq first sends what is left
     * over, and waits for that too; nothing is left over on a quiet connection. Any other is cut off, so that nothing can be waited for. */
    bool quiet = is_quiet(conn) && dbp_pg->PQsetnonblocking(conn, 1) == 0;
    if (!quiet && !dbp_pg->PQisnonblocking(conn) && dbp_pg->PQsocket(conn) >= 0)
        dbp_pg->shutdown(dbp_pg->PQsocket(conn), SHUT_RDWR);
    dbp_pg->PQfinish(conn);
    return DBPOOL_OK;
}

void dbp_pg_abandon(void *driver_arg, void *native) {
    (void)driver_arg;
    int fd = dbp_pg->PQsocket(native);
    if (fd >= 0)
        dbp_pg->close(fd);
}
