/* SPDX-License-Identifier: MIT
 *
 * The lending core, one caller at a time: places, idle slots and their order, resizing, draining, closing, and what happens without memory.
 */
#include "lend_fixture.h"

#include <sched.h>

#include "os/memory.h"

#define MANY 40

/* ---- Places and idle slots ---- */

static void places_never_exceed_the_limit(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 2, 3, 0);
    thing *items[] = {make(), make(), make()};
    assert_int_equal(stats_now().places, 3);
    dbp_waiter waiter = {.no_wait = true};
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_WOULD_WAIT);
    assert_int_equal(stats_now().timeouts, 1);
    for (int i = 0; i < 3; i++)
        put_empty(items[i]);
    assert_int_equal(stats_now().places, 0);
    core_shut();
}

static void what_is_idle_is_lent_before_a_place_is_taken(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 2, 3, 0);
    thing *item = make();
    put_kept(item);
    assert_ptr_equal(take_now(), item);
    assert_true(item->live);
    assert_int_equal(stats_now().places, 1);
    put_kept(item);
    core_shut();
}

static void beyond_keep_a_slot_is_surplus_and_counts_until_it_is_empty(void **state) {
    (void)state;
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_FIFO; order++) {
        core_open((dbp_lend_order)order, 2, 4, 0);
        thing *items[] = {make(), make(), make(), make()};
        put_kept(items[0]);
        put_kept(items[1]);
        assert_ptr_equal(dbp_lend_put(&core, &items[2]->slot), &items[2]->slot);
        assert_int_equal(stats_now().places, 4);
        assert_int_equal(stats_now().idle, 2);
        put_empty(items[2]);
        assert_int_equal(stats_now().places, 3);
        put_surplus(items[3]);
        assert_int_equal(stats_now().idle, 2);
        core_shut();
    }
}

static void with_keep_zero_nothing_is_kept(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 0, 2, 0);
    put_surplus(make());
    assert_int_equal(stats_now().places, 0);
    core_shut();
}

static void a_place_more_than_was_taken_is_an_impossible_state(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 1, 1, 0);
    thing *item = make();
    put_empty(item);
    (void)dbp_lend_put_empty(&core, &item->slot);
    assert_int_equal(bugs, 1);
    bugs = 0;
    core_shut();
}

/* ---- Order ---- */

static void expect_order(dbp_lend_order order, const int *expected, int count) {
    thing *items[4];
    core_open(order, 4, 4, 0);
    for (int i = 0; i < count; i++)
        items[i] = make();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++)
            put_kept(items[i]);
        for (int i = 0; i < count; i++)
            assert_ptr_equal(take_now(), items[expected[i]]);
    }
    for (int i = 0; i < count; i++)
        put_empty(items[i]);
    core_shut();
}

static void lifo_lends_the_last_returned_first(void **state) {
    (void)state;
    expect_order(DBP_LEND_LIFO, (const int[]){3, 2, 1, 0}, 4);
}

static void fifo_lends_the_first_returned_first(void **state) {
    (void)state;
    expect_order(DBP_LEND_FIFO, (const int[]){0, 1, 2, 3}, 4);
}

/* The first return fills the hot slot of this processor, which must stay the same one. */
static void warm_lends_what_this_processor_used_then_the_last_returned(void **state) {
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    expect_order(DBP_LEND_WARM, (const int[]){0, 3, 2, 1}, 4);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void fifo_is_exact_when_returns_and_takes_alternate(void **state) {
    (void)state;
    core_open(DBP_LEND_FIFO, 3, 3, 0);
    thing *a = make(), *b = make(), *c = make();
    put_kept(a);
    put_kept(b);
    assert_ptr_equal(take_now(), a);
    put_kept(c);
    put_kept(a);
    assert_ptr_equal(take_now(), b);
    assert_ptr_equal(take_now(), c);
    assert_ptr_equal(take_now(), a);
    put_kept(a);
    put_kept(b);
    put_kept(c);
    core_shut();
}

/* ---- Resizing ---- */

static void shrinking_hands_out_the_idle_surplus(void **state) {
    (void)state;
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_FIFO; order++) {
        core_open((dbp_lend_order)order, 4, 4, 0);
        thing *items[] = {make(), make(), make(), make()};
        for (int i = 0; i < 4; i++)
            put_kept(items[i]);
        dbp_slot *chain = dbp_lend_resize(&core, 1, 2, false);
        assert_int_equal(stats_now().places, 4);
        assert_int_equal(stats_now().idle, 1);
        assert_int_equal(close_chain(chain), 3);
        assert_int_equal(stats_now().places, 1);
        core_shut();
    }
}

