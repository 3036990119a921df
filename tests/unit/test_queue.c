/* SPDX-License-Identifier: MIT
 *
 * The queue strategy: how many connections there are, who gets which, who waits, and what happens when openings and returns meet.
 */
#include "fixture.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"

static void open_sized(fixture *f, int32_t size, int32_t max_overflow) {
    f->config.size = size;
    f->config.max_overflow = max_overflow;
    fixture_open(f);
}

static void lend_many(fixture *f, dbpool_conn *conns, size_t count) {
    for (size_t i = 0; i < count; i++)
        conns[i] = taken(f);
}

static void return_many(dbpool_conn *conns, size_t count) {
    for (size_t i = 0; i < count; i++)
        returned(&conns[i]);
}

static void *return_one(void *arg) {
    (void)dbpool_checkin(arg);
    return NULL;
}

/* ---- How many ---- */

/* R-QUE-1, R-QUE-6 */
static void a_pool_keeps_five_opens_fifteen_and_starts_with_none(void **state) {
    fixture *f = *state;
    dbpool_conn conns[15];
    fixture_open(f);
    assert_int_equal(stats_of(f).size, 5);
    assert_int_equal(stats_of(f).max_overflow, 10);
    assert_true(dbpool_timeout_ms(f->pool) == 30000);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_OPEN), 0);
    for (size_t i = 0; i < 15; i++) {
        conns[i] = taken(f);
        assert_int_equal(fake_driver_open_natives(f->fake), i + 1);
    }
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    return_many(conns, 15);
    assert_int_equal(fake_driver_open_natives(f->fake), 5);
    assert_int_equal(stats_of(f).idle, 5);
    assert_int_equal(stats_of(f).open, 5);
}

/* R-QUE-1, R-QUE-2 */
static void size_zero_is_no_limit_and_keeps_every_idle_one(void **state) {
    fixture *f = *state;
    dbpool_conn conns[40];
    open_sized(f, 0, 10);
    lend_many(f, conns, 40);
    char text[200];
    (void)dbpool_status_text(f->pool, text, sizeof text);
    assert_string_equal(text, "Pool size: 0  Connections in pool: 0 Current Overflow: 0 Current Checked out connections: 40");
    return_many(conns, 40);
    assert_int_equal(stats_of(f).idle, 40);
    assert_int_equal(fake_driver_open_natives(f->fake), 40);
}

/* R-QUE-1, R-QUE-2 */
static void overflow_minus_one_is_no_limit_and_keeps_size(void **state) {
    fixture *f = *state;
    dbpool_conn conns[40];
    open_sized(f, 2, -1);
    lend_many(f, conns, 40);
    return_many(conns, 40);
    assert_int_equal(fake_driver_open_natives(f->fake), 2);
}

/* R-QUE-1 */
static void what_no_pool_can_be_is_an_argument_error(void **state) {
    fixture *f = *state;
    const int32_t wrong[][2] = {
        {5,                          -2},
        {-1,                         10},
        {DBPOOL_CONNECTIONS_MAX + 1, 0 },
        {DBPOOL_CONNECTIONS_MAX,     1 },
        {0,                          0 }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        f->config.size = wrong[i][0];
        f->config.max_overflow = wrong[i][1];
        assert_int_equal(dbpool_open_driver(fake_driver_table(f->fake), f->fake, &f->config, &f->pool, &f->err), DBPOOL_EOPTION);
        assert_null(f->pool);
    }
}

/* R-QUE-1, R-QUE-2 */
static void no_limit_ends_at_the_most_that_a_pool_can_hold(void **state) {
    fixture *f = *state;
    dbpool_conn *conns = calloc(DBPOOL_CONNECTIONS_MAX, sizeof *conns);
    assert_non_null(conns);
    open_sized(f, 0, -1);
    lend_many(f, conns, DBPOOL_CONNECTIONS_MAX);
    assert_int_equal(refused(f), DBPOOL_ELIMIT);
    assert_int_equal(stats_of(f).open, DBPOOL_CONNECTIONS_MAX);
    return_many(conns, DBPOOL_CONNECTIONS_MAX);
    free(conns);
}

/* ---- Which one ---- */

/* R-QUE-2 */
static void idle_comes_before_opening_and_opening_before_waiting(void **state) {
    fixture *f = *state;
    open_sized(f, 1, 1);
    dbpool_conn one = lent(f);
    returned(&one);
    one = lent(f);
    assert_int_equal(number_of(one), 1);
    dbpool_conn two = lent(f);
    assert_int_equal(number_of(two), 2);
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_OPEN), 2);
    fake_clock_advance_ms(1000);
    returned(&two);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    returned(&b.conn);
    returned(&one);
}

