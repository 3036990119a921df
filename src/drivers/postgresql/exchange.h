/* SPDX-License-Identifier: MIT
 *
 * One statement there and back, without blocking past a deadline; and the wait for a socket that everything here is made of.
 */
#ifndef DBP_POSTGRESQL_EXCHANGE_H
#define DBP_POSTGRESQL_EXCHANGE_H

#include <dbpool/dbpool.h>

#include "drivers/postgresql/calls.h"

enum dbp_pg_readiness { DBP_PG_READY, DBP_PG_LATE, DBP_PG_FAILED };

/* Waits until poll has something to say about `fd`, whatever that is, or the deadline has passed: past it the answer is LATE, whatever is
 * there to read, so that nobody who never stops talking holds the caller. */
enum dbp_pg_readiness dbp_pg_wait(int fd, int events, int64_t deadline_ns);

/* Reads all that has arrived, without waiting. False when the connection is broken. */
bool dbp_pg_read(PGconn *conn);

/* Sends one statement over a quiet connection and reads everything that it answers. On success `*result_out` (which may be NULL) is the
 * last result, to be cleared by the caller, and the connection is quiet and in blocking mode again. After a failure the connection may be
 * in any state. ETIMEOUT at the deadline. */
dbpool_status dbp_pg_exchange(PGconn *conn, const char *action, const char *sql, int64_t deadline_ns, PGresult **result_out,
                              dbpool_error *err);

#endif
