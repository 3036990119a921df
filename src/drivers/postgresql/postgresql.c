/* SPDX-License-Identifier: MIT
 *
 * The driver's table, and libpq's functions behind it.
 */
#include <dbpool/postgresql.h>

#include "drivers/postgresql/config.h"
#include "drivers/postgresql/open.h"
#include "drivers/postgresql/session.h"

const struct dbp_pg_calls dbp_pg_libpq = {
#define DBP_PG_CALL_REAL(name) .name = name,
    DBP_PG_CALLS(DBP_PG_CALL_REAL)
#undef DBP_PG_CALL_REAL
};

const struct dbp_pg_calls *dbp_pg = &dbp_pg_libpq;

const dbpool_driver dbpool_postgresql_driver = {
    .struct_size = sizeof(dbpool_driver),
    .name = "postgresql",
    .schemes = "postgresql,postgres",
    .flags = DBPOOL_DRIVER_RESETS_FULLY,
    .configure = dbp_pg_configure,
    .release = dbp_pg_release,
    .open = dbp_pg_open,
    .close = dbp_pg_close,
    .look = dbp_pg_look,
    .state = dbp_pg_state,
    .ping = dbp_pg_ping,
    .reset = dbp_pg_reset,
    .abandon = dbp_pg_abandon,
    .describe = dbp_pg_describe,
};

/* Linking the driver is enough: its schemes are known before main. Without memory they are not, and the library is then found by its name.
 * */
__attribute__((constructor)) static void make_known(void) { (void)dbpool_register_driver(&dbpool_postgresql_driver, NULL); }

PGconn *dbpool_postgresql(dbpool_conn conn) { return dbpool_native_of(conn, dbpool_postgresql_driver.name); }
