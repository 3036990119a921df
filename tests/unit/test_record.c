/* SPDX-License-Identifier: MIT
 *
 * A record: how its connection is opened, found too old, closed and opened anew, and what it can be asked.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* ---- Opening ---- */

/* A creator that takes its time. */
static dbpool_status open_slowly(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    fake_clock_advance_ms(5000);
    return fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
}

static void use_slow_creator(fixture *f) {
    dbpool_creator creator = {.open = open_slowly, .arg = f};
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
}

/* R-REC-1, R-REC-5 */
static void the_start_time_is_taken_before_the_opening(void **state) {
    fixture *f = *state;
    fixture_open(f);
    use_slow_creator(f);
    int64_t before = fake_clock_now();
    dbpool_conn conn = lent(f);
    assert_true(fake_clock_now() > before);
    assert_true(dbpool_record_last_connect_ns(dbpool_record_of(conn)) == before);
    returned(&conn);
}

/* R-REC-1 */
static void an_opening_has_the_sooner_of_two_deadlines(void **state) {
    fixture *f = *state;
    f->config.connect_timeout_ms = 400;
    fixture_open(f);
    dbpool_conn conn, other;
    assert_int_equal(dbpool_checkout_timeout(f->pool, 1000, &conn, NULL), DBPOOL_OK);
    assert_true(fake_driver_deadline(f->fake, FAKE_OPEN) == fake_clock_now() + 400 * DBP_NS_PER_MS);
    returned(&conn);
    assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_timeout(f->pool, 100, &other, NULL), DBPOOL_OK);
    assert_true(fake_driver_deadline(f->fake, FAKE_OPEN) == fake_clock_now() + 100 * DBP_NS_PER_MS);
    returned(&other);
}

/* R-REC-1, R-EVT-1, R-EVT-2 */
static void first_connect_runs_once_in_the_pools_life_and_connect_at_each_opening(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn one = lent(f), two = taken(f);
    assert_string_equal(trace(f), "open1 on_first_connect1 on_connect1 on_checkout1 open2 on_connect2 on_checkout2");
    returned(&one);
    returned(&two);
}

/* R-REC-1, R-REC-8, R-EVT-11 */
static void a_first_connect_that_failed_runs_again(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    f->refusals[DBPOOL_ON_FIRST_CONNECT] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, "first_connect: no such role"};
    assert_int_equal(refused(f), DBPOOL_ELISTENER);
    assert_string_equal(f->err.message, "first_connect: no such role");
    assert_string_equal(trace(f), "open1 on_first_connect1 on_close1 close1 on_checkin-");
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open2 on_first_connect2 on_connect2 on_checkout2");
    returned(&conn);
}

/* R-REC-8, R-EVT-11, R-OUT-2 */
static void a_connection_whose_connect_listener_fails_is_closed(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    f->refusals[DBPOOL_ON_CONNECT] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, NULL};
    assert_int_equal(refused(f), DBPOOL_ELISTENER);
    assert_string_equal(f->err.message, "run connect listener: a listener failed");
    assert_string_equal(trace(f), "open1 on_first_connect1 on_connect1 on_close1 close1 on_checkin-");
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    assert_int_equal(stats_of(f).open, 0);
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open2 on_connect2 on_checkout2");
    returned(&conn);
}

/* R-REC-1, R-LOG-1 */
static void a_failed_opening_leaves_no_connection_and_is_logged_for_debugging(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    fixture_open(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECONNECT, .message = "open: refused"});
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    assert_int_equal(logged(f, DBPOOL_LOG_DEBUG, "Error on connect(): open: refused"), 1);
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- The very first connect ---- */

static gate first_gate;

static void stop_in_first_connect(fixture *f, const dbpool_event *event) {
    (void)f;
    if (event->kind == DBPOOL_ON_FIRST_CONNECT)
        gate_pass(&first_gate);
}

/* A pool whose openings run on their callers' threads; `one` is inside first_connect, and `two` waits for it with its connection open. */
static void meet_at_first_connect(fixture *f, borrower *one, borrower *two) {
    first_gate = (gate)GATE_INIT;
    fake_driver_table(f->fake)->flags |= DBPOOL_DRIVER_OPENS_FAST;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_FIRST_CONNECT);
    fixture_listen_to(f, DBPOOL_ON_CONNECT);
    f->inside = stop_in_first_connect;
    borrow(f, one, -1);
    gate_await(&first_gate, 1);
    borrow(f, two, 1000);
    await_asleep_on(&f->pool->first_busy, 1);
    assert_string_equal(trace(f), "open1 on_first_connect1 open2");
}

