/* SPDX-License-Identifier: MIT
 *
 * What outlives a pool: the store of segments, lease cells, and the threads that open connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/dbpool.h>

#include "core/cell.h"
#include "core/opener.h"
#include "core/store.h"
#include "fake_driver.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

static bool refuse_memory(size_t size) {
    (void)size;
    return false;
}

static bool refuse_thread(void) { return false; }

/* ---- The store ---- */

static void a_segment_is_zeroed_when_new_and_kept_when_used_again(void **state) {
    (void)state;
    static dbp_store store = {.stride = 64};
    char *items = dbp_store_take(&store, 2), *other = dbp_store_take(&store, 2);
    assert_int_equal((uintptr_t)items % 64, 0);
    for (size_t i = 0; i < DBP_SEGMENT_ITEMS(2) * store.stride; i++)
        assert_int_equal(items[i], 0);
    items[64] = 7;
    dbp_store_give(&store, 2, items);
    dbp_memory_hook = refuse_memory;
    assert_null(dbp_store_take(&store, 1));
    assert_ptr_equal(dbp_store_take(&store, 2), items);
    assert_null(dbp_store_take(&store, 2));
    dbp_memory_hook = NULL;
    assert_int_equal(items[64], 7);
    dbp_store_give(&store, 2, items);
    dbp_store_give(&store, 2, other);
}

/* ---- Handles ---- */

struct fixture {
    fake_driver *fake;
    dbpool *pool;
};

static struct fixture open_pool(int32_t size) {
    struct fixture self = {.fake = fake_driver_create()};
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = size;
    assert_int_equal(dbpool_open_driver(fake_driver_table(self.fake), self.fake, &config, &self.pool, NULL), DBPOOL_OK);
    return self;
}

static void close_pool(struct fixture *self) {
    dbpool_destroy(self->pool);
    fake_driver_destroy(self->fake);
}

