/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "os/wait.h"

/* ---- Sleeping threads of the library ---- */

#define ASLEEP_MAX 128
static struct asleep {
    const dbp_atomic_u32 *word; /* NULL: not in use */
    pthread_t thread;
} asleep[ASLEEP_MAX]; /* guarded by asleep_mutex, like the next two */
static pthread_mutex_t asleep_mutex = PTHREAD_MUTEX_INITIALIZER;
static gate *holding;
static pthread_t held_thread;
static bool (*fake_wait)(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns);

static size_t enter(const dbp_atomic_u32 *word) {
    pthread_mutex_lock(&asleep_mutex);
    size_t at = 0;
    while (asleep[at].word)
        at++;
    asleep[at] = (struct asleep){word, pthread_self()};
    pthread_mutex_unlock(&asleep_mutex);
    return at;
}

static gate *leave(size_t at) {
    pthread_mutex_lock(&asleep_mutex);
    asleep[at].word = NULL;
    gate *g = holding && pthread_equal(held_thread, pthread_self()) ? holding : NULL;
    pthread_mutex_unlock(&asleep_mutex);
    return g;
}

static bool watched_wait(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    size_t at = enter(word);
    bool woken = fake_wait(word, expected, deadline_ns);
    gate *g = leave(at);
    if (g)
        gate_pass(g);
    return woken;
}

static uint32_t count_asleep(const dbp_atomic_u32 *word, const pthread_t *thread) {
    uint32_t count = 0;
    pthread_mutex_lock(&asleep_mutex);
    for (size_t i = 0; i < ASLEEP_MAX; i++)
        count += asleep[i].word && (!word || asleep[i].word == word) && (!thread || pthread_equal(asleep[i].thread, *thread));
    pthread_mutex_unlock(&asleep_mutex);
    return count;
}

void await_asleep_on(const dbp_atomic_u32 *word, uint32_t count) {
    while (count_asleep(word, NULL) < count)
        dbp_thread_yield();
}

void await_asleep(pthread_t thread) {
    while (count_asleep(NULL, &thread) == 0)
        dbp_thread_yield();
}

void hold_woken(gate *g, pthread_t thread) {
    pthread_mutex_lock(&asleep_mutex);
    holding = g;
    held_thread = thread;
    pthread_mutex_unlock(&asleep_mutex);
}

/* ---- Gates and threads ---- */