/* R-REC-1 */
static void others_wait_for_the_very_first_connect(void **state) {
    fixture *f = *state;
    borrower one, two;
    meet_at_first_connect(f, &one, &two);
    gate_open(&first_gate);
    assert_int_equal(borrowed(&one), DBPOOL_OK);
    assert_int_equal(borrowed(&two), DBPOOL_OK);
    assert_string_equal(trace(f), "on_connect1 on_connect2");
    returned(&one.conn);
    returned(&two.conn);
}

/* R-REC-1 */
static void nobody_waits_for_it_past_its_own_deadline(void **state) {
    fixture *f = *state;
    borrower one, two;
    meet_at_first_connect(f, &one, &two);
    fake_clock_advance_ms(1000);
    assert_int_equal(borrowed(&two), DBPOOL_ETIMEOUT);
    assert_string_equal(two.err.message, "open connection: the first connect listeners of the pool are still running");
    assert_string_equal(trace(f), "close2");
    gate_open(&first_gate);
    assert_int_equal(borrowed(&one), DBPOOL_OK);
    returned(&one.conn);
}

/* R-REC-1 */
static void when_it_fails_the_next_one_runs_it(void **state) {
    fixture *f = *state;
    borrower one, two;
    f->refusals[DBPOOL_ON_FIRST_CONNECT] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, NULL};
    meet_at_first_connect(f, &one, &two);
    gate_open(&first_gate);
    assert_int_equal(borrowed(&one), DBPOOL_ELISTENER);
    assert_int_equal(borrowed(&two), DBPOOL_OK);
    const char *happened = trace(f);
    assert_non_null(strstr(happened, "on_first_connect2 on_connect2"));
    assert_null(strstr(happened, "on_connect1"));
    returned(&two.conn);
}

static void check_out_in_first_connect(fixture *f, const dbpool_event *event) {
    dbpool_conn conn;
    if (event->kind != DBPOOL_ON_FIRST_CONNECT || dbpool_try_checkout(event->pool, &conn, NULL) != DBPOOL_OK)
        return;
    fixture_note(f, "inside");
    (void)dbpool_checkin(&conn);
}

/* R-REC-1 */
static void the_thread_inside_it_does_not_wait_for_itself(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_FIRST_CONNECT);
    fixture_listen_to(f, DBPOOL_ON_CONNECT);
    f->inside = check_out_in_first_connect;
    dbpool_conn conn = lent(f);
    assert_string_equal(trace(f), "open1 on_first_connect1 open2 on_connect2 inside on_connect1");
    returned(&conn);
}

/* ---- Closing ---- */

struct word {
    fixture *f;
    const char *text;
};

static void note(void *native, void *arg) {
    struct word *word = arg;
    char text[64];
    (void)snprintf(text, sizeof text, "%s%u", word->text, ((fake_native *)native)->number);
    fixture_note(word->f, text);
}

/* R-REC-2, R-LOG-1 */
static void closing_drops_finalizers_tells_and_survives_the_drivers_error(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_OFF;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CLOSE);
    struct word word = {f, "finalizer"};
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_on_checkin(conn, note, &word), DBPOOL_OK);
    fake_driver_plan(f->fake, FAKE_CLOSE, 1, 1, (fake_answer){.status = DBPOOL_EDRIVER, .message = "close: broken pipe"});
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "open1 on_close1 close1");
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "Exception closing connection 0x"), 1);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, ": close: broken pipe"), 1);
    assert_int_equal(stats_of(f).open, 0);
    assert_int_equal(stats_of(f).closed, 1);
}

/* ---- Freshness ---- */

/* R-REC-3, R-CFG-2, R-LOG-1 */
static void a_connection_older_than_recycle_is_opened_anew(void **state) {
    fixture *f = *state;
    f->config.recycle_ms = 8000;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    use_slow_creator(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    fake_clock_advance_ms(3000); /* 8 s since the opening began */
    conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    returned(&conn);
    fake_clock_advance_ns(1);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "exceeded timeout; recycling"), 1);
    assert_int_equal(stats_of(f).recycled, 1);
    returned(&conn);
}

/* R-CFG-2 */
static void recycle_is_off_at_first(void **state) {
    fixture *f = *state;
    fixture_open(f);
    assert_int_equal(f->config.recycle_ms, -1);
    dbpool_conn conn = lent(f);
    returned(&conn);
    fake_clock_advance_ms((int64_t)1000 * 86400 * 365);
    conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    returned(&conn);
}

/* R-CFG-2 */
static void recycle_of_zero_recycles_whenever_time_has_passed(void **state) {
    fixture *f = *state;
    f->config.recycle_ms = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    returned(&conn);
    fake_clock_advance_ns(1);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    returned(&conn);
}

