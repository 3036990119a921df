/* SPDX-License-Identifier: MIT
 *
 * A checkout: what makes a connection good enough to be lent, how it is replaced when it is not, and what nested handles are.
 */
#include "fixture.h"

/* ---- The beginning of a lease ---- */

/* R-OUT-1, R-OUT-9 */
static void a_checkout_makes_a_lease_that_counts_one(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open1 on_first_connect1 on_connect1 on_checkout1");
    assert_true(dbpool_is_valid(conn));
    dbpool_lease lease;
    size_t count = 0;
    assert_int_equal(dbpool_leases(f->pool, &lease, 1, &count), DBPOOL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(lease.handles, 1);
    assert_int_equal(lease.number, conn.number);
    assert_int_equal(stats_of(f).leased, 1);
    assert_int_equal(stats_of(f).checkouts, 1);
    returned(&conn);
    assert_false(dbpool_is_valid(conn));
    assert_int_equal(stats_of(f).leased, 0);
    assert_int_equal(stats_of(f).checkins, 1);
}

/* R-OUT-2 */
static void a_failed_opening_frees_its_place_and_is_told_unchanged(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    fixture_listen(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 2,
                     (fake_answer){.status = DBPOOL_ECONNECT,
                                   .flags = DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_TIMED_OUT,
                                   .message = "open connection: nobody listens"});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(refused(f), DBPOOL_ECONNECT);
        assert_string_equal(f->err.message, "open connection: nobody listens");
        assert_int_equal(f->err.flags, DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_TIMED_OUT);
        assert_string_equal(trace(f), "open1 on_checkin-");
        dbpool_stats stats = stats_of(f);
        assert_int_equal(stats.open, 0);
        assert_int_equal(stats.leased, 0);
        assert_int_equal(stats.checkouts, 0);
        assert_int_equal(stats.invalidated, 0);
        assert_int_equal(stats.open_failed, i + 1);
    }
    dbpool_conn conn = taken(f);
    returned(&conn);
}

/* R-OUT-2 */
static void an_opening_that_yields_nothing_fails(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECANCELED});
    assert_int_equal(refused(f), DBPOOL_ECANCELED);
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- Ping ---- */

/* R-OUT-3 */
static void without_pre_ping_nothing_is_pinged(void **state) {
    fixture *f = *state;
    fixture_open(f);
    for (int i = 0; i < 3; i++) {
        dbpool_conn conn = lent(f);
        returned(&conn);
    }
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 0);
}

/* R-OUT-3, R-OUT-6 */
static void what_is_not_fresh_is_pinged(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    f->config.ping_timeout_ms = 700;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 0);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 1);
    assert_true(fake_driver_deadline(f->fake, FAKE_PING) == fake_clock_now() + 700 * DBP_NS_PER_MS);
    returned(&conn);
    assert_int_equal(stats_of(f).pings, 1);
    assert_int_equal(stats_of(f).ping_failed, 0);
}

/* R-OUT-3 */
static void a_ping_ends_by_the_callers_own_deadline(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    f->config.ping_timeout_ms = 5000;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_int_equal(dbpool_checkout_timeout(f->pool, 300, &conn, NULL), DBPOOL_OK);
    assert_true(fake_driver_deadline(f->fake, FAKE_PING) == fake_clock_now() + 300 * DBP_NS_PER_MS);
    returned(&conn);
}

/* Two idle connections; the next checkout takes number 2, then 1. */
static void open_two(fixture *f) {
    f->config.idle_order = DBPOOL_IDLE_LIFO;
    fixture_open(f);
    dbpool_conn one = lent(f), two = lent(f);
    returned(&one);
    returned(&two);
    fixture_listen(f);
    (void)trace(f);
}

/* R-OUT-3 */
static void a_plain_disconnect_at_a_ping_replaces_this_connection_alone(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDISCONNECT, .message = "ping: hung up"});
    dbpool_conn conn = lent(f), other = lent(f);
    assert_string_equal(trace(f), "ping2 on_invalidate2 on_close2 close2 open3 on_first_connect3 on_connect3 on_checkout3 "
                                  "ping1 on_checkout1");
    assert_string_equal(f->reason.message, "ping: hung up");
    assert_int_equal(stats_of(f).pool_invalidated, 0);
    assert_int_equal(stats_of(f).ping_failed, 1);
    returned(&conn);
    returned(&other);
}