void gate_pass(gate *g) {
    pthread_mutex_lock(&g->mutex);
    g->stopped++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

void gate_await(gate *g, uint32_t count) {
    pthread_mutex_lock(&g->mutex);
    while (g->stopped < count)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

void gate_open(gate *g) {
    hold_woken(NULL, pthread_self());
    pthread_mutex_lock(&g->mutex);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

pthread_t started(void *(*run)(void *arg), void *arg) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    return thread;
}

void joined(pthread_t thread) { assert_int_equal(pthread_join(thread, NULL), 0); }

static void *check_out(void *arg) {
    borrower *b = arg;
    b->status = dbpool_checkout_timeout(b->f->pool, b->timeout_ms, &b->conn, &b->err);
    return NULL;
}

void borrow(fixture *f, borrower *b, int64_t timeout_ms) {
    *b = (borrower){.f = f, .timeout_ms = timeout_ms};
    b->thread = started(check_out, b);
}

dbpool_status borrowed(borrower *b) {
    joined(b->thread);
    return b->status;
}

/* ---- The trace ---- */

static void append_locked(fixture *f, const char *word) {
    size_t length = strlen(f->trace);
    snprintf(f->trace + length, sizeof f->trace - length, "%s%s", length ? " " : "", word);
}

/* Looks at a connection are too many to be told, and depend on what else is asked for. */
static void append_calls_locked(fixture *f) {
    char calls[4096], *rest = NULL;
    fake_driver_history(f->fake, calls, sizeof calls);
    for (char *call = strtok_r(calls, " ", &rest); call; call = strtok_r(NULL, " ", &rest))
        if (strncmp(call, "look", 4) != 0 && strncmp(call, "state", 5) != 0)
            append_locked(f, call);
}

void fixture_note(fixture *f, const char *word) {
    pthread_mutex_lock(&f->mutex);
    append_calls_locked(f);
    append_locked(f, word);
    pthread_mutex_unlock(&f->mutex);
}

const char *trace(fixture *f) {
    static char taken_trace[sizeof f->trace];
    pthread_mutex_lock(&f->mutex);
    append_calls_locked(f);
    memcpy(taken_trace, f->trace, sizeof taken_trace);
    f->trace[0] = '\0';
    pthread_mutex_unlock(&f->mutex);
    return taken_trace;
}

static void write_event(fixture *f, const dbpool_event *event) {
    char word[64];
    const fake_native *native = event->native;
    if (native)
        snprintf(word, sizeof word, "on_%s%u", dbp_event_name(event->kind), native->number);
    else
        snprintf(word, sizeof word, "on_%s-", dbp_event_name(event->kind));
    fixture_note(f, word);
    pthread_mutex_lock(&f->mutex);
    f->last[event->kind] = *event;
    if (event->reason)
        f->reason = *event->reason;
    pthread_mutex_unlock(&f->mutex);
}

dbpool_status fixture_listener(const dbpool_event *event, void *arg, dbpool_error *err) {
    fixture *f = arg;
    write_event(f, event);
    if (f->inside)
        f->inside(f, event);
    fixture_refusal *refusal = &f->refusals[event->kind];
    if (refusal->times == 0)
        return DBPOOL_OK;
    refusal->times--;
    if (refusal->message)
        (void)dbpool_error_set(err, refusal->status, "%s", refusal->message);
    if (refusal->message)
        err->flags = refusal->flags;
    return refusal->status;
}

void fixture_listen_to(fixture *f, dbpool_event_kind kind) {
    assert_int_equal(dbpool_listen(f->pool, kind, fixture_listener, f), DBPOOL_OK);
}

void fixture_listen(fixture *f) {
    for (int kind = 0; kind < DBPOOL_EVENT_COUNT; kind++)
        fixture_listen_to(f, (dbpool_event_kind)kind);
}

/* ---- The log ---- */

void fixture_log(void *arg, dbpool_log_level level, const char *pool_name, const char *line) {
    fixture *f = arg;
    pthread_mutex_lock(&f->mutex);
    if (f->line_count < FIXTURE_LINES) {
        f->lines[f->line_count].level = level;
        snprintf(f->lines[f->line_count].pool_name, sizeof f->lines[0].pool_name, "%s", pool_name);
        snprintf(f->lines[f->line_count++].text, sizeof f->lines[0].text, "%s", line);
    }
    pthread_mutex_unlock(&f->mutex);
}

size_t logged(fixture *f, dbpool_log_level level, const char *text) {
    size_t count = 0;
    pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->line_count; i++)
        count += f->lines[i].level == level && strstr(f->lines[i].text, text) != NULL;
    pthread_mutex_unlock(&f->mutex);
    return count;
}

size_t logged_lines(fixture *f) {
    pthread_mutex_lock(&f->mutex);
    size_t count = f->line_count;
    pthread_mutex_unlock(&f->mutex);
    return count;
}

void fixture_forget_log(fixture *f) {
    pthread_mutex_lock(&f->mutex);
    f->line_count = 0;
    pthread_mutex_unlock(&f->mutex);
}

/* ---- Leases ---- */

dbpool_conn lent(fixture *f) {
    dbpool_conn conn;
    if (dbpool_checkout(f->pool, &conn, &f->err) != DBPOOL_OK)
        fail_msg("checkout: %s", f->err.message);
    return conn;
}

dbpool_conn taken(fixture *f) {
    dbpool_conn conn;
    if (dbpool_try_checkout(f->pool, &conn, &f->err) != DBPOOL_OK)
        fail_msg("try: %s", f->err.message);
    return conn;
}

dbpool_status refused(fixture *f) {
    dbpool_conn conn;
    f->err = (dbpool_error){.status = DBPOOL_OK};
    dbpool_status status = dbpool_try_checkout(f->pool, &conn, &f->err);
    assert_int_not_equal(status, DBPOOL_OK);
    assert_int_equal(f->err.status, status);
    assert_null(conn.cell);
    return status;
}

void returned(dbpool_conn *conn) {
    assert_int_equal(dbpool_checkin(conn), DBPOOL_OK);
    assert_null(conn->cell);
}

uint32_t number_of(dbpool_conn conn) {
    const fake_native *native = dbpool_native(conn);
    return native ? native->number : 0;
}

dbpool_stats stats_of(fixture *f) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    assert_int_equal(dbpool_get_stats(f->pool, &stats), DBPOOL_OK);
    return stats;
}

/* ---- The frame ---- */

int fixture_start(void **state) {
    (void)state;
    fake_clock_init();
    fake_wait = dbp_wait_hook;
    dbp_wait_hook = watched_wait;
    return 0;
}

int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->fake = fake_driver_create();
    f->config = (dbpool_config)DBPOOL_CONFIG_INIT;
    f->config.echo = DBPOOL_ECHO_OFF;
    f->config.log = fixture_log;
    f->config.log_arg = f;
    pthread_mutex_init(&f->mutex, NULL);
    *state = f;
    return 0;
}

/* After a failed test something may be out: then everything is left as it is. */
int fixture_teardown(void **state) {
    fixture *f = *state;
    if (f->pool) {
        if (dbpool_close(f->pool, 0, &f->err) != DBPOOL_OK) {
            fprintf(stderr, "end of the test: %s\n", f->err.message);
            return -1;
        }
        dbpool_destroy(f->pool);
    }
    fake_driver_destroy(f->fake);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    return 0;
}

void fixture_open(fixture *f) {
    if (dbpool_open_driver(fake_driver_table(f->fake), f->fake, &f->config, &f->pool, &f->err) != DBPOOL_OK)
        fail_msg("%s", f->err.message);
}

void fixture_close(fixture *f) {
    if (dbpool_close(f->pool, 0, &f->err) != DBPOOL_OK)
        fail_msg("%s", f->err.message);
    dbpool_destroy(f->pool);
    f->pool = NULL;
}
