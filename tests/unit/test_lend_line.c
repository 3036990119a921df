/* SPDX-License-Identifier: MIT
 *
 * The line of the lending core: who waits, who is served, in what order and by when. Time stands still unless the test moves it.
 */
#include "lend_fixture.h"

#include "fake_clock.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

#define FAIR_NS ((int64_t)DBP_NS_PER_MS)
#define LINE 20

static void await_waiting_in_line(uint32_t count) {
    while (stats_now().waiting != count)
        dbp_thread_yield();
}

/* ---- Deadlines ---- */

static void a_time_out_comes_at_the_deadline_and_not_before(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, 5);
    assert_int_equal(fake_clock_next_deadline(), fake_clock_now() + 5 * DBP_NS_PER_MS);
    fake_clock_advance_ns(5 * DBP_NS_PER_MS - 1);
    assert_int_equal(stats_now().waiting, 1);
    fake_clock_advance_ns(1);
    assert_null(taker_join(&waiting));
    assert_int_equal(waiting.result, DBP_LEND_TIMEOUT);
    assert_int_equal(stats_now().timeouts, 1);
    put_kept(item);
    core_shut();
}

static void a_grant_that_meets_the_time_out_is_taken(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, 5);
    hold_woken();
    fake_clock_advance_ms(5);
    await_held(1);
    put_kept(item);
    release_woken();
    assert_ptr_equal(taker_join(&waiting), item);
    assert_int_equal(stats_now().timeouts, 0);
    put_kept(item);
    core_shut();
}

static void one_woken_too_late_takes_the_slot_it_was_woken_for(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, 5);
    hold_woken();
    put_kept(item);
    await_held(1);
    fake_clock_advance_ms(5);
    release_woken();
    assert_ptr_equal(taker_join(&waiting), item);
    put_kept(item);
    core_shut();
}

static void one_woken_too_late_for_a_slot_that_is_gone_times_out(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, 5);
    hold_woken();
    put_kept(item);
    await_held(1);
    assert_ptr_equal(take_now(), item);
    fake_clock_advance_ms(5);
    release_woken();
    assert_null(taker_join(&waiting));
    assert_int_equal(waiting.result, DBP_LEND_TIMEOUT);
    put_kept(item);
    core_shut();
}

/* ---- Order and fairness ---- */

static void within_the_fair_time_a_slot_lies_open_to_all(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, -1);
    fake_clock_advance_ns(FAIR_NS - 1);
    hold_woken();
    put_kept(item);
    await_held(1);
    assert_ptr_equal(take_now(), item);
    release_woken();
    await_waiting_in_line(1);
    assert_int_equal(stats_now().barged, 1);
    assert_int_equal(stats_now().handoffs, 0);
    put_kept(item);
    assert_ptr_equal(taker_join(&waiting), item);
    put_kept(item);
    core_shut();
}

static void after_the_fair_time_every_slot_is_handed_to_the_oldest(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, -1);
    fake_clock_advance_ns(FAIR_NS);
    hold_woken();
    put_kept(item);
    assert_null(take_now());
    assert_int_equal(stats_now().handoffs, 1);
    release_woken();
    assert_ptr_equal(taker_join(&waiting), item);
    put_kept(item);
    core_shut();
}

/* One that was overtaken keeps the time at which it came: the next slot that returns after its fair time is its own. */
static void being_overtaken_does_not_make_a_waiter_younger(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&waiting, -1);
    fake_clock_advance_ns(FAIR_NS / 2);
    hold_woken();
    put_kept(item);
    await_held(1);
    assert_ptr_equal(take_now(), item);
    release_woken();
    fake_clock_await_sleepers(1);
    fake_clock_advance_ns(FAIR_NS / 2);
    put_kept(item);
    assert_int_equal(stats_now().handoffs, 1);
    assert_ptr_equal(taker_join(&waiting), item);
    put_kept(item);
    core_shut();
}

static void with_no_fair_time_the_line_is_strict(void **state) {
    (void)state;
    taker waiting[LINE];
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_FIFO; order++) {
        core_open((dbp_lend_order)order, 1, 1, 0);
        thing *item = make();
        for (int i = 0; i < LINE; i++)
            taker_start(&waiting[i], -1);
        assert_int_equal(stats_now().waiting, LINE);
        for (int i = 0; i < LINE; i++) {
            put_kept(item);
            assert_ptr_equal(taker_join(&waiting[i]), item);
        }
        assert_int_equal(stats_now().handoffs, LINE);
        assert_int_equal(stats_now().waits, LINE);
        put_kept(item);
        core_shut();
    }
}