static void expect_order(fixture *f, const uint32_t expected[3]) {
    dbpool_conn conns[3];
    fixture_open(f);
    lend_many(f, conns, 3);
    return_many(conns, 3);
    lend_many(f, conns, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(conns[i]), expected[i]);
    return_many(conns, 3);
}

/* R-QUE-2 */
static void lifo_lends_the_last_returned_first(void **state) {
    fixture *f = *state;
    f->config.idle_order = DBPOOL_IDLE_LIFO;
    expect_order(f, (uint32_t[]){3, 2, 1});
}

/* R-QUE-2 */
static void fifo_lends_the_first_returned_first(void **state) {
    fixture *f = *state;
    f->config.idle_order = DBPOOL_IDLE_FIFO;
    expect_order(f, (uint32_t[]){1, 2, 3});
}

/* Moves the calling thread to the n-th processor that it may use; false when there is none. */
static bool move_to_cpu(int n, const cpu_set_t *allowed) {
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && n-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return sched_setaffinity(0, sizeof one, &one) == 0;
        }
    return false;
}

/* R-QUE-2 */
static void warm_lends_the_one_last_used_on_this_cpu_then_any(void **state) {
    fixture *f = *state;
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    assert_int_equal(f->config.idle_order, DBPOOL_IDLE_WARM);
    fixture_open(f);
    dbpool_conn one = lent(f), two = lent(f);
    assert_true(move_to_cpu(0, &allowed));
    returned(&one);
    bool moved = move_to_cpu(1, &allowed);
    returned(&two);
    assert_true(move_to_cpu(0, &allowed));
    one = taken(f);
    assert_int_equal(number_of(one), 1); /* the other was returned later, but elsewhere */
    two = taken(f);
    assert_int_equal(number_of(two), 2);
    assert_int_equal(sched_setaffinity(0, sizeof allowed, &allowed), 0);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_OPEN), 2);
    returned(&one);
    returned(&two);
    (void)moved; /* with one processor the order is that of returning */
}

/* ---- Waiting ---- */

static void expect_timeout(fixture *f, int64_t timeout_ms, const char *message) {
    borrower b;
    borrow(f, &b, timeout_ms);
    await_waiting(f->pool, 1);
    fake_clock_advance_ns(timeout_ms * DBP_NS_PER_MS - 1);
    await_asleep(b.thread);
    assert_int_equal(stats_of(f).waiting, 1);
    fake_clock_advance_ns(1);
    assert_int_equal(borrowed(&b), DBPOOL_ETIMEOUT);
    assert_string_equal(b.err.message, message);
    assert_int_equal(b.err.flags, DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_TIMED_OUT);
    assert_null(b.conn.cell);
}

/* R-QUE-3 */
static void a_timeout_names_size_overflow_and_time(void **state) {
    fixture *f = *state;
    dbpool_conn conns[15];
    fixture_open(f);
    lend_many(f, conns, 15);
    expect_timeout(f, dbpool_timeout_ms(f->pool),
                   "checkout: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30");
    expect_timeout(f, 500, "checkout: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 0.5");
    assert_int_equal(stats_of(f).timeouts, 2);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    assert_string_equal(f->err.message, "checkout: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 0");
    return_many(conns, 15);
}

static void *check_out_plainly(void *arg) {
    borrower *b = arg;
    b->status = dbpool_checkout(b->f->pool, &b->conn, &b->err);
    return NULL;
}

/* R-QUE-3 */
static void a_plain_checkout_waits_for_the_pools_timeout(void **state) {
    fixture *f = *state;
    f->config.timeout_ms = 1500;
    open_sized(f, 1, 0);
    dbpool_conn held = lent(f);
    borrower b = {.f = f};
    b.thread = started(check_out_plainly, &b);
    await_waiting(f->pool, 1);
    fake_clock_advance_ms(1500);
    assert_int_equal(borrowed(&b), DBPOOL_ETIMEOUT);
    assert_non_null(strstr(b.err.message, "timeout 1.5"));
    returned(&held);
}

