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
 *
 * A clean connection: no statement of it is open or half-read, no transaction is open, and (after a full reset) no database is attached, no temporary
 * object exists and the settings above hold again. A statement that the caller did not finalise makes the connection unclean: it is closed, and with it the
 * statement leaks until the caller finalises it. `rollback` and `commit` leave behind: attached databases, temporary tables, PRAGMA settings, functions,
 * collations and hooks. `full` opens the connection anew when it finds what it cannot undo.
 *
 * Deadlines: SQLite blocks only for locks and for work. While the pool itself works on a connection it caps the lock wait at what is left of the deadline and
 * interrupts longer work.
 *
 * fork: SQLite's lock table is inherited while the kernel's locks are not. A child process that opens a file which was open through dbpool at the
 * fork is refused (DBPOOL_EFORK): exec first, or open the pool after the fork.
 */
#ifndef DBPOOL_SQLITE_H
#define DBPOOL_SQLITE_H

#include <dbpool/driver.h>
#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's table, for dbpool_register_driver and dbpool_open_driver. */
extern DBPOOL_API const dbpool_driver dbpool_sqlite_driver;

/* The connection of a lease; NULL if the handle is stale or of another driver.
 * Thread: any.  Blocks: no.  Round-trips: 0.  Callbacks: none. */
DBPOOL_API sqlite3 *dbpool_sqlite(dbpool_conn conn);

#ifdef __cplusplus
}
#endif

#endif