/* R-REC-3, R-LOG-1 */
static void a_condemned_connection_is_opened_anew(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "invalidated due to pool invalidation; recycling"), 1);
    returned(&conn);
}

/* R-REC-3, R-LOG-1 */
static void a_softly_invalidated_connection_is_opened_anew(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "invalidated due to local soft invalidation; recycling"), 1);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    returned(&conn);
}

/* R-REC-3 */
static void a_record_without_a_connection_opens_one(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    dbpool_record *record = dbpool_record_of(conn);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    conn = lent(f);
    assert_ptr_equal(dbpool_record_of(conn), record);
    assert_int_equal(number_of(conn), 2);
    returned(&conn);
}

/* R-REC-3, R-INFO-1, R-INFO-2 */
static void a_reopening_clears_info_and_keeps_record_info(void **state) {
    fixture *f = *state;
    static int value;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "here", &value, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "there", &value, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "here"));
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, "there"), &value);
    returned(&conn);
}

/* R-REC-9 */
static void what_was_opened_in_this_checkout_is_not_too_old(void **state) {
    fixture *f = *state;
    f->config.recycle_ms = 1000;
    fixture_open(f);
    use_slow_creator(f); /* 5 s */
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 1);
    assert_int_equal(stats_of(f).recycled, 0);
    returned(&conn);
}

/* R-REC-9 */
static void nor_when_another_thread_opened_it(void **state) {
    fixture *f = *state;
    f->config.recycle_ms = 1000;
    fixture_open(f);
    dbpool_conn held = lent(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true});
    borrower b;
    borrow(f, &b, -1);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    fake_clock_advance_ms(5000);
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    assert_int_equal(stats_of(f).recycled, 0);
    returned(&b.conn);
    returned(&held);
}

static dbpool_status open_and_condemn(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    (void)record;
    if (fake_driver_calls(f->fake, FAKE_OPEN) < 3)
        (void)dbpool_invalidate_pool(f->pool, NULL, NULL);
    return fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
}

/* R-REC-9, R-INV-6 */
static void an_invalidation_during_the_opening_replaces_it(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_creator creator = {.open_for = open_and_condemn, .arg = f};
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    assert_int_equal(number_of(conn), 4);
    assert_int_equal(fake_driver_open_natives(f->fake), 1);
    returned(&conn);
}

static dbpool_status open_and_condemn_again(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    (void)record;
    (void)dbpool_invalidate_pool(f->pool, NULL, NULL);
    return fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
}

/* R-REC-9 */
static void who_condemns_every_opening_gets_no_connection(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_creator creator = {.open_for = open_and_condemn_again, .arg = f};
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
    dbpool_conn conn;
    assert_int_equal(dbpool_checkout(f->pool, &conn, &f->err), DBPOOL_EDISCONNECT);
    assert_string_equal(f->err.message, "checkout: This connection is closed");
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- Finalizers ---- */

/* R-REC-4 */
static void finalizers_run_once_last_in_first_out_after_the_reset(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKIN);
    struct word first = {f, "first"}, second = {f, "second"};
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_on_checkin(conn, note, &first), DBPOOL_OK);
    assert_int_equal(dbpool_on_checkin(conn, note, &second), DBPOOL_OK);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    returned(&conn);
    assert_string_equal(trace(f), "open1 reset1 second1 first1 on_checkin1");
    conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "on_checkin1");
}

/* R-REC-4, R-DET-4 */
static void finalizers_are_dropped_when_the_connection_leaves_the_record(void **state) {
    fixture *f = *state;
    fixture_open(f);
    struct word word = {f, "finalizer"};
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_on_checkin(conn, note, &word), DBPOOL_OK);
    assert_int_equal(dbpool_record_invalidate(dbpool_record_of(conn), NULL), DBPOOL_OK);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(dbpool_on_checkin(conn, note, &word), DBPOOL_OK);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_on_checkin(conn, note, &word), DBPOOL_EUNSUPPORTED);
    returned(&conn);
    conn = lent(f);
    returned(&conn);
    assert_null(strstr(trace(f), "finalizer"));
}

static struct word listeners_word;

static void queue_in_first_connect(fixture *f, const dbpool_event *event) {
    listeners_word = (struct word){f, "finalizer"};
    if (event->kind == DBPOOL_ON_FIRST_CONNECT)
        (void)dbpool_record_on_checkin(event->record, note, &listeners_word);
}

/* R-REC-4 */
static void finalizers_can_be_queued_from_the_first_connect_listener_on(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_FIRST_CONNECT);
    f->inside = queue_in_first_connect;
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "open1 on_first_connect1 finalizer1");
}

/* ---- What a record can be asked ---- */

static bool in_use_at_checkin;

