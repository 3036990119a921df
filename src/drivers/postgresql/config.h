/* SPDX-License-Identifier: MIT
 *
 * The connect arguments that all connections of one pool share. Immutable once made; kept until the pool and the last helper thread have
 * let go.
 */
#ifndef DBP_POSTGRESQL_CONFIG_H
#define DBP_POSTGRESQL_CONFIG_H

#include <dbpool/driver.h>

#include "drivers/postgresql/calls.h"
#include "os/atomic.h"

struct dbp_pg_config {
    dbp_atomic_u32 refs;  /* the pool's, and one for each helper thread */
    dbp_atomic_u32 aside; /* helper threads that run now */
    size_t count;
    struct {
        char *key;
        char *value; /* perhaps a secret */
    } param[];
};

dbpool_status dbp_pg_configure(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err);
void dbp_pg_release(void *driver_arg);

void dbp_pg_config_ref(struct dbp_pg_config *config);
void dbp_pg_config_unref(struct dbp_pg_config *config);

/* The value given for a key of libpq's, or NULL. `config` may be NULL. */
const char *dbp_pg_config_value(const struct dbp_pg_config *config, const char *key);

/* PQconnectStartParams with the arguments of the pool, where those in `instead` take the place of what the pool has under the same key;
 * NULL as a value there means that the argument is not given. NULL when there is no memory. Does not block, if every host is an address or
 * a socket. */
PGconn *dbp_pg_config_start(const struct dbp_pg_config *config, const dbpool_param *instead, size_t instead_count);

/* PQconninfoFree for options that may hold secrets: overwrites them first. NULL does nothing. */
void dbp_pg_config_wipe(PQconninfoOption *options);

#endif