static void expect_stale(dbpool_conn conn) {
    dbpool_conn copy = conn, out;
    dbpool_error err;
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin_no_reset(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate_soft(copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_detach(&copy, &err), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkout_nested(copy, &out, &err), DBPOOL_ESTALE);
    assert_int_equal(dbpool_set_tag(copy, "tag"), DBPOOL_ESTALE);
    assert_int_equal(dbpool_set_info(copy, DBPOOL_SCOPE_CONNECTION, "key", &err, NULL), DBPOOL_ESTALE);
    assert_null(dbpool_native(copy));
    assert_null(dbpool_record_of(copy));
    assert_false(dbpool_is_valid(copy));
    assert_ptr_equal(copy.cell, conn.cell);
}

static void a_handle_of_a_pool_that_is_gone_is_stale_for_good(void **state) {
    (void)state;
    enum { KINDS = 3 };
    dbpool_conn old[KINDS], conn;
    struct fixture self = open_pool(KINDS);
    assert_int_equal(dbpool_try_checkout(self.pool, &old[0], NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_nested(old[0], &old[1], NULL), DBPOOL_OK);
    assert_int_equal(dbpool_try_checkout(self.pool, &old[2], NULL), DBPOOL_OK);
    assert_int_equal(dbpool_detach(&old[2], NULL), DBPOOL_OK);
    for (int i = 0; i < KINDS; i++) {
        conn = old[i];
        assert_int_equal(dbpool_checkin(&conn), DBPOOL_OK);
    }
    close_pool(&self);
    for (int i = 0; i < KINDS; i++)
        expect_stale(old[i]);
    /* Its memory serves another pool, and its cells other leases. */
    self = open_pool(KINDS);
    assert_int_equal(dbpool_try_checkout(self.pool, &conn, NULL), DBPOOL_OK);
    dbpool_conn nested;
    assert_int_equal(dbpool_checkout_nested(conn, &nested, NULL), DBPOOL_OK);
    for (int i = 0; i < KINDS; i++)
        expect_stale(old[i]);
    assert_int_equal(dbpool_checkin(&nested), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&conn), DBPOOL_OK);
    close_pool(&self);
}

static void a_cell_never_shows_the_same_number_twice(void **state) {
    (void)state;
    uint64_t before = 0;
    const dbpool_cell *first = NULL;
    for (int i = 0; i < 10; i++) {
        dbpool_cell *cell = dbp_cell_take_spare();
        first = first ? first : cell;
        assert_ptr_equal(cell, first);
        uint64_t number = dbp_cell_begin(cell, DBP_CELL_LIVE);
        assert_true(number > before);
        dbpool_conn conn = {cell, number}, older = {cell, before};
        assert_false(dbp_cell_claim(older));
        assert_true(dbp_cell_pin(conn));
        assert_false(dbp_cell_readable(conn));
        dbp_cell_unpin(conn);
        assert_true(dbp_cell_claim(conn));
        assert_false(dbp_cell_claim(conn));
        assert_false(dbp_cell_pin(conn));
        dbp_cell_end(cell);
        dbp_cell_give_spare(cell);
        before = number;
    }
}

static void a_handle_made_up_is_stale(void **state) {
    (void)state;
    expect_stale(DBPOOL_CONN_NONE);
    dbpool_cell *cell = dbp_cell_take_spare();
    for (uint64_t number = 0; number < 8; number++)
        if (number != dbp_load_relaxed_u64(&cell->number) || !(number & 1))
            expect_stale((dbpool_conn){cell, number});
    dbp_cell_give_spare(cell);
}

/* ---- Openers ---- */

static dbp_atomic_u32 done, may_go;

static void work(void *arg) {
    assert_ptr_equal(arg, &done);
    while (!dbp_load_acquire_u32(&may_go))
        (void)dbp_wait(&may_go, 0, DBP_NEVER);
    (void)dbp_add_relaxed_u32(&done, 1);
    dbp_wake_all(&done);
}

static void await_done(uint32_t count) {
    for (uint32_t seen; (seen = dbp_load_acquire_u32(&done)) < count;)
        (void)dbp_wait(&done, seen, DBP_NEVER);
}

static void let_go(void) {
    dbp_store_release_u32(&may_go, 1);
    dbp_wake_all(&may_go);
}

static void an_opener_that_cannot_be_had_runs_nothing(void **state) {
    (void)state;
    dbp_memory_hook = refuse_memory;
    assert_false(dbp_opener_run(work, &done));
    dbp_memory_hook = NULL;
    dbp_thread_hook = refuse_thread;
    assert_false(dbp_opener_run(work, &done));
    dbp_thread_hook = NULL;
    assert_int_equal(dbp_load_acquire_u32(&done), 0);
}

static void every_job_is_run_once_however_many_hang(void **state) {
    (void)state;
    uint32_t taken = 0;
    dbp_store_relaxed_u32(&done, 0);
    dbp_store_relaxed_u32(&may_go, 0);
    while (dbp_opener_run(work, &done))
        taken++;
    /* As many as there may be threads; then the caller has to do it. */
    assert_in_range(taken, 2, 1000);
    assert_int_equal(dbp_load_relaxed_u32(&done), 0);
    let_go();
    await_done(taken);
    /* Threads that have become idle take the next ones. */
    dbp_thread_hook = refuse_thread;
    uint32_t more = 0;
    while (more < 8)
        more += dbp_opener_run(work, &done);
    dbp_thread_hook = NULL;
    await_done(taken + more);
    assert_int_equal(dbp_load_relaxed_u32(&done), taken + more);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_is_zeroed_when_new_and_kept_when_used_again),
        cmocka_unit_test(a_handle_of_a_pool_that_is_gone_is_stale_for_good),
        cmocka_unit_test(a_cell_never_shows_the_same_number_twice),
        cmocka_unit_test(a_handle_made_up_is_stale),
        cmocka_unit_test(an_opener_that_cannot_be_had_runs_nothing),
        cmocka_unit_test(every_job_is_run_once_however_many_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
