/* SPDX-License-Identifier: MIT
 *
 * What `dbpool bench --demo` writes: rows whose insert was acknowledged are noted in memory, and the table is compared with the notes.
 */
#ifndef DBPOOL_TOOL_LEDGER_H
#define DBPOOL_TOOL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/* The notes of one thread, which alone uses them during the run. */
typedef struct ledger {
    int64_t thread;
    int64_t rows;     /* acknowledged; their numbers are 1 to rows */
    int64_t sum;      /* of their values */
    int64_t weighted; /* of their values times a weight that goes with the row's number: tells values that changed places */
    uint64_t turns;   /* requests made */
} __attribute__((aligned(64))) ledger;

typedef struct ledger_check {
    int64_t acknowledged, found; /* rows */
    int64_t wrong_threads;       /* whose rows are not those that were acknowledged */
} ledger_check;

/* Each returns SQLITE_OK or SQLite's error. */
int ledger_create(struct sqlite3 *db);

/* Inserts the thread's next row, and notes it when the insert is acknowledged. */
int ledger_write(struct sqlite3 *db, ledger *l);

/* Reads one of the thread's rows back, chosen by its turn. SQLITE_MISMATCH: it is missing or holds another value. */
int ledger_read(struct sqlite3 *db, ledger *l);

/* Compares the table with what all threads noted. */
int ledger_compare(struct sqlite3 *db, const ledger *ledgers, size_t count, ledger_check *check_out);

static inline bool ledger_is_right(const ledger_check *check) { return check->wrong_threads == 0 && check->acknowledged == check->found; }

#endif
