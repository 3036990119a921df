/* SPDX-License-Identifier: MIT
 *
 * Proves that a pool which nobody uses any more has all its places: nothing counts as leased, no more is open than the limit allows, and as
 * many connections as the limit says can be checked out at once.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define LEND_MOST 1024
#define LEND_TIMEOUT_MS 2000

/* An opening that nobody waits for any more may still be under way. */
static void await_quiet(dbpool *pool, dbpool_stats *stats) {
    int64_t deadline = dbpool_now_ns() + 15 * NS_PER_S;
    do {
        *stats = (dbpool_stats)DBPOOL_STATS_INIT;
        if (dbpool_get_stats(pool, stats) != DBPOOL_OK || (stats->opening == 0 && stats->open == stats->idle + stats->leased))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    } while (dbpool_now_ns() < deadline);
}

static int32_t limit_of(const dbpool_stats *s) {
    bool none = s->size == 0 || s->max_overflow < 0 || s->size > DBPOOL_CONNECTIONS_MAX - s->max_overflow;
    return none ? -1 : s->size + s->max_overflow;
}

/* Whether it is a slow server that a checkout waited for, and not a place. */
static bool is_opening(dbpool *pool) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    return dbpool_get_stats(pool, &stats) == DBPOOL_OK && stats.opening > 0;
}

/* Takes as many leases at once as it gets, up to `want`, and returns them. Sets `*timed_out` when a place did not come free. */
static void lend_all(dbpool *pool, int32_t want, bench_verdict *v, bool *timed_out) {
    dbpool_conn *conns = calloc((size_t)want, sizeof *conns);
    for (int32_t i = 0; conns && i < want && v->refused < 3 && !*timed_out; i++) {
        dbpool_error err;
        dbpool_status status = dbpool_checkout_timeout(pool, LEND_TIMEOUT_MS, &conns[v->lent], &err);
        if (status == DBPOOL_OK)
            v->lent++;
        else if (status == DBPOOL_ETIMEOUT && !is_opening(pool))
            *timed_out = true;
        else
            v->refused++;
    }
    for (int32_t i = 0; i < v->lent; i++)
        (void)dbpool_checkin(&conns[i]);
    free(conns);
}

static void judge(bench_verdict *v, int32_t want, bool timed_out) {
    const dbpool_stats *s = &v->stats;
    char *p = v->problem;
    size_t size = sizeof v->problem;
    if (s->leased != 0)
        snprintf(p, size, "%d connections count as leased, though nobody holds one", s->leased);
    else if (s->checkouts != s->checkins)
        snprintf(p, size, "%llu checkouts and %llu checkins do not match", (unsigned long long)s->checkouts,
                 (unsigned long long)s->checkins);
    else if (v->limit >= 0 && s->open > v->limit)
        snprintf(p, size, "%d connections are open, over the limit of %d", s->open, v->limit);
    else if (s->open != s->idle)
        snprintf(p, size, "%d connections count as open, but %d are idle", s->open, s->idle);
    else if (s->waiting != 0)
        snprintf(p, size, "%d callers count as waiting, though nobody waits", s->waiting);
    else if (timed_out)
        snprintf(p, size, "only %d of %d places could be lent at once", v->lent, want);
}

void bench_verify(dbpool *pool, bench_verdict *v) {
    bool timed_out = false;
    memset(v, 0, sizeof *v);
    await_quiet(pool, &v->stats);
    v->limit = limit_of(&v->stats);
    int32_t want = v->limit < 0 || v->limit > LEND_MOST ? 0 : v->limit;
    if (want > 0 && v->stats.leased == 0)
        lend_all(pool, want, v, &timed_out);
    judge(v, want, timed_out);
}