/* R-OUT-3, R-INV-4 */
static void a_disconnect_that_says_so_condemns_the_older_ones(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDISCONNECT, .flags = DBPOOL_ERROR_POOL_STALE});
    dbpool_conn conn = lent(f), other = lent(f);
    assert_int_equal(number_of(conn), 3);
    assert_int_equal(number_of(other), 4);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 1);
    assert_int_equal(stats_of(f).pool_invalidated, 1);
    returned(&conn);
    returned(&other);
}

/* R-OUT-3 */
static void another_failure_of_a_ping_ends_the_checkout_and_keeps_the_connection(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDRIVER, .message = "ping: not allowed"});
    assert_int_equal(refused(f), DBPOOL_EDRIVER);
    assert_string_equal(f->err.message, "ping: not allowed");
    assert_string_equal(trace(f), "ping2 on_reset2 on_checkin2");
    assert_int_equal(stats_of(f).leased, 0);
    assert_int_equal(stats_of(f).idle, 2);
}

/* R-OUT-3, R-OUT-4 */
static void ping_and_listeners_share_two_tries(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDISCONNECT});
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDISCONNECT, 0, "checkout listener: gone"};
    assert_int_equal(refused(f), DBPOOL_EDISCONNECT);
    assert_string_equal(f->err.message, "checkout: This connection is closed");
    assert_true(f->err.flags & DBPOOL_ERROR_RETRYABLE);
    assert_string_equal(trace(f), "ping2 on_invalidate2 on_close2 close2 open3 on_first_connect3 on_connect3 on_checkout3 "
                                  "on_invalidate3 on_close3 close3 open4 on_connect4 on_invalidate4 on_close4 close4 on_checkin-");
    assert_null(f->last[DBPOOL_ON_INVALIDATE].reason);
    assert_int_equal(stats_of(f).open, 1);
    assert_int_equal(stats_of(f).leased, 0);
}

/* R-OUT-3, R-OUT-6 */
static void a_look_finds_the_dead_without_a_round_trip(void **state) {
    fixture *f = *state;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_LOOK, 1, 1, (fake_answer){.refuse = true});
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 3);
    assert_int_equal(stats_of(f).look_failed, 1);
    assert_int_equal(stats_of(f).invalidated, 1);
    assert_int_equal(stats_of(f).pool_invalidated, 0);
    returned(&conn);
}

/* R-OUT-6 */
static void a_connection_used_lately_is_not_looked_at(void **state) {
    fixture *f = *state;
    f->config.validate_after_ms = 1000;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    fake_clock_advance_ms(999);
    conn = lent(f);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_LOOK), 0);
    returned(&conn);
    fake_clock_advance_ms(1000);
    conn = lent(f);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_LOOK), 1);
    returned(&conn);
}

/* ---- Checkout listeners ---- */

/* R-OUT-4 */
static void a_listener_may_report_a_disconnect(void **state) {
    fixture *f = *state;
    open_two(f);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDISCONNECT, 0, "checkout listener: gone"};
    dbpool_conn conn = lent(f), other = lent(f);
    assert_int_equal(number_of(conn), 3);
    assert_int_equal(number_of(other), 1);
    assert_string_equal(f->reason.message, "checkout listener: gone");
    returned(&conn);
    returned(&other);
}

/* R-OUT-4, R-INV-4 */
static void a_listener_may_condemn_every_older_connection(void **state) {
    fixture *f = *state;
    open_two(f);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDISCONNECT, DBPOOL_ERROR_POOL_STALE, "checkout listener: restarted"};
    dbpool_conn conn = lent(f), other = lent(f);
    assert_int_equal(number_of(conn), 3);
    assert_int_equal(number_of(other), 4);
    assert_int_equal(stats_of(f).pool_invalidated, 1);
    returned(&conn);
    returned(&other);
}

/* R-OUT-4 */
static void after_two_disconnects_the_checkout_gives_up(void **state) {
    fixture *f = *state;
    open_two(f);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){2, DBPOOL_EDISCONNECT, 0, NULL};
    assert_int_equal(refused(f), DBPOOL_EDISCONNECT);
    assert_string_equal(f->err.message, "checkout: This connection is closed");
    assert_int_equal(fake_driver_calls(f->fake, FAKE_OPEN), 4);
    assert_int_equal(f->refusals[DBPOOL_ON_CHECKOUT].times, 0);
    assert_int_equal(stats_of(f).idle, 1);
    assert_int_equal(stats_of(f).open, 1);
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    returned(&conn);
}

/* ---- Opening anew ---- */