/* A waiter on the one connection of a pool, asleep; it is to be overtaken. */
static dbpool_conn let_wait(fixture *f, borrower *b, int64_t timeout_ms) {
    f->config.idle_order = DBPOOL_IDLE_LIFO;
    open_sized(f, 1, 0);
    dbpool_conn held = lent(f);
    borrow(f, b, timeout_ms);
    await_waiting(f->pool, 1);
    await_asleep(b->thread);
    return held;
}

/* Returns the connection and takes it again before the waiter, which is woken by that, can look. */
static void overtake(fixture *f, borrower *b, dbpool_conn *held) {
    gate g = GATE_INIT;
    hold_woken(&g, b->thread);
    returned(held);
    gate_await(&g, 1);
    *held = taken(f);
    gate_open(&g);
    await_waiting(f->pool, 1);
    await_asleep(b->thread);
}

/* R-QUE-3 */
static void a_wait_has_one_deadline_however_often_it_is_overtaken(void **state) {
    fixture *f = *state;
    borrower b;
    f->config.fair_ns = 3600000000000;
    dbpool_conn held = let_wait(f, &b, 1000);
    for (int i = 0; i < 3; i++) {
        fake_clock_advance_ms(333);
        overtake(f, &b, &held);
    }
    assert_int_equal(stats_of(f).barged, 3);
    assert_int_equal(stats_of(f).waits, 1);
    fake_clock_advance_ms(1);
    assert_int_equal(borrowed(&b), DBPOOL_ETIMEOUT);
    returned(&held);
}

/* R-QUE-4 */
static void a_waiter_is_overtaken_while_young_and_never_after(void **state) {
    fixture *f = *state;
    borrower b;
    f->config.fair_ns = 10000000;
    dbpool_conn held = let_wait(f, &b, -1);
    overtake(f, &b, &held);
    fake_clock_advance_ns(f->config.fair_ns - 1);
    overtake(f, &b, &held);
    assert_int_equal(stats_of(f).barged, 2);
    assert_int_equal(stats_of(f).handoffs, 0);
    fake_clock_advance_ns(1);
    gate g = GATE_INIT;
    hold_woken(&g, b.thread);
    returned(&held);
    gate_await(&g, 1);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT); /* it is the waiter's already */
    assert_int_equal(stats_of(f).handoffs, 1);
    gate_open(&g);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 1);
    returned(&b.conn);
}

/* R-QUE-4 */
static void the_line_is_served_in_order(void **state) {
    fixture *f = *state;
    borrower waiters[3];
    f->config.fair_ns = 0;
    open_sized(f, 1, 0);
    dbpool_conn held = lent(f);
    for (int32_t i = 0; i < 3; i++) {
        borrow(f, &waiters[i], -1);
        await_waiting(f->pool, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        returned(&held);
        assert_int_equal(borrowed(&waiters[i]), DBPOOL_OK);
        assert_int_equal(stats_of(f).waiting, 2 - i);
        held = waiters[i].conn;
    }
    returned(&held);
    assert_int_equal(stats_of(f).handoffs, 3);
    assert_int_equal(stats_of(f).barged, 0);
}

/* R-QUE-4 */
static void one_overtaken_keeps_its_place_in_the_line(void **state) {
    fixture *f = *state;
    borrower first, second;
    f->config.fair_ns = 10000000;
    dbpool_conn held = let_wait(f, &first, -1);
    borrow(f, &second, -1);
    await_waiting(f->pool, 2);
    gate g = GATE_INIT;
    hold_woken(&g, first.thread);
    returned(&held);
    gate_await(&g, 1);
    held = taken(f);
    gate_open(&g);
    await_waiting(f->pool, 2);
    fake_clock_advance_ns(f->config.fair_ns);
    returned(&held);
    assert_int_equal(borrowed(&first), DBPOOL_OK);
    assert_int_equal(stats_of(f).waiting, 1);
    returned(&first.conn);
    assert_int_equal(borrowed(&second), DBPOOL_OK);
    returned(&second.conn);
}

/* ---- Coming back ---- */

static void expect_place_after_close(fixture *f, dbpool_status close_status) {
    open_sized(f, 1, 1);
    dbpool_conn one = lent(f), two = lent(f);
    returned(&one);
    fake_driver_plan(f->fake, FAKE_CLOSE, 1, 1, (fake_answer){.hang = true, .status = close_status});
    pthread_t returner = started(return_one, &two);
    fake_driver_await_hanging(f->fake, FAKE_CLOSE, 1);
    one = taken(f);
    assert_int_equal(number_of(one), 1);
    assert_int_equal(stats_of(f).open, 2);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT); /* it is not closed yet */
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    fake_driver_release(f->fake, FAKE_CLOSE);
    joined(returner);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 3);
    returned(&b.conn);
    returned(&one);
}

