/* SPDX-License-Identifier: MIT
 *
 * Whatever fails around the pool, it fails in order: each allocation of the library, each start of a thread and each call of the driver is
 * made to fail, the k-th for every k, once and from then on, over a session that walks the whole interface. Each failure is told in a
 * sentence, nothing is lost or closed twice, and when the faults have stopped the next checkout works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/opener.h"
#include "fake_driver.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

/* ---- The fault ---- */

/* Allocations and starts of threads are asked for on several threads at once. */
static struct fault {
    dbp_atomic_u32 armed, count, fired;
    uint32_t k;
    bool lasts; /* from the k-th on */
} fault;

static void set_fault(uint32_t k, bool lasts) {
    fault.k = k;
    fault.lasts = lasts;
    dbp_store_relaxed_u32(&fault.count, 0);
    dbp_store_relaxed_u32(&fault.fired, 0);
}

static void arm(bool armed) { dbp_store_release_u32(&fault.armed, armed); }

static bool fires(void) {
    if (!dbp_load_acquire_u32(&fault.armed))
        return false;
    uint32_t number = dbp_add_relaxed_u32(&fault.count, 1) + 1;
    bool now = fault.lasts ? number >= fault.k : number == fault.k;
    if (now)
        (void)dbp_add_relaxed_u32(&fault.fired, 1);
    return now;
}

static bool may_allocate(size_t size) {
    (void)size;
    return !fires();
}

static bool may_start(void) { return !fires(); }

/* ---- What is told ---- */

static dbp_atomic_u32 failures; /* openings run on other threads */

/* A failure is one of those that the callers expect here, and says what failed and why. */
static bool went_well(dbpool_status status, const dbpool_error *err) {
    if (status == DBPOOL_OK)
        return true;
    (void)dbp_add_relaxed_u32(&failures, 1);
    assert_int_equal(err->status, status);
    assert_non_null(strstr(err->message, ": "));
    assert_true(status == DBPOOL_ENOMEM || status == DBPOOL_ECONNECT || status == DBPOOL_EDISCONNECT || status == DBPOOL_EDRIVER);
    return false;
}

/* The same of a function that answers with a status alone. */
static bool was_kept(dbpool_status status) {
    (void)dbp_add_relaxed_u32(&failures, status != DBPOOL_OK);
    assert_true(status == DBPOOL_OK || status == DBPOOL_ENOMEM || status == DBPOOL_ESTALE);
    return status == DBPOOL_OK;
}

/* ---- The session ---- */

static dbp_atomic_u32 values; /* kept under a key and not yet dropped */

static void drop_value(void *value) {
    assert_ptr_equal(value, &values);
    (void)dbp_sub_acq_rel_u32(&values, 1);
}

static void finalize(void *native, void *arg) {
    assert_non_null(native);
    assert_ptr_equal(arg, &values);
}

static dbpool_status listen(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)err;
    assert_ptr_equal(arg, &values);
    if (event->kind == DBPOOL_ON_CONNECT &&
        was_kept(dbpool_record_set_info(event->record, DBPOOL_SCOPE_RECORD, "connect", &values, drop_value)))
        (void)dbp_add_relaxed_u32(&values, 1);
    if (event->kind == DBPOOL_ON_CHECKOUT)
        (void)was_kept(dbpool_record_on_checkin(event->record, finalize, &values));
    return DBPOOL_OK;
}

static void ignore_line(void *arg, dbpool_log_level level, const char *pool_name, const char *line) {
    (void)arg;
    (void)level;
    assert_true(pool_name[0] && line[0]);
    assert_null(strstr(line, "xyzzy"));
}

static void ignore_row(void *arg, const char *key, const char *value) {
    (void)arg;
    assert_true(key[0] && value[0]);
}

static void decorate(dbpool_conn conn) {
    if (was_kept(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &values, drop_value)))
        (void)dbp_add_relaxed_u32(&values, 1);
    if (was_kept(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &values, drop_value)))
        (void)dbp_add_relaxed_u32(&values, 1);
    if (was_kept(dbpool_on_checkin(conn, finalize, &values)))
        assert_true(dbpool_is_valid(conn));
    (void)was_kept(dbpool_set_tag(conn, "tortured"));
}