static void what_is_lent_when_the_limit_falls_is_surplus_when_it_returns(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 4, 4, 0);
    thing *items[] = {make(), make(), make(), make()};
    assert_null(dbp_lend_resize(&core, 2, 2, false));
    assert_null(take_now());
    put_surplus(items[0]);
    put_surplus(items[1]);
    put_kept(items[2]);
    put_kept(items[3]);
    assert_int_equal(stats_now().idle, 2);
    core_shut();
}

static void lowering_keep_alone_leaves_what_is_lent(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 3, 3, 0);
    thing *items[] = {make(), make(), make()};
    put_kept(items[0]);
    put_kept(items[1]);
    assert_int_equal(close_chain(dbp_lend_resize(&core, 1, 3, false)), 1);
    put_surplus(items[2]);
    assert_int_equal(stats_now().idle, 1);
    core_shut();
}

static void growing_allows_more_at_once(void **state) {
    (void)state;
    core_open(DBP_LEND_LIFO, 1, 1, 0);
    thing *first = make();
    assert_null(take_now());
    assert_null(dbp_lend_resize(&core, 2, 2, false));
    thing *second = make();
    put_kept(first);
    put_kept(second);
    assert_int_equal(stats_now().idle, 2);
    core_shut();
}

/* ---- Draining and closing ---- */

static void draining_takes_out_what_is_idle_and_lends_on(void **state) {
    (void)state;
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_FIFO; order++) {
        core_open((dbp_lend_order)order, 3, 3, 0);
        thing *out = make(), *a = make(), *b = make();
        put_kept(a);
        put_kept(b);
        dbp_slot *chain = dbp_lend_drain(&core);
        assert_int_equal(stats_now().idle, 0);
        assert_int_equal(stats_now().places, 3);
        assert_int_equal(close_chain(chain), 2);
        assert_int_equal(stats_now().places, 1);
        assert_null(dbp_lend_drain(&core));
        put_kept(out);
        assert_ptr_equal(take_now(), out);
        put_kept(out);
        core_shut();
    }
}

static void a_closed_core_lends_nothing_and_takes_everything_back(void **state) {
    (void)state;
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_FIFO; order++) {
        core_open((dbp_lend_order)order, 3, 3, 0);
        thing *out = make(), *empty = take_now(), *idle = make();
        put_kept(idle);
        dbp_slot *chain = dbp_lend_close(&core);
        assert_false(dbp_lend_is_drained(&core));
        dbp_waiter waiter = {.timeout_ms = -1};
        assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_CLOSED);
        assert_null(dbp_lend_take(&core));
        assert_int_equal(close_chain(chain), 1);
        assert_false(dbp_lend_put_empty(&core, &empty->slot));
        assert_ptr_equal(dbp_lend_put(&core, &out->slot), &out->slot);
        out->live = false;
        assert_true(dbp_lend_put_empty(&core, &out->slot));
        assert_true(dbp_lend_is_drained(&core));
        assert_null(dbp_lend_close(&core));
        assert_null(dbp_lend_resize(&core, 5, 5, false));
        core_shut();
    }
}

