/* SPDX-License-Identifier: MIT
 *
 * A whole pool under threads that do everything that may be done to it, at random. Each connection notices two users at once and a use
 * after its close; at the end every lease has ended, every connection is closed, and the pool's own figures say so.
 */
#include <stdio.h>
#include <string.h>

#include "os/thread.h"
#include "stress.h"

#define THREADS 6
#define ROUNDS 10000
#define BOXES 4

static dbpool *pool;
static dbp_atomic_u64 checkouts, log_lines;

/* ---- Handles that go from one thread to another ---- */

/* A box holds nothing, or a handle for anybody to end. */
static struct box {
    dbp_atomic_u32 full; /* 0 empty, 1 being filled or emptied, 2 full */
    dbpool_conn conn;
    bool harsh;
} boxes[BOXES];

static bool post(dbpool_conn conn, bool harsh, stress_seed *seed) {
    struct box *box = &boxes[stress_below(seed, BOXES)];
    uint32_t empty = 0;
    if (!dbp_cas_acquire_u32(&box->full, &empty, 1))
        return false;
    box->conn = conn;
    box->harsh = harsh;
    dbp_store_release_u32(&box->full, 2);
    return true;
}

static bool fetch(struct box *box, dbpool_conn *conn_out, bool *harsh_out) {
    uint32_t full = 2;
    if (!dbp_cas_acquire_u32(&box->full, &full, 1))
        return false;
    *conn_out = box->conn;
    *harsh_out = box->harsh;
    dbp_store_release_u32(&box->full, 0);
    return true;
}

/* ---- Ending a lease ---- */

static void end_by_checkin(dbpool_conn conn, stress_seed *seed) {
    dbpool_conn copy = conn;
    MUST((stress_once_in(seed, 3) ? dbpool_checkin_no_reset(&conn) : dbpool_checkin(&conn)) == DBPOOL_OK);
    MUST(!conn.cell);
    MUST(dbpool_checkin(&copy) == DBPOOL_ESTALE);
    MUST(dbpool_invalidate(&copy, NULL) == DBPOOL_ESTALE);
    MUST(!dbpool_native(copy));
}

static void end_by_invalidation(dbpool_conn conn, stress_seed *seed) {
    dbpool_error reason = {.status = DBPOOL_EDISCONNECT, .message = "use connection: it is no good"};
    switch (stress_below(seed, 4)) {
    case 0: MUST(dbpool_invalidate_pool(pool, &conn, &reason) == DBPOOL_OK); break;
    case 1:
        MUST(dbpool_invalidate_soft(conn, &reason) == DBPOOL_OK);
        end_by_checkin(conn, seed);
        return;
    case 2:
        MUST(dbpool_record_invalidate(dbpool_record_of(conn), &reason) == DBPOOL_OK);
        MUST(!dbpool_is_valid(conn));
        end_by_checkin(conn, seed);
        return;
    default: MUST(dbpool_invalidate(&conn, stress_once_in(seed, 2) ? &reason : NULL) == DBPOOL_OK);
    }
    MUST(!conn.cell);
}

static void end_by_detach(dbpool_conn conn, stress_seed *seed) {
    dbpool_conn before = conn;
    MUST(dbpool_detach(&conn, NULL) == DBPOOL_OK);
    MUST(dbpool_checkin(&before) == DBPOOL_ESTALE);
    stress_use(dbpool_native(conn), seed);
    if (stress_once_in(seed, 2))
        MUST(dbpool_invalidate(&conn, NULL) == DBPOOL_OK);
    else
        end_by_checkin(conn, seed);
}

/* One of several handles to one lease, which others may be ending at this moment. Harsh: each may also invalidate it; then nobody reads
 * through his own. */
static void end_shared(dbpool_conn conn, bool harsh, stress_seed *seed) {
    dbpool_conn copy = conn;
    dbpool_status status = DBPOOL_OK;
    uint32_t kind = stress_below(seed, 6);
    if (harsh && kind == 0)
        status = dbpool_invalidate(&conn, NULL);
    else if (harsh && kind == 1)
        status = dbpool_invalidate_pool(pool, &conn, NULL);
    else {
        if (!harsh && kind == 0)
            status = dbpool_invalidate_soft(conn, NULL);
        MUST(status == DBPOOL_OK);
        status = dbpool_checkin(&conn);
    }
    MUST(status == DBPOOL_OK || (harsh && status == DBPOOL_ESTALE));
    MUST(dbpool_checkin(&copy) == DBPOOL_ESTALE);
}

