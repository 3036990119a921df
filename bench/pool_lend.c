/* SPDX-License-Identifier: MIT
 *
 * The lending core alone: slots without records, drivers or leases.
 */
#include "cycle.h"

#include <stdlib.h>
#include <string.h>

#include "core/lend.h"

const char *const cycle_pool_name = "lend";

static struct item {
    _Alignas(64) dbp_slot slot;
    bool live;
} * taken[DBP_LEND_MAX];
static dbp_store store = {.stride = sizeof(struct item)};
static dbp_lend *lend;

static void on_bug(void *arg, const char *where) {
    (void)arg;
    (void)where;
    abort();
}

static dbp_slot *take(void) {
    dbp_slot *slot = dbp_lend_take(lend);
    if (__builtin_expect(slot != NULL, 1))
        return slot;
    dbp_waiter waiter = {.timeout_ms = -1};
    return dbp_lend_wait(lend, &waiter) == DBP_LEND_SLOT ? waiter.slot : NULL;
}

bool cycle_open(int size, const char *order) {
    dbp_lend_config config = {.store = &store, .keep = (uint32_t)size, .limit = (uint32_t)size, .fair_ns = 500000, .bug = on_bug};
    config.order = strcmp(order, "lifo") == 0 ? DBP_LEND_LIFO : strcmp(order, "fifo") == 0 ? DBP_LEND_FIFO : DBP_LEND_WARM;
    lend = aligned_alloc(64, sizeof *lend);
    memset(lend, 0, sizeof *lend);
    dbp_lend_init(lend, &config);
    for (int i = 0; i < size; i++)
        taken[i] = (struct item *)(void *)take();
    for (int i = 0; i < size; i++)
        (void)dbp_lend_put(lend, &taken[i]->slot);
    return true;
}

void cycle_close(void) {}

double cycle_bytes_per_connection(void) { return sizeof(struct item); }

#define HANDLE dbp_slot *
#define TAKE(handle) handle = take()
#define GIVE(handle) (void)dbp_lend_put(lend, handle)
#include "cycle_loop.h"
