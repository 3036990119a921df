/* SPDX-License-Identifier: MIT
 *
 * An opening on a helper thread, while the caller keeps its deadline.
 */
#ifndef DBP_POSTGRESQL_ASIDE_H
#define DBP_POSTGRESQL_ASIDE_H

#include "drivers/postgresql/config.h"

/* How many helper threads one pool has at most; further openings wait for a place, up to their deadline. */
#define DBP_PG_ASIDE_MOST 32

/* What opens; it may overrun its deadline. */
typedef dbpool_status (*dbp_pg_open_fn)(struct dbp_pg_config *config, int64_t deadline_ns, PGconn **conn_out, dbpool_error *err);

/* Runs `open` on a helper thread and returns by the deadline with what it brought, or with ECONNECT (DBPOOL_ERROR_TIMED_OUT). A connection
 * that comes later is closed by the helper thread. */
dbpool_status dbp_pg_open_aside(dbp_pg_open_fn open, struct dbp_pg_config *config, int64_t deadline_ns, PGconn **conn_out,
                                dbpool_error *err);

/* The connection could not be opened in time. */
dbpool_status dbp_pg_open_late(dbpool_error *err);

#endif