/* Handles for other threads to return, and its own. */
static void end_by_sharing(dbpool_conn conn, stress_seed *seed) {
    bool harsh = stress_once_in(seed, 2);
    dbpool_conn nested[3];
    uint32_t count = stress_below(seed, 3) + 1;
    for (uint32_t i = 0; i < count; i++)
        MUST(dbpool_checkout_nested(i > 0 && stress_once_in(seed, 2) ? nested[i - 1] : conn, &nested[i], NULL) == DBPOOL_OK);
    for (uint32_t i = 0; i < count; i++)
        if (!post(nested[i], harsh, seed))
            end_shared(nested[i], harsh, seed);
    end_shared(conn, harsh, seed);
}

/* The same handle from two threads: one of them is told that it is stale. */
static void end_twice(dbpool_conn conn, stress_seed *seed) {
    (void)post(conn, true, seed);
    dbpool_status status = dbpool_checkin(&conn);
    MUST(status == DBPOOL_OK || status == DBPOOL_ESTALE);
}

static void empty_boxes(stress_seed *seed) {
    for (int i = 0; i < BOXES; i++) {
        dbpool_conn conn;
        bool harsh;
        if (fetch(&boxes[i], &conn, &harsh))
            end_shared(conn, harsh, seed);
    }
}

/* ---- What a thread does ---- */

static void decorate(dbpool_conn conn, stress_seed *seed) {
    if (stress_once_in(seed, 16))
        MUST(dbpool_set_tag(conn, "stressed") == DBPOOL_OK);
    if (stress_once_in(seed, 16))
        MUST(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &pool, NULL) == DBPOOL_OK);
}

static void borrow(stress_seed *seed) {
    dbpool_conn conn;
    dbpool_error err = {.status = DBPOOL_OK};
    dbpool_status status = dbpool_checkout_timeout(pool, (int64_t)stress_below(seed, 3), &conn, &err);
    if (status != DBPOOL_OK) {
        MUST(err.status == status && strstr(err.message, ": ") && !conn.cell);
        MUST(status == DBPOOL_ETIMEOUT || status == DBPOOL_ECONNECT || status == DBPOOL_EDISCONNECT || status == DBPOOL_ELISTENER);
        return;
    }
    (void)dbp_add_relaxed_u64(&checkouts, 1);
    stress_use(dbpool_native(conn), seed);
    decorate(conn, seed);
    switch (stress_below(seed, 24)) {
    case 0:
    case 1: end_by_invalidation(conn, seed); break;
    case 2: end_by_detach(conn, seed); break;
    case 3:
    case 4:
    case 5: end_by_sharing(conn, seed); break;
    case 6: end_twice(conn, seed); break;
    default: end_by_checkin(conn, seed);
    }
}

static void use_a_recreated_pool(void) {
    dbpool *other = NULL;
    dbpool_conn conn;
    MUST(dbpool_recreate(pool, &other, NULL) == DBPOOL_OK);
    if (dbpool_try_checkout(other, &conn, NULL) == DBPOOL_OK)
        MUST(dbpool_checkin(&conn) == DBPOOL_OK);
    dbpool_destroy(other);
}

static void look_inside(stress_seed *seed) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    dbpool_lease leases[4];
    char text[160];
    size_t count;
    MUST(dbpool_get_stats(pool, &stats) == DBPOOL_OK);
    MUST(stats.open >= 0 && stats.idle >= 0 && stats.leased >= 0 && stats.waiting >= 0);
    MUST(dbpool_leases(pool, leases, stress_below(seed, 5), &count) == DBPOOL_OK);
    MUST(dbpool_status_text(pool, text, sizeof text) > 0);
}

static dbpool_status ignore(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)arg;
    (void)err;
    return DBPOOL_OK;
}

static void resize(stress_seed *seed) {
    int32_t size = (int32_t)stress_below(seed, 4), overflow = (int32_t)stress_below(seed, 3);
    MUST(dbpool_resize(pool, size, size > 0 ? overflow : -1, NULL) == DBPOOL_OK);
}

static void govern(stress_seed *seed) {
    switch (stress_below(seed, 8)) {
    case 0: MUST(dbpool_dispose(pool) == DBPOOL_OK); break;
    case 1: use_a_recreated_pool(); break;
    case 2: MUST(dbpool_set_log_level(pool, (int32_t)stress_below(seed, 6) - 1) == DBPOOL_OK); break;
    case 3:
        MUST(dbpool_listen(pool, DBPOOL_ON_RESET, ignore, seed) == DBPOOL_OK);
        look_inside(seed);
        MUST(dbpool_unlisten(pool, DBPOOL_ON_RESET, ignore, seed) == DBPOOL_OK);
        break;
    case 4: MUST(dbpool_invalidate_pool(pool, NULL, NULL) == DBPOOL_OK); break;
    case 5: look_inside(seed); break;
    default: resize(seed);
    }
}

