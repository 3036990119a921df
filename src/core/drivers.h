/* SPDX-License-Identifier: MIT
 *
 * Finding drivers, and what all pools of one source share.
 */
#ifndef DBP_CORE_DRIVERS_H
#define DBP_CORE_DRIVERS_H

#include <dbpool/driver.h>

#include "core/url.h"
#include "os/atomic.h"

/* Where connections come from: a driver, and what its configure made of the connect arguments. Shared by a pool and those recreated from
 * it. */
typedef struct dbp_source {
    dbp_atomic_u32 references;
    dbpool_driver driver; /* a whole table, whatever size the driver's own has */
    void *driver_arg;
    bool configured; /* driver_arg came from configure and goes through release */
} dbp_source;

/* The driver for a scheme: registered, or loaded from a shared library of a fixed name. EUNSUPPORTED when there is none. */
dbpool_status dbp_drivers_find(const char *scheme, const dbpool_driver **driver_out, dbpool_error *err);

/* A source with one reference. open_target configures the driver with the arguments, which need not outlive the call. */
dbpool_status dbp_source_open_target(const dbp_target *target, dbp_source **out, dbpool_error *err);
dbpool_status dbp_source_open_driver(const dbpool_driver *driver, void *driver_arg, bool has_creator, dbp_source **out, dbpool_error *err);
void dbp_source_ref(dbp_source *source);
void dbp_source_unref(dbp_source *source);

#endif