static void describe(dbpool_conn conn) {
    dbpool_error err = {0};
    (void)went_well(dbpool_describe(conn, 1000, ignore_row, NULL, &err), &err);
}

static bool checkout(dbpool *pool, dbpool_conn *conn_out) {
    dbpool_error err = {0};
    bool given = went_well(dbpool_checkout_timeout(pool, -1, conn_out, &err), &err);
    assert_int_equal(given, dbpool_is_valid(*conn_out));
    return given;
}

static void end(dbpool_conn *conn, dbpool_status (*how)(dbpool_conn *conn)) {
    if (!conn->cell)
        return;
    assert_int_equal(how(conn), DBPOOL_OK);
    assert_null(conn->cell);
}

static dbpool_status invalidate(dbpool_conn *conn) {
    dbpool_error reason = {.status = DBPOOL_EDISCONNECT, .message = "test: it is no good"};
    return dbpool_invalidate(conn, &reason);
}

static dbpool_status soften(dbpool_conn *conn) {
    assert_int_equal(dbpool_invalidate_soft(*conn, NULL), DBPOOL_OK);
    return dbpool_checkin(conn);
}

/* The second of two is opened on another thread while its caller waits. */
static void borrow_two(dbpool *pool) {
    dbpool_conn first = DBPOOL_CONN_NONE, second = DBPOOL_CONN_NONE, nested = DBPOOL_CONN_NONE;
    dbpool_error err = {0};
    if (checkout(pool, &first)) {
        decorate(first);
        describe(first);
        (void)went_well(dbpool_checkout_nested(first, &nested, &err), &err);
        fake_native_set_state(dbpool_native(first), DBPOOL_NATIVE_DIRTY);
    }
    if (checkout(pool, &second))
        decorate(second);
    end(&nested, dbpool_checkin);
    end(&first, dbpool_checkin);
    end(&second, dbpool_checkin_no_reset);
}

static void invalidate_two(dbpool *pool) {
    dbpool_conn first = DBPOOL_CONN_NONE, second = DBPOOL_CONN_NONE;
    (void)checkout(pool, &first);
    (void)checkout(pool, &second);
    end(&first, soften);
    end(&second, invalidate);
    if (checkout(pool, &first))
        assert_int_equal(dbpool_invalidate_pool(pool, &first, NULL), DBPOOL_OK);
}

static void detach_one(dbpool *pool) {
    dbpool_conn conn = DBPOOL_CONN_NONE;
    dbpool_error err = {0};
    if (!checkout(pool, &conn))
        return;
    decorate(conn);
    if (went_well(dbpool_detach(&conn, &err), &err) &&
        was_kept(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "detached", &values, drop_value)))
        (void)dbp_add_relaxed_u32(&values, 1);
    end(&conn, dbpool_checkin);
}

static void change_settings(dbpool *pool) {
    dbpool_error err = {0};
    if (was_kept(dbpool_listen(pool, DBPOOL_ON_CLOSE, listen, &values)))
        assert_int_equal(dbpool_unlisten(pool, DBPOOL_ON_CLOSE, listen, &values), DBPOOL_OK);
    (void)went_well(dbpool_resize(pool, 3, 1, &err), &err);
    (void)went_well(dbpool_resize(pool, 2, 0, &err), &err);
    assert_int_equal(dbpool_set_log_level(pool, DBPOOL_LOG_DEBUG), DBPOOL_OK);
    assert_int_equal(dbpool_dispose(pool), DBPOOL_OK);
}

static void look_inside(dbpool *pool) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    dbpool_lease leases[2];
    size_t count;
    char text[160];
    assert_int_equal(dbpool_get_stats(pool, &stats), DBPOOL_OK);
    assert_int_equal(dbpool_leases(pool, leases, 2, &count), DBPOOL_OK);
    assert_int_equal(count, 0);
    assert_true(dbpool_status_text(pool, text, sizeof text) > 0);
    assert_int_equal(stats.checkouts, stats.checkins);
}

static void use_pool(dbpool *pool) {
    borrow_two(pool);
    invalidate_two(pool);
    detach_one(pool);
    look_inside(pool);
    change_settings(pool);
    borrow_two(pool);
}

/* ---- After the session ---- */

