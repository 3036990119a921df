/* SPDX-License-Identifier: MIT
 *
 * The log: which lines there are, at which level, to whom they go, and what must never be in them.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* ---- The lines ---- */

static void expect_line(fixture *f, dbpool_log_level level, const char *format, const void *native) {
    char line[300];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(line, sizeof line, format, native);
#pragma GCC diagnostic pop
    if (logged(f, level, line) != 1)
        fail_msg("%zu lines at level %d: %s", logged(f, level, line), (int)level, line);
}

/* R-LOG-1 */
static void a_lease_is_told_for_debugging(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    f->config.pre_ping = 1;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    fake_native_set_state(native, DBPOOL_NATIVE_DIRTY);
    returned(&conn);
    expect_line(f, DBPOOL_LOG_DEBUG, "Created new connection %p", native);
    expect_line(f, DBPOOL_LOG_DEBUG, "Connection %p is fresh, skipping pre-ping", native);
    expect_line(f, DBPOOL_LOG_DEBUG, "Connection %p checked out from pool", native);
    expect_line(f, DBPOOL_LOG_DEBUG, "Connection %p being returned to pool", native);
    expect_line(f, DBPOOL_LOG_DEBUG, "Connection %p rollback-on-return", native);
    assert_int_equal(logged_lines(f), 5);
}

/* R-LOG-1 */
static void each_kind_of_reset_has_its_word(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    const char *lines[] = {NULL, NULL, "Connection %p commit-on-return", "Connection %p full reset-on-return"};
    for (int reset = DBPOOL_RESET_COMMIT; reset <= DBPOOL_RESET_FULL; reset++) {
        f->config.reset_on_return = reset;
        fixture_open(f);
        dbpool_conn conn = lent(f);
        void *native = dbpool_native(conn);
        fake_native_set_state(native, DBPOOL_NATIVE_DIRTY);
        returned(&conn);
        expect_line(f, DBPOOL_LOG_DEBUG, lines[reset], native);
        fixture_close(f);
        fixture_forget_log(f);
    }
}

/* R-LOG-1 */
static void a_return_without_reset_and_a_close_are_told_for_debugging(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    assert_int_equal(dbpool_checkin_no_reset(&conn), DBPOOL_OK);
    expect_line(f, DBPOOL_LOG_DEBUG, "Connection %p reset, transaction already reset", native);
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    expect_line(f, DBPOOL_LOG_DEBUG, "Closing connection %p", native);
}

/* R-LOG-1 */
static void a_ping_and_its_failure_are_told_for_debugging_and_the_disconnection_for_information(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    f->config.pre_ping = 1;
    fixture_open(f);
    fixture_listen_to(f, DBPOOL_ON_CHECKOUT);
    dbpool_conn conn = lent(f);
    void *native = dbpool_native(conn);
    returned(&conn);
    fixture_forget_log(f);
    fake_driver_plan(f->fake, FAKE_PING, 1, 1, (fake_answer){.status = DBPOOL_EDISCONNECT, .message = "ping: hung up"});
    f->refusals[DBPOOL_ON_CHECKOUT] = (fixture_refusal){1, DBPOOL_EDISCONNECT, DBPOOL_ERROR_POOL_STALE, "listener: restarted"};
    assert_int_equal(refused(f), DBPOOL_EDISCONNECT);
    expect_line(f, DBPOOL_LOG_DEBUG, "Pool pre-ping on connection %p failed: ping: hung up", native);
    assert_int_equal(logged(f, DBPOOL_LOG_DEBUG, "Pool pre-ping on connection "), 2);
    expect_line(f, DBPOOL_LOG_INFO, "Disconnection detected on checkout, invalidating individual connection %p (reason: ping: hung up)",
                native);
    expect_line(f, DBPOOL_LOG_INFO,
                "Disconnection detected on checkout, invalidating all pooled connections prior to the current one"
                " (reason: listener: restarted)",
                NULL);
    expect_line(f, DBPOOL_LOG_INFO, "Reconnection attempts exhausted on checkout", NULL);
    expect_line(f, DBPOOL_LOG_INFO, "Invalidate connection %p (reason: DBPOOL_EDISCONNECT:ping: hung up)", native);
}

/* R-LOG-1 */
static void disposal_and_recreation_are_told_with_the_status(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    expect_line(f, DBPOOL_LOG_INFO,
                "Pool disposed. Pool size: 5  Connections in pool: 1 Current Overflow: -4 Current Checked out connections: 0", NULL);
    dbpool *other = NULL;
    assert_int_equal(dbpool_recreate(f->pool, &other, &f->err), DBPOOL_OK);
    expect_line(f, DBPOOL_LOG_INFO, "Pool recreating", NULL);
    assert_int_equal(dbpool_close(other, 0, NULL), DBPOOL_OK);
    dbpool_destroy(other);
}