/* R-QUE-4 */
static void too_many_idle_are_closed_and_the_place_is_free_when_the_close_has_ended(void **state) {
    fixture *f = *state;
    expect_place_after_close(f, DBPOOL_OK);
}

/* R-QUE-4 */
static void also_when_the_close_fails(void **state) {
    fixture *f = *state;
    expect_place_after_close(f, DBPOOL_EDRIVER);
}

/* ---- Openings ---- */

/* R-QUE-5 */
static void a_failed_opening_on_the_callers_thread_lets_a_waiter_try(void **state) {
    fixture *f = *state;
    open_sized(f, 1, 0);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true, .status = DBPOOL_ECONNECT, .message = "open: refused"});
    borrower one, two;
    borrow(f, &one, -1);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    borrow(f, &two, -1);
    await_waiting(f->pool, 1);
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&one), DBPOOL_ECONNECT);
    assert_string_equal(one.err.message, "open: refused");
    assert_int_equal(borrowed(&two), DBPOOL_OK);
    returned(&two.conn);
}

/* A pool of two with one lent; `b` waits while its connection is being opened on a thread of the library, where it hangs. */
static dbpool_conn let_open_elsewhere(fixture *f, borrower *b, int64_t timeout_ms, fake_answer answer) {
    open_sized(f, 2, 0);
    dbpool_conn held = lent(f);
    answer.hang = true;
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, answer);
    borrow(f, b, timeout_ms);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    await_waiting(f->pool, 1);
    return held;
}

/* R-QUE-5, R-QUE-4 */
static void an_opening_races_with_a_return_and_the_loser_serves_the_next(void **state) {
    fixture *f = *state;
    borrower b;
    dbpool_conn held = let_open_elsewhere(f, &b, -1, (fake_answer){.status = DBPOOL_OK});
    returned(&held);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 1);
    assert_int_equal(stats_of(f).opening, 1);
    fake_driver_release(f->fake, FAKE_OPEN);
    await_idle(f->pool, 1);
    held = taken(f);
    assert_int_equal(number_of(held), 2);
    returned(&held);
    returned(&b.conn);
}

/* R-QUE-5 */
static void an_opening_that_comes_first_serves_its_caller(void **state) {
    fixture *f = *state;
    borrower b;
    dbpool_conn held = let_open_elsewhere(f, &b, -1, (fake_answer){.status = DBPOOL_OK});
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    returned(&b.conn);
    returned(&held);
}

/* R-QUE-5, R-OUT-2 */
static void a_failed_opening_elsewhere_tells_its_own_caller_and_lets_the_next_try(void **state) {
    fixture *f = *state;
    borrower own, next;
    dbpool_conn held = let_open_elsewhere(
        f, &own, -1, (fake_answer){.status = DBPOOL_ECONNECT, .flags = DBPOOL_ERROR_RETRYABLE, .message = "open: too many clients"});
    borrow(f, &next, -1);
    await_waiting(f->pool, 2);
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&own), DBPOOL_ECONNECT);
    assert_string_equal(own.err.message, "open: too many clients");
    assert_int_equal(own.err.flags, DBPOOL_ERROR_RETRYABLE);
    assert_int_equal(borrowed(&next), DBPOOL_OK);
    assert_int_equal(number_of(next.conn), 2);
    returned(&next.conn);
    returned(&held);
}

/* R-QUE-5 */
static void one_that_fails_after_its_caller_left_gives_the_place_back_and_tells_nobody(void **state) {
    fixture *f = *state;
    borrower own;
    dbpool_conn held = let_open_elsewhere(f, &own, 100, (fake_answer){.status = DBPOOL_ECONNECT});
    fake_clock_advance_ms(100);
    assert_int_equal(borrowed(&own), DBPOOL_ETIMEOUT);
    fake_driver_release(f->fake, FAKE_OPEN);
    while (stats_of(f).open != 1)
        (void)sched_yield();
    dbpool_conn conn = taken(f);
    assert_int_equal(stats_of(f).open_failed, 1);
    returned(&conn);
    returned(&held);
}

