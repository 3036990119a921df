/* SPDX-License-Identifier: MIT
 *
 * The whole pool through its public functions, on a driver that does nothing: what dbpool itself costs. Everything that a default pool does
 * is on: the driver's state is asked at each return, leases are exact, ages and holders are noted.
 */
#include "cycle.h"

#include <dbpool/driver.h>
#include <malloc.h>
#include <stdlib.h>

const char *const cycle_pool_name = "dbpool";

static dbpool *pool;
static double bytes_per_connection;
static char connection; /* stands for every connection: nobody looks inside */

static dbpool_status open_nothing(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)deadline_ns;
    (void)err;
    *native_out = driver_arg;
    return DBPOOL_OK;
}

static dbpool_status close_nothing(void *driver_arg, void *native, dbpool_error *err) {
    (void)driver_arg;
    (void)native;
    (void)err;
    return DBPOOL_OK;
}

static dbpool_native_state always_clean(void *driver_arg, void *native) {
    (void)driver_arg;
    (void)native;
    return DBPOOL_NATIVE_CLEAN;
}

static dbpool_status reset_nothing(void *driver_arg, void *native, int32_t reset, int64_t deadline_ns, dbpool_error *err) {
    (void)driver_arg;
    (void)native;
    (void)reset;
    (void)deadline_ns;
    (void)err;
    return DBPOOL_OK;
}

static const dbpool_driver driver = {
    .struct_size = sizeof driver,
    .name = "nothing",
    .flags = DBPOOL_DRIVER_OPENS_FAST,
    .open = open_nothing,
    .close = close_nothing,
    .state = always_clean,
    .reset = reset_nothing,
};

bool cycle_open(int size, const char *order) {
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = size;
    config.max_overflow = 0;
    config.timeout_ms = -1;
    config.idle_order = order[0] == 'l' ? DBPOOL_IDLE_LIFO : order[0] == 'f' ? DBPOOL_IDLE_FIFO : DBPOOL_IDLE_WARM;
    dbpool_conn *conns = calloc((size_t)size, sizeof *conns);
    if (dbpool_open_driver(&driver, &connection, &config, &pool, NULL) != DBPOOL_OK)
        return false;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < size; i++)
        if (dbpool_checkout(pool, &conns[i], NULL) != DBPOOL_OK)
            return false;
    struct mallinfo2 after = mallinfo2();
    bytes_per_connection = (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / size;
    for (int i = 0; i < size; i++)
        (void)dbpool_checkin(&conns[i]);
    free(conns);
    return true;
}

void cycle_close(void) { dbpool_destroy(pool); }

double cycle_bytes_per_connection(void) { return bytes_per_connection; }

#define HANDLE dbpool_conn
#define TAKE(handle) (void)!dbpool_checkout(pool, &handle, NULL)
#define GIVE(handle) (void)dbpool_checkin(&handle)
#include "cycle_loop.h"
