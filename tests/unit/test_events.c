/* SPDX-License-Identifier: MIT
 *
 * Listeners: when each kind of event is told, what it is given, and what a listener may do.
 */
#include "fixture.h"

#include <string.h>

/* ---- Who is called, in which order ---- */

static dbpool_status say_a(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)err;
    fixture_note(arg, "a");
    return DBPOOL_OK;
}

static dbpool_status say_b(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)err;
    fixture_note(arg, "b");
    return DBPOOL_OK;
}

/* R-CFG-6, R-EVT-2 */
static void listeners_given_at_construction_hear_the_first_opening_and_come_first(void **state) {
    fixture *f = *state;
    const dbpool_listener given[] = {
        {DBPOOL_ON_CONNECT, say_b, f},
        {DBPOOL_ON_CONNECT, say_a, f}
    };
    f->config.listeners = given;
    f->config.listener_count = 2;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CONNECT);
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open1 b a on_connect1");
    returned(&conn);
}

/* R-EVT-11, R-CFG-6 */
static void a_recreated_pool_has_the_listeners_of_the_old_one_first(void **state) {
    fixture *f = *state;
    fixture_open(f);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CONNECT, say_a, f), DBPOOL_OK);
    dbpool *old = f->pool;
    assert_int_equal(dbpool_recreate(old, &f->pool, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CONNECT, say_b, f), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open1 a b");
    returned(&conn);
    fixture_close(f);
    f->pool = old;
    (void)trace(f);
    conn = lent(f); /* the old one has none of the new one's */
    assert_string_equal(trace(f), "open2 a");
    returned(&conn);
}

/* R-EVT-2 */
static void a_removed_listener_is_called_no_more(void **state) {
    fixture *f = *state;
    fixture_open(f);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_OK);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CHECKOUT, say_b, f), DBPOOL_OK);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_OK);
    assert_int_equal(dbpool_unlisten(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open1 b a"); /* the first that is equal is gone */
    returned(&conn);
    assert_int_equal(dbpool_unlisten(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_OK);
    assert_int_equal(dbpool_unlisten(f->pool, DBPOOL_ON_CHECKOUT, say_b, f), DBPOOL_OK);
    conn = lent(f);
    assert_string_equal(trace(f), "");
    returned(&conn);
    assert_int_equal(dbpool_unlisten(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_EINVAL);
    assert_int_equal(dbpool_unlisten(f->pool, DBPOOL_ON_RESET, say_b, f), DBPOOL_EINVAL);
}

/* ---- When, and given what ---- */

static void expect_given(fixture *f, dbpool_event_kind kind, void *native, dbpool_record *record) {
    const dbpool_event *event = &f->last[kind];
    assert_int_equal(event->kind, kind);
    assert_ptr_equal(event->pool, f->pool);
    assert_ptr_equal(event->native, native);
    assert_ptr_equal(event->record, record);
}

/* R-EVT-1, R-EVT-2, R-EVT-3, R-EVT-4, R-EVT-5 */
static void the_events_of_a_lease_are_given_its_connection_and_record(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f), copy = conn;
    void *native = dbpool_native(conn);
    dbpool_record *record = dbpool_record_of(conn);
    returned(&conn);
    assert_string_equal(trace(f), "open1 on_first_connect1 on_connect1 on_checkout1 on_reset1 on_checkin1");
    const dbpool_event_kind kinds[] = {DBPOOL_ON_FIRST_CONNECT, DBPOOL_ON_CONNECT, DBPOOL_ON_CHECKOUT, DBPOOL_ON_RESET, DBPOOL_ON_CHECKIN};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        expect_given(f, kinds[i], native, record);
        bool with_lease = kinds[i] == DBPOOL_ON_CHECKOUT || kinds[i] == DBPOOL_ON_RESET;
        assert_ptr_equal(f->last[kinds[i]].conn.cell, with_lease ? copy.cell : NULL);
        assert_null(f->last[kinds[i]].reason);
    }
}

/* R-EVT-1 */
static void first_connect_comes_once_even_to_a_late_listener(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn one = lent(f);
    fixture_listen_to(f, DBPOOL_ON_FIRST_CONNECT);
    fixture_listen_to(f, DBPOOL_ON_CONNECT);
    dbpool_conn two = lent(f), three = lent(f);
    assert_string_equal(trace(f), "open1 open2 on_first_connect2 on_connect2 open3 on_connect3");
    returned(&one);
    returned(&two);
    returned(&three);
}

/* R-EVT-4, R-EVT-6, R-EVT-8 */
static void the_events_of_an_invalidation_are_given_the_reason_and_a_checkin_without_connection(void **state) {
    fixture *f = *state;
    const dbpool_error reason = {.status = DBPOOL_EDRIVER, .message = "query: gone"};
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    dbpool_record *record = dbpool_record_of(conn);
    assert_int_equal(dbpool_invalidate(&conn, &reason), DBPOOL_OK);
    expect_given(f, DBPOOL_ON_INVALIDATE, native, record);
    expect_given(f, DBPOOL_ON_CLOSE, native, record);
    expect_given(f, DBPOOL_ON_CHECKIN, NULL, record);
    assert_non_null(f->last[DBPOOL_ON_INVALIDATE].reason);
    assert_null(f->last[DBPOOL_ON_CLOSE].reason);
    assert_string_equal(f->reason.message, "query: gone");
}

/* R-EVT-7 */
static void a_soft_invalidation_is_told_at_once(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fixture_listen(f);
    (void)trace(f);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "on_soft_invalidate1");
    expect_given(f, DBPOOL_ON_SOFT_INVALIDATE, dbpool_native(conn), dbpool_record_of(conn));
    assert_null(f->last[DBPOOL_ON_SOFT_INVALIDATE].reason);
    returned(&conn);
}