/* The second looks first and finds nothing; so does the first. Then they stand in the line as before. */
static void those_woken_in_vain_keep_their_order(void **state) {
    (void)state;
    taker first, second;
    core_open(DBP_LEND_LIFO, 2, 2, FAIR_NS);
    thing *a = make(), *b = make();
    taker_start(&first, -1);
    fake_clock_advance_ns(1);
    taker_start(&second, -1);
    hold_woken();
    put_kept(a);
    await_held(1);
    put_kept(b);
    await_held(2);
    assert_ptr_equal(take_now(), b);
    assert_ptr_equal(take_now(), a);
    release_woken();
    fake_clock_await_sleepers(2);
    fake_clock_advance_ns(FAIR_NS);
    put_kept(a);
    assert_ptr_equal(taker_join(&first), a);
    put_kept(b);
    assert_ptr_equal(taker_join(&second), b);
    put_kept(a);
    put_kept(b);
    core_shut();
}

/* ---- Empty places ---- */

static void a_place_given_back_goes_to_the_oldest(void **state) {
    (void)state;
    taker first, second;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    taker_start(&first, -1);
    taker_start(&second, -1);
    put_empty(item);
    assert_ptr_equal(taker_join(&first), item);
    assert_false(item->live);
    assert_int_equal(stats_now().waiting, 1);
    put_empty(item);
    assert_ptr_equal(taker_join(&second), item);
    put_empty(item);
    core_shut();
}

static void a_higher_limit_serves_the_line_in_order(void **state) {
    (void)state;
    taker waiting[LINE];
    thing *items[8];
    core_open(DBP_LEND_WARM, 8, 8, 0);
    for (int i = 0; i < 8; i++)
        items[i] = make();
    for (int i = 0; i < LINE; i++)
        taker_start(&waiting[i], -1);
    /* Every slot that exists is out: others have to be made first. */
    hold_woken();
    assert_null(dbp_lend_resize(&core, 8, 8 + LINE / 2, false));
    assert_int_equal(stats_now().waiting, LINE - LINE / 2);
    release_woken();
    for (int i = 0; i < LINE / 2; i++)
        put_empty(taker_join(&waiting[i]));
    for (int i = LINE / 2; i < LINE; i++)
        put_empty(taker_join(&waiting[i]));
    for (int i = 0; i < 8; i++)
        put_kept(items[i]);
    core_shut();
}

/* ---- Closing ---- */

static void closing_answers_everybody_who_waits(void **state) {
    (void)state;
    taker waiting[LINE];
    core_open(DBP_LEND_FIFO, 1, 1, FAIR_NS);
    thing *item = make();
    for (int i = 0; i < LINE; i++)
        i % 2 ? taker_start(&waiting[i], 1000) : taker_start_with_ticket(&waiting[i], -1);
    assert_null(dbp_lend_close(&core));
    for (int i = 0; i < LINE; i++) {
        assert_null(taker_join(&waiting[i]));
        assert_int_equal(waiting[i].result, DBP_LEND_CLOSED);
        assert_false(i % 2 == 0 && dbp_lend_open_failed(&core, &waiting[i].ticket));
    }
    put_surplus(item);
    core_shut();
}

/* ---- Callbacks ---- */

static int calls;

static void called(dbp_waiter *waiter) {
    (void)waiter;
    calls++;
    /* No lock is held. */
    (void)stats_now();
}

static dbp_waiter queue_callback(void) { return (dbp_waiter){.timeout_ms = -1, .callback = called}; }

static void a_callback_is_told_of_a_slot_and_of_the_close(void **state) {
    (void)state;
    calls = 0;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    dbp_waiter first = queue_callback(), second = queue_callback();
    assert_int_equal(dbp_lend_wait(&core, &first), DBP_LEND_WOULD_WAIT);
    assert_int_equal(dbp_lend_wait(&core, &second), DBP_LEND_WOULD_WAIT);
    put_kept(item);
    assert_int_equal(calls, 1);
    assert_int_equal(dbp_load_relaxed_u32(&first.state), DBP_WAITER_GRANT);
    assert_ptr_equal(first.slot, &item->slot);
    assert_null(dbp_lend_close(&core));
    assert_int_equal(calls, 2);
    assert_int_equal(dbp_load_relaxed_u32(&second.state), DBP_WAITER_CLOSED);
    assert_false(dbp_lend_cancel(&core, &first));
    assert_false(dbp_lend_cancel(&core, &second));
    put_surplus(item);
    core_shut();
}

