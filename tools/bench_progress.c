/* SPDX-License-Identifier: MIT
 *
 * The line of each second, on standard error: on a terminal it stays in place, elsewhere it is a line of its own.
 */
#include <inttypes.h>
#include <unistd.h>

#include "bench.h"
#include "output.h"

bool bench_progress_init(bench_progress *p, bench_run *run) {
    p->run = run;
    p->live = isatty(STDERR_FILENO) && !run->options->progress;
    p->wanted = !run->options->quiet && (p->live || run->options->progress);
    return histogram_init(&p->now) && histogram_init(&p->window) && histogram_init(&p->before);
}

void bench_progress_fini(bench_progress *p) {
    if (p->wanted && p->live)
        fputs("\r\033[K", stderr);
    histogram_fini(&p->now);
    histogram_fini(&p->window);
    histogram_fini(&p->before);
}

/* Leaves in `window` what was added to all workers since the last call. */
static void look(bench_progress *p, uint64_t *completed, uint64_t *failed) {
    histogram_clear(&p->now);
    for (size_t i = 0; i < p->run->worker_count; i++) {
        bench_worker *w = &p->run->workers[i];
        histogram_merge(&p->now, &w->response);
        *completed += atomic_load_explicit(&w->completed, memory_order_relaxed);
        *failed += atomic_load_explicit(&w->failed, memory_order_relaxed);
    }
    histogram_clear(&p->window);
    histogram_merge(&p->window, &p->now);
    histogram_subtract(&p->window, &p->before);
    histogram_clear(&p->before);
    histogram_merge(&p->before, &p->now);
}

static void print_pool(bench_run *run) {
    dbpool_stats s = DBPOOL_STATS_INIT;
    if (run->source.raw || dbpool_get_stats(run->pool, &s) != DBPOOL_OK)
        return;
    fprintf(stderr, "  open %" PRId32 "  leased %" PRId32 "  waiting %" PRId32, s.open, s.leased, s.waiting);
}

static void print_line(bench_progress *p, double seconds, uint64_t completed, uint64_t failed, double per_s) {
    char p50[DURATION_SIZE], p99[DURATION_SIZE];
    duration_text(p50, histogram_quantile(&p->window, 0.5));
    duration_text(p99, histogram_quantile(&p->window, 0.99));
    (void)completed;
    fprintf(stderr, "%s%5.0f s  %8.0f/s  p50 %8s  p99 %8s", p->live ? "\r" : "", seconds, per_s, p50, p99);
    print_pool(p->run);
    if (failed)
        fprintf(stderr, "  %sfailed %" PRIu64 "%s", style_on(stderr, STYLE_BAD), failed, style_on(stderr, STYLE_PLAIN));
    fputs(p->live ? "\033[K" : "\n", stderr);
    fflush(stderr);
}

void bench_progress_show(bench_progress *p) {
    uint64_t completed = 0, failed = 0;
    int64_t now = dbpool_now_ns(), since = p->at_ns ? p->at_ns : p->run->measure_ns;
    if (!p->wanted)
        return;
    if (now <= p->run->measure_ns) {
        fprintf(stderr, "%swarming up%s", p->live ? "\r" : "", p->live ? "\033[K" : "\n");
        return;
    }
    look(p, &completed, &failed);
    double passed = (double)(now - since) / (double)NS_PER_S;
    double per_s = passed > 0 ? (double)(completed - p->completed) / passed : 0;
    print_line(p, (double)(now - p->run->measure_ns) / (double)NS_PER_S, completed, failed, per_s);
    p->completed = completed;
    p->at_ns = now;
}