/* R-EVT-8 */
static void every_way_of_closing_a_pooled_connection_is_told(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CLOSE);
    dbpool_conn one = lent(f), two = taken(f);
    returned(&one);
    (void)trace(f);
    returned(&two);
    assert_string_equal(trace(f), "on_close2 close2"); /* too many idle */
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    assert_string_equal(trace(f), "on_close1 close1");
    one = lent(f);
    returned(&one);
    (void)trace(f);
    assert_int_equal(dbpool_close(f->pool, 0, NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "on_close3 close3");
}

/* R-EVT-9, R-EVT-10, R-EVT-5 */
static void the_events_of_a_detached_connection_are_given_no_record_once_it_has_left(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    dbpool_record *record = dbpool_record_of(conn);
    (void)trace(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    expect_given(f, DBPOOL_ON_DETACH, native, record);
    dbpool_conn copy = conn;
    returned(&conn);
    assert_string_equal(trace(f), "on_detach1 on_reset1 on_close_detached1 close1");
    expect_given(f, DBPOOL_ON_RESET, native, NULL);
    assert_ptr_equal(f->last[DBPOOL_ON_RESET].conn.cell, copy.cell);
    expect_given(f, DBPOOL_ON_CLOSE_DETACHED, native, NULL);
}

/* ---- A listener that fails ---- */

/* R-EVT-11, R-EVT-3 */
static void a_failing_checkout_listener_fails_the_checkout_and_nothing_leaks(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, "checkout listener: not today"};
    assert_int_equal(refused(f), DBPOOL_ELISTENER);
    assert_string_equal(f->err.message, "checkout listener: not today");
    assert_string_equal(trace(f), "open1 on_first_connect1 on_connect1 on_checkout1 on_reset1 on_checkin1");
    assert_int_equal(stats_of(f).leased, 0);
    assert_int_equal(stats_of(f).idle, 1);
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    returned(&conn);
}

/* R-EVT-11 */
static void a_failing_listener_keeps_those_after_it_from_a_checkout(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CHECKOUT, say_a, f), DBPOOL_OK);
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDRIVER, 0, NULL};
    assert_int_equal(refused(f), DBPOOL_EDRIVER);
    assert_string_equal(trace(f), "open1 on_checkout1");
}

/* ---- What a listener may do ---- */