/* R-OUT-5 */
static void a_failed_reopening_checks_the_record_in(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    open_two(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDISCONNECT});
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECONNECT, .message = "open: still down"});
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    assert_string_equal(f->err.message, "open: still down");
    assert_string_equal(trace(f), "ping2 on_invalidate2 on_close2 close2 open3 on_checkin-");
    assert_int_equal(stats_of(f).open, 1);
    assert_int_equal(stats_of(f).leased, 0);
}

/* R-OUT-5, R-LEAK-1 */
static void the_handle_shown_to_listeners_ends_with_a_failed_reopening(void **state) {
    fixture *f = *state;
    open_two(f);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDISCONNECT, 0, NULL};
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECONNECT});
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    dbpool_conn shown = f->last[DBPOOL_ON_CHECKOUT].conn;
    assert_non_null(shown.cell);
    assert_false(dbpool_is_valid(shown));
    assert_int_equal(dbpool_checkin(&shown), DBPOOL_ESTALE);
}

/* R-OUT-6 */
static void one_opened_for_somebody_who_left_is_pinged(void **state) {
    fixture *f = *state;
    f->config.size = 2;
    f->config.max_overflow = 0;
    f->config.pre_ping = 1;
    fixture_open(f);
    dbpool_conn held = lent(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true});
    borrower late;
    borrow(f, &late, 100);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    await_waiting(f->pool, 1);
    fake_clock_advance_ms(100);
    assert_int_equal(borrowed(&late), DBPOOL_ETIMEOUT);
    fake_driver_release(f->fake, FAKE_OPEN);
    await_idle(f->pool, 1);
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 1);
    returned(&conn);
    returned(&held);
}

/* R-OUT-6 */
static void one_opened_for_this_checkout_on_another_thread_is_fresh(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    fixture_open(f);
    dbpool_conn one = lent(f), two = lent(f);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_OPEN), 2);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_PING), 0);
    returned(&one);
    returned(&two);
}

/* ---- Nested handles ---- */

/* R-OUT-7 */
static void a_nested_handle_counts_and_asks_nothing(void **state) {
    fixture *f = *state;
    f->config.pre_ping = 1;
    f->config.recycle_ms = 0;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f), nested, deeper;
    fake_clock_advance_ms(1000);
    (void)trace(f);
    assert_int_equal(dbpool_checkout_nested(conn, &nested, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_nested(nested, &deeper, &f->err), DBPOOL_OK);
    assert_ptr_equal(dbpool_native(nested), dbpool_native(conn));
    assert_ptr_equal(dbpool_native(deeper), dbpool_native(conn));
    assert_int_equal(stats_of(f).nested, 2);
    assert_int_equal(stats_of(f).leased, 1);
    dbpool_lease lease;
    size_t count = 0;
    assert_int_equal(dbpool_leases(f->pool, &lease, 1, &count), DBPOOL_OK);
    assert_int_equal(lease.handles, 3);
    returned(&nested);
    returned(&conn);
    assert_true(dbpool_is_valid(deeper));
    assert_string_equal(trace(f), "");
    returned(&deeper);
    assert_string_equal(trace(f), "on_reset1 on_checkin1");
    assert_int_equal(stats_of(f).leased, 0);
}

/* R-OUT-8, R-LEAK-1 */
static void a_handle_closed_twice_counts_nobody_else_down(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), copy = conn, nested;
    assert_int_equal(dbpool_checkout_nested(conn, &nested, NULL), DBPOOL_OK);
    returned(&conn);
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin_no_reset(&copy), DBPOOL_ESTALE);
    assert_true(dbpool_is_valid(nested));
    assert_int_equal(stats_of(f).leased, 1);
    returned(&nested);
}

/* R-OUT-8 */
static void a_hard_invalidation_ends_the_lease_whatever_its_count(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), nested, deeper, none;
    assert_int_equal(dbpool_checkout_nested(conn, &nested, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_nested(conn, &deeper, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate(&nested, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&conn), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&deeper), DBPOOL_ESTALE);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkout_nested(deeper, &none, &f->err), DBPOOL_ESTALE);
    assert_string_equal(f->err.message, "nested checkout: This connection is closed");
    assert_null(none.cell);
    assert_int_equal(stats_of(f).open, 0);
    assert_int_equal(stats_of(f).leased, 0);
}

/* R-OUT-8 */
static void an_empty_lease_is_not_detached_nor_checked_out_again(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), copy = conn, none;
    returned(&conn);
    assert_int_equal(dbpool_detach(&copy, &f->err), DBPOOL_ESTALE);
    assert_string_equal(f->err.message, "detach: This connection is closed");
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkout_nested(conn, &none, &f->err), DBPOOL_ESTALE);
    assert_int_equal(stats_of(f).idle, 1);
}

