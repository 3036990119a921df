/* SPDX-License-Identifier: MIT
 *
 * `dbpool check`: one connection through a pool, what the server says of itself, and what in the pool's options does not go with it.
 */
#ifndef DBPOOL_TOOL_CHECK_H
#define DBPOOL_TOOL_CHECK_H

#include <dbpool/dbpool.h>
#include <stdio.h>

#define FACTS_MOST 64
#define WARNINGS_MOST 16

typedef struct check_fact {
    char key[48];
    char value[208];
} check_fact;

typedef struct check_warning {
    const char *code; /* a stable word */
    char text[256];
} check_warning;

/* What is known, to be judged. */
typedef struct check_report {
    check_fact facts[FACTS_MOST];
    size_t fact_count;
    bool local; /* the server is on this machine */
    char place[256];
    int64_t connect_ns;
    int64_t trips_ns[32]; /* sorted */
    size_t trip_count;
    /* the pool's options */
    int32_t size, max_overflow;
    int64_t timeout_ms, recycle_ms;
    bool pre_ping;
    check_warning warnings[WARNINGS_MOST];
    size_t warning_count;
} check_report;

/* check.c */
int check_command(int argc, char **argv);

/* check_facts.c */
void check_add_fact(check_report *report, const char *key, const char *value);
const char *check_fact_text(const check_report *report, const char *key); /* NULL: not said */
int64_t check_fact_number(const check_report *report, const char *key);   /* -1: not said, or no number */

/* Copies the pool's options: those that a pool tells, and the others from the URL, which dbpool_open has found valid. */
void check_read_options(check_report *report, dbpool *pool, const char *url);

/* Fills the warnings from the rest. */
void check_warn(check_report *report);

/* check_print.c */
void check_print(const check_report *report);
bool check_write_json(FILE *file, const check_report *report);
bool check_write_json_error(FILE *file, const dbpool_error *err);

#endif
