/* SPDX-License-Identifier: MIT
 *
 * A return: in which order things happen, what makes a connection clean, and what becomes of one that is not.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* A connection in a transaction, with listeners for all that follows. */
static dbpool_conn lent_dirty(fixture *f) {
    dbpool_conn conn = lent(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    fixture_listen(f);
    (void)trace(f);
    return conn;
}

static void note_finalizer(void *native, void *arg) {
    (void)native;
    fixture_note(arg, "finalizer");
}

static bool in_use_at[DBPOOL_EVENT_COUNT];

static void look_at_use(fixture *f, const dbpool_event *event) {
    (void)f;
    in_use_at[event->kind] = dbpool_record_in_use(event->record);
}

/* ---- The order of things ---- */

/* R-IN-1, R-EVT-4, R-EVT-5 */
static void a_return_resets_finalizes_tells_and_gives_back_in_this_order(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    f->inside = look_at_use;
    in_use_at[DBPOOL_ON_CHECKIN] = true;
    assert_int_equal(dbpool_on_checkin(conn, note_finalizer, f), DBPOOL_OK);
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 reset1 finalizer on_checkin1");
    assert_true(in_use_at[DBPOOL_ON_RESET]);
    assert_false(in_use_at[DBPOOL_ON_CHECKIN]);
    assert_int_equal(f->last[DBPOOL_ON_RESET].reset, DBPOOL_RESET_ROLLBACK);
    assert_int_equal(stats_of(f).idle, 1);
}

static int32_t idle_at_checkin;

static void look_at_idle(fixture *f, const dbpool_event *event) {
    if (event->kind == DBPOOL_ON_CHECKIN)
        idle_at_checkin = stats_of(f).idle;
}

/* R-IN-1, R-EVT-4 */
static void the_record_goes_back_after_the_checkin_listeners(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    f->inside = look_at_idle;
    idle_at_checkin = -1;
    returned(&conn);
    assert_int_equal(idle_at_checkin, 0);
    assert_int_equal(stats_of(f).idle, 1);
}

/* R-IN-1, R-LEAK-1 */
static void every_use_of_a_returned_lease_is_refused(void **state) {
    fixture *f = *state;
    static int value;
    fixture_open(f);
    dbpool_conn conn = lent(f), copy = conn, none;
    returned(&conn);
    conn = lent(f); /* the record serves somebody else */
    assert_ptr_equal(conn.cell, copy.cell);
    assert_false(dbpool_is_valid(copy));
    assert_null(dbpool_native(copy));
    assert_null(dbpool_record_of(copy));
    assert_int_equal(dbpool_set_info(copy, DBPOOL_SCOPE_CONNECTION, "key", &value, NULL), DBPOOL_ESTALE);
    assert_null(dbpool_get_info(copy, DBPOOL_SCOPE_CONNECTION, "key"));
    assert_int_equal(dbpool_on_checkin(copy, note_finalizer, f), DBPOOL_ESTALE);
    assert_int_equal(dbpool_set_tag(copy, "tag"), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkout_nested(copy, &none, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate_soft(copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_detach(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_describe(copy, 0, NULL, NULL, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
}

/* R-IN-1, R-INV-7 */
static void a_lease_without_a_connection_resets_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    assert_int_equal(dbpool_record_invalidate(dbpool_record_of(conn), NULL), DBPOOL_OK);
    assert_string_equal(trace(f), "on_invalidate1 on_close1 close1");
    returned(&conn);
    assert_string_equal(trace(f), "on_checkin-");
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- What a return does to a transaction ---- */

static void expect_reset(fixture *f, int32_t setting, const char *expected) {
    f->config.reset_on_return = setting;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    (void)trace(f);
    returned(&conn);
    assert_string_equal(trace(f), expected);
    fixture_close(f);
    (void)trace(f);
}

/* R-IN-1, R-CFG-4 */
static void a_transaction_left_open_meets_the_setting(void **state) {
    fixture *f = *state;
    assert_int_equal(f->config.reset_on_return, DBPOOL_RESET_ROLLBACK);
    expect_reset(f, DBPOOL_RESET_ROLLBACK, "reset1");
    assert_int_equal(fake_driver_last_reset(f->fake), DBPOOL_RESET_ROLLBACK);
    expect_reset(f, DBPOOL_RESET_COMMIT, "reset2");
    assert_int_equal(fake_driver_last_reset(f->fake), DBPOOL_RESET_COMMIT);
    expect_reset(f, DBPOOL_RESET_FULL, "reset3");
    assert_int_equal(fake_driver_last_reset(f->fake), DBPOOL_RESET_FULL);
    expect_reset(f, DBPOOL_RESET_NONE, "close4"); /* nothing is sent, and nobody else gets the transaction */
}

/* R-IN-1 */
static void what_is_clean_takes_no_round_trip(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "open1");
    fixture_listen(f);
    conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "on_checkout1 on_reset1 on_checkin1");
}

/* R-CFG-4 */
static void a_full_reset_is_sent_to_the_clean_too(void **state) {
    fixture *f = *state;
    f->config.reset_on_return = DBPOOL_RESET_FULL;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    conn = lent(f);
    assert_int_equal(dbpool_checkin_no_reset(&conn), DBPOOL_OK);
    assert_string_equal(trace(f), "open1 reset1 reset1");
}

/* R-IN-1 */
static void a_reset_has_a_deadline_of_its_own(void **state) {
    fixture *f = *state;
    f->config.reset_timeout_ms = 250;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    returned(&conn);
    assert_true(fake_driver_deadline(f->fake, FAKE_RESET) == fake_clock_now() + 250 * DBP_NS_PER_MS);
}

/* ---- Failures ---- */

static void expect_replaced(fixture *f, dbpool_conn *conn) {
    returned(conn);
    assert_int_equal(stats_of(f).open, 0);
    assert_int_equal(stats_of(f).reset_failed, 1);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    *conn = lent(f);
    assert_int_equal(number_of(*conn), 2);
    returned(conn);
}

/* R-IN-2, R-LOG-1 */
static void a_failed_reset_invalidates_and_the_close_succeeds(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    fake_driver_plan(f->fake, FAKE_RESET, 1, 1, (fake_answer){.status = DBPOOL_EDRIVER, .message = "rollback: lost"});
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 reset1 on_invalidate1 on_close1 close1 on_checkin-");
    assert_string_equal(f->reason.message, "rollback: lost");
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "Exception during reset or similar of connection 0x"), 1);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, ": rollback: lost"), 1);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    returned(&conn);
}