/* R-OUT-9 */
static void a_lease_without_a_connection_is_not_valid(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_record_invalidate(dbpool_record_of(conn), NULL), DBPOOL_OK);
    assert_false(dbpool_is_valid(conn));
    assert_null(dbpool_native(conn));
    returned(&conn);
    assert_false(dbpool_is_valid(DBPOOL_CONN_NONE));
}

static dbpool_status refuse_in_silence(void *driver_arg, void *native, int64_t deadline_ns, dbpool_error *err) {
    (void)driver_arg;
    (void)native;
    (void)deadline_ns;
    (void)err;
    return DBPOOL_EDRIVER;
}

/* R-OUT-3 */
static void a_driver_that_fails_without_a_word_fails_the_checkout(void **state) {
    fixture *f = *state;
    dbpool_driver silent = *fake_driver_table(f->fake);
    silent.ping = refuse_in_silence;
    f->config.pre_ping = 1;
    f->config.size = 1;
    f->config.max_overflow = 0;
    assert_int_equal(dbpool_open_driver(&silent, f->fake, &f->config, &f->pool, &f->err), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_int_equal(dbpool_try_checkout(f->pool, &conn, &f->err), DBPOOL_EDRIVER);
    assert_null(conn.cell);
    assert_string_equal(f->err.message, "ping connection: the database refused or failed");
    assert_int_equal(stats_of(f).leased, 0);
}

static void count_leases(fixture *f, const dbpool_event *event) {
    (void)event;
    size_t listed;
    assert_int_equal(dbpool_leases(f->pool, NULL, 0, &listed), DBPOOL_OK);
    assert_int_equal(listed, 0);
    assert_int_equal(stats_of(f).checkins, stats_of(f).checkouts);
}

/* R-QUE-6 */
static void a_connection_that_is_being_examined_is_no_lease_yet(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    f->inside = count_leases;
    conn = lent(f);
    assert_int_equal(stats_of(f).leased, 1);
    assert_int_equal(stats_of(f).checkins, 1);
    returned(&conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_checkout_makes_a_lease_that_counts_one),
        FIXTURE_TEST(a_failed_opening_frees_its_place_and_is_told_unchanged),
        FIXTURE_TEST(an_opening_that_yields_nothing_fails),
        FIXTURE_TEST(without_pre_ping_nothing_is_pinged),
        FIXTURE_TEST(what_is_not_fresh_is_pinged),
        FIXTURE_TEST(a_ping_ends_by_the_callers_own_deadline),
        FIXTURE_TEST(a_plain_disconnect_at_a_ping_replaces_this_connection_alone),
        FIXTURE_TEST(a_disconnect_that_says_so_condemns_the_older_ones),
        FIXTURE_TEST(another_failure_of_a_ping_ends_the_checkout_and_keeps_the_connection),
        FIXTURE_TEST(ping_and_listeners_share_two_tries),
        FIXTURE_TEST(a_look_finds_the_dead_without_a_round_trip),
        FIXTURE_TEST(a_connection_used_lately_is_not_looked_at),
        FIXTURE_TEST(a_listener_may_report_a_disconnect),
        FIXTURE_TEST(a_listener_may_condemn_every_older_connection),
        FIXTURE_TEST(after_two_disconnects_the_checkout_gives_up),
        FIXTURE_TEST(a_failed_reopening_checks_the_record_in),
        FIXTURE_TEST(the_handle_shown_to_listeners_ends_with_a_failed_reopening),
        FIXTURE_TEST(one_opened_for_somebody_who_left_is_pinged),
        FIXTURE_TEST(one_opened_for_this_checkout_on_another_thread_is_fresh),
        FIXTURE_TEST(a_nested_handle_counts_and_asks_nothing),
        FIXTURE_TEST(a_handle_closed_twice_counts_nobody_else_down),
        FIXTURE_TEST(a_hard_invalidation_ends_the_lease_whatever_its_count),
        FIXTURE_TEST(an_empty_lease_is_not_detached_nor_checked_out_again),
        FIXTURE_TEST(a_lease_without_a_connection_is_not_valid),
        FIXTURE_TEST(a_driver_that_fails_without_a_word_fails_the_checkout),
        FIXTURE_TEST(a_connection_that_is_being_examined_is_no_lease_yet),
    };
    return cmocka_run_group_tests_name("checkout", tests, fixture_start, NULL);
}
