/* SPDX-License-Identifier: MIT
 *
 * Invalidation: of one connection now, of one at its next checkout, of every older one of a pool. The clock stands still in all of
 * these tests: what decides is an order of events, not their times.
 */
#include "fixture.h"

#include <stdio.h>

static const dbpool_error lost = {.status = DBPOOL_EDRIVER, .message = "query: server has gone away"};

/* ---- Hard ---- */

/* R-INV-1, R-EVT-6, R-EVT-8 */
static void a_hard_invalidation_closes_now_and_ends_the_lease(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f), copy = conn;
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    (void)trace(f);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_null(conn.cell);
    assert_string_equal(trace(f), "on_invalidate1 on_close1 close1 on_checkin-");
    assert_null(f->last[DBPOOL_ON_INVALIDATE].reason);
    assert_false(dbpool_is_valid(copy));
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    dbpool_stats stats = stats_of(f);
    assert_int_equal(stats.open, 0);
    assert_int_equal(stats.leased, 0);
    assert_int_equal(stats.invalidated, 1);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    returned(&conn);
}

/* R-INV-1, R-EVT-6 */
static void the_reason_goes_to_the_listeners(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_invalidate(&conn, &lost), DBPOOL_OK);
    assert_int_equal(f->reason.status, DBPOOL_EDRIVER);
    assert_string_equal(f->reason.message, "query: server has gone away");
}

/* R-INV-1 */
static void an_invalidated_place_goes_to_one_who_waits(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    assert_int_equal(number_of(b.conn), 2);
    returned(&b.conn);
}

/* R-INV-3 */
static void a_lease_without_a_connection_cannot_be_invalidated(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_record_invalidate(dbpool_record_of(conn), NULL), DBPOOL_OK);
    dbpool_conn emptied = conn;
    (void)trace(f);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_ESTALE);
    assert_string_equal(trace(f), "");
    assert_int_equal(stats_of(f).invalidated, 1);
    assert_int_equal(stats_of(f).leased, 1);
    returned(&conn);
    assert_int_equal(dbpool_invalidate(&emptied, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_ESTALE);
}

/* ---- Soft ---- */

/* R-INV-2, R-EVT-7 */
static void a_soft_invalidation_closes_at_the_next_checkout(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    (void)trace(f);
    assert_int_equal(dbpool_invalidate_soft(conn, &lost), DBPOOL_OK);
    assert_string_equal(trace(f), "on_soft_invalidate1");
    assert_string_equal(f->reason.message, "query: server has gone away");
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 on_checkin1");
    assert_int_equal(stats_of(f).soft_invalidated, 1);
    assert_int_equal(stats_of(f).invalidated, 0);
    conn = lent(f);
    assert_string_equal(trace(f), "on_close1 close1 open2 on_connect2 on_checkout2");
    returned(&conn);
}

/* ---- The pool's ---- */

static void lend_three(fixture *f, dbpool_conn conns[3]) {
    f->config.idle_order = DBPOOL_IDLE_FIFO;
    fixture_open(f);
    for (int i = 0; i < 3; i++)
        conns[i] = lent(f);
}

/* R-INV-4 */
static void a_burst_of_failures_condemns_the_pool_once(void **state) {
    fixture *f = *state;
    dbpool_conn conns[3];
    lend_three(f, conns);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &conns[0], &lost), DBPOOL_OK);
    assert_null(conns[0].cell);
    assert_int_equal(stats_of(f).pool_invalidated, 1);
    assert_int_equal(stats_of(f).invalidated, 1);
    dbpool_conn fresh = lent(f);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &conns[1], &lost), DBPOOL_OK);
    assert_null(conns[1].cell);
    assert_int_equal(stats_of(f).pool_invalidated, 1);
    assert_int_equal(stats_of(f).invalidated, 2);
    returned(&fresh);
    returned(&conns[2]);
    fresh = lent(f); /* opened after the invalidation: still good */
    assert_int_equal(number_of(fresh), 4);
    conns[2] = lent(f); /* opened before it */
    assert_int_equal(number_of(conns[2]), 5);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &fresh, NULL), DBPOOL_OK); /* a second outage */
    assert_int_equal(stats_of(f).pool_invalidated, 2);
    returned(&conns[2]);
}

/* R-INV-4 */
static void given_no_live_lease_the_pool_is_always_condemned(void **state) {
    fixture *f = *state;
    fixture_open(f);
    assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    dbpool_conn none = DBPOOL_CONN_NONE, conn = lent(f), emptied = conn;
    assert_int_equal(dbpool_invalidate_pool(f->pool, &none, NULL), DBPOOL_OK);
    returned(&conn);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &emptied, NULL), DBPOOL_OK);
    assert_int_equal(stats_of(f).pool_invalidated, 3);
    conn = lent(f);
    assert_int_equal(dbpool_record_invalidate(dbpool_record_of(conn), NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &conn, NULL), DBPOOL_OK);
    assert_int_equal(stats_of(f).pool_invalidated, 4);
    returned(&conn);
}

/* R-INV-4, R-DET-3 */
static void given_a_detached_one_it_is_closed_and_the_pool_condemned(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate_pool(f->pool, &conn, NULL), DBPOOL_OK);
    assert_int_equal(stats_of(f).pool_invalidated, 2);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
}

