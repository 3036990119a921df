/* SPDX-License-Identifier: MIT
 *
 * One thread of the load. It allocates nothing and shares nothing while requests succeed.
 */
#include <string.h>
#include <time.h>

#include "bench.h"

#define NAP_NS (50 * INT64_C(1000000))  /* the longest sleep without a look at the end of the run */
#define PAUSE_LEAST_NS INT64_C(1000000) /* after the first failure that says nothing works */
#define PAUSE_MOST_NS (NS_PER_S / 2)

/* ---- Time -------------------------------------------------------------------------------------------------------------------- */

/* Returns at `until_ns`, or soon after the run is told to stop. */
static void sleep_until(bench_run *run, int64_t until_ns) {
    int64_t now = dbpool_now_ns();
    while (now < until_ns && !bench_is_stopping(run)) {
        int64_t left = until_ns - now < NAP_NS ? until_ns - now : NAP_NS;
        struct timespec t = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
        nanosleep(&t, NULL);
        now = dbpool_now_ns();
    }
}

static void sleep_for(bench_run *run, int64_t ns) {
    if (ns > 0)
        sleep_until(run, dbpool_now_ns() + ns);
}

/* When the next request of this thread is due: now, or at the next free place of the schedule, which is waited for. */
static int64_t next_due(bench_run *run) {
    if (run->options->rate <= 0)
        return dbpool_now_ns();
    uint64_t place = atomic_fetch_add_explicit(&run->next_arrival, 1, memory_order_relaxed);
    int64_t due = run->begin_ns + (int64_t)((double)place * (double)NS_PER_S / run->options->rate);
    sleep_until(run, due);
    return due;
}

/* ---- Failures ---------------------------------------------------------------------------------------------------------------- */

static bool is_same_kind(const dbpool_error *a, const dbpool_error *b) {
    return a->status == b->status && strcmp(a->sqlstate, b->sqlstate) == 0 && a->native_code == b->native_code;
}

void bench_failures_add(bench_failures *failures, const dbpool_error *err) {
    pthread_mutex_lock(&failures->mutex);
    size_t i = 0;
    while (i < failures->count && i < FAILURE_KINDS - 1 && !is_same_kind(&failures->kinds[i].first, err))
        i++;
    if (i == failures->count)
        failures->kinds[failures->count++].first = *err;
    failures->kinds[i].count++;
    pthread_mutex_unlock(&failures->mutex);
}

static void bump(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* With the server down every request fails at once: pauses that grow keep the threads from spinning. */
static void pause_longer(bench_worker *w) {
    sleep_for(w->run, w->pause_ns);
    w->pause_ns = w->pause_ns * 2 > PAUSE_MOST_NS ? PAUSE_MOST_NS : w->pause_ns * 2;
}

static void note_failure(bench_worker *w, int64_t due_ns, const dbpool_error *err) {
    if (due_ns < w->run->measure_ns)
        return;
    bump(&w->failed);
    bench_failures_add(&w->run->failures, err);
}

/* ---- A request --------------------------------------------------------------------------------------------------------------- */

dbpool_status bench_run_script(bench_run *run, void *state, void *native, int64_t deadline_ns, dbpool_error *err) {
    dbpool_status status = DBPOOL_OK;
    (void)state;
    for (size_t i = 0; i < run->script.count && status == DBPOOL_OK; i++)
        status = run->source.driver->run(native, run->script.statements[i], deadline_ns, err);
    return status;
}

/* Past this a request is not worth waiting for. */
static int64_t grace_of(bench_run *run) { return atomic_load_explicit(&run->grace_ns, memory_order_relaxed); }

static int64_t deadline_of(bench_run *run, int64_t now) {
    int64_t grace = grace_of(run);
    int64_t timeout = run->options->query_timeout_ns;
    return timeout > 0 && timeout < grace - now ? now + timeout : grace;
}

static void note_success(bench_worker *w, int64_t due, int64_t taken, int64_t answered) {
    w->pause_ns = PAUSE_LEAST_NS;
    if (due < w->run->measure_ns)
        return;
    histogram_add(&w->query, answered - taken);
    histogram_add(&w->response, answered - due);
    bump(&w->completed);
    if (!bench_is_stopping(w->run))
        bump(&w->in_window);
}

/* The checkout; its wait counts also when it ended in a time-out, for else the longest waits would be missing. */
static dbpool_status take(bench_worker *w, int64_t due, int64_t *taken_out, loan *l, dbpool_error *err) {
    dbpool_status status = source_take(&w->run->source, grace_of(w->run), l, err);
    *taken_out = dbpool_now_ns();
    if ((status == DBPOOL_OK || status == DBPOOL_ETIMEOUT) && due >= w->run->measure_ns)
        histogram_add(&w->wait, *taken_out - due);
    return status;
}

static void request(bench_worker *w, int64_t due) {
    loan l;
    dbpool_error err = {.status = DBPOOL_OK};
    int64_t taken;
    if (take(w, due, &taken, &l, &err) != DBPOOL_OK) {
        note_failure(w, due, &err);
        pause_longer(w);
        return;
    }
    dbpool_status status = w->run->work(w->run, w->state, l.native, deadline_of(w->run, taken), &err);
    int64_t answered = dbpool_now_ns();
    bool lost = status != DBPOOL_OK && err.flags & DBPOOL_ERROR_CONNECTION_LOST;
    if (!lost)
        sleep_for(w->run, w->run->options->hold_ns);
    if (lost)
        source_drop(&w->run->source, &l, &err);
    else
        source_give(&w->run->source, &l);
    if (status == DBPOOL_OK)
        note_success(w, due, taken, answered);
    else
        note_failure(w, due, &err);
    if (lost)
        pause_longer(w);
}

void *bench_worker_main(void *worker) {
    bench_worker *w = worker;
    w->pause_ns = PAUSE_LEAST_NS;
    sleep_until(w->run, w->run->begin_ns);
    while (!bench_is_stopping(w->run)) {
        int64_t due = next_due(w->run);
        if (bench_is_stopping(w->run) && w->run->options->rate > 0) {
            if (due >= w->run->measure_ns && due < w->run->stopped_ns)
                bump(&w->skipped);
            break;
        }
        request(w, due);
        sleep_for(w->run, w->run->options->think_ns);
    }
    return NULL;
}
