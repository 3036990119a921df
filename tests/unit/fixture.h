/* SPDX-License-Identifier: MIT
 *
 * What the tests of a pool stand on: a pool over the scripted driver, on the fake clock, whose log lines and events are written down.
 *
 *     static void a_lease_counts(void **state) {
 *         fixture *f = *state;
 *         f->config.size = 1;
 *         fixture_open(f);
 *         dbpool_conn conn = lent(f);
 *         …
 *         returned(&conn);
 *     }
 *     cmocka_run_group_tests(tests, fixture_start, NULL), with FIXTURE_TEST(a_lease_counts) in `tests`
 *
 * The end of each test closes the pool, and fails when a lease is still out.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "await.h"
#include "core/pool.h"
#include "fake_clock.h"
#include "fake_driver.h"
#include "os/clock.h"

#define FIXTURE_LINES 512

typedef struct fixture fixture;

/* What the writing listeners answer: `times` failures of this kind, then success. */
typedef struct fixture_refusal {
    uint32_t times;
    dbpool_status status;
    uint32_t flags;
    const char *message; /* NULL: the listener fills no error */
} fixture_refusal;

struct fixture {
    fake_driver *fake;
    dbpool_config config; /* of the next pool; its log goes to the fixture, its echo is off */
    dbpool *pool;         /* closed and destroyed at the end, unless NULL */
    dbpool_error err;     /* for the test's own calls */

    fixture_refusal refusals[DBPOOL_EVENT_COUNT];
    void (*inside)(fixture *f, const dbpool_event *event); /* called by the writing listeners, first; may be NULL */
    dbpool_event last[DBPOOL_EVENT_COUNT];                 /* as the listeners were given them */
    dbpool_error reason;                                   /* of the last event that had one */

    pthread_mutex_t mutex;
    /* guarded by mutex */
    char trace[8192];
    struct {
        dbpool_log_level level;
        char pool_name[64], text[400];
    } lines[FIXTURE_LINES];
    size_t line_count;
};

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int fixture_start(void **state);
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opens the pool of f->config. */
void fixture_open(fixture *f);
/* Closes and destroys it; nothing may be out. */
void fixture_close(fixture *f);

/* ---- Leases ---- */

/* A checkout that must succeed. */
dbpool_conn lent(fixture *f);
/* A try that must succeed, and one that must fail: its status, with f->err filled. */
dbpool_conn taken(fixture *f);
dbpool_status refused(fixture *f);
void returned(dbpool_conn *conn);
/* The number of a lease's native, from 1; 0 when it has none. */
uint32_t number_of(dbpool_conn conn);
dbpool_stats stats_of(fixture *f);

/* ---- What happened ---- */

/* Adds listeners for every kind of event that write themselves into the trace; or for one kind. */
void fixture_listen(fixture *f);
void fixture_listen_to(fixture *f, dbpool_event_kind kind);
dbpool_status fixture_listener(const dbpool_event *event, void *arg, dbpool_error *err);

/* What has happened since the last time: calls of the driver ("open1", but not look and state) and events ("on_connect1", "on_checkin-"
 * without a connection), with the number of their native. For tests of one thread. Valid until the next call. */
const char *trace(fixture *f);

/* Appends a word of the test's own. */
void fixture_note(fixture *f, const char *word);

/* How many lines of this level hold the text since the last fixture_forget_log. */
size_t logged(fixture *f, dbpool_log_level level, const char *text);
size_t logged_lines(fixture *f);
void fixture_forget_log(fixture *f);
void fixture_log(void *arg, dbpool_log_level level, const char *pool_name, const char *line);

/* ---- Threads ---- */

/* A checkout on a thread of its own. */
typedef struct borrower {
    fixture *f;
    int64_t timeout_ms;
    pthread_t thread;
    dbpool_conn conn;
    dbpool_status status;
    dbpool_error err;
} borrower;
void borrow(fixture *f, borrower *b, int64_t timeout_ms);
/* Joins it and tells how it ended. */
dbpool_status borrowed(borrower *b);

/* Anything on a thread of its own. */
pthread_t started(void *(*run)(void *arg), void *arg);
void joined(pthread_t thread);

/* A barrier in the middle of a listener or creator: those who come stop until it is opened. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t stopped;
    bool open;
} gate;
#define GATE_INIT \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false }
void gate_pass(gate *g);
void gate_await(gate *g, uint32_t count);
void gate_open(gate *g);

/* Until so many threads are in the library's sleep on this word; or this thread, on any. */
void await_asleep_on(const dbp_atomic_u32 *word, uint32_t count);
void await_asleep(pthread_t thread);

/* When this thread, which sleeps in the library, has been woken it stops before it looks around, until the gate is opened. */
void hold_woken(gate *g, pthread_t thread);

#endif
