/* SPDX-License-Identifier: MIT
 *
 * The SQLite driver of dbpool, `libdbpool-sqlite`. Schemes: sqlite.
 *
 *     sqlite:shop.db                relative to the working directory
 *     sqlite:/var/lib/app/shop.db   absolute; sqlite:///var/lib/app/shop.db is the same
 *     sqlite::memory:               a database of its own for each connection, gone with it
 *
 * Keys beside the pool's own:
 *     mode           rwc (default: read, write, create), rw, ro
 *     busy_timeout   how long a statement waits for a lock; a duration as the pool's, default 5s
 *     journal_mode   wal, delete, truncate, persist, memory, off; unset: as the file has it
 *     synchronous    off, normal, full, extra; unset: SQLite's default
 *     foreign_keys   true or false; unset: SQLite's default
 *     cache_size     as PRAGMA cache_size; unset: SQLite's default
 *     statements     close (default) or keep: what becomes of a connection whose holder left a prepared statement that is not half read
 *
 * A clean connection: no transaction is open, no statement of it is half read and, unless `statements=keep`, none is open at all. SQLite's
 * statements belong to whoever prepared them, so the pool never finalises one: it closes the connection, which leaves no lock behind, and
 * the statement and what is left of the connection live on until the holder finalises it. Full text search and R-tree tables keep
 * statements of their own: with them use `statements=keep`, or each connection that touched one is closed at its return.
 *
 * `rollback` and `commit` leave behind: attached databases, temporary tables, PRAGMA and sqlite3_db_config settings, limits, functions,
 * collations and hooks. `full` undoes attached databases, temporary objects, settings, limits, the authorizer, the trace, and the commit,
 * rollback and update hooks. It closes the connection, for the pool to open anew, when a function or collation was added (in a connect
 * listener too), when a statement is open, or when a setting does not take its old value. It leaves behind a preupdate hook, and what
 * sqlite3_set_clientdata keeps. On connections of a creator it always closes.
 *
 * The pool's own work on a connection (an opening, a ping, a rollback, a commit, a full reset) takes away its busy handler and its progress
 * handler, and sets the lock wait to busy_timeout again. A return that finds the connection clean does no work.
 *
 * Deadlines: SQLite blocks only for locks and for work. While the pool works on a connection it waits for locks no longer than busy_timeout
 * and what is left of the deadline, and interrupts longer work. It cannot interrupt the file system, nor the recovery of a database after a
 * crash, nor the checkpoint at the close of the last connection.
 *
 * A ping reads the file and sees whether it is still the one at its path; a database that is locked is alive. One that was moved or deleted
 * is not, and then all older connections are replaced.
 *
 * The handles are opened without SQLite's own mutexes: one thread at a time, as for every lease (sqlite3_interrupt excepted).
 *
 * fork: SQLite's lock table is inherited while the kernel's locks are not. A child process that opens a file which was open through dbpool
 * at the fork is refused (DBPOOL_EFORK): exec first, or open the pool after the fork. Databases that a holder attached, and connections
 * that a creator opened, are not seen. A file in which a closed connection lives on for its holder's statement counts as open to the end of
 * the process. Inherited connections are left as they are.
 */
#ifndef DBPOOL_SQLITE_H
#define DBPOOL_SQLITE_H

#include <dbpool/driver.h>
#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's table, for dbpool_open_driver with what its configure has made. A program that is linked with the driver, statically too,
 * need not register it. */
extern DBPOOL_API const dbpool_driver dbpool_sqlite_driver;

/* The connection of a lease; NULL if the handle is stale or of another driver.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API sqlite3 *dbpool_sqlite(dbpool_conn conn);

#ifdef __cplusplus
}
#endif

#endif
