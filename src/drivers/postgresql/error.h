/* SPDX-License-Identifier: MIT
 *
 * libpq's errors made ours, and what an SQLSTATE says about the connection.
 */
#ifndef DBP_POSTGRESQL_ERROR_H
#define DBP_POSTGRESQL_ERROR_H

#include "drivers/postgresql/config.h"

/* Fills `err` from a failure on an open connection; `result` may be NULL. `heard` is the SQLSTATE of a farewell that came beside it, or
 * empty: it counts when the failure has none of its own. EDISCONNECT when the connection is dead, else EDRIVER. */
dbpool_status dbp_pg_error(const PGconn *conn, const PGresult *result, const char *heard, const char *action, dbpool_error *err);

/* Fills `err` from a connection that could not be opened, with what the server said, if it spoke. ECONNECT, or ENOMEM when `conn` is NULL.
 * No argument of the pool's is repeated that libpq refused. */
dbpool_status dbp_pg_open_error(const PGconn *conn, const struct dbp_pg_config *config, dbpool_error *err);

/* A deadline passed while the server was awaited. */
dbpool_status dbp_pg_late(const char *action, dbpool_error *err);

/* The flags (DBPOOL_ERROR_…) of an SQLSTATE: the one table of what the pool makes of them. */
uint32_t dbp_pg_sqlstate_flags(const char *sqlstate);

#endif