static void still_works(dbpool *pool) {
    dbpool_conn first, second;
    dbpool_stats stats = DBPOOL_STATS_INIT;
    assert_int_equal(dbpool_checkout_timeout(pool, -1, &first, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_timeout(pool, -1, &second, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&first), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&second), DBPOOL_OK);
    assert_int_equal(dbpool_close(pool, -1, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_get_stats(pool, &stats), DBPOOL_OK);
    assert_int_equal(stats.open, 0);
    assert_int_equal(stats.detached, 0);
    assert_int_equal(stats.opened, stats.closed);
    assert_int_equal(stats.checkouts, stats.checkins);
}

static dbpool_status open_for(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    assert_non_null(record);
    return fake_driver_table(arg)->open(arg, deadline_ns, native_out, err);
}

static dbpool_status open_pool(fake_driver *fake, int way, dbpool **pool_out, dbpool_error *err) {
    const dbpool_listener listeners[] = {
        {DBPOOL_ON_CONNECT,  listen, &values},
        {DBPOOL_ON_CHECKOUT, listen, &values}
    };
    const dbpool_creator creator = {.open_for = open_for, .arg = fake};
    const char *keywords[] = {"user", "pool_name", NULL}, *texts[] = {"me", "tortured", NULL};
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = 2;
    config.max_overflow = 0;
    config.pre_ping = true;
    config.echo = DBPOOL_ECHO_DEBUG;
    config.listeners = listeners;
    config.listener_count = 2;
    config.log = ignore_line;
    switch (way) {
    case 0: return dbpool_open("fake://me:xyzzy@host/base?pool_name=tortured&key=va%20lue", &config, pool_out, err);
    case 1: return dbpool_open_params("fake", keywords, texts, &config, pool_out, err);
    default: break;
    }
    dbpool_status status = dbpool_open_driver(fake_driver_table(fake), fake, &config, pool_out, err);
    return status == DBPOOL_OK && way == 2 ? dbpool_set_creator(*pool_out, &creator, err) : status;
}

/* A call of the driver that gets this answer: the k-th of its kind, or all from then on. */
struct planned {
    fake_call call;
    fake_answer answer;
    uint32_t k;
    bool lasts;
};

/* The pool that was used, or NULL when it could not be made. */
static dbpool *run_armed(fake_driver *fake, int way) {
    dbpool *pool = NULL, *again = NULL;
    dbpool_error err = {0};
    arm(true);
    if (went_well(open_pool(fake, way, &pool, &err), &err)) {
        use_pool(pool);
        if (went_well(dbpool_recreate(pool, &again, &err), &err))
            borrow_two(again);
        dbpool_destroy(again);
    }
    arm(false);
    assert_true(pool || dbp_load_relaxed_u32(&failures) > 0);
    return pool;
}

/* `planned` may be NULL. Returns how many calls of that kind there were. */
static uint32_t run_session(int way, const struct planned *planned) {
    fake_driver *fake = fake_driver_create();
    dbp_store_relaxed_u32(&failures, 0);
    if (planned)
        fake_driver_plan(fake, planned->call, planned->k, planned->lasts ? 0 : 1, planned->answer);
    dbpool *pool = run_armed(fake, way);
    uint32_t calls = planned ? fake_driver_calls(fake, planned->call) : 0;
    fake_driver_forget_plans(fake);
    if (pool)
        still_works(pool);
    dbpool_destroy(pool);
    fake_driver_destroy(fake);
    /* The thread of an opening that came too late may be the last to leave the pool. */
    while (dbp_load_acquire_u32(&values) != 0)
        dbp_thread_yield();
    return calls;
}

/* ---- Allocations and threads ---- */

static dbp_atomic_u32 started, parked, gate;

static bool count_start(void) {
    (void)dbp_add_relaxed_u32(&started, 1);
    return true;
}

static void park(void *arg) {
    (void)arg;
    (void)dbp_add_relaxed_u32(&parked, 1);
    while (!dbp_load_acquire_u32(&gate))
        (void)dbp_wait(&gate, 0, DBP_NEVER);
    (void)dbp_sub_acq_rel_u32(&parked, 1);
    dbp_wake_all(&parked);
}

/* Keeps every idle opener busy, so that the next opening needs a new thread. */
static void park_openers(void) {
    dbp_store_relaxed_u32(&started, 0);
    dbp_store_release_u32(&gate, 0);
    dbp_thread_hook = count_start;
    while (!dbp_load_relaxed_u32(&started))
        assert_true(dbp_opener_run(park, NULL));
    dbp_thread_hook = may_start;
}

static void release_openers(void) {
    dbp_store_release_u32(&gate, 1);
    dbp_wake_all(&gate);
    for (uint32_t left; (left = dbp_load_acquire_u32(&parked)) > 0;)
        (void)dbp_wait(&parked, left, DBP_NEVER);
}

/* Every k until a session is over before the k-th. */
static void torture(int way, bool lasts, bool threads) {
    uint32_t k = 0, effects = 0;
    do {
        set_fault(++k, lasts);
        if (threads)
            park_openers();
        run_session(way, NULL);
        if (threads)
            release_openers();
        effects += dbp_load_relaxed_u32(&failures) > 0;
    } while (dbp_load_relaxed_u32(&fault.fired) > 0);
    assert_true(k > 1);
    /* A thread that cannot be had is made good for by the caller's own. */
    assert_int_equal(effects > 0, !threads);
    print_message("%u places failed\n", k - 1);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    dbp_memory_hook = may_allocate;
    for (int way = 0; way < 4; way++) {
        torture(way, false, false);
        torture(way, true, false);
    }
    dbp_memory_hook = NULL;
}

static void every_start_of_a_thread_may_fail(void **state) {
    (void)state;
    torture(3, false, true);
    torture(3, true, true);
    dbp_thread_hook = NULL;
}

/* ---- Calls of the driver ---- */

static void torture_call(fake_call call, fake_answer answer) {
    for (int lasts = 0; lasts < 2; lasts++) {
        struct planned planned = {.call = call, .answer = answer, .lasts = lasts};
        do
            planned.k++;
        while (run_session(3, &planned) >= planned.k);
        assert_true(planned.k > 1);
    }
}

static void every_opening_may_fail(void **state) {
    (void)state;
    torture_call(FAKE_OPEN, (fake_answer){.status = DBPOOL_ECONNECT});
}

static void every_close_may_fail(void **state) {
    (void)state;
    torture_call(FAKE_CLOSE, (fake_answer){.status = DBPOOL_EDRIVER});
}

static void every_look_may_find_it_dead(void **state) {
    (void)state;
    torture_call(FAKE_LOOK, (fake_answer){.refuse = true});
}

static void every_state_may_be_dirty_or_unclean(void **state) {
    (void)state;
    torture_call(FAKE_STATE, (fake_answer){.answer_state = true, .state = DBPOOL_NATIVE_DIRTY});
    torture_call(FAKE_STATE, (fake_answer){.answer_state = true, .state = DBPOOL_NATIVE_UNCLEAN});
}

static void every_ping_may_fail(void **state) {
    (void)state;
    torture_call(FAKE_PING, (fake_answer){.status = DBPOOL_EDISCONNECT});
    torture_call(FAKE_PING, (fake_answer){.status = DBPOOL_EDISCONNECT, .flags = DBPOOL_ERROR_POOL_STALE});
    torture_call(FAKE_PING, (fake_answer){.status = DBPOOL_EDRIVER});
}

static void every_reset_may_fail(void **state) {
    (void)state;
    torture_call(FAKE_RESET, (fake_answer){.status = DBPOOL_EDRIVER});
}

static void every_description_may_fail(void **state) {
    (void)state;
    torture_call(FAKE_DESCRIBE, (fake_answer){.status = DBPOOL_EDRIVER});
}

static int register_driver(void **state) {
    static dbpool_driver table;
    (void)state;
    fake_driver *fake = fake_driver_create();
    table = *fake_driver_table(fake);
    fake_driver_destroy(fake);
    return dbpool_register_driver(&table, NULL) == DBPOOL_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),   cmocka_unit_test(every_start_of_a_thread_may_fail),
        cmocka_unit_test(every_opening_may_fail),      cmocka_unit_test(every_close_may_fail),
        cmocka_unit_test(every_look_may_find_it_dead), cmocka_unit_test(every_state_may_be_dirty_or_unclean),
        cmocka_unit_test(every_ping_may_fail),         cmocka_unit_test(every_reset_may_fail),
        cmocka_unit_test(every_description_may_fail),
    };
    return cmocka_run_group_tests(tests, register_driver, NULL);
}