static void the_memory_of_a_core_serves_another(void **state) {
    (void)state;
    for (uint32_t i = 1; i < MANY; i++) {
        core_open((dbp_lend_order)(i % 3), i, i, 0);
        thing *items[MANY];
        for (uint32_t j = 0; j < i; j++) {
            items[j] = make();
            assert_int_equal(items[j]->slot.index, j + 1);
            assert_ptr_equal(dbp_lend_slot(&core, j + 1), &items[j]->slot);
        }
        assert_true(dbp_lend_created(&core) >= i);
        for (uint32_t j = 0; j < i; j++)
            put_kept(items[j]);
        core_shut();
    }
}

/* ---- Limits of the machine ---- */

static void without_a_limit_the_most_that_can_be_counted_is_one(void **state) {
    (void)state;
    core_open(DBP_LEND_LIFO, DBP_LEND_MAX, DBP_LEND_MAX, 0);
    assert_null(dbp_lend_resize(&core, DBP_LEND_MAX, DBP_LEND_MAX, true));
    for (uint32_t i = 0; i < DBP_LEND_MAX; i++)
        (void)make();
    dbp_waiter waiter = {.timeout_ms = -1};
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_LIMIT);
    for (uint32_t i = 1; i <= DBP_LEND_MAX; i++)
        put_kept((thing *)(void *)dbp_lend_slot(&core, i));
    assert_int_equal(stats_now().idle, DBP_LEND_MAX);
    assert_int_equal(dbp_lend_created(&core), DBP_LEND_MAX);
    core_shut();
}

static bool no_memory(size_t size) {
    (void)size;
    return false;
}

/* More segments than any test before has left in the store. */
static void without_memory_a_taker_is_told_and_the_next_succeeds(void **state) {
    (void)state;
    static dbp_store fresh = {.stride = sizeof(thing)};
    core_open(DBP_LEND_WARM, 9, 9, 0);
    core.config.store = &fresh;
    dbp_memory_hook = no_memory;
    dbp_waiter waiter = {.timeout_ms = -1};
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_NOMEM);
    assert_int_equal(stats_now().places, 0);
    dbp_memory_hook = NULL;
    thing *items[9];
    for (int i = 0; i < 8; i++)
        items[i] = make();
    dbp_memory_hook = no_memory;
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_NOMEM);
    put_kept(items[0]);
    assert_ptr_equal(take_now(), items[0]);
    dbp_memory_hook = NULL;
    items[8] = make();
    for (int i = 0; i < 9; i++)
        put_kept(items[i]);
    core_shut();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_never_exceed_the_limit),
        cmocka_unit_test(what_is_idle_is_lent_before_a_place_is_taken),
        cmocka_unit_test(beyond_keep_a_slot_is_surplus_and_counts_until_it_is_empty),
        cmocka_unit_test(with_keep_zero_nothing_is_kept),
        cmocka_unit_test(a_place_more_than_was_taken_is_an_impossible_state),
        cmocka_unit_test(lifo_lends_the_last_returned_first),
        cmocka_unit_test(fifo_lends_the_first_returned_first),
        cmocka_unit_test(warm_lends_what_this_processor_used_then_the_last_returned),
        cmocka_unit_test(fifo_is_exact_when_returns_and_takes_alternate),
        cmocka_unit_test(shrinking_hands_out_the_idle_surplus),
        cmocka_unit_test(what_is_lent_when_the_limit_falls_is_surplus_when_it_returns),
        cmocka_unit_test(lowering_keep_alone_leaves_what_is_lent),
        cmocka_unit_test(growing_allows_more_at_once),
        cmocka_unit_test(draining_takes_out_what_is_idle_and_lends_on),
        cmocka_unit_test(a_closed_core_lends_nothing_and_takes_everything_back),
        cmocka_unit_test(the_memory_of_a_core_serves_another),
        cmocka_unit_test(without_a_limit_the_most_that_can_be_counted_is_one),
        cmocka_unit_test(without_memory_a_taker_is_told_and_the_next_succeeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
