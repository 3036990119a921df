/* SPDX-License-Identifier: MIT
 *
 * A detached connection: it leaves its record and the pool's limits, and is closed, once, at the end of its handle.
 */
#include "fixture.h"

static dbpool_conn lent_and_detached(fixture *f) {
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_OK);
    return conn;
}

/* R-DET-1, R-DET-4, R-EVT-9 */
static void a_detach_gives_the_record_back_and_keeps_the_connection(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f), old = conn;
    dbpool_record *record = dbpool_record_of(conn);
    void *native = dbpool_native(conn);
    fake_native_set_state(native, DBPOOL_NATIVE_DIRTY);
    (void)trace(f);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_OK);
    assert_string_equal(trace(f), "on_detach1"); /* neither reset nor checkin nor close */
    assert_ptr_equal(f->last[DBPOOL_ON_DETACH].record, record);
    assert_ptr_equal(dbpool_native(conn), native);
    assert_null(dbpool_record_of(conn));
    assert_false(dbpool_is_valid(old));
    assert_int_equal(dbpool_checkin(&old), DBPOOL_ESTALE);
    dbpool_stats stats = stats_of(f);
    assert_int_equal(stats.detached, 1);
    assert_int_equal(stats.detaches, 1);
    assert_int_equal(stats.leased, 0);
    assert_int_equal(stats.open, 0);
    dbpool_conn other = lent(f);
    assert_ptr_equal(dbpool_record_of(other), record);
    assert_int_equal(number_of(other), 2);
    returned(&other);
    returned(&conn);
    assert_int_equal(stats_of(f).detached, 0);
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
}

/* R-DET-1 */
static void detaching_twice_does_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent_and_detached(f), before = conn;
    (void)trace(f);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_OK);
    assert_ptr_equal(conn.cell, before.cell);
    assert_true(conn.number == before.number);
    assert_string_equal(trace(f), "");
    returned(&conn);
}

/* R-DET-2 */
static void no_limit_counts_a_detached_connection(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    dbpool_conn one = lent_and_detached(f), two = lent_and_detached(f), three = taken(f);
    assert_int_equal(fake_driver_open_natives(f->fake), 3);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    returned(&one);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    returned(&two);
    returned(&three);
}

/* R-DET-2 */
static void a_detach_serves_one_who_waits(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    returned(&b.conn);
    returned(&conn);
}

/* R-DET-3 */
static void an_invalidated_detached_connection_is_closed_once(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent_and_detached(f), copy = conn;
    (void)trace(f);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "on_close_detached1 close1");
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(stats_of(f).closed, 1);
}

/* R-DET-3 */
static void a_failing_reset_of_a_detached_connection_closes_it_once(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent_and_detached(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    fake_driver_plan(f->fake, FAKE_RESET, 1, 1, (fake_answer){.status = DBPOOL_EDRIVER, .message = "rollback: lost"});
    (void)trace(f);
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 reset1 on_close_detached1 close1");
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, ": rollback: lost"), 1);
}

/* R-DET-3 */
static void a_soft_invalidation_of_it_does_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent_and_detached(f);
    (void)trace(f);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "");
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
}

static int value;

static void set_info_in_record(fixture *f, const dbpool_event *event) {
    if (event->kind != DBPOOL_ON_CONNECT)
        return;
    static int others;
    void *mine = ((fake_native *)event->native)->number == 1 ? &value : &others;
    (void)dbpool_record_set_info(event->record, DBPOOL_SCOPE_CONNECTION, "key", mine, NULL);
    (void)f;
}

/* R-DET-1, R-DET-4, R-INFO-2 */
static void info_is_copied_before_the_record_serves_another(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    fixture_listen(f);
    f->inside = set_info_in_record;
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "record", &value, NULL), DBPOOL_OK);
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &value);
    assert_ptr_not_equal(dbpool_get_info(b.conn, DBPOOL_SCOPE_CONNECTION, "key"), &value);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, "record"));
    assert_ptr_equal(dbpool_get_info(b.conn, DBPOOL_SCOPE_RECORD, "record"), &value);
    returned(&b.conn);
    returned(&conn);
}

/* R-DET-1 */
static void a_lease_with_nested_handles_is_not_detached(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), nested, none;
    assert_int_equal(dbpool_checkout_nested(conn, &nested, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_EBUSY);
    assert_string_equal(f->err.message, "detach: other handles to the same lease are out");
    assert_true(dbpool_is_valid(conn));
    returned(&nested);
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_nested(conn, &none, &f->err), DBPOOL_EUNSUPPORTED);
    returned(&conn);
}

/* R-DET-1 */
static void a_detached_connection_outlives_its_pool(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_and_detached(f);
    fixture_close(f);
    assert_true(dbpool_is_valid(conn));
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
    returned(&conn);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_detach_gives_the_record_back_and_keeps_the_connection),
        FIXTURE_TEST(detaching_twice_does_nothing),
        FIXTURE_TEST(no_limit_counts_a_detached_connection),
        FIXTURE_TEST(a_detach_serves_one_who_waits),
        FIXTURE_TEST(an_invalidated_detached_connection_is_closed_once),
        FIXTURE_TEST(a_failing_reset_of_a_detached_connection_closes_it_once),
        FIXTURE_TEST(a_soft_invalidation_of_it_does_nothing),
        FIXTURE_TEST(info_is_copied_before_the_record_serves_another),
        FIXTURE_TEST(a_lease_with_nested_handles_is_not_detached),
        FIXTURE_TEST(a_detached_connection_outlives_its_pool),
    };
    return cmocka_run_group_tests_name("detach", tests, fixture_start, NULL);
}
