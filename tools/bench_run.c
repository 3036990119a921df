/* SPDX-License-Identifier: MIT
 *
 * Starts the workers, keeps time, stops and joins them, and adds up what they counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "bench.h"
#include "output.h"

#define LOOK_NS (NS_PER_S / 50)  /* how often Ctrl-C is looked for */
#define GRACE_NS (5 * NS_PER_S)  /* what a statement under way gets after the end */
#define LEAD_NS (NS_PER_S / 100) /* between the last thread's start and the first request */

bool bench_is_stopping(bench_run *run) { return atomic_load_explicit(&run->stopping, memory_order_acquire); }

/* ---- The workers ------------------------------------------------------------------------------------------------------------- */

static bool init_worker(bench_run *run, bench_worker *w) {
    w->run = run;
    return histogram_init(&w->wait) && histogram_init(&w->query) && histogram_init(&w->response);
}

static void destroy_workers(bench_run *run) {
    for (size_t i = 0; run->workers && i < run->worker_count; i++) {
        histogram_fini(&run->workers[i].wait);
        histogram_fini(&run->workers[i].query);
        histogram_fini(&run->workers[i].response);
    }
    free(run->workers);
    run->workers = NULL;
}

static bool create_workers(bench_run *run, void *const *states) {
    size_t bytes = run->worker_count * sizeof *run->workers;
    run->workers = aligned_alloc(64, bytes);
    if (!run->workers)
        return false;
    memset((void *)run->workers, 0, bytes);
    for (size_t i = 0; i < run->worker_count; i++) {
        if (!init_worker(run, &run->workers[i]))
            return false;
        run->workers[i].state = states ? states[i] : NULL;
    }
    return true;
}

/* Returns 0, or the system's error. */
static int start_workers(bench_run *run) {
    int problem = 0;
#if defined(__linux__)
    /* Sleeps end within a microsecond instead of 50; the threads inherit it. */
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
#endif
    while (run->started < run->worker_count && !problem) {
        bench_worker *w = &run->workers[run->started];
        problem = pthread_create(&w->thread, NULL, bench_worker_main, w);
        run->started += !problem;
    }
    return problem;
}

static void stop_workers(bench_run *run) {
    run->stopped_ns = dbpool_now_ns();
    atomic_store_explicit(&run->grace_ns, run->stopped_ns + GRACE_NS, memory_order_relaxed);
    atomic_store_explicit(&run->stopping, true, memory_order_release);
    for (size_t i = 0; i < run->started; i++)
        pthread_join(run->workers[i].thread, NULL);
}

/* ---- Time -------------------------------------------------------------------------------------------------------------------- */

static void plan(bench_run *run) {
    run->begin_ns = dbpool_now_ns() + LEAD_NS + (int64_t)run->worker_count * 100000;
    run->measure_ns = run->begin_ns + run->options->warmup_ns;
    run->end_ns = run->measure_ns + run->options->duration_ns;
    atomic_store(&run->grace_ns, run->end_ns + GRACE_NS);
}

static void keep_time(bench_run *run, bench_progress *progress) {
    int64_t next_line = run->begin_ns + NS_PER_S, now;
    while ((now = dbpool_now_ns()) < run->end_ns && !signals_caught()) {
        int64_t until = run->end_ns < next_line ? run->end_ns : next_line;
        int64_t left = until - now < LOOK_NS ? until - now : LOOK_NS;
        nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = left > 0 ? (long)left : 1}, NULL);
        if (dbpool_now_ns() >= next_line) {
            bench_progress_show(progress);
            next_line += NS_PER_S;
        }
    }
    run->interrupted = signals_caught();
}

int bench_load(bench_run *run, void *const *states) {
    bench_progress progress = {0};
    int result = TOOL_FINE;
    pthread_mutex_init(&run->failures.mutex, NULL);
    run->worker_count = (size_t)run->options->threads;
    if (!create_workers(run, states) || !bench_progress_init(&progress, run)) {
        result = fail("bench: out of memory");
    } else {
        plan(run);
        int problem = start_workers(run);
        if (problem)
            result = fail("bench: only %zu of %zu threads could be started: %s", run->started, run->worker_count, strerror(problem));
        else
            keep_time(run, &progress);
        stop_workers(run);
    }
    bench_progress_fini(&progress);
    return result;
}

void bench_load_fini(bench_run *run) {
    destroy_workers(run);
    pthread_mutex_destroy(&run->failures.mutex);
}

/* ---- The sum ----------------------------------------------------------------------------------------------------------------- */

static uint64_t read_count(const _Atomic uint64_t *counter) {
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)counter, memory_order_relaxed);
}

static void add_worker(bench_result *r, const bench_worker *w, uint64_t *in_window) {
    uint64_t completed = read_count(&w->completed);
    histogram_merge(&r->wait, &w->wait);
    histogram_merge(&r->query, &w->query);
    histogram_merge(&r->response, &w->response);
    r->completed += completed;
    r->failed += read_count(&w->failed);
    r->not_started += read_count(&w->skipped);
    r->least = completed < r->least ? completed : r->least;
    r->most = completed > r->most ? completed : r->most;
    *in_window += read_count(&w->in_window);
}

/* With a rate: how many requests were due within the measured time and were taken up by no thread. */
static uint64_t count_not_started(const bench_run *run) {
    if (run->options->rate <= 0)
        return 0;
    double second = (double)NS_PER_S;
    double due_s = (double)(run->stopped_ns - run->begin_ns) / second, warm_s = (double)run->options->warmup_ns / second;
    uint64_t due = due_s > 0 ? (uint64_t)(due_s * run->options->rate) : 0;
    uint64_t warm = (uint64_t)(warm_s * run->options->rate), begun = read_count(&run->next_arrival);
    begun = begun < warm ? warm : begun;
    return due > begun ? due - begun : 0;
}

bool bench_result_init(bench_result *r, bench_run *run) {
    uint64_t in_window = 0;
    *r = (bench_result){.least = UINT64_MAX, .stats = DBPOOL_STATS_INIT};
    if (!histogram_init(&r->wait) || !histogram_init(&r->query) || !histogram_init(&r->response))
        return false;
    for (size_t i = 0; i < run->worker_count; i++)
        add_worker(r, &run->workers[i], &in_window);
    int64_t elapsed = run->stopped_ns - run->measure_ns;
    r->elapsed_s = elapsed > 0 ? (double)elapsed / (double)NS_PER_S : 0;
    r->throughput = elapsed > 0 ? (double)in_window / r->elapsed_s : 0;
    r->mean = (double)r->completed / (double)run->worker_count;
    r->not_started += count_not_started(run);
    return dbpool_get_stats(run->pool, &r->stats) == DBPOOL_OK;
}

void bench_result_fini(bench_result *r) {
    histogram_fini(&r->wait);
    histogram_fini(&r->query);
    histogram_fini(&r->response);
}