/* R-IN-2, R-EVT-11 */
static void a_failed_reset_listener_invalidates_too(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fixture_listen_to(f, DBPOOL_ON_RESET);
    f->refusals[DBPOOL_ON_RESET] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, "reset listener: no"};
    expect_replaced(f, &conn);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, ": reset listener: no"), 1);
}

/* R-IN-2 */
static void what_is_not_provably_quiet_is_closed_and_never_lent(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_UNCLEAN);
    expect_replaced(f, &conn);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_RESET), 0);
    assert_int_equal(stats_of(f).unclean, 1);
}

/* R-IN-2 */
static void a_reset_that_did_not_make_it_clean_has_failed(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_driver_plan(f->fake, FAKE_STATE, 1, 3,
                     (fake_answer){.answer_state = true, .state = DBPOOL_NATIVE_DIRTY}); /* also after the reset */
    expect_replaced(f, &conn);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_RESET), 1);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "the reset did not make it clean"), 1);
}

/* R-IN-6 */
static void a_listener_that_fails_is_logged_and_the_rest_run(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fixture_listen(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKIN);
    (void)trace(f);
    f->refusals[DBPOOL_ON_CHECKIN] = (fixture_refusal){1, DBPOOL_ELISTENER, 0, "checkin listener: no"};
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 on_checkin1 on_checkin1");
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "exception in a checkin listener: checkin listener: no"), 1);
    assert_int_equal(stats_of(f).idle, 1);
}

static const dbpool_event_kind closing_kinds[] = {DBPOOL_ON_INVALIDATE,      DBPOOL_ON_CLOSE,  DBPOOL_ON_CHECKIN,
                                                  DBPOOL_ON_SOFT_INVALIDATE, DBPOOL_ON_DETACH, DBPOOL_ON_CLOSE_DETACHED};

/* R-IN-6, R-EVT-11 */
static void no_failing_listener_keeps_a_connection_open_or_loses_a_record(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    for (size_t i = 0; i < sizeof closing_kinds / sizeof *closing_kinds; i++)
        f->refusals[closing_kinds[i]] = (fixture_refusal){10, DBPOOL_EDRIVER, 0, NULL};
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    conn = lent(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&conn), DBPOOL_OK);
    assert_int_equal(stats_of(f).open, 0);
    assert_int_equal(stats_of(f).detached, 0);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    for (size_t i = 0; i < sizeof closing_kinds / sizeof *closing_kinds; i++) {
        char line[100];
        (void)snprintf(line, sizeof line, "exception in a %s listener: ", dbp_event_name(closing_kinds[i]));
        assert_true(logged(f, DBPOOL_LOG_ERROR, line) >= 1);
    }
}

