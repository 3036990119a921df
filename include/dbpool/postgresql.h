/* SPDX-License-Identifier: MIT
 *
 * The PostgreSQL driver of dbpool, `libdbpool-postgresql`, on libpq. Schemes: postgresql, postgres.
 *
 *     postgresql://app@db.example/shop?sslmode=verify-full&pool_size=8
 *     postgresql:///shop?host=/run/postgresql             a unix socket
 *     postgresql://app@[::1]:5433,standby.example/shop?target_session_attrs=read-write
 *
 * Every key that is not the pool's is libpq's (PQconndefaults); one that libpq does not know is refused. Environment variables, service and
 * password files work as with libpq; `sslmode` is untouched unless given.
 *
 * Opening never blocks past the deadline: names are resolved on another thread and handed to libpq as `hostaddr`; with several hosts each
 * address gets its share of the time left.
 *
 * A clean connection: the session is up, no transaction is open, no result is unread, no COPY runs, pipeline mode is off (non-blocking mode
 * is set back). One that is not and cannot be made so by one ROLLBACK or COMMIT is closed. `rollback` and `commit` leave behind: settings
 * (SET), role, session authorization, prepared statements, temporary tables, cursors WITH HOLD, LISTEN, session advisory locks, sequence
 * state. `full` sends DISCARD ALL, which leaves behind only the random seed, custom settings as the empty string instead of NULL, loaded
 * libraries and what procedural languages keep per session.
 *
 * While idle the connection is looked at without blocking: notices, parameter changes and notifications are drained, anything else closes
 * it. The caller may set notice receiver and processor, verbosity, context and trace; they are set back, notices to silence, when the
 * connection returns, the notice functions by dbpool_describe too.
 */
#ifndef DBPOOL_POSTGRESQL_H
#define DBPOOL_POSTGRESQL_H

#include <dbpool/driver.h>
#include <libpq-fe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's table, for dbpool_open_driver with what its configure has made. A program that is linked with the driver, statically too, need not
 * register it. */
extern DBPOOL_API const dbpool_driver dbpool_postgresql_driver;

/* The connection of a lease; NULL if the handle is stale or of another driver.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API PGconn *dbpool_postgresql(dbpool_conn conn);

/* Fills `err` from the last error of `native`, with SQLSTATE, and the flags that say whether the connection is dead and whether the same
 * work may be tried again. For programs that want the pool's judgement of their own query's failure. `result` may be NULL. Returns
 * DBPOOL_EDISCONNECT (the connection is dead) or DBPOOL_EDRIVER.
 * Thread: the holder.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API dbpool_status dbpool_postgresql_error(const PGconn *native, const PGresult *result, dbpool_error *err);

#ifdef __cplusplus
}
#endif

#endif
