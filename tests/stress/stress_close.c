/* SPDX-License-Identifier: MIT
 *
 * The end of a pool, again and again, while threads wait in its line, hold its connections and return them. Everybody gets a lease or is
 * told that the pool is closed; nobody hangs; each connection and each pool is freed once.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/pool.h"
#include "os/thread.h"
#include "stress.h"

#define WORKERS 3
#define ROUNDS 10000

enum scene {
    CLOSE_AMONG_ALL,    /* closed while everybody borrows, then destroyed */
    DESTROY_WITH_LINE,  /* destroyed while some hold and the others wait; those who hold return later */
    DESTROY_AND_RETURN, /* destroyed while all return */
    CLOSE_TWICE,        /* two close at once, one in vain: it does not wait */
    SCENES
};

static dbpool *pool;
static enum scene scene;
static pthread_barrier_t begun, ended;
static dbp_atomic_u32 holding, closing;
static uint64_t leases[WORKERS + 1], refusals[WORKERS + 1];

static dbpool_status borrow(unsigned index, int64_t timeout_ms, dbpool_conn *conn_out) {
    dbpool_error err;
    dbpool_status status = dbpool_checkout_timeout(pool, timeout_ms, conn_out, &err);
    if (status == DBPOOL_OK) {
        leases[index]++;
        return status;
    }
    refusals[index]++;
    MUST(status == DBPOOL_ECLOSED || status == DBPOOL_ETIMEOUT);
    MUST(status != DBPOOL_ECLOSED || dbp_load_acquire_u32(&closing));
    MUST(err.status == status && strstr(err.message, ": "));
    return status;
}

static void give_back(dbpool_conn *conn, stress_seed *seed) {
    if (stress_once_in(seed, 4))
        MUST(dbpool_invalidate(conn, NULL) == DBPOOL_OK);
    else
        MUST(dbpool_checkin(conn) == DBPOOL_OK);
}

static void borrow_until_closed(unsigned index, stress_seed *seed) {
    dbpool_conn conn;
    for (;;) {
        dbpool_status status = borrow(index, (int64_t)stress_below(seed, 4) - 1, &conn);
        if (status == DBPOOL_ECLOSED)
            return;
        if (status == DBPOOL_OK) {
            stress_use(dbpool_native(conn), seed);
            give_back(&conn, seed);
        }
    }
}

/* One lease at most; detached or nested now and then. It outlives the pool. */
static void borrow_once(unsigned index, stress_seed *seed) {
    dbpool_conn conn, nested;
    if (borrow(index, -1, &conn) != DBPOOL_OK)
        return;
    bool shared = stress_once_in(seed, 4);
    if (shared)
        MUST(dbpool_checkout_nested(conn, &nested, NULL) == DBPOOL_OK);
    else if (stress_once_in(seed, 4))
        MUST(dbpool_detach(&conn, NULL) == DBPOOL_OK);
    (void)dbp_add_relaxed_u32(&holding, 1);
    while (!dbp_load_acquire_u32(&closing))
        dbp_thread_yield();
    stress_use(dbpool_native(conn), seed);
    dbpool_conn old = conn;
    if (shared)
        MUST(dbpool_checkin(&nested) == DBPOOL_OK);
    give_back(&conn, seed);
    MUST(dbpool_checkin(&old) == DBPOOL_ESTALE);
}

static void take_part(unsigned index, stress_seed *seed) {
    if (scene == CLOSE_AMONG_ALL)
        borrow_until_closed(index, seed);
    else if (scene != CLOSE_TWICE)
        borrow_once(index, seed);
    else if (index > 0)
        borrow_until_closed(index, seed);
    else {
        dbp_store_release_u32(&closing, 1);
        dbpool_status status = dbpool_close(pool, 0, NULL);
        MUST(status == DBPOOL_OK || status == DBPOOL_ETIMEOUT);
    }
}

/* ---- The one who ends it ---- */

static uint32_t waiting_now(void) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    MUST(dbpool_get_stats(pool, &stats) == DBPOOL_OK);
    return (uint32_t)stats.waiting;
}

/* Everybody holds or waits: nobody is about to come in when the pool goes. */
static void await_all_inside(void) {
    while (dbp_load_acquire_u32(&holding) + waiting_now() < WORKERS)
        dbp_thread_yield();
}

static void open_pool(stress_seed *seed) {
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = (int32_t)stress_below(seed, 2) + 1;
    config.max_overflow = scene == DESTROY_AND_RETURN ? WORKERS : 0;
    config.idle_order = (int32_t)stress_below(seed, 3);
    MUST(dbpool_open_driver(&stress_driver, NULL, &config, &pool, NULL) == DBPOOL_OK);
}

static void end_pool(stress_seed *seed) {
    for (uint32_t i = stress_below(seed, 40); i > 0; i--)
        stress_pause(seed);
    if (scene == CLOSE_AMONG_ALL || scene == CLOSE_TWICE) {
        dbp_store_release_u32(&closing, 1);
        MUST(dbpool_close(pool, -1, NULL) == DBPOOL_OK);
        return;
    }
    await_all_inside();
    dbp_store_release_u32(&closing, 1);
    dbpool_destroy(pool);
}

static void run(unsigned index, stress_seed *seed) {
    for (int round = 0; round < ROUNDS; round++) {
        if (index == WORKERS) {
            scene = (enum scene)(round % SCENES);
            dbp_store_relaxed_u32(&holding, 0);
            dbp_store_relaxed_u32(&closing, 0);
            open_pool(seed);
        }
        pthread_barrier_wait(&begun);
        if (index == WORKERS)
            end_pool(seed);
        else
            take_part(index, seed);
        pthread_barrier_wait(&ended);
        if (index == WORKERS && (scene == CLOSE_AMONG_ALL || scene == CLOSE_TWICE))
            dbpool_destroy(pool);
    }
}

static void none_may_be_left(dbpool *left) {
    (void)left;
    stress_fail(__FILE__, __LINE__, "every pool is gone");
}

int main(void) {
    uint64_t all = 0, refused = 0;
    pthread_barrier_init(&begun, NULL, WORKERS + 1);
    pthread_barrier_init(&ended, NULL, WORKERS + 1);
    stress_run(WORKERS + 1, run);
    dbp_pools_each(none_may_be_left);
    MUST(dbp_load_relaxed_u64(&stress_opened) == dbp_load_relaxed_u64(&stress_closed));
    for (unsigned i = 0; i <= WORKERS; i++) {
        all += leases[i];
        refused += refusals[i];
    }
    printf("%d pools ended, %lu leases given, %lu callers refused\n", ROUNDS, (unsigned long)all, (unsigned long)refused);
    return 0;
}
