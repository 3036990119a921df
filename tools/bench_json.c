/* SPDX-License-Identifier: MIT
 *
 * The result of a run, for programs. dbpool(1) documents the keys: they stay, and others may come.
 */
#include "bench.h"
#include "json.h"
#include "ledger.h"

static double seconds(int64_t ns) { return (double)ns / (double)NS_PER_S; }

static void write_setup(json *j, const bench_run *run, const bench_result *r) {
    const bench_options *o = run->options;
    bool unlimited = r->stats.size == 0 || r->stats.max_overflow < 0;
    json_text(j, "dbpool", dbpool_version());
    json_text(j, "mode", run->source.raw ? "raw" : "pool");
    json_text(j, "loop", o->rate > 0 ? "open" : "closed");
    json_bool(j, "interrupted", run->interrupted);
    json_count(j, "threads", run->worker_count);
    if (run->source.raw)
        json_count(j, "connections", run->source.size);
    else if (unlimited)
        json_null(j, "connections");
    else
        json_integer(j, "connections", r->stats.size + r->stats.max_overflow);
    if (o->rate > 0)
        json_number(j, "rate", o->rate);
    else
        json_null(j, "rate");
    json_number(j, "warmup_s", seconds(o->warmup_ns));
    json_number(j, "think_s", seconds(o->think_ns));
    json_number(j, "hold_s", seconds(o->hold_ns));
    json_open_array(j, "statements");
    for (size_t i = 0; i < run->script.count; i++)
        json_text(j, NULL, run->script.statements[i]);
    json_close_array(j);
}

static void write_histogram(json *j, const char *key, const histogram *h) {
    json_open(j, key);
    json_count(j, "count", histogram_count(h));
    json_integer(j, "min", histogram_least(h));
    json_number(j, "mean", histogram_mean(h));
    json_integer(j, "p50", histogram_quantile(h, 0.5));
    json_integer(j, "p90", histogram_quantile(h, 0.9));
    json_integer(j, "p99", histogram_quantile(h, 0.99));
    json_integer(j, "p999", histogram_quantile(h, 0.999));
    json_integer(j, "max", histogram_most(h));
    json_close(j);
}

static void write_failures(json *j, const bench_failures *f) {
    json_open_array(j, "failures");
    for (size_t i = 0; i < f->count; i++) {
        const dbpool_error *first = &f->kinds[i].first;
        json_open(j, NULL);
        json_count(j, "count", f->kinds[i].count);
        json_text(j, "status", dbpool_status_name(first->status));
        json_text(j, "sqlstate", first->sqlstate[0] ? first->sqlstate : NULL);
        json_integer(j, "native_code", first->native_code);
        json_bool(j, "connection_lost", first->flags & DBPOOL_ERROR_CONNECTION_LOST);
        json_text(j, "message", first->message);
        json_close(j);
    }
    json_close_array(j);
}

static void write_fairness(json *j, const bench_result *r) {
    json_open(j, "fairness");
    json_count(j, "least", r->least);
    json_count(j, "most", r->most);
    json_number(j, "mean", r->mean);
    json_number(j, "least_to_most", r->most ? (double)r->least / (double)r->most : 0);
    json_number(j, "least_to_mean", r->most ? (double)r->least / r->mean : 0);
    json_close(j);
}

static void write_gauges(json *j, const dbpool_stats *s) {
    json_integer(j, "size", s->size);
    json_integer(j, "max_overflow", s->max_overflow);
    json_integer(j, "open", s->open);
    json_integer(j, "idle", s->idle);
    json_integer(j, "leased", s->leased);
    json_integer(j, "opening", s->opening);
    json_integer(j, "waiting", s->waiting);
    json_integer(j, "detached", s->detached);
}

/* clang-format off */
#define COUNTERS(X)                                                                                                           \
    X(checkouts) X(checkins) X(nested) X(waits) X(handoffs) X(barged) X(timeouts) X(opened) X(open_failed) X(closed)          \
    X(invalidated) X(soft_invalidated) X(pool_invalidated) X(recycled) X(detaches) X(resets) X(reset_failed) X(unclean)       \
    X(pings) X(ping_failed) X(look_failed) X(wait_ns)
/* clang-format on */
#define WRITE_COUNTER(name) json_count(j, #name, s->name);

static void write_pool(json *j, const bench_run *run, const dbpool_stats *s) {
    if (run->source.raw) {
        json_null(j, "pool");
        return;
    }
    json_open(j, "pool");
    write_gauges(j, s);
    COUNTERS(WRITE_COUNTER)
    json_close(j);
}

static void write_verdict(json *j, const bench_verdict *v) {
    if (!v) {
        json_null(j, "verify");
        return;
    }
    json_open(j, "verify");
    json_bool(j, "passed", v->problem[0] == '\0');
    json_text(j, "problem", v->problem[0] ? v->problem : NULL);
    if (v->limit < 0)
        json_null(j, "limit");
    else
        json_integer(j, "limit", v->limit);
    json_integer(j, "open", v->stats.open);
    json_integer(j, "idle", v->stats.idle);
    json_integer(j, "leased", v->stats.leased);
    json_integer(j, "lent_at_once", v->lent);
    json_integer(j, "refused", v->refused);
    json_close(j);
}

static void write_check(json *j, const ledger_check *check) {
    if (!check) {
        json_null(j, "demo");
        return;
    }
    json_open(j, "demo");
    json_bool(j, "passed", ledger_is_right(check));
    json_integer(j, "acknowledged", check->acknowledged);
    json_integer(j, "found", check->found);
    json_integer(j, "wrong_threads", check->wrong_threads);
    json_close(j);
}

bool bench_write_json(FILE *file, const bench_run *run, const bench_result *r, const bench_verdict *verdict, const ledger_check *check) {
    json j = json_to(file);
    json_open(&j, NULL);
    write_setup(&j, run, r);
    json_number(&j, "elapsed_s", r->elapsed_s);
    json_count(&j, "completed", r->completed);
    json_count(&j, "failed", r->failed);
    json_count(&j, "not_started", r->not_started);
    json_number(&j, "throughput", r->throughput);
    json_open(&j, "latency_ns");
    write_histogram(&j, "wait", &r->wait);
    write_histogram(&j, "query", &r->query);
    write_histogram(&j, "response", &r->response);
    json_close(&j);
    write_failures(&j, &run->failures);
    write_fairness(&j, r);
    write_pool(&j, run, &r->stats);
    write_verdict(&j, verdict);
    write_check(&j, check);
    json_close(&j);
    return json_end(&j);
}
