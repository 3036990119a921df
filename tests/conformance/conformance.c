/* SPDX-License-Identifier: MIT
 *
 * The cases that ask the driver's table, and what both halves of the suite share.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suite.h"

#define CASES 512
#define NEVER INT64_MAX
#define SHORT_NS 50000000 /* a deadline that is meant to pass: long enough for a loaded machine to begin the work */

const conformance_adapter *suite_adapter;
static struct CMUnitTest cases[CASES];
static size_t case_count, left_out;

/* ---- What both halves share ------------------------------------------------------------------------------------------------------ */

void suite_add(const char *name, CMUnitTestFunction function, const void *state) {
    if (case_count == CASES)
        abort();
    char *copy = malloc(strlen(name) + 1);
    strcpy(copy, name);
    cases[case_count++] = (struct CMUnitTest){.name = copy, .test_func = function, .initial_state = (void *)(uintptr_t)state};
}

bool suite_has(bool needed) {
    left_out += !needed;
    return needed;
}

void suite_check_no_secret(const char *text) {
    if (text && strstr(text, CONFORMANCE_SECRET))
        fail_msg("a secret is shown: %s", text);
}

void suite_check_error(dbpool_status status, const dbpool_error *err) {
    assert_int_not_equal(status, DBPOOL_OK);
    assert_int_equal(err->status, status);
    suite_check_no_secret(err->message);
    const char *colon = strstr(err->message, ": ");
    if (!colon || colon == err->message || colon[2] == '\0')
        fail_msg("not \"action: cause\": %s", err->message);
}

void suite_check_ok(dbpool_status status, const dbpool_error *err) {
    if (status != DBPOOL_OK)
        fail_msg("%s: %s", err->status == status ? "failed" : "failed without a message", err->message);
}

bool suite_run(void *native, const char *format, ...) {
    char sql[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    return suite_adapter->run(native, sql);
}

int64_t suite_number(void *native, const char *format, ...) {
    char sql[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    int64_t number = 0;
    if (!suite_adapter->number(native, sql, &number))
        fail_msg("query failed: %s", sql);
    return number;
}

bool suite_make(const conformance_leftover *leftover, void *native) {
    return leftover->make_by ? leftover->make_by(native) : suite_adapter->run(native, leftover->make);
}

bool suite_probe(const conformance_leftover *leftover, void *native) {
    return leftover->probe_by ? leftover->probe_by(native) : suite_number(native, "%s", leftover->probe) != 0;
}

void suite_clean_up(const conformance_leftover *leftover, void *native) {
    if (leftover->clean_up)
        leftover->clean_up(native);
}

/* ---- The driver's table ---------------------------------------------------------------------------------------------------------- */

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *configure(const dbpool_param *params, size_t count) {
    dbpool_error err = {0};
    void *arg = NULL;
    suite_check_ok(suite_adapter->driver->configure(params, count, &arg, &err), &err);
    return arg;
}

static void *configured(void) { return configure(suite_adapter->params, suite_adapter->param_count); }

static void *opened(void *arg) {
    dbpool_error err = {0};
    void *native = NULL;
    suite_check_ok(suite_adapter->driver->open(arg, NEVER, &native, &err), &err);
    assert_non_null(native);
    return native;
}

static void closed(void *arg, void *native) {
    dbpool_error err = {0};
    suite_check_ok(suite_adapter->driver->close(arg, native, &err), &err);
}

static void released(void *arg) { suite_adapter->driver->release(arg); }

static void the_table_is_whole(void **state) {
    (void)state;
    const dbpool_driver *driver = suite_adapter->driver;
    assert_int_equal(driver->struct_size, sizeof *driver);
    assert_non_null(driver->name);
    assert_non_null(driver->schemes);
    assert_non_null(driver->configure);
    assert_non_null(driver->release);
    assert_non_null(driver->open);
    assert_non_null(driver->close);
    assert_non_null(driver->state);
    assert_non_null(driver->ping);
    assert_non_null(driver->reset);
    assert_non_null(driver->describe);
    assert_int_equal(driver->flags & ~(DBPOOL_DRIVER_OPENS_FAST | DBPOOL_DRIVER_RESETS_FULLY | DBPOOL_DRIVER_ASYNCHRONOUS), 0);
}

static void a_new_connection_is_clean_and_lives(void **state) {
    (void)state;
    const dbpool_driver *driver = suite_adapter->driver;
    void *arg = configured(), *native = opened(arg);
    dbpool_error err = {0};
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    assert_true(!driver->look || driver->look(arg, native));
    suite_check_ok(driver->ping(arg, native, NEVER, &err), &err);
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    assert_int_equal(suite_number(native, "select 1"), 1);
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    closed(arg, native);
    released(arg);
}

static void a_failed_statement_leaves_it_clean(void **state) {
    (void)state;
    void *arg = configured(), *native = opened(arg);
    assert_false(suite_run(native, "select this is no statement"));
    assert_int_equal(suite_adapter->driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    assert_int_equal(suite_number(native, "select 1"), 1);
    closed(arg, native);
    released(arg);
}

static void empty_table(void *native) { assert_true(suite_run(native, "delete from %s", suite_adapter->table)); }

/* A row is written in a transaction, which the reset ends; `rows` is how many another connection then sees. */
static void check_end_of_transaction(int32_t reset, int64_t rows) {
    const dbpool_driver *driver = suite_adapter->driver;
    void *arg = configured(), *native = opened(arg), *other = opened(arg);
    dbpool_error err = {0};
    empty_table(native);
    assert_true(suite_run(native, "%s", suite_adapter->begin));
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_DIRTY);
    assert_true(suite_run(native, "insert into %s values (1)", suite_adapter->table));
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_DIRTY);
    suite_check_ok(driver->reset(arg, native, reset, NEVER, &err), &err);
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    assert_int_equal(suite_number(other, "select count(*) from %s", suite_adapter->table), rows);
    assert_int_equal(suite_number(native, "select count(*) from %s", suite_adapter->table), rows);
    empty_table(other);
    closed(arg, other);
    closed(arg, native);
    released(arg);
}

static void rollback_undoes_a_transaction(void **state) {
    (void)state;
    check_end_of_transaction(DBPOOL_RESET_ROLLBACK, 0);
}

static void commit_keeps_a_transaction(void **state) {
    (void)state;
    check_end_of_transaction(DBPOOL_RESET_COMMIT, 1);
}

static void full_undoes_a_transaction(void **state) {
    (void)state;
    check_end_of_transaction(DBPOOL_RESET_FULL, 0);
}

static void rollback_ends_a_failed_transaction(void **state) {
    (void)state;
    const dbpool_driver *driver = suite_adapter->driver;
    void *arg = configured(), *native = opened(arg);
    dbpool_error err = {0};
    assert_true(suite_run(native, "%s", suite_adapter->begin));
    assert_false(suite_run(native, "select * from no_such_table_here"));
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_DIRTY);
    suite_check_ok(driver->reset(arg, native, DBPOOL_RESET_ROLLBACK, NEVER, &err), &err);
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    assert_int_equal(suite_number(native, "select 1"), 1);
    closed(arg, native);
    released(arg);
}