static dbpool_conn shown;

static void use_the_lease(fixture *f, const dbpool_event *event) {
    static int value;
    if (event->kind != DBPOOL_ON_CHECKOUT && event->kind != DBPOOL_ON_RESET)
        return;
    dbpool_conn conn = shown = event->conn;
    bool readable = dbpool_is_valid(conn) && dbpool_native(conn) == event->native && dbpool_record_of(conn) == event->record;
    bool kept = dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &value, NULL) == DBPOOL_OK &&
                dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key") == &value;
    bool ends = dbpool_checkin(&conn) != DBPOOL_ESTALE || dbpool_invalidate(&conn, NULL) != DBPOOL_ESTALE ||
                dbpool_detach(&conn, NULL) != DBPOOL_ESTALE;
    fixture_note(f, readable && kept && !ends ? "read" : "wrong");
}

/* R-EVT-3, R-EVT-5 */
static void a_listener_may_read_the_lease_but_not_end_it(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    fixture_listen_to(f, DBPOOL_ON_RESET);
    f->inside = use_the_lease;
    dbpool_conn conn = lent(f);
    assert_false(dbpool_is_valid(shown)); /* the caller's handle is another one */
    returned(&conn);
    assert_string_equal(trace(f), "open1 on_checkout1 read on_reset1 read");
    assert_false(dbpool_is_valid(shown));
}

static void call_back(fixture *f, const dbpool_event *event) {
    static bool inside;
    dbpool_conn conn;
    dbpool_stats stats = DBPOOL_STATS_INIT;
    dbpool_lease lease;
    size_t count;
    char text[200];
    if (inside)
        return;
    inside = true;
    bool done = dbpool_get_stats(event->pool, &stats) == DBPOOL_OK && dbpool_leases(event->pool, &lease, 1, &count) == DBPOOL_OK &&
                dbpool_status_text(event->pool, text, sizeof text) > 0 && dbpool_set_log_level(event->pool, 1) == DBPOOL_OK &&
                dbpool_listen(event->pool, DBPOOL_ON_DETACH, say_a, f) == DBPOOL_OK &&
                dbpool_unlisten(event->pool, DBPOOL_ON_DETACH, say_a, f) == DBPOOL_OK &&
                dbpool_resize(event->pool, 5, 10, NULL) == DBPOOL_OK && dbpool_try_checkout(event->pool, &conn, NULL) == DBPOOL_OK &&
                dbpool_checkin(&conn) == DBPOOL_OK;
    if (!done)
        fixture_note(f, "wrong");
    inside = false;
}

/* R-EVT-1, R-EVT-2, R-EVT-3, R-EVT-4, R-EVT-5, R-EVT-6, R-EVT-7, R-EVT-8, R-EVT-9, R-EVT-10 */
static void no_lock_is_held_while_listeners_run(void **state) {
    fixture *f = *state;
    fixture_open(f);
    for (int kind = 0; kind < DBPOOL_EVENT_COUNT; kind++) {
        fixture_listen_to(f, (dbpool_event_kind)kind);
        f->inside = call_back;
        dbpool_conn conn = lent(f);
        assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
        returned(&conn);
        conn = lent(f);
        assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
        conn = lent(f);
        assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
        returned(&conn);
        f->inside = NULL;
        assert_true(f->last[kind].pool == f->pool);
        assert_int_equal(dbpool_unlisten(f->pool, (dbpool_event_kind)kind, fixture_listener, f), DBPOOL_OK);
    }
    assert_null(strstr(trace(f), "wrong"));
}

static dbpool_status inner_status;
static dbpool_error inner_err;
static dbpool_conn inner_conn;

static void check_out_inside(fixture *f, const dbpool_event *event) {
    f->inside = NULL;
    inner_status = dbpool_checkout(event->pool, &inner_conn, &inner_err);
}