/* R-INV-4 */
static void a_condemned_lease_goes_on_and_its_connection_is_replaced_later(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    (void)trace(f);
    assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
    conn = lent(f);
    assert_string_equal(trace(f), "on_reset1 on_checkin1 on_close1 close1 open2 on_connect2 on_checkout2");
    returned(&conn);
}

/* R-INV-6 */
static void events_of_one_clock_tick_are_told_apart(void **state) {
    fixture *f = *state;
    fixture_open(f);
    int64_t now = fake_clock_now();
    for (uint32_t i = 1; i <= 5; i++) {
        dbpool_conn conn = lent(f);
        assert_int_equal(number_of(conn), i);
        returned(&conn);
        conn = lent(f); /* opened after the last invalidation, in the same tick */
        assert_int_equal(number_of(conn), i);
        returned(&conn);
        assert_int_equal(dbpool_invalidate_pool(f->pool, NULL, NULL), DBPOOL_OK);
    }
    assert_true(fake_clock_now() == now);
}

/* ---- The log ---- */

/* R-INV-5, R-LOG-1 */
static void the_log_names_the_connection_and_the_reason(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    char line[160];
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
    (void)snprintf(line, sizeof line, "Soft invalidate connection %p", native);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, line), 1);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "reason"), 0);
    assert_int_equal(dbpool_invalidate_soft(conn, &lost), DBPOOL_OK);
    (void)snprintf(line, sizeof line, "Soft invalidate connection %p (reason: DBPOOL_EDRIVER:query: server has gone away)", native);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, line), 1);
    assert_int_equal(dbpool_invalidate(&conn, &lost), DBPOOL_OK);
    (void)snprintf(line, sizeof line, "Invalidate connection %p (reason: DBPOOL_EDRIVER:query: server has gone away)", native);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, line), 1);
    conn = lent(f);
    (void)snprintf(line, sizeof line, "Invalidate connection %p", dbpool_native(conn));
    fixture_forget_log(f);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, line), 1);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "reason"), 0);
}

/* ---- Of a record ---- */

/* R-INV-7 */
static void a_record_is_invalidated_once_and_only_by_its_holder(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    dbpool_record *record = dbpool_record_of(conn);
    (void)trace(f);
    assert_int_equal(dbpool_record_invalidate(record, &lost), DBPOOL_OK);
    assert_string_equal(trace(f), "on_invalidate1 on_close1 close1");
    assert_int_equal(dbpool_record_invalidate(record, &lost), DBPOOL_OK);
    assert_string_equal(trace(f), "");
    returned(&conn);
    assert_string_equal(trace(f), "on_checkin-");
    conn = lent(f);
    returned(&conn);
    assert_int_equal(dbpool_record_invalidate(record, NULL), DBPOOL_EBUSY);
    assert_int_equal(dbpool_record_invalidate(NULL, NULL), DBPOOL_EINVAL);
    assert_int_equal(stats_of(f).idle, 1);
}

static void invalidate_in_reset(fixture *f, const dbpool_event *event) {
    (void)f;
    if (event->kind == DBPOOL_ON_RESET)
        (void)dbpool_record_invalidate(event->record, NULL);
}

/* R-INV-7 */
static void a_reset_listener_may_invalidate_and_then_nothing_is_reset(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    fixture_listen(f);
    (void)trace(f);
    f->inside = invalidate_in_reset;
    returned(&conn);
    assert_string_equal(trace(f), "on_reset1 on_invalidate1 on_close1 close1 on_checkin-");
    assert_int_equal(stats_of(f).reset_failed, 0);
}

/* R-INV-4 */
static void a_lease_of_another_pool_condemns_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool *other = NULL;
    assert_int_equal(dbpool_recreate(f->pool, &other, &f->err), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_invalidate_pool(other, &conn, NULL), DBPOOL_EINVAL);
    assert_true(dbpool_is_valid(conn));
    assert_int_equal(stats_of(f).pool_invalidated, 0);
    returned(&conn);
    dbpool_destroy(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_hard_invalidation_closes_now_and_ends_the_lease),
        FIXTURE_TEST(the_reason_goes_to_the_listeners),
        FIXTURE_TEST(an_invalidated_place_goes_to_one_who_waits),
        FIXTURE_TEST(a_lease_without_a_connection_cannot_be_invalidated),
        FIXTURE_TEST(a_soft_invalidation_closes_at_the_next_checkout),
        FIXTURE_TEST(a_burst_of_failures_condemns_the_pool_once),
        FIXTURE_TEST(given_no_live_lease_the_pool_is_always_condemned),
        FIXTURE_TEST(given_a_detached_one_it_is_closed_and_the_pool_condemned),
        FIXTURE_TEST(a_condemned_lease_goes_on_and_its_connection_is_replaced_later),
        FIXTURE_TEST(events_of_one_clock_tick_are_told_apart),
        FIXTURE_TEST(the_log_names_the_connection_and_the_reason),
        FIXTURE_TEST(a_record_is_invalidated_once_and_only_by_its_holder),
        FIXTURE_TEST(a_reset_listener_may_invalidate_and_then_nothing_is_reset),
        FIXTURE_TEST(a_lease_of_another_pool_condemns_nothing),
    };
    return cmocka_run_group_tests_name("invalidate", tests, fixture_start, NULL);
}