static void a_reset_of_a_clean_connection_succeeds(void **state) {
    (void)state;
    void *arg = configured(), *native = opened(arg);
    int32_t last = suite_adapter->driver->flags & DBPOOL_DRIVER_RESETS_FULLY ? DBPOOL_RESET_FULL : DBPOOL_RESET_COMMIT;
    for (int32_t reset = DBPOOL_RESET_ROLLBACK; reset <= last; reset++)
        for (int twice = 0; twice < 2; twice++) {
            dbpool_error err = {0};
            suite_check_ok(suite_adapter->driver->reset(arg, native, reset, NEVER, &err), &err);
            assert_int_equal(suite_adapter->driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
        }
    closed(arg, native);
    released(arg);
}

static void a_half_read_result_is_unclean(void **state) {
    (void)state;
    const dbpool_driver *driver = suite_adapter->driver;
    void *arg = configured(), *native = opened(arg);
    assert_true(suite_adapter->leave_unread(native));
    assert_int_equal(driver->state(arg, native), DBPOOL_NATIVE_UNCLEAN);
    for (int32_t reset = DBPOOL_RESET_ROLLBACK; reset <= DBPOOL_RESET_FULL; reset++) {
        dbpool_error err = {0};
        suite_check_error(driver->reset(arg, native, reset, NEVER, &err), &err);
    }
    closed(arg, native);
    if (suite_adapter->drop_unread)
        suite_adapter->drop_unread();
    released(arg);
}

static void a_dead_connection_is_seen(void **state) {
    (void)state;
    const dbpool_driver *driver = suite_adapter->driver;
    void *arg = configured(), *native = opened(arg);
    assert_true(suite_adapter->kill(native));
    assert_true(!driver->look || !driver->look(arg, native));
    dbpool_error err = {0};
    dbpool_status status = driver->ping(arg, native, NEVER, &err);
    suite_check_error(status, &err);
    assert_int_equal(status, DBPOOL_EDISCONNECT);
    assert_true(err.flags & DBPOOL_ERROR_CONNECTION_LOST);
    assert_int_equal((err.flags & DBPOOL_ERROR_POOL_STALE) != 0, suite_adapter->kill_is_for_all);
    closed(arg, native);
    assert_true(!suite_adapter->revive || suite_adapter->revive());
    native = opened(arg);
    assert_int_equal(suite_number(native, "select 1"), 1);
    closed(arg, native);
    released(arg);
}

static void check_late(dbpool_status status, const dbpool_error *err) {
    suite_check_error(status, err);
    assert_true(err->flags & DBPOOL_ERROR_TIMED_OUT);
}

static void an_opening_keeps_its_deadline(void **state) {
    (void)state;
    void *arg = configured(), *native = NULL;
    dbpool_error err = {0};
    assert_true(suite_adapter->stick_open());
    dbpool_status status = suite_adapter->driver->open(arg, now_ns() + SHORT_NS, &native, &err);
    suite_adapter->unstick();
    check_late(status, &err);
    assert_null(native);
    closed(arg, opened(arg));
    released(arg);
}

static void a_ping_keeps_its_deadline(void **state) {
    (void)state;
    void *arg = configured(), *native = opened(arg);
    dbpool_error err = {0};
    assert_true(suite_adapter->stick_ping(native));
    dbpool_status status = suite_adapter->driver->ping(arg, native, now_ns() + SHORT_NS, &err);
    suite_adapter->unstick();
    check_late(status, &err);
    closed(arg, native);
    released(arg);
}

static void a_reset_keeps_its_deadline(void **state) {
    (void)state;
    void *arg = configured(), *native = opened(arg);
    dbpool_error err = {0};
    empty_table(native);
    assert_true(suite_run(native, "%s", suite_adapter->begin));
    assert_true(suite_run(native, "insert into %s values (1)", suite_adapter->table));
    assert_true(suite_adapter->stick_reset(native));
    dbpool_status status = suite_adapter->driver->reset(arg, native, suite_adapter->stuck_reset, now_ns() + SHORT_NS, &err);
    suite_adapter->unstick();
    check_late(status, &err);
    closed(arg, native);
    released(arg);
}

static void what_cannot_be_reached_is_econnect(void **state) {
    (void)state;
    void *arg = configure(suite_adapter->unreachable, suite_adapter->unreachable_count), *native = NULL;
    dbpool_error err = {0};
    dbpool_status status = suite_adapter->driver->open(arg, NEVER, &native, &err);
    suite_check_error(status, &err);
    assert_int_equal(status, DBPOOL_ECONNECT);
    assert_null(native);
    released(arg);
}

static void a_wrong_argument_is_refused(void **state) {
    const conformance_refusal *refusal = *state;
    void *arg = NULL, *native = NULL;
    dbpool_error err = {0};
    dbpool_status status = suite_adapter->driver->configure(refusal->params, refusal->count, &arg, &err);
    if (status == DBPOOL_OK) {
        status = suite_adapter->driver->open(arg, NEVER, &native, &err);
        released(arg);
    }
    suite_check_error(status, &err);
    assert_int_equal(status, refusal->status);
    if (!strstr(err.message, refusal->names))
        fail_msg("\"%s\" is not in: %s", refusal->names, err.message);
}

struct facts_seen {
    char keys[1024];
};

static void see_fact(void *arg, const char *key, const char *value) {
    struct facts_seen *seen = arg;
    suite_check_no_secret(key);
    suite_check_no_secret(value);
    assert_non_null(value);
    size_t length = strlen(seen->keys);
    snprintf(seen->keys + length, sizeof seen->keys - length, " %s ", key);
}

static void facts_are_described(void **state) {
    (void)state;
    void *arg = configured(), *native = opened(arg);
    struct facts_seen seen = {{0}};
    dbpool_error err = {0};
    suite_check_ok(suite_adapter->driver->describe(arg, native, NEVER, see_fact, &seen, &err), &err);
    for (size_t i = 0; i < suite_adapter->fact_count; i++) {
        char key[64];
        snprintf(key, sizeof key, " %s ", suite_adapter->facts[i]);
        if (!strstr(seen.keys, key))
            fail_msg("%s is not among the facts", suite_adapter->facts[i]);
    }
    assert_int_equal(suite_adapter->driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    closed(arg, native);
    released(arg);
}

static conformance_fate fate_after(const conformance_leftover *leftover, void *arg, void *native, int32_t reset) {
    dbpool_error err = {0};
    dbpool_status status = suite_adapter->driver->reset(arg, native, reset, NEVER, &err);
    if (status != DBPOOL_OK) {
        suite_check_error(status, &err);
        return CONFORMANCE_CLOSED;
    }
    assert_int_equal(suite_adapter->driver->state(arg, native), DBPOOL_NATIVE_CLEAN);
    return suite_probe(leftover, native) ? CONFORMANCE_STAYS : CONFORMANCE_GONE;
}

static void check_leftover(const conformance_leftover *leftover, int32_t reset, conformance_fate expected) {
    void *arg = configured(), *native = opened(arg);
    assert_true(suite_make(leftover, native));
    assert_true(suite_probe(leftover, native));
    conformance_fate fate = fate_after(leftover, arg, native, reset);
    closed(arg, native);
    suite_clean_up(leftover, native);
    void *next = opened(arg);
    assert_false(suite_probe(leftover, next));
    closed(arg, next);
    released(arg);
    static const char *const fates[] = {"stays", "is gone", "closes the connection"};
    if (fate != expected)
        fail_msg("%s: it %s, but should be: %s", leftover->name, fates[fate], fates[expected]);
}

static void a_leftover_after_rollback(void **state) {
    const conformance_leftover *leftover = *state;
    check_leftover(leftover, DBPOOL_RESET_ROLLBACK, leftover->after_rollback);
}

static void a_leftover_after_commit(void **state) {
    const conformance_leftover *leftover = *state;
    check_leftover(leftover, DBPOOL_RESET_COMMIT, leftover->after_rollback);
}

static void a_leftover_after_full(void **state) {
    const conformance_leftover *leftover = *state;
    check_leftover(leftover, DBPOOL_RESET_FULL, leftover->after_full);
}

/* ---- The run --------------------------------------------------------------------------------------------------------------------- */

static void add_named(const char *what, const char *name, CMUnitTestFunction function, const void *state) {
    char text[160];
    snprintf(text, sizeof text, "%s: %s", what, name);
    suite_add(text, function, state);
}

#define ADD(function) suite_add(#function, function, NULL)

static void add_table_cases(const conformance_adapter *adapter) {
    ADD(the_table_is_whole);
    ADD(a_new_connection_is_clean_and_lives);
    ADD(a_failed_statement_leaves_it_clean);
    ADD(rollback_undoes_a_transaction);
    ADD(commit_keeps_a_transaction);
    ADD(rollback_ends_a_failed_transaction);
    ADD(a_reset_of_a_clean_connection_succeeds);
    ADD(facts_are_described);
    if (suite_has(adapter->driver->flags & DBPOOL_DRIVER_RESETS_FULLY))
        ADD(full_undoes_a_transaction);
    if (suite_has(adapter->leave_unread != NULL))
        ADD(a_half_read_result_is_unclean);
    if (suite_has(adapter->kill != NULL))
        ADD(a_dead_connection_is_seen);
    if (suite_has(adapter->stick_open != NULL))
        ADD(an_opening_keeps_its_deadline);
    if (suite_has(adapter->stick_ping != NULL))
        ADD(a_ping_keeps_its_deadline);
    if (suite_has(adapter->stick_reset != NULL))
        ADD(a_reset_keeps_its_deadline);
    if (suite_has(adapter->unreachable_count > 0))
        ADD(what_cannot_be_reached_is_econnect);
}

static void add_lists(const conformance_adapter *adapter) {
    for (size_t i = 0; i < adapter->refusal_count; i++)
        add_named("refused", adapter->refusals[i].name, a_wrong_argument_is_refused, &adapter->refusals[i]);
    for (size_t i = 0; i < adapter->leftover_count; i++) {
        const conformance_leftover *leftover = &adapter->leftovers[i];
        add_named("rollback and", leftover->name, a_leftover_after_rollback, leftover);
        add_named("commit and", leftover->name, a_leftover_after_commit, leftover);
        if (adapter->driver->flags & DBPOOL_DRIVER_RESETS_FULLY)
            add_named("full and", leftover->name, a_leftover_after_full, leftover);
    }
}

int conformance_run(const conformance_adapter *adapter) {
    suite_adapter = adapter;
    add_table_cases(adapter);
    add_lists(adapter);
    suite_add_pool_cases();
    int failed = _cmocka_run_group_tests(adapter->driver->name, cases, case_count, NULL, NULL);
    print_message("%s: %zu cases, %zu that this database has no use for\n", adapter->driver->name, case_count, left_out);
    left_out = 0;
    while (case_count > 0)
        free((void *)(uintptr_t)cases[--case_count].name);
    return failed;
}