static void look_at_checkin(fixture *f, const dbpool_event *event) {
    (void)f;
    in_use_at_checkin = dbpool_record_in_use(event->record);
}

/* R-REC-5, R-IN-1 */
static void in_use_is_whether_a_lease_refers_to_it(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKIN);
    f->inside = look_at_checkin;
    in_use_at_checkin = true;
    dbpool_conn conn = lent(f);
    dbpool_record *record = dbpool_record_of(conn);
    assert_true(dbpool_record_in_use(record));
    assert_true(dbpool_record_last_connect_ns(record) == fake_clock_now());
    returned(&conn);
    assert_false(in_use_at_checkin);
    assert_false(dbpool_record_in_use(record));
}

/* R-REC-6, R-LEAK-1 */
static void a_second_return_is_refused_and_changes_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f), copy = conn;
    returned(&conn);
    (void)trace(f);
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_string_equal(trace(f), "");
    assert_int_equal(stats_of(f).idle, 1);
    assert_int_equal(stats_of(f).checkins, 1);
}

/* R-REC-7 */
static void the_native_is_that_of_record_and_lease_and_stays_when_detached(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    assert_int_equal(((fake_native *)native)->number, 1);
    assert_ptr_equal(dbpool_record_native(dbpool_record_of(conn)), native);
    assert_ptr_equal(dbpool_native_of(conn, "fake"), native);
    assert_null(dbpool_native_of(conn, "other"));
    assert_null(dbpool_native_of(conn, NULL));
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_ptr_equal(dbpool_native(conn), native);
    assert_ptr_equal(dbpool_native_of(conn, "fake"), native);
    returned(&conn);
    assert_null(dbpool_native(conn));
}

/* R-REC-7, R-REC-5 */
static void an_empty_record_has_no_native_and_no_start_time(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    dbpool_record *record = dbpool_record_of(conn);
    assert_int_equal(dbpool_record_invalidate(record, NULL), DBPOOL_OK);
    assert_null(dbpool_record_native(record));
    assert_null(dbpool_native(conn));
    assert_true(dbpool_record_last_connect_ns(record) == 0);
    assert_true(dbpool_record_in_use(record));
    returned(&conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(the_start_time_is_taken_before_the_opening),
        FIXTURE_TEST(an_opening_has_the_sooner_of_two_deadlines),
        FIXTURE_TEST(first_connect_runs_once_in_the_pools_life_and_connect_at_each_opening),
        FIXTURE_TEST(a_first_connect_that_failed_runs_again),
        FIXTURE_TEST(a_connection_whose_connect_listener_fails_is_closed),
        FIXTURE_TEST(a_failed_opening_leaves_no_connection_and_is_logged_for_debugging),
        FIXTURE_TEST(others_wait_for_the_very_first_connect),
        FIXTURE_TEST(nobody_waits_for_it_past_its_own_deadline),
        FIXTURE_TEST(when_it_fails_the_next_one_runs_it),
        FIXTURE_TEST(the_thread_inside_it_does_not_wait_for_itself),
        FIXTURE_TEST(closing_drops_finalizers_tells_and_survives_the_drivers_error),
        FIXTURE_TEST(a_connection_older_than_recycle_is_opened_anew),
        FIXTURE_TEST(recycle_is_off_at_first),
        FIXTURE_TEST(recycle_of_zero_recycles_whenever_time_has_passed),
        FIXTURE_TEST(a_condemned_connection_is_opened_anew),
        FIXTURE_TEST(a_softly_invalidated_connection_is_opened_anew),
        FIXTURE_TEST(a_record_without_a_connection_opens_one),
        FIXTURE_TEST(a_reopening_clears_info_and_keeps_record_info),
        FIXTURE_TEST(what_was_opened_in_this_checkout_is_not_too_old),
        FIXTURE_TEST(nor_when_another_thread_opened_it),
        FIXTURE_TEST(an_invalidation_during_the_opening_replaces_it),
        FIXTURE_TEST(who_condemns_every_opening_gets_no_connection),
        FIXTURE_TEST(finalizers_run_once_last_in_first_out_after_the_reset),
        FIXTURE_TEST(finalizers_are_dropped_when_the_connection_leaves_the_record),
        FIXTURE_TEST(finalizers_can_be_queued_from_the_first_connect_listener_on),
        FIXTURE_TEST(in_use_is_whether_a_lease_refers_to_it),
        FIXTURE_TEST(a_second_return_is_refused_and_changes_nothing),
        FIXTURE_TEST(the_native_is_that_of_record_and_lease_and_stays_when_detached),
        FIXTURE_TEST(an_empty_record_has_no_native_and_no_start_time),
    };
    return cmocka_run_group_tests_name("record", tests, fixture_start, NULL);
}