static void a_callback_that_was_cancelled_never_runs(void **state) {
    (void)state;
    calls = 0;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    dbp_waiter waiter = queue_callback();
    assert_int_equal(dbp_lend_wait(&core, &waiter), DBP_LEND_WOULD_WAIT);
    assert_int_equal(stats_now().waiting, 1);
    assert_true(dbp_lend_cancel(&core, &waiter));
    assert_false(dbp_lend_cancel(&core, &waiter));
    /* Nobody waits: puts are fast again. */
    assert_int_equal(dbp_load_relaxed_u32(&core.gate), 0);
    assert_int_equal(dbp_load_relaxed_u64(&core.head) >> 32 & 1, 0);
    put_kept(item);
    assert_ptr_equal(take_now(), item);
    put_kept(item);
    assert_int_equal(calls, 0);
    core_shut();
}

static bool no_memory(size_t size) {
    (void)size;
    return false;
}

/* Woken to make a slot for itself, since nobody else had the memory; in vain it keeps its place. */
static void a_callback_woken_in_vain_keeps_its_place(void **state) {
    (void)state;
    thing *items[8];
    calls = 0;
    static dbp_store fresh = {.stride = sizeof(thing)};
    core_open(DBP_LEND_WARM, 8, 8, FAIR_NS);
    core.config.store = &fresh;
    for (int i = 0; i < 8; i++)
        items[i] = make();
    dbp_waiter first = queue_callback(), second = queue_callback();
    assert_int_equal(dbp_lend_wait(&core, &first), DBP_LEND_WOULD_WAIT);
    dbp_memory_hook = no_memory;
    assert_null(dbp_lend_resize(&core, 8, 9, false));
    dbp_memory_hook = NULL;
    assert_int_equal(calls, 1);
    assert_int_equal(dbp_load_relaxed_u32(&first.state), DBP_WAITER_WOKEN);
    assert_null(dbp_lend_resize(&core, 8, 8, false));
    assert_int_equal(dbp_lend_wait(&core, &second), DBP_LEND_WOULD_WAIT);
    assert_int_equal(dbp_lend_wait(&core, &first), DBP_LEND_WOULD_WAIT);
    put_kept(items[0]);
    assert_int_equal(dbp_load_relaxed_u32(&first.state), DBP_WAITER_GRANT);
    put_kept(items[0]);
    assert_int_equal(dbp_load_relaxed_u32(&second.state), DBP_WAITER_GRANT);
    for (int i = 0; i < 8; i++)
        put_kept(items[i]);
    core_shut();
}

/* ---- Counting ---- */

static void each_wait_is_counted_once_with_its_length(void **state) {
    (void)state;
    taker waiting;
    core_open(DBP_LEND_WARM, 1, 1, FAIR_NS);
    thing *item = make();
    const int64_t lengths_us[] = {0, 1, 2, 3, 1000, 4000000, INT64_C(40000000000)};
    const unsigned buckets[] = {0, 1, 2, 2, 10, 22, 31};
    uint64_t expected[DBP_WAIT_BUCKETS] = {0}, sum = 0;
    for (size_t i = 0; i < sizeof lengths_us / sizeof *lengths_us; i++) {
        taker_start(&waiting, -1);
        fake_clock_advance_ns(lengths_us[i] * 1000);
        put_kept(item);
        assert_ptr_equal(taker_join(&waiting), item);
        expected[buckets[i]]++;
        sum += (uint64_t)lengths_us[i] * 1000;
        dbp_lend_stats stats = stats_now();
        assert_int_equal(stats.waits, i + 1);
        assert_int_equal(stats.wait_ns, sum);
        assert_memory_equal(stats.histogram, expected, sizeof expected);
    }
    put_kept(item);
    core_shut();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, install_fake_clock, remove_fake_clock)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_time_out_comes_at_the_deadline_and_not_before),
        CASE(a_grant_that_meets_the_time_out_is_taken),
        CASE(one_woken_too_late_takes_the_slot_it_was_woken_for),
        CASE(one_woken_too_late_for_a_slot_that_is_gone_times_out),
        CASE(within_the_fair_time_a_slot_lies_open_to_all),
        CASE(after_the_fair_time_every_slot_is_handed_to_the_oldest),
        CASE(being_overtaken_does_not_make_a_waiter_younger),
        CASE(with_no_fair_time_the_line_is_strict),
        CASE(those_woken_in_vain_keep_their_order),
        CASE(a_place_given_back_goes_to_the_oldest),
        CASE(a_higher_limit_serves_the_line_in_order),
        CASE(closing_answers_everybody_who_waits),
        CASE(a_callback_is_told_of_a_slot_and_of_the_close),
        CASE(a_callback_that_was_cancelled_never_runs),
        CASE(a_callback_woken_in_vain_keeps_its_place),
        CASE(each_wait_is_counted_once_with_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
