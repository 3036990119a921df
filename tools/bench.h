/* SPDX-License-Identifier: MIT
 *
 * `dbpool bench`: many threads that check out, run statements and check in, and what they met.
 *
 * A run has one thread for each worker; the main thread keeps time, prints progress and stops them. A request is one pass of a worker:
 * checkout, statements, hold, checkin. It is *due* when it is made, or, with a rate, when the schedule says, and every time is
 * measured from there, so that a request which had to stand back because all threads were busy counts with its delay.
 */
#ifndef DBPOOL_TOOL_BENCH_H
#define DBPOOL_TOOL_BENCH_H

#include <dbpool/dbpool.h>
#include <pthread.h>
#include <stdatomic.h>

#include "arguments.h"
#include "histogram.h"
#include "script.h"
#include "source.h"

#define NS_PER_S INT64_C(1000000000)

typedef struct bench_options {
    const char *url;
    bool demo, raw, verify, progress, quiet;
    int64_t threads, connections; /* connections 0: the pool's own */
    int64_t duration_ns, warmup_ns, think_ns, hold_ns, query_timeout_ns;
    double rate; /* requests per second over all threads; 0: closed loop */
    texts queries;
    const char *file, *json;
} bench_options;

/* One kind of failure. */
typedef struct bench_failure {
    uint64_t count;
    dbpool_error first;
} bench_failure;

#define FAILURE_KINDS 32

typedef struct bench_failures {
    pthread_mutex_t mutex;
    /* guarded by mutex */
    bench_failure kinds[FAILURE_KINDS]; /* the last takes what fits no other */
    size_t count;
} bench_failures;

struct bench_run;

/* What one request does with its connection: `state` is the worker's own. */
typedef dbpool_status (*bench_work)(struct bench_run *run, void *state, void *native, int64_t deadline_ns, dbpool_error *err);

typedef struct bench_worker {
    struct bench_run *run;
    pthread_t thread;
    void *state; /* given to the work; not owned */
    /* written by the worker's thread only; others may read */
    histogram wait, query, response;
    _Atomic uint64_t completed, failed, in_window; /* in_window: completed before the end */
    _Atomic uint64_t skipped;                      /* with a rate: were due before the end, but did not begin */
    /* worker's thread only, until it is joined */
    int64_t pause_ns;
} __attribute__((aligned(64))) bench_worker;

typedef struct bench_run {
    /* set before the workers start */
    const bench_options *options;
    dbpool *pool;
    source source;
    script script;
    bench_work work;
    int64_t begin_ns;   /* of the warm-up */
    int64_t measure_ns; /* requests due before are not recorded */
    int64_t end_ns;     /* as planned */
    bench_worker *workers;
    size_t worker_count, started; /* started: those that are to be joined */
    /* shared */
    _Atomic bool stopping;
    _Atomic uint64_t next_arrival;
    _Atomic int64_t grace_ns; /* no checkout waits and no statement runs past this time */
    bench_failures failures;
    int64_t stopped_ns; /* published by stopping */
    /* main thread only */
    bool interrupted;
} bench_run;

/* What is printed at the end. */
typedef struct bench_result {
    histogram wait, query, response;
    uint64_t completed, failed, not_started, least, most; /* least, most: of one thread */
    double elapsed_s, throughput, mean;                   /* mean: of one thread */
    dbpool_stats stats;
} bench_result;

/* What was found by --verify-after. */
typedef struct bench_verdict {
    dbpool_stats stats;
    int32_t limit;     /* -1: none */
    int32_t lent;      /* how many could be checked out at once */
    int32_t refused;   /* checkouts that the server refused: no loss */
    char problem[160]; /* empty: no slot is lost */
} bench_verdict;

struct ledger_check;

/* bench.c */
int bench_command(int argc, char **argv);

/* bench_options.c: PARSE_OK, or a message or the help has been printed. */
parse_result bench_parse(bench_options *options_out, int argc, char **argv);

/* bench_run.c */
int bench_load(bench_run *run, void *const *states); /* runs the load; states: one for each worker, or NULL. TOOL_FAILED: with a message */
void bench_load_fini(bench_run *run);
bool bench_is_stopping(bench_run *run);
bool bench_result_init(bench_result *result, bench_run *run); /* false: out of memory */
void bench_result_fini(bench_result *result);

/* bench_worker.c */
void *bench_worker_main(void *worker);
dbpool_status bench_run_script(bench_run *run, void *state, void *native, int64_t deadline_ns, dbpool_error *err);
void bench_failures_add(bench_failures *failures, const dbpool_error *err);

/* bench_progress.c: prints a line for the last second, as often as it is called. */
typedef struct bench_progress {
    bench_run *run;
    bool live, wanted;
    histogram now, window, before;
    uint64_t completed, failed;
    int64_t at_ns;
} bench_progress;
bool bench_progress_init(bench_progress *progress, bench_run *run);
void bench_progress_show(bench_progress *progress);
void bench_progress_fini(bench_progress *progress); /* wipes the live line */

/* bench_verify.c */
void bench_verify(dbpool *pool, bench_verdict *verdict);

/* bench_report.c, bench_json.c. `verdict` and `check` may be NULL. */
void bench_print(const bench_run *run, const bench_result *result, const bench_verdict *verdict);
bool bench_write_json(FILE *file, const bench_run *run, const bench_result *result, const bench_verdict *verdict,
                      const struct ledger_check *check);

/* bench_demo.c */
int bench_demo(const bench_options *options);

/* Prints and writes what a run came to, verifies when asked, and answers the exit code. */
int bench_finish(bench_run *run, const struct ledger_check *check);

/* signals.c: from signals_catch on, the first SIGINT or SIGTERM only makes signals_caught true; the second ends the program. */
void signals_catch(void);
bool signals_caught(void);

#endif
