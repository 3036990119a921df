/* SPDX-License-Identifier: MIT
 *
 * libpq gives each notice to a receiver, and its own receiver gives the text to a processor. Holders set the processor; we take the
 * receiver's place. libpq's own is the same function for all connections: it is learned from a new one, whose receiver nobody has changed
 * yet.
 */
#include "drivers/postgresql/notices.h"

#include <string.h>

#include "os/atomic.h"

static dbp_atomic_u64 usual_receiver; /* 0: not known yet */

static void ignore_text(void *arg, const char *message) {
    (void)arg;
    (void)message;
}

static bool starts(const char *text, const char *start) { return text && strncmp(text, start, strlen(start)) == 0; }

/* Notices and warnings have an SQLSTATE and are no error. Of an error that nobody waits for libpq makes a notice too, and of messages that
 * it drops one without SQLSTATE. A server that crashes or is stopped at once says so to every session in a *warning* of class 57P. */
static void hear(void *arg, const PGresult *notice) {
    struct dbp_pg_heard *heard = arg;
    const char *severity = dbp_pg->PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = dbp_pg->PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    if (!sqlstate || starts(severity, "ERROR") || starts(severity, "FATAL") || starts(severity, "PANIC"))
        heard->unasked = true;
    if (starts(sqlstate, "57P") && strlen(sqlstate) == 5)
        memcpy(heard->sqlstate, sqlstate, sizeof heard->sqlstate);
}

static void ignore_notice(void *arg, const PGresult *notice) {
    (void)arg;
    (void)notice;
}

void dbp_pg_notices_learn(PGconn *fresh) {
    dbp_store_relaxed_u64(&usual_receiver, (uint64_t)(uintptr_t)dbp_pg->PQsetNoticeReceiver(fresh, NULL, NULL));
}

void dbp_pg_notices_silence(PGconn *conn) {
    uint64_t usual = dbp_load_relaxed_u64(&usual_receiver);
    dbp_pg->PQsetNoticeReceiver(conn, usual ? (PQnoticeReceiver)(uintptr_t)usual : ignore_notice, NULL);
    dbp_pg->PQsetNoticeProcessor(conn, ignore_text, NULL);
}

void dbp_pg_notices_hear(PGconn *conn, struct dbp_pg_heard *heard) { dbp_pg->PQsetNoticeReceiver(conn, hear, heard); }