static void work(unsigned index, stress_seed *seed) {
    for (int i = 0; i < ROUNDS; i++) {
        borrow(seed);
        if (stress_once_in(seed, 4))
            empty_boxes(seed);
        if (index < 2 && stress_once_in(seed, 16))
            govern(seed);
    }
}

/* ---- Listeners and log ---- */

static bool now_and_then(uint32_t times) {
    static _Thread_local stress_seed seed;
    if (seed == 0)
        seed = dbp_thread_id();
    return stress_once_in(&seed, times);
}

static dbpool_status refuse_sometimes(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)arg;
    if (now_and_then(64))
        return dbpool_error_set(err, event->kind == DBPOOL_ON_CHECKOUT && now_and_then(2) ? DBPOOL_EDISCONNECT : DBPOOL_ELISTENER,
                                "listen: planned failure");
    return DBPOOL_OK;
}

/* Takes what is free while another connection is on its way back or out; never waits. */
static dbpool_status call_back(const dbpool_event *event, void *arg, dbpool_error *err) {
    static _Thread_local bool inside;
    dbpool_conn conn;
    (void)arg;
    (void)err;
    if (inside || !now_and_then(8))
        return DBPOOL_OK;
    inside = true;
    dbpool_status status = dbpool_checkout_timeout(event->pool, 1000, &conn, NULL);
    if (status == DBPOOL_OK) {
        if (event->pool == pool)
            (void)dbp_add_relaxed_u64(&checkouts, 1);
        MUST(dbpool_checkin(&conn) == DBPOOL_OK);
    } else {
        MUST(status != DBPOOL_ETIMEOUT && status != DBPOOL_EBUG);
    }
    inside = false;
    return DBPOOL_OK;
}

static void count_line(void *arg, dbpool_log_level level, const char *pool_name, const char *line) {
    (void)arg;
    (void)level;
    MUST(pool_name[0] && line[0]);
    (void)dbp_add_relaxed_u64(&log_lines, 1);
}

/* ---- The whole ---- */

static void settle_accounts(void) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    uint64_t waited = 0;
    MUST(dbpool_get_stats(pool, &stats) == DBPOOL_OK);
    MUST(stats.leased == 0 && stats.waiting == 0 && stats.detached == 0);
    MUST(dbpool_close(pool, -1, NULL) == DBPOOL_OK);
    MUST(dbpool_get_stats(pool, &stats) == DBPOOL_OK);
    MUST(stats.open == 0 && stats.idle == 0 && stats.opening == 0 && stats.leased == 0);
    MUST(stats.checkouts == dbp_load_relaxed_u64(&checkouts));
    MUST(stats.checkouts == stats.checkins);
    MUST(stats.opened == stats.closed);
    for (int i = 0; i < DBPOOL_WAIT_BUCKETS; i++)
        waited += stats.wait_histogram[i];
    MUST(stats.waits == waited);
    dbpool_destroy(pool);
    MUST(dbp_load_relaxed_u64(&stress_opened) == dbp_load_relaxed_u64(&stress_closed));
}

static void torment(dbpool_idle_order order, bool with_all) {
    const dbpool_listener listeners[] = {
        {DBPOOL_ON_CONNECT,  refuse_sometimes, NULL},
        {DBPOOL_ON_CHECKOUT, refuse_sometimes, NULL},
        {DBPOOL_ON_CHECKOUT, call_back,        NULL},
        {DBPOOL_ON_CHECKIN,  call_back,        NULL},
        {DBPOOL_ON_CLOSE,    call_back,        NULL},
    };
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = 2;
    config.max_overflow = 1;
    config.idle_order = (int32_t)order;
    config.fair_ns = with_all ? 500000 : 0;
    config.pre_ping = with_all;
    config.log = count_line;
    if (with_all) {
        config.listeners = listeners;
        config.listener_count = sizeof listeners / sizeof *listeners;
        config.recycle_ms = 5;
    }
    stress_fault = (stress_faults){.open = 16, .ping = 64, .reset = 32, .look = 64, .close = 16};
    dbp_store_relaxed_u64(&checkouts, 0);
    MUST(dbpool_open_driver(&stress_driver, NULL, &config, &pool, NULL) == DBPOOL_OK);
    stress_run(THREADS, work);
    stress_seed seed = 1;
    empty_boxes(&seed);
    settle_accounts();
    printf("%s, %s: %lu checkouts, %lu lines logged\n", (const char *[]){"warm", "lifo", "fifo"}[order], with_all ? "all" : "bare",
           (unsigned long)dbp_load_relaxed_u64(&checkouts), (unsigned long)dbp_load_relaxed_u64(&log_lines));
}

int main(void) {
    for (int order = DBPOOL_IDLE_WARM; order <= DBPOOL_IDLE_FIFO; order++) {
        torment((dbpool_idle_order)order, false);
        torment((dbpool_idle_order)order, true);
    }
    return 0;
}