/* R-LOG-1, R-CFG-5 */
static void a_line_names_the_pool(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_DEBUG;
    f->config.name = "orders";
    fixture_open(f);
    assert_string_equal(dbpool_name(f->pool), "orders");
    dbpool_conn conn = lent(f);
    returned(&conn);
    assert_true(logged_lines(f) > 0);
    for (size_t i = 0; i < f->line_count; i++)
        assert_string_equal(f->lines[i].pool_name, "orders");
}

/* R-CFG-5 */
static void the_name_is_an_id_in_hex_unless_given(void **state) {
    fixture *f = *state;
    fixture_open(f);
    char id[32];
    (void)snprintf(id, sizeof id, "%p", (void *)f->pool);
    assert_string_equal(dbpool_name(f->pool), id);
    assert_memory_equal(id, "0x", 2);
    assert_string_equal(dbpool_name(NULL), "");
}

/* R-LOG-1 */
static void control_characters_are_escaped(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    const dbpool_error reason = {.status = DBPOOL_EDRIVER, .message = "two\nlines \x1b[31m of \xc3\xa4 and \xff"};
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_invalidate(&conn, &reason), DBPOOL_OK);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "two\\x0Alines \\x1B[31m of \xc3\xa4 and \\xFF)"), 1);
}

/* ---- The levels ---- */

/* A lease with a failing close: a line at each of error, info and debug. */
static void make_lines(fixture *f) {
    fixture_forget_log(f);
    dbpool_conn conn = lent(f);
    fake_driver_plan(f->fake, FAKE_CLOSE, 1, 1, (fake_answer){.status = DBPOOL_EDRIVER});
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
}

static void expect_level(fixture *f, dbpool_log_level level) {
    make_lines(f);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "Exception closing connection") == 1, level >= DBPOOL_LOG_ERROR);
    assert_int_equal(logged(f, DBPOOL_LOG_INFO, "Invalidate connection") == 1, level >= DBPOOL_LOG_INFO);
    assert_int_equal(logged(f, DBPOOL_LOG_DEBUG, "Created new connection") == 1, level >= DBPOOL_LOG_DEBUG);
}

/* R-LOG-2, R-CFG-5 */
static void echo_chooses_the_level(void **state) {
    fixture *f = *state;
    const dbpool_log_level levels[] = {DBPOOL_LOG_ERROR, DBPOOL_LOG_INFO, DBPOOL_LOG_DEBUG};
    for (int echo = DBPOOL_ECHO_OFF; echo <= DBPOOL_ECHO_DEBUG; echo++) {
        f->config.echo = echo;
        fixture_open(f);
        expect_level(f, levels[echo]);
        fixture_close(f);
    }
}

/* R-LOG-2 */
static void levels_are_switched_while_the_pool_runs(void **state) {
    fixture *f = *state;
    fixture_open(f);
    for (int32_t level = DBPOOL_LOG_DEBUG; level >= DBPOOL_LOG_OFF; level--) {
        assert_int_equal(dbpool_set_log_level(f->pool, level), DBPOOL_OK);
        expect_level(f, (dbpool_log_level)level);
    }
    assert_int_equal(dbpool_set_log_level(f->pool, DBPOOL_LOG_DEBUG + 1), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_log_level(f->pool, -2), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_log_level(NULL, 0), DBPOOL_EINVAL);
}

/* R-LOG-2 */
static void without_echo_the_process_wide_sink_and_level_hold(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_UNSET;
    f->config.log = NULL;
    fixture_open(f);
    expect_level(f, DBPOOL_LOG_OFF);
    assert_int_equal(dbpool_log_to(fixture_log, f, DBPOOL_LOG_INFO), DBPOOL_OK);
    expect_level(f, DBPOOL_LOG_INFO);
    assert_int_equal(dbpool_log_to(fixture_log, f, DBPOOL_LOG_DEBUG), DBPOOL_OK);
    expect_level(f, DBPOOL_LOG_DEBUG);
    assert_int_equal(dbpool_set_log_level(f->pool, DBPOOL_LOG_ERROR), DBPOOL_OK); /* its own from now on */
    expect_level(f, DBPOOL_LOG_ERROR);
    assert_int_equal(dbpool_set_log_level(f->pool, -1), DBPOOL_OK);
    expect_level(f, DBPOOL_LOG_DEBUG);
    assert_int_equal(dbpool_log_to(NULL, NULL, DBPOOL_LOG_DEBUG), DBPOOL_OK);
    expect_level(f, DBPOOL_LOG_OFF);
    assert_int_equal(dbpool_log_to(NULL, NULL, DBPOOL_LOG_OFF), DBPOOL_OK);
    assert_int_equal(dbpool_log_to(NULL, NULL, (dbpool_log_level)9), DBPOOL_EINVAL);
}