/* ---- Without a reset ---- */

/* R-IN-3, R-IN-7, R-LOG-1 */
static void a_return_without_reset_sends_nothing_and_runs_no_reset_listener(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    (void)trace(f);
    assert_int_equal(dbpool_checkin_no_reset(&conn), DBPOOL_OK);
    assert_null(conn.cell);
    assert_string_equal(trace(f), "on_checkin1");
    assert_int_equal(logged(f, DBPOOL_LOG_DEBUG, "reset, transaction already reset"), 1);
    assert_int_equal(stats_of(f).idle, 1);
}

/* R-IN-3 */
static void a_transaction_that_is_open_all_the_same_is_closed(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    assert_int_equal(dbpool_checkin_no_reset(&conn), DBPOOL_OK);
    assert_string_equal(trace(f), "on_invalidate1 on_close1 close1 on_checkin-");
    assert_int_equal(stats_of(f).unclean, 1);
}

/* ---- Leases that nobody returns, and detached ones ---- */

/* R-IN-4, R-LEAK-4 */
static void a_lease_that_is_never_returned_stays_listed_and_closes_at_its_late_return(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_clock_advance_ms(60000);
    dbpool_lease lease;
    size_t count = 0;
    assert_int_equal(dbpool_leases(f->pool, &lease, 1, &count), DBPOOL_OK);
    assert_int_equal(count, 1);
    assert_true(lease.age_ms == 60000);
    assert_int_equal(dbpool_close(f->pool, 0, &f->err), DBPOOL_ETIMEOUT);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
}

/* R-IN-5, R-EVT-10, R-EVT-5 */
static void a_detached_connection_is_reset_told_and_closed_at_its_return(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent_dirty(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    (void)trace(f);
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 reset1 on_close_detached1 close1");
    assert_null(f->last[DBPOOL_ON_RESET].record);
    assert_null(f->last[DBPOOL_ON_CLOSE_DETACHED].record);
}

static void begin_a_transaction(void *native, void *arg) {
    (void)arg;
    fake_native_set_state(native, DBPOOL_NATIVE_DIRTY);
}

static void begin_at_checkin(fixture *f, const dbpool_event *event) {
    (void)f;
    begin_a_transaction(event->native, NULL);
}

/* R-IN-1, R-REC-4 */
static void what_a_finalizer_or_checkin_listener_leaves_open_is_not_lent_on(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_on_checkin(conn, begin_a_transaction, NULL), DBPOOL_OK);
    returned(&conn);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    fixture_listen_to(f, DBPOOL_ON_CHECKIN);
    f->inside = begin_at_checkin;
    conn = lent(f);
    returned(&conn);
    f->inside = NULL;
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    assert_int_equal(stats_of(f).unclean, 2);
    assert_int_equal(stats_of(f).open, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_return_resets_finalizes_tells_and_gives_back_in_this_order),
        FIXTURE_TEST(the_record_goes_back_after_the_checkin_listeners),
        FIXTURE_TEST(every_use_of_a_returned_lease_is_refused),
        FIXTURE_TEST(a_lease_without_a_connection_resets_nothing),
        FIXTURE_TEST(a_transaction_left_open_meets_the_setting),
        FIXTURE_TEST(what_is_clean_takes_no_round_trip),
        FIXTURE_TEST(a_full_reset_is_sent_to_the_clean_too),
        FIXTURE_TEST(a_reset_has_a_deadline_of_its_own),
        FIXTURE_TEST(a_failed_reset_invalidates_and_the_close_succeeds),
        FIXTURE_TEST(a_failed_reset_listener_invalidates_too),
        FIXTURE_TEST(what_is_not_provably_quiet_is_closed_and_never_lent),
        FIXTURE_TEST(a_reset_that_did_not_make_it_clean_has_failed),
        FIXTURE_TEST(a_listener_that_fails_is_logged_and_the_rest_run),
        FIXTURE_TEST(no_failing_listener_keeps_a_connection_open_or_loses_a_record),
        FIXTURE_TEST(a_return_without_reset_sends_nothing_and_runs_no_reset_listener),
        FIXTURE_TEST(a_transaction_that_is_open_all_the_same_is_closed),
        FIXTURE_TEST(a_lease_that_is_never_returned_stays_listed_and_closes_at_its_late_return),
        FIXTURE_TEST(a_detached_connection_is_reset_told_and_closed_at_its_return),
        FIXTURE_TEST(what_a_finalizer_or_checkin_listener_leaves_open_is_not_lent_on),
    };
    return cmocka_run_group_tests_name("checkin", tests, fixture_start, NULL);
}
