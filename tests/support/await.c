/* SPDX-License-Identifier: MIT */
#include "await.h"

#include "os/thread.h"

void await_true(bool (*holds)(void *arg), void *arg) {
    while (!holds(arg))
        dbp_thread_yield();
}

static dbpool_stats stats_of(dbpool *pool) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    dbpool_get_stats(pool, &stats);
    return stats;
}

void await_waiting(dbpool *pool, int32_t count) {
    while (stats_of(pool).waiting != count)
        dbp_thread_yield();
}

void await_idle(dbpool *pool, int32_t count) {
    while (stats_of(pool).idle != count)
        dbp_thread_yield();
}

void await_leased(dbpool *pool, int32_t count) {
    while (stats_of(pool).leased != count)
        dbp_thread_yield();
}

void await_opening(dbpool *pool, int32_t count) {
    while (stats_of(pool).opening != count)
        dbp_thread_yield();
}

void await_checkouts(dbpool *pool, uint64_t count) {
    while (stats_of(pool).checkouts < count)
        dbp_thread_yield();
}