/* R-QUE-5 */
static void an_opening_that_hangs_delays_nobody_else(void **state) {
    fixture *f = *state;
    borrower hung, elsewhere;
    open_sized(f, 3, 0);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true}); /* on its caller's thread */
    borrow(f, &hung, 0);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    dbpool_conn conn = taken(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true}); /* on a thread of the library */
    borrow(f, &elsewhere, -1);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 2);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    assert_int_equal(stats_of(f).opening, 2);
    await_waiting(f->pool, 1);
    returned(&conn);
    assert_int_equal(borrowed(&elsewhere), DBPOOL_OK);
    for (int i = 0; i < 3; i++) {
        returned(&elsewhere.conn);
        elsewhere.conn = taken(f);
    }
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&hung), DBPOOL_OK);
    await_idle(f->pool, 1);
    returned(&elsewhere.conn);
    returned(&hung.conn);
}

static bool refuse_thread(void) { return false; }

/* R-QUE-5 */
static void where_no_thread_can_be_had_the_caller_opens(void **state) {
    fixture *f = *state;
    dbpool_conn conns[4];
    fixture_open(f);
    dbp_thread_hook = refuse_thread;
    for (int i = 0; i < 4; i++)
        conns[i] = lent(f);
    dbp_thread_hook = NULL;
    assert_int_equal(fake_driver_open_natives(f->fake), 4);
    return_many(conns, 4);
}

/* ---- Looking ---- */

/* R-QUE-6 */
static void figures_and_status_follow_what_happens(void **state) {
    fixture *f = *state;
    dbpool_conn conns[6];
    char text[200];
    fixture_open(f);
    (void)dbpool_status_text(f->pool, text, sizeof text);
    assert_string_equal(text, "Pool size: 5  Connections in pool: 0 Current Overflow: -5 Current Checked out connections: 0");
    lend_many(f, conns, 6);
    (void)dbpool_status_text(f->pool, text, sizeof text);
    assert_string_equal(text, "Pool size: 5  Connections in pool: 0 Current Overflow: 1 Current Checked out connections: 6");
    return_many(conns, 6);
    (void)dbpool_status_text(f->pool, text, sizeof text);
    assert_string_equal(text, "Pool size: 5  Connections in pool: 5 Current Overflow: 0 Current Checked out connections: 0");
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    conns[0] = lent(f);
    returned(&conns[0]);
    size_t length = dbpool_status_text(f->pool, text, sizeof text);
    assert_string_equal(text, "Pool size: 5  Connections in pool: 1 Current Overflow: -4 Current Checked out connections: 0");
    assert_int_equal(length, strlen(text));
    assert_int_equal(dbpool_status_text(f->pool, text, 10), length);
    assert_string_equal(text, "Pool size");
    assert_int_equal(dbpool_status_text(f->pool, NULL, 0), length);
}

/* ---- Disposing and making anew ---- */

/* R-QUE-7 */
static void dispose_closes_the_idle_now_and_the_lent_at_their_return(void **state) {
    fixture *f = *state;
    f->config.idle_order = DBPOOL_IDLE_LIFO;
    open_sized(f, 2, 0);
    dbpool_conn one = lent(f), two = lent(f);
    returned(&two);
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
    assert_int_equal(stats_of(f).idle, 0);
    assert_true(dbpool_is_valid(one));
    two = taken(f);
    assert_int_equal(number_of(two), 3);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT); /* the one that is out counts */
    returned(&one);
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
    returned(&two);
    assert_int_equal(stats_of(f).idle, 1);
    two = taken(f);
    assert_int_equal(number_of(two), 3);
    returned(&two);
}

/* R-QUE-7 */
static void a_waiter_gets_a_new_connection_for_a_disposed_one(void **state) {
    fixture *f = *state;
    borrower b;
    dbpool_conn held = let_wait(f, &b, -1);
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    returned(&held);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
    returned(&b.conn);
}

/* R-QUE-7 */
static void one_opened_across_a_disposal_is_replaced(void **state) {
    fixture *f = *state;
    borrower b;
    dbpool_conn held = let_open_elsewhere(f, &b, -1, (fake_answer){.status = DBPOOL_OK});
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 3);
    returned(&b.conn);
    returned(&held);
}

