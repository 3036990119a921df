/* SPDX-License-Identifier: MIT
 *
 * The cases that ask a pool, through the public API alone: what one holder leaves and the next one finds.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* ---- The log, of which no line may hold a secret ---------------------------------------------------------------------------------- */

static void check_line(void *arg, dbpool_log_level level, const char *pool_name, const char *line) {
    (void)arg;
    (void)level;
    suite_check_no_secret(pool_name);
    suite_check_no_secret(line);
}

/* ---- Pools and leases ------------------------------------------------------------------------------------------------------------- */

/* A pool of one connection at most, which logs all it does. */
static dbpool *pool_with(const char *options) {
    char url[2048];
    const char *separator = strchr(suite_adapter->url, '?') ? "&" : "?";
    snprintf(url, sizeof url, "%s%spool_size=1&pool_max_overflow=0&pool_echo=debug%s", suite_adapter->url, separator, options);
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.log = check_line;
    dbpool *pool = NULL;
    dbpool_error err = {0};
    suite_check_ok(dbpool_open(url, &config, &pool, &err), &err);
    return pool;
}

static int64_t rows(dbpool_conn conn) { return suite_number(dbpool_native(conn), "select count(*) from %s", suite_adapter->table); }

static dbpool_conn lent(dbpool *pool) {
    dbpool_conn conn;
    dbpool_error err = {0};
    suite_check_ok(dbpool_checkout(pool, &conn, &err), &err);
    return conn;
}

static void returned(dbpool_conn *conn) { assert_int_equal(dbpool_checkin(conn), DBPOOL_OK); }

static void ended(dbpool *pool) {
    dbpool_error err = {0};
    suite_check_ok(dbpool_close(pool, 0, &err), &err);
    dbpool_destroy(pool);
}

static dbpool_stats stats_of(dbpool *pool) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    assert_int_equal(dbpool_get_stats(pool, &stats), DBPOOL_OK);
    return stats;
}

static void empty_table(dbpool_conn conn) { assert_true(suite_run(dbpool_native(conn), "delete from %s", suite_adapter->table)); }

/* A row written in a transaction that is left open. */
static void leave_a_row(dbpool_conn conn) {
    empty_table(conn);
    assert_true(suite_run(dbpool_native(conn), "%s", suite_adapter->begin));
    assert_true(suite_run(dbpool_native(conn), "insert into %s values (1)", suite_adapter->table));
}

/* ---- The cases -------------------------------------------------------------------------------------------------------------------- */

static void a_connection_is_lent_again(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    dbpool_conn conn = lent(pool);
    void *native = dbpool_native(conn);
    assert_ptr_equal(dbpool_native_of(conn, suite_adapter->driver->name), native);
    assert_null(dbpool_native_of(conn, "no such driver"));
    assert_int_equal(suite_number(native, "select 1"), 1);
    returned(&conn);
    conn = lent(pool);
    assert_ptr_equal(dbpool_native(conn), native);
    returned(&conn);
    assert_int_equal(stats_of(pool).opened, 1);
    assert_int_equal(stats_of(pool).unclean, 0);
    ended(pool);
}

static void check_transaction_left_open(const char *options, int64_t expected) {
    dbpool *pool = pool_with(options);
    dbpool_conn conn = lent(pool);
    leave_a_row(conn);
    returned(&conn);
    conn = lent(pool);
    assert_int_equal(rows(conn), expected);
    empty_table(conn);
    returned(&conn);
    ended(pool);
}

static void a_transaction_left_open_is_rolled_back(void **state) {
    (void)state;
    check_transaction_left_open("", 0);
}

static void a_transaction_left_open_is_committed(void **state) {
    (void)state;
    check_transaction_left_open("&pool_reset_on_return=commit", 1);
}

static void a_transaction_left_open_closes_without_reset(void **state) {
    (void)state;
    dbpool *pool = pool_with("&pool_reset_on_return=none");
    dbpool_conn conn = lent(pool);
    leave_a_row(conn);
    returned(&conn);
    conn = lent(pool);
    assert_int_equal(rows(conn), 0);
    returned(&conn);
    assert_int_equal(stats_of(pool).opened, 2);
    ended(pool);
}

static void a_half_read_result_is_never_lent(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    dbpool_conn conn = lent(pool);
    assert_true(suite_adapter->leave_unread(dbpool_native(conn)));
    returned(&conn);
    conn = lent(pool);
    assert_int_equal(suite_number(dbpool_native(conn), "select 1"), 1);
    returned(&conn);
    if (suite_adapter->drop_unread)
        suite_adapter->drop_unread();
    assert_int_equal(stats_of(pool).opened, 2);
    assert_int_equal(stats_of(pool).unclean, 1);
    ended(pool);
}

static void check_dead_while_idle(const char *options) {
    dbpool *pool = pool_with(options);
    dbpool_conn conn = lent(pool);
    void *native = dbpool_native(conn);
    returned(&conn);
    assert_true(suite_adapter->kill(native));
    assert_true(!suite_adapter->revive || suite_adapter->revive());
    conn = lent(pool);
    assert_int_equal(suite_number(dbpool_native(conn), "select 1"), 1);
    returned(&conn);
    assert_int_equal(stats_of(pool).opened, 2);
    ended(pool);
}

