/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <dbpool/sqlite.h>

#define WEIGHTS 97
#define WEIGHTS_TEXT "97"

/* A value of 31 bits that follows from thread and row, so that the sum of a billion rows fits. */
static int64_t value_of(int64_t thread, int64_t row) {
    uint64_t x = (uint64_t)thread * 0x9E3779B97F4A7C15u + (uint64_t)row;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (int64_t)((x ^ (x >> 31)) >> 33);
}

static int64_t weight_of(int64_t row) { return row % WEIGHTS + 1; }

int ledger_create(sqlite3 *db) {
    return sqlite3_exec(db,
                        "create table ledger (thread integer not null, row integer not null, value integer not null,"
                        " primary key (thread, row)) without rowid",
                        NULL, NULL, NULL);
}

/* Runs a statement with some integers; its first row's first column goes to `*answer_out`. SQLITE_ROW, SQLITE_DONE or an error. */
static int run(sqlite3 *db, const char *sql, const int64_t *values, int count, int64_t *answer_out) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && answer_out)
        *answer_out = sqlite3_column_int64(statement, 0);
    int end = sqlite3_finalize(statement);
    return end == SQLITE_OK ? code : end;
}

int ledger_write(sqlite3 *db, ledger *l) {
    int64_t row = l->rows + 1, value = value_of(l->thread, row);
    int code = run(db, "insert into ledger values (?, ?, ?)", (int64_t[]){l->thread, row, value}, 3, NULL);
    if (code != SQLITE_DONE)
        return code;
    l->rows = row;
    l->sum += value;
    l->weighted += value * weight_of(row);
    return SQLITE_OK;
}

int ledger_read(sqlite3 *db, ledger *l) {
    if (l->rows == 0)
        return SQLITE_OK;
    int64_t row = (int64_t)(l->turns * 2654435761u % (uint64_t)l->rows) + 1, value = -1;
    int code = run(db, "select value from ledger where thread = ? and row = ?", (int64_t[]){l->thread, row}, 2, &value);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return code;
    return value == value_of(l->thread, row) ? SQLITE_OK : SQLITE_MISMATCH;
}

static bool is_thread_right(const ledger *l, sqlite3_stmt *sums) {
    return sqlite3_column_int64(sums, 1) == l->rows && sqlite3_column_int64(sums, 2) == l->sum &&
           sqlite3_column_int64(sums, 3) == l->weighted;
}

/* One row of sums for each thread that wrote. A thread that no note knows is wrong as well. */
static void compare_thread(const ledger *ledgers, size_t count, sqlite3_stmt *sums, ledger_check *check, int64_t *known) {
    int64_t thread = sqlite3_column_int64(sums, 0);
    bool right = false;
    check->found += sqlite3_column_int64(sums, 1);
    for (size_t i = 0; i < count; i++)
        if (ledgers[i].thread == thread) {
            right = is_thread_right(&ledgers[i], sums);
            *known += ledgers[i].rows > 0;
        }
    check->wrong_threads += !right;
}

int ledger_compare(sqlite3 *db, const ledger *ledgers, size_t count, ledger_check *check_out) {
    sqlite3_stmt *sums;
    int64_t writers = 0, known = 0;
    *check_out = (ledger_check){0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        check_out->acknowledged += ledgers[i].rows;
        writers += ledgers[i].rows > 0;
    }
    int code = sqlite3_prepare_v2(
        db, "select thread, count(*), sum(value), sum(value * (row % " WEIGHTS_TEXT " + 1)) from ledger group by thread", -1, &sums, NULL);
    if (code != SQLITE_OK)
        return code;
    while ((code = sqlite3_step(sums)) == SQLITE_ROW)
        compare_thread(ledgers, count, sums, check_out, &known);
    check_out->wrong_threads += writers - known; /* of those nothing at all was found */
    int end = sqlite3_finalize(sums);
    return code == SQLITE_DONE ? end : code;
}
