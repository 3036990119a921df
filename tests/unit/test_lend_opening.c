/* SPDX-License-Identifier: MIT
 *
 * Waiters of the lending core that have an opening under way on another thread: what they are given, and what they are told when it ends.
 */
#include "lend_fixture.h"

#include "fake_clock.h"
#include "os/clock.h"

#define FAIR_NS ((int64_t)DBP_NS_PER_MS)

static void a_waiter_with_an_opening_is_given_no_empty_place(void **state) {
    (void)state;
    taker with, without;
    core_open(DBP_LEND_WARM, 2, 2, FAIR_NS);
    thing *a = make(), *b = make();
    taker_start_with_ticket(&with, -1);
    taker_start(&without, -1);
    put_empty(a);
    assert_ptr_equal(taker_join(&without), a);
    put_empty(a);
    assert_int_equal(stats_now().waiting, 1);
    assert_int_equal(stats_now().places, 1);
    put_kept(b);
    assert_ptr_equal(taker_join(&with), b);
    assert_null(with.ticket.waiter);
    put_kept(b);
    core_shut();
}

/* It was given an empty place, has it filled elsewhere, and waits on: that is another wait, in the same place of the line. */
static void one_that_comes_back_with_an_opening_stands_where_it_stood(void **state) {
    (void)state;
    taker first, second;
    core_open(DBP_LEND_WARM, 2, 2, 0);
    thing *a = make(), *b = make();
    taker_start(&first, -1);
    fake_clock_advance_ms(1);
    taker_start(&second, -1);
    put_empty(a);
    assert_ptr_equal(taker_join(&first), a);
    fake_clock_advance_ms(1);
    taker_resume_with_ticket(&first);
    fake_clock_advance_ms(1);
    put_kept(b);
    assert_ptr_equal(taker_join(&first), b);
    assert_int_equal(stats_now().waits, 3);
    assert_int_equal(stats_now().wait_ns, 2 * DBP_NS_PER_MS);
    put_kept(b);
    assert_ptr_equal(taker_join(&second), b);
    assert_int_equal(stats_now().wait_ns, 4 * DBP_NS_PER_MS);
    put_empty(a);
    put_kept(b);
    core_shut();
}

static void an_opening_that_served_another_frees_its_waiter_for_any_place(void **state) {
    (void)state;
    taker with;
    core_open(DBP_LEND_WARM, 2, 2, FAIR_NS);
    thing *a = make(), *b = make();
    taker_start_with_ticket(&with, -1);
    put_empty(a);
    assert_int_equal(stats_now().waiting, 1);
    dbp_lend_open_done(&core, &with.ticket);
    assert_ptr_equal(taker_join(&with), a);
    assert_false(a->live);
    put_empty(a);
    put_kept(b);
    core_shut();
}

static void an_opening_that_fails_tells_its_waiter(void **state) {
    (void)state;
    taker with;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start_with_ticket(&with, -1);
    assert_true(dbp_lend_open_failed(&core, &with.ticket));
    assert_null(taker_join(&with));
    assert_int_equal(with.result, DBP_LEND_FAILED);
    assert_ptr_equal(with.waiter.failed, &with.ticket);
    put_empty(item);
    core_shut();
}

static void an_opening_may_fail_before_its_waiter_stands_in_the_line(void **state) {
    (void)state;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    dbp_waiter waiter = {.timeout_ms = -1};
    dbp_ticket ticket;
    dbp_lend_ticket(&core, &waiter, &ticket);
    assert_true(dbp_lend_open_failed(&core, &ticket));
    put_empty(item);
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_FAILED);
    assert_ptr_equal(waiter.failed, &ticket);
    core_shut();
}

static void an_opening_that_fails_after_its_waiter_left_tells_nobody(void **state) {
    (void)state;
    taker with;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start_with_ticket(&with, 1);
    fake_clock_advance_ms(1);
    assert_null(taker_join(&with));
    assert_int_equal(with.result, DBP_LEND_TIMEOUT);
    assert_false(dbp_lend_open_failed(&core, &with.ticket));
    put_empty(item);
    core_shut();
}

/* It was woken for a slot, and before it looks its opening fails: the slot must not lie idle while another waits. */
static void one_woken_whose_opening_fails_passes_the_slot_on(void **state) {
    (void)state;
    taker first, second;
    core_open(DBP_LEND_WARM, 2, 2, FAIR_NS);
    thing *a = make(), *b = make();
    taker_start_with_ticket(&first, -1);
    taker_start_with_ticket(&second, -1);
    hold_woken();
    put_kept(a);
    await_held(1);
    assert_true(dbp_lend_open_failed(&core, &first.ticket));
    put_empty(b);
    release_woken();
    assert_null(taker_join(&first));
    assert_int_equal(first.result, DBP_LEND_FAILED);
    assert_ptr_equal(taker_join(&second), a);
    put_kept(a);
    core_shut();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, install_fake_clock, remove_fake_clock)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_waiter_with_an_opening_is_given_no_empty_place),
        CASE(one_that_comes_back_with_an_opening_stands_where_it_stood),
        CASE(an_opening_that_served_another_frees_its_waiter_for_any_place),
        CASE(an_opening_that_fails_tells_its_waiter),
        CASE(an_opening_may_fail_before_its_waiter_stands_in_the_line),
        CASE(an_opening_that_fails_after_its_waiter_left_tells_nobody),
        CASE(one_woken_whose_opening_fails_passes_the_slot_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
