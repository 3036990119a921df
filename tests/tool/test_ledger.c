/* SPDX-License-Identifier: MIT
 *
 * The proof at the end of the demo: it passes for the table that was written, and for no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/sqlite.h>

#include "ledger.h"

#define THREADS 3
#define ROWS 120

typedef struct fixture {
    sqlite3 *db;
    ledger ledgers[THREADS];
} fixture;

static int set_up(void **state) {
    static fixture f;
    f = (fixture){.db = NULL};
    *state = &f;
    if (sqlite3_open(":memory:", &f.db) != SQLITE_OK || ledger_create(f.db) != SQLITE_OK)
        return -1;
    for (int thread = 0; thread < THREADS; thread++) {
        f.ledgers[thread].thread = thread;
        for (int row = 0; row < ROWS; row++)
            if (ledger_write(f.db, &f.ledgers[thread]) != SQLITE_OK)
                return -1;
    }
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    return sqlite3_close(f->db);
}

static ledger_check compare(const fixture *f, size_t count) {
    ledger_check check;
    assert_int_equal(ledger_compare(f->db, f->ledgers, count, &check), SQLITE_OK);
    return check;
}

static void tamper(const fixture *f, const char *sql) { assert_int_equal(sqlite3_exec(f->db, sql, NULL, NULL, NULL), SQLITE_OK); }

static void expect_wrong(const fixture *f, int64_t found, int64_t wrong_threads) {
    ledger_check check = compare(f, THREADS);
    assert_false(ledger_is_right(&check));
    assert_int_equal(check.acknowledged, THREADS * ROWS);
    assert_int_equal(check.found, found);
    assert_int_equal(check.wrong_threads, wrong_threads);
}

static void what_was_acknowledged_is_found(void **state) {
    ledger_check check = compare(*state, THREADS);
    assert_true(ledger_is_right(&check));
    assert_int_equal(check.acknowledged, THREADS * ROWS);
    assert_int_equal(check.found, THREADS * ROWS);
}

static void a_lost_row_is_noticed(void **state) {
    tamper(*state, "delete from ledger where thread = 1 and row = 60");
    expect_wrong(*state, THREADS * ROWS - 1, 1);
}

static void a_row_too_many_is_noticed(void **state) {
    tamper(*state, "insert into ledger values (1, 121, 0)");
    expect_wrong(*state, THREADS * ROWS + 1, 1);
}

static void a_lost_row_and_one_too_many_are_noticed(void **state) {
    tamper(*state, "delete from ledger where thread = 0 and row = 1; insert into ledger values (2, 121, 5)");
    expect_wrong(*state, THREADS * ROWS, 2);
}

static void a_changed_value_is_noticed(void **state) {
    tamper(*state, "update ledger set value = value + 1 where thread = 2 and row = 7");
    expect_wrong(*state, THREADS * ROWS, 1);
}

static void values_that_changed_places_are_noticed(void **state) {
    tamper(*state, "update ledger set value = (select sum(value) from ledger where thread = 0 and row in (1, 2)) - value"
                   " where thread = 0 and row in (1, 2)");
    expect_wrong(*state, THREADS * ROWS, 1);
}

static void a_thread_without_rows_is_noticed(void **state) {
    tamper(*state, "delete from ledger where thread = 1");
    expect_wrong(*state, (THREADS - 1) * ROWS, 1);
}

static void rows_of_no_thread_are_noticed(void **state) {
    fixture *f = *state;
    ledger_check check = compare(f, THREADS - 1);
    assert_false(ledger_is_right(&check));
    assert_int_equal(check.wrong_threads, 1);
}

static void a_read_sees_what_was_written(void **state) {
    fixture *f = *state;
    for (f->ledgers[0].turns = 0; f->ledgers[0].turns < 500; f->ledgers[0].turns++)
        assert_int_equal(ledger_read(f->db, &f->ledgers[0]), SQLITE_OK);
    tamper(f, "update ledger set value = -2 where thread = 0");
    assert_int_equal(ledger_read(f->db, &f->ledgers[0]), SQLITE_MISMATCH);
    tamper(f, "delete from ledger where thread = 0");
    assert_int_equal(ledger_read(f->db, &f->ledgers[0]), SQLITE_MISMATCH);
}

static void an_insert_that_failed_is_not_noted(void **state) {
    fixture *f = *state;
    tamper(f, "insert into ledger values (0, 121, 0)"); /* in the place of the next row */
    assert_int_equal(ledger_write(f->db, &f->ledgers[0]), SQLITE_CONSTRAINT);
    assert_int_equal(f->ledgers[0].rows, ROWS);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(what_was_acknowledged_is_found),   LEDGER_TEST(a_lost_row_is_noticed),
        LEDGER_TEST(a_row_too_many_is_noticed),        LEDGER_TEST(a_lost_row_and_one_too_many_are_noticed),
        LEDGER_TEST(a_changed_value_is_noticed),       LEDGER_TEST(values_that_changed_places_are_noticed),
        LEDGER_TEST(a_thread_without_rows_is_noticed), LEDGER_TEST(rows_of_no_thread_are_noticed),
        LEDGER_TEST(a_read_sees_what_was_written),     LEDGER_TEST(an_insert_that_failed_is_not_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
