/* SPDX-License-Identifier: MIT
 *
 * The result of a run, for people. The same for programs is in bench_json.c.
 */
#include <inttypes.h>
#include <string.h>

#include "bench.h"
#include "output.h"

static void heading(const char *text) { printf("\n%s%s%s\n", style_on(stdout, STYLE_BOLD), text, style_on(stdout, STYLE_PLAIN)); }

static void print_head(const bench_run *run, const bench_result *r) {
    const bench_options *o = run->options;
    if (run->source.raw)
        printf("raw: %zu threads over %zu connections, handed round with a mutex and a condition variable (no dbpool)\n", run->worker_count,
               run->source.size);
    else if (r->stats.size == 0 || r->stats.max_overflow < 0)
        printf("dbpool: %zu threads over any number of connections\n", run->worker_count);
    else
        printf("dbpool: %zu threads over at most %" PRId32 " connections\n", run->worker_count, r->stats.size + r->stats.max_overflow);
    if (o->rate > 0)
        printf("open loop: %g requests per second are due at even intervals, and timed from when they are due\n", o->rate);
    else
        printf("closed loop: a thread asks again when it has its answer; no correction is made for what it did not ask meanwhile\n");
    if (run->interrupted)
        printf("%sinterrupted%s: what was measured until then\n", style_on(stdout, STYLE_WARNING), style_on(stdout, STYLE_PLAIN));
}

static void print_totals(const bench_run *run, const bench_result *r) {
    const char *bad = r->failed || r->not_started ? style_on(stdout, STYLE_BAD) : "";
    const char *plain = r->failed || r->not_started ? style_on(stdout, STYLE_PLAIN) : "";
    heading("throughput");
    printf("  %s%.0f requests/s%s  (%" PRIu64 " in %.1f s)\n", style_on(stdout, STYLE_BOLD), r->throughput, style_on(stdout, STYLE_PLAIN),
           r->completed, r->elapsed_s);
    printf("  %s%" PRIu64 " failed%s", r->failed ? bad : "", r->failed, r->failed ? plain : "");
    if (run->options->rate > 0)
        printf(", %s%" PRIu64 " due but not started%s", r->not_started ? bad : "", r->not_started, r->not_started ? plain : "");
    putchar('\n');
}

static void print_row(const char *name, const histogram *h) {
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    char text[DURATION_SIZE];
    printf("  %-8s", name);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        printf("  %8s", duration_text(text, histogram_quantile(h, quantiles[i])));
    printf("  %8s", duration_text(text, histogram_most(h)));
    printf("  %8s\n", duration_text(text, (int64_t)histogram_mean(h)));
}

static void print_latencies(const bench_result *r) {
    heading("latency       p50       p90       p99     p99.9       max      mean");
    print_row("wait", &r->wait);
    print_row("query", &r->query);
    print_row("response", &r->response);
}

static void print_fairness(const bench_result *r) {
    heading("fairness between threads");
    printf("  requests of one thread: least %" PRIu64 ", mean %.1f, most %" PRIu64 "\n", r->least, r->mean, r->most);
    if (r->most > 0)
        printf("  least/most %.3f, least/mean %.3f\n", (double)r->least / (double)r->most, (double)r->least / r->mean);
}

/* In order of how often they happened. */
static void print_failures(const bench_failures *f) {
    uint64_t below = UINT64_MAX;
    if (f->count == 0)
        return;
    heading("failures");
    for (size_t printed = 0; printed < f->count;) {
        uint64_t next = 0;
        for (size_t i = 0; i < f->count; i++)
            if (f->kinds[i].count < below && f->kinds[i].count > next)
                next = f->kinds[i].count;
        for (size_t i = 0; i < f->count; i++) {
            const bench_failure *kind = &f->kinds[i];
            if (kind->count != next)
                continue;
            printf("  %8" PRIu64 "  %s%s%s  ", kind->count, dbpool_status_name(kind->first.status), kind->first.sqlstate[0] ? " " : "",
                   kind->first.sqlstate);
            print_clean(stdout, kind->first.message);
            putchar('\n');
            printed++;
        }
        below = next;
    }
}

static void print_counters(const dbpool_stats *s) {
    heading("pool, since it was opened");
    printf("  open %" PRId32 ", idle %" PRId32 ", leased %" PRId32 ", waiting %" PRId32 "\n", s->open, s->idle, s->leased, s->waiting);
    printf("  checkouts %" PRIu64 ", checkins %" PRIu64 ", waits %" PRIu64 ", handoffs %" PRIu64 ", barged %" PRIu64 ", timeouts %" PRIu64
           "\n",
           s->checkouts, s->checkins, s->waits, s->handoffs, s->barged, s->timeouts);
    printf("  opened %" PRIu64 ", open failed %" PRIu64 ", closed %" PRIu64 ", invalidated %" PRIu64 ", recycled %" PRIu64 "\n", s->opened,
           s->open_failed, s->closed, s->invalidated + s->soft_invalidated, s->recycled);
    printf("  resets %" PRIu64 ", reset failed %" PRIu64 ", unclean %" PRIu64 ", pings %" PRIu64 ", ping failed %" PRIu64
           ", look failed %" PRIu64 "\n",
           s->resets, s->reset_failed, s->unclean, s->pings, s->ping_failed, s->look_failed);
}

static void print_verdict(const bench_verdict *v) {
    bool lost = v->problem[0] != '\0';
    heading("places of the pool, after the run");
    printf("  open %" PRId32 ", idle %" PRId32 ", leased %" PRId32, v->stats.open, v->stats.idle, v->stats.leased);
    if (v->limit >= 0)
        printf(", limit %" PRId32 "; %" PRId32 " could be lent at once", v->limit, v->lent);
    if (v->refused)
        printf(" (the server refused %s)", v->refused > 1 ? "the others" : "one");
    printf("\n  %s%s%s%s\n", style_on(stdout, lost ? STYLE_BAD : STYLE_GOOD), lost ? "lost: " : "none is lost", v->problem,
           style_on(stdout, STYLE_PLAIN));
}

void bench_print(const bench_run *run, const bench_result *r, const bench_verdict *verdict) {
    print_head(run, r);
    print_totals(run, r);
    print_latencies(r);
    print_fairness(r);
    print_failures(&run->failures);
    if (!run->source.raw)
        print_counters(&r->stats);
    if (verdict)
        print_verdict(verdict);
}