static void one_that_died_while_idle_is_replaced(void **state) {
    (void)state;
    check_dead_while_idle("");
}

static void a_ping_replaces_one_that_died_while_idle(void **state) {
    (void)state;
    check_dead_while_idle("&pool_pre_ping=true");
}

static void one_that_died_while_lent_is_not_lent_again(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    dbpool_conn conn = lent(pool);
    assert_true(suite_adapter->kill(dbpool_native(conn)));
    assert_true(!suite_adapter->revive || suite_adapter->revive());
    returned(&conn);
    conn = lent(pool);
    assert_int_equal(suite_number(dbpool_native(conn), "select 1"), 1);
    returned(&conn);
    assert_int_equal(stats_of(pool).opened, 2);
    ended(pool);
}

static void an_invalidated_one_is_replaced(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    dbpool_conn conn = lent(pool);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    conn = lent(pool);
    assert_int_equal(suite_number(dbpool_native(conn), "select 1"), 1);
    returned(&conn);
    assert_int_equal(stats_of(pool).opened, 2);
    ended(pool);
}

static void see_fact(void *arg, const char *key, const char *value) {
    suite_check_no_secret(key);
    suite_check_no_secret(value);
    ++*(int *)arg;
}

static void a_lease_describes_its_server(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    dbpool_conn conn = lent(pool);
    dbpool_error err = {0};
    int facts = 0;
    suite_check_ok(dbpool_describe(conn, 5000, see_fact, &facts, &err), &err);
    assert_true(facts > 0);
    returned(&conn);
    ended(pool);
}

static void nothing_told_of_a_pool_is_secret(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    char text[512];
    dbpool_status_text(pool, text, sizeof text);
    suite_check_no_secret(text);
    suite_check_no_secret(dbpool_name(pool));
    ended(pool);
}

#define USERS 4
#define ROUNDS 50

static void *use(void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        dbpool_conn conn;
        int64_t one = 0;
        if (dbpool_checkout(arg, &conn, NULL) != DBPOOL_OK)
            return NULL;
        bool worked = suite_adapter->number(dbpool_native(conn), "select 1", &one) && one == 1;
        if (dbpool_checkin(&conn) != DBPOOL_OK || !worked)
            return NULL;
    }
    return arg;
}

static void several_threads_share_one_connection(void **state) {
    (void)state;
    dbpool *pool = pool_with("");
    pthread_t threads[USERS];
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, pool), 0);
    for (int i = 0; i < USERS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, pool);
    }
    assert_int_equal(stats_of(pool).opened, 1);
    assert_int_equal(stats_of(pool).checkins, USERS * ROUNDS);
    ended(pool);
}

static void check_leftover(const conformance_leftover *leftover, const char *options, conformance_fate fate) {
    dbpool *pool = pool_with(options);
    dbpool_conn conn = lent(pool);
    void *native = dbpool_native(conn);
    assert_true(suite_make(leftover, native));
    returned(&conn);
    conn = lent(pool);
    bool found = suite_probe(leftover, dbpool_native(conn));
    uint64_t opened = stats_of(pool).opened;
    returned(&conn);
    ended(pool);
    suite_clean_up(leftover, native);
    assert_int_equal(found, fate == CONFORMANCE_STAYS);
    assert_int_equal(opened, fate == CONFORMANCE_CLOSED ? 2 : 1);
}

static void the_next_holder_after_rollback(void **state) {
    const conformance_leftover *leftover = *state;
    check_leftover(leftover, "", leftover->after_rollback);
}

static void the_next_holder_after_full(void **state) {
    const conformance_leftover *leftover = *state;
    check_leftover(leftover, "&pool_reset_on_return=full", leftover->after_full);
}

/* ---- The run ---------------------------------------------------------------------------------------------------------------------- */

#define ADD(function) suite_add("pool: " #function, function, NULL)

static void add_leftovers(const conformance_adapter *adapter) {
    char name[160];
    for (size_t i = 0; i < adapter->leftover_count; i++) {
        const conformance_leftover *leftover = &adapter->leftovers[i];
        snprintf(name, sizeof name, "pool: rollback and %s", leftover->name);
        suite_add(name, the_next_holder_after_rollback, leftover);
        snprintf(name, sizeof name, "pool: full and %s", leftover->name);
        if (adapter->driver->flags & DBPOOL_DRIVER_RESETS_FULLY)
            suite_add(name, the_next_holder_after_full, leftover);
    }
}

void suite_add_pool_cases(void) {
    const conformance_adapter *adapter = suite_adapter;
    ADD(a_connection_is_lent_again);
    ADD(a_transaction_left_open_is_rolled_back);
    ADD(a_transaction_left_open_is_committed);
    ADD(a_transaction_left_open_closes_without_reset);
    ADD(an_invalidated_one_is_replaced);
    ADD(a_lease_describes_its_server);
    ADD(nothing_told_of_a_pool_is_secret);
    ADD(several_threads_share_one_connection);
    if (suite_has(adapter->leave_unread != NULL))
        ADD(a_half_read_result_is_never_lent);
    if (suite_has(adapter->kill != NULL)) {
        ADD(one_that_died_while_idle_is_replaced);
        ADD(a_ping_replaces_one_that_died_while_idle);
        ADD(one_that_died_while_lent_is_not_lent_again);
    }
    add_leftovers(adapter);
}