/* R-EVT-3 */
static void inside_a_listener_a_checkout_takes_or_opens_but_never_waits(void **state) {
    fixture *f = *state;
    f->config.size = 2;
    f->config.max_overflow = 0;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    f->inside = check_out_inside;
    dbpool_conn conn = lent(f);
    assert_int_equal(inner_status, DBPOOL_OK); /* opened */
    returned(&inner_conn);
    returned(&conn);
    f->inside = check_out_inside;
    conn = lent(f);
    assert_int_equal(inner_status, DBPOOL_OK); /* taken */
    dbpool_conn held = inner_conn;
    returned(&conn);
    f->inside = check_out_inside;
    conn = lent(f);
    assert_int_equal(inner_status, DBPOOL_EDEADLK);
    assert_string_equal(inner_err.message, "checkout: nothing is free, and a listener of the same pool must not wait");
    returned(&conn);
    returned(&held);
}

static void close_inside(fixture *f, const dbpool_event *event) {
    f->inside = NULL;
    inner_status = dbpool_close(event->pool, -1, &inner_err);
}

/* R-EVT-3, R-LEAK-4 */
static void inside_a_listener_a_close_begins_but_does_not_wait(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    f->inside = close_inside;
    dbpool_conn conn = lent(f);
    assert_int_equal(inner_status, DBPOOL_EDEADLK);
    assert_int_equal(refused(f), DBPOOL_ECLOSED);
    returned(&conn);
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- Misuse ---- */

/* R-CFG-6 */
static void a_listener_without_function_or_known_kind_is_refused(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_event_kind unknown = (dbpool_event_kind)DBPOOL_EVENT_COUNT;
    assert_int_equal(dbpool_listen(f->pool, DBPOOL_ON_CONNECT, NULL, f), DBPOOL_EINVAL);
    assert_int_equal(dbpool_listen(f->pool, unknown, say_a, f), DBPOOL_EINVAL);
    assert_int_equal(dbpool_listen(NULL, DBPOOL_ON_CONNECT, say_a, f), DBPOOL_EINVAL);
    assert_int_equal(dbpool_unlisten(NULL, DBPOOL_ON_CONNECT, say_a, f), DBPOOL_EINVAL);
    const dbpool_listener wrong[] = {
        {DBPOOL_ON_CONNECT, NULL,  f},
        {unknown,           say_a, f}
    };
    for (size_t i = 0; i < 2; i++) {
        dbpool *none = f->pool;
        f->config.listeners = &wrong[i];
        f->config.listener_count = 1;
        assert_int_equal(dbpool_open_driver(fake_driver_table(f->fake), f->fake, &f->config, &none, &f->err), DBPOOL_EINVAL);
        assert_null(none);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(listeners_given_at_construction_hear_the_first_opening_and_come_first),
        FIXTURE_TEST(a_recreated_pool_has_the_listeners_of_the_old_one_first),
        FIXTURE_TEST(a_removed_listener_is_called_no_more),
        FIXTURE_TEST(the_events_of_a_lease_are_given_its_connection_and_record),
        FIXTURE_TEST(first_connect_comes_once_even_to_a_late_listener),
        FIXTURE_TEST(the_events_of_an_invalidation_are_given_the_reason_and_a_checkin_without_connection),
        FIXTURE_TEST(a_soft_invalidation_is_told_at_once),
        FIXTURE_TEST(every_way_of_closing_a_pooled_connection_is_told),
        FIXTURE_TEST(the_events_of_a_detached_connection_are_given_no_record_once_it_has_left),
        FIXTURE_TEST(a_failing_checkout_listener_fails_the_checkout_and_nothing_leaks),
        FIXTURE_TEST(a_failing_listener_keeps_those_after_it_from_a_checkout),
        FIXTURE_TEST(a_listener_may_read_the_lease_but_not_end_it),
        FIXTURE_TEST(no_lock_is_held_while_listeners_run),
        FIXTURE_TEST(inside_a_listener_a_checkout_takes_or_opens_but_never_waits),
        FIXTURE_TEST(inside_a_listener_a_close_begins_but_does_not_wait),
        FIXTURE_TEST(a_listener_without_function_or_known_kind_is_refused),
    };
    return cmocka_run_group_tests_name("events", tests, fixture_start, NULL);
}