/* R-LOG-2 */
static void what_is_not_logged_keeps_nobody_from_the_fast_paths(void **state) {
    fixture *f = *state;
    f->config.echo = DBPOOL_ECHO_INFO;
    fixture_open(f);
    assert_int_equal(dbp_load_relaxed_u32(&f->pool->checkout_checks) & ~DBP_CHECK_LOOK, 0);
    assert_int_equal(dbp_load_relaxed_u32(&f->pool->checkin_checks), 0);
    assert_int_equal(dbpool_set_log_level(f->pool, DBPOOL_LOG_DEBUG), DBPOOL_OK);
    assert_true(dbp_load_relaxed_u32(&f->pool->checkout_checks) & DBP_CHECK_LOG);
    assert_true(dbp_load_relaxed_u32(&f->pool->checkin_checks) & DBP_CHECK_LOG);
}

/* ---- Secrets ---- */

#define SECRET "xyzzy-marker"

static void expect_no_secret(const char *text) {
    if (strstr(text, SECRET))
        fail_msg("a secret is told: %s", text);
}

/* R-LOG-3 */
static void no_password_reaches_a_line_an_error_or_a_status(void **state) {
    fixture *f = *state;
    static dbpool_driver table;
    if (!table.name) {
        table = *fake_driver_table(f->fake);
        assert_int_equal(dbpool_register_driver(&table, &f->err), DBPOOL_OK);
    }
    f->config.echo = DBPOOL_ECHO_DEBUG;
    const char *url = "fake://app:" SECRET "@db.example/shop?sslpassword=" SECRET "&pool_pre_ping=true";
    assert_int_equal(dbpool_open(url, &f->config, &f->pool, &f->err), DBPOOL_OK);
    dbpool_conn conn = lent(f), other;
    assert_int_equal(dbpool_detach(&conn, &f->err), DBPOOL_OK);
    returned(&conn);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECONNECT});
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    expect_no_secret(f->err.message);
    assert_int_equal(dbpool_resize(f->pool, 1, 0, NULL), DBPOOL_OK);
    other = lent(f);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    expect_no_secret(f->err.message);
    char text[200];
    assert_true(dbpool_status_text(f->pool, text, sizeof text) < sizeof text);
    expect_no_secret(text);
    expect_no_secret(dbpool_name(f->pool));
    assert_int_equal(dbpool_set_tag(other, "tag"), DBPOOL_OK);
    returned(&other);
    assert_int_equal(dbpool_dispose(f->pool), DBPOOL_OK);
    assert_true(logged_lines(f) > 5);
    for (size_t i = 0; i < f->line_count; i++) {
        expect_no_secret(f->lines[i].text);
        expect_no_secret(f->lines[i].pool_name);
    }
}

/* R-LOG-3 */
static void nor_the_error_of_a_url_that_is_refused(void **state) {
    fixture *f = *state;
    const char *const urls[] = {"fake://app:" SECRET "@[::1/shop", "nosuch://app:" SECRET "@host/x", "fake://app:" SECRET "@host:port/x",
                                "fake://app:" SECRET "@host/?pool_size=x", "fake://app:" SECRET "%zz@host/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        dbpool *none = NULL;
        assert_int_not_equal(dbpool_open(urls[i], &f->config, &none, &f->err), DBPOOL_OK);
        expect_no_secret(f->err.message);
        assert_null(none);
    }
    assert_int_equal(logged_lines(f), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_lease_is_told_for_debugging),
        FIXTURE_TEST(each_kind_of_reset_has_its_word),
        FIXTURE_TEST(a_return_without_reset_and_a_close_are_told_for_debugging),
        FIXTURE_TEST(a_ping_and_its_failure_are_told_for_debugging_and_the_disconnection_for_information),
        FIXTURE_TEST(disposal_and_recreation_are_told_with_the_status),
        FIXTURE_TEST(a_line_names_the_pool),
        FIXTURE_TEST(the_name_is_an_id_in_hex_unless_given),
        FIXTURE_TEST(control_characters_are_escaped),
        FIXTURE_TEST(echo_chooses_the_level),
        FIXTURE_TEST(levels_are_switched_while_the_pool_runs),
        FIXTURE_TEST(without_echo_the_process_wide_sink_and_level_hold),
        FIXTURE_TEST(what_is_not_logged_keeps_nobody_from_the_fast_paths),
        FIXTURE_TEST(no_password_reaches_a_line_an_error_or_a_status),
        FIXTURE_TEST(nor_the_error_of_a_url_that_is_refused),
    };
    return cmocka_run_group_tests_name("log", tests, fixture_start, NULL);
}
