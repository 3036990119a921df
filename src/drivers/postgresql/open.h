/* SPDX-License-Identifier: MIT
 *
 * Opening one connection by a deadline.
 */
#ifndef DBP_POSTGRESQL_OPEN_H
#define DBP_POSTGRESQL_OPEN_H

#include "drivers/postgresql/config.h"

dbpool_status dbp_pg_open(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err);

#endif
