/* SPDX-License-Identifier: MIT
 *
 * Runs statements on a native connection: one table of functions for each database that the command was built with.
 */
#ifndef DBPOOL_TOOL_SESSION_H
#define DBPOOL_TOOL_SESSION_H

#include <dbpool/dbpool.h>

typedef struct session_driver {
    const char *name;  /* dbpool's driver of this name gives the connections */
    const char *probe; /* the cheapest statement that makes a round trip */

    /* Runs a statement and reads all of its rows, until `deadline_ns` on dbpool_now_ns's clock (INT64_MAX: none).
     * DBPOOL_ERROR_CONNECTION_LOST in err->flags says that the connection is of no more use; a deadline that passes always does. */
    dbpool_status (*run)(void *native, const char *sql, int64_t deadline_ns, dbpool_error *err);

    /* Ends an open transaction by a rollback. False when the connection is of no more use. */
    bool (*clean)(void *native);

    /* Where the server is ("db.example:5432", a path), or "" when it has no place; and whether that is on this machine. */
    bool (*is_local)(void *native);
    void (*place)(void *native, char *text, size_t size);
} session_driver;

#if TOOL_SQLITE
extern const session_driver session_sqlite;
#endif
#if TOOL_POSTGRESQL
extern const session_driver session_postgresql;
#endif

/* The table for a lease's connection, and the connection in `*native_out`; NULL when the command was built without its database. */
const session_driver *session_of(dbpool_conn conn, void **native_out);

#endif
