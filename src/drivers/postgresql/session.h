/* SPDX-License-Identifier: MIT
 *
 * An open connection: whether it is quiet, and how it is made clean, asked, closed, given up.
 */
#ifndef DBP_POSTGRESQL_SESSION_H
#define DBP_POSTGRESQL_SESSION_H

#include <dbpool/driver.h>

#include "drivers/postgresql/calls.h"

/* Prepares a connection whose handshake is about to begin: nothing of it is printed, and errors carry their SQLSTATE. */
void dbp_pg_session_begin(PGconn *conn);

/* The functions of the driver's table. */
bool dbp_pg_look(void *driver_arg, void *native);
dbpool_native_state dbp_pg_state(void *driver_arg, void *native);
dbpool_status dbp_pg_ping(void *driver_arg, void *native, int64_t deadline_ns, dbpool_error *err);
dbpool_status dbp_pg_reset(void *driver_arg, void *native, int32_t reset, int64_t deadline_ns, dbpool_error *err);
dbpool_status dbp_pg_close(void *driver_arg, void *native, dbpool_error *err);
void dbp_pg_abandon(void *driver_arg, void *native);
dbpool_status dbp_pg_describe(void *driver_arg, void *native, int64_t deadline_ns,
                              void (*row)(void *arg, const char *key, const char *value), void *arg, dbpool_error *err);

#endif