/* R-QUE-7 */
static void recreate_gives_a_new_pool_with_the_same_settings(void **state) {
    fixture *f = *state;
    f->config.name = "shop";
    f->config.timeout_ms = 77;
    f->config.idle_order = DBPOOL_IDLE_FIFO;
    f->config.reset_on_return = DBPOOL_RESET_NONE;
    f->config.recycle_ms = 123;
    open_sized(f, 3, 4);
    assert_int_equal(dbpool_resize(f->pool, 2, 1, NULL), DBPOOL_OK);
    dbpool *old = f->pool;
    dbpool_conn held = lent(f);
    assert_int_equal(dbpool_recreate(old, &f->pool, &f->err), DBPOOL_OK);
    assert_ptr_not_equal(f->pool, old);
    assert_string_equal(dbpool_name(f->pool), "shop");
    assert_ptr_equal(f->pool->driver, old->driver);
    assert_int_equal(stats_of(f).open, 0);
    const dbpool_config *a = &old->config, *b = &f->pool->config;
    assert_int_equal(b->size, 2);
    assert_int_equal(b->max_overflow, 1);
    assert_true(a->timeout_ms == b->timeout_ms && a->recycle_ms == b->recycle_ms && a->fair_ns == b->fair_ns);
    assert_true(a->idle_order == b->idle_order && a->reset_on_return == b->reset_on_return && a->log == b->log);
    returned(&held);
    assert_int_equal(dbpool_close(old, 0, NULL), DBPOOL_OK);
    dbpool_destroy(old);
    dbpool_conn conn = lent(f);
    returned(&conn);
}

/* R-QUE-7, R-CFG-5 */
static void a_recreated_pool_without_a_name_has_an_id_of_its_own(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool *old = f->pool;
    assert_int_equal(dbpool_recreate(old, &f->pool, &f->err), DBPOOL_OK);
    assert_string_not_equal(dbpool_name(f->pool), dbpool_name(old));
    assert_int_equal(dbpool_close(old, 0, NULL), DBPOOL_OK);
    dbpool_destroy(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_pool_keeps_five_opens_fifteen_and_starts_with_none),
        FIXTURE_TEST(size_zero_is_no_limit_and_keeps_every_idle_one),
        FIXTURE_TEST(overflow_minus_one_is_no_limit_and_keeps_size),
        FIXTURE_TEST(what_no_pool_can_be_is_an_argument_error),
        FIXTURE_TEST(no_limit_ends_at_the_most_that_a_pool_can_hold),
        FIXTURE_TEST(idle_comes_before_opening_and_opening_before_waiting),
        FIXTURE_TEST(lifo_lends_the_last_returned_first),
        FIXTURE_TEST(fifo_lends_the_first_returned_first),
        FIXTURE_TEST(warm_lends_the_one_last_used_on_this_cpu_then_any),
        FIXTURE_TEST(a_timeout_names_size_overflow_and_time),
        FIXTURE_TEST(a_plain_checkout_waits_for_the_pools_timeout),
        FIXTURE_TEST(a_wait_has_one_deadline_however_often_it_is_overtaken),
        FIXTURE_TEST(a_waiter_is_overtaken_while_young_and_never_after),
        FIXTURE_TEST(the_line_is_served_in_order),
        FIXTURE_TEST(one_overtaken_keeps_its_place_in_the_line),
        FIXTURE_TEST(too_many_idle_are_closed_and_the_place_is_free_when_the_close_has_ended),
        FIXTURE_TEST(also_when_the_close_fails),
        FIXTURE_TEST(a_failed_opening_on_the_callers_thread_lets_a_waiter_try),
        FIXTURE_TEST(an_opening_races_with_a_return_and_the_loser_serves_the_next),
        FIXTURE_TEST(an_opening_that_comes_first_serves_its_caller),
        FIXTURE_TEST(a_failed_opening_elsewhere_tells_its_own_caller_and_lets_the_next_try),
        FIXTURE_TEST(one_that_fails_after_its_caller_left_gives_the_place_back_and_tells_nobody),
        FIXTURE_TEST(an_opening_that_hangs_delays_nobody_else),
        FIXTURE_TEST(where_no_thread_can_be_had_the_caller_opens),
        FIXTURE_TEST(figures_and_status_follow_what_happens),
        FIXTURE_TEST(dispose_closes_the_idle_now_and_the_lent_at_their_return),
        FIXTURE_TEST(a_waiter_gets_a_new_connection_for_a_disposed_one),
        FIXTURE_TEST(one_opened_across_a_disposal_is_replaced),
        FIXTURE_TEST(recreate_gives_a_new_pool_with_the_same_settings),
        FIXTURE_TEST(a_recreated_pool_without_a_name_has_an_id_of_its_own),
    };
    return cmocka_run_group_tests_name("queue", tests, fixture_start, NULL);
}
