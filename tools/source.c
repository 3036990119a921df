/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <stdlib.h>
#include <time.h>

static dbpool_status lend(source *s, int64_t timeout_ms, loan *out, dbpool_error *err) {
    dbpool_status status = dbpool_checkout_timeout(s->pool, timeout_ms, &out->conn, err);
    if (status == DBPOOL_OK)
        out->native = dbpool_native(out->conn);
    return status;
}

static void take_back(source *s, loan *l) {
    pthread_mutex_lock(&s->mutex);
    s->idle[s->idle_count++] = *l;
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_signal(&s->returned);
}

static void init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

dbpool_status source_init(source *s, dbpool *pool, const session_driver *driver) {
    *s = (source){.pool = pool, .driver = driver, .timeout_ms = dbpool_timeout_ms(pool)};
    pthread_mutex_init(&s->mutex, NULL);
    init_condition(&s->returned);
    return DBPOOL_OK;
}

dbpool_status source_init_raw(source *s, dbpool *pool, const session_driver *driver, size_t size, dbpool_error *err) {
    (void)source_init(s, pool, driver);
    s->raw = true;
    s->size = size;
    s->idle = calloc(size, sizeof *s->idle);
    if (!s->idle)
        return dbpool_error_set(err, DBPOOL_ENOMEM, "bench: out of memory");
    dbpool_status status = DBPOOL_OK;
    while (status == DBPOOL_OK && s->idle_count < size) {
        status = lend(s, s->timeout_ms, &s->idle[s->idle_count], err);
        s->idle_count += status == DBPOOL_OK;
    }
    if (status != DBPOOL_OK)
        source_fini(s);
    return status;
}

void source_fini(source *s) {
    for (size_t i = 0; i < s->idle_count; i++)
        dbpool_scope_end(&s->idle[i].conn);
    free(s->idle);
    s->idle = NULL;
    s->idle_count = 0;
    pthread_cond_destroy(&s->returned);
    pthread_mutex_destroy(&s->mutex);
}

static struct timespec deadline_after_ms(int64_t timeout_ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(timeout_ms / 1000);
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* True when an idle loan was waited for and can be taken. */
static bool wait_idle_locked(source *s, int64_t timeout_ms) {
    struct timespec deadline = deadline_after_ms(timeout_ms);
    int late = 0;
    while (s->idle_count == 0 && !late)
        late = timeout_ms < 0 ? pthread_cond_wait(&s->returned, &s->mutex) : pthread_cond_timedwait(&s->returned, &s->mutex, &deadline);
    return s->idle_count > 0;
}

static dbpool_status take_raw(source *s, int64_t timeout_ms, loan *out, dbpool_error *err) {
    pthread_mutex_lock(&s->mutex);
    bool found = s->idle_count > 0 || wait_idle_locked(s, timeout_ms);
    if (found)
        *out = s->idle[--s->idle_count];
    pthread_mutex_unlock(&s->mutex);
    if (!found)
        return dbpool_error_set(err, DBPOOL_ETIMEOUT, "checkout: all %zu connections stayed in use", s->size);
    if (out->conn.cell)
        return DBPOOL_OK;
    dbpool_status status = lend(s, timeout_ms, out, err);
    if (status != DBPOOL_OK)
        take_back(s, out); /* the place, still without a connection */
    return status;
}

static int64_t timeout_until(const source *s, int64_t last_ns) {
    int64_t left = (last_ns - dbpool_now_ns()) / 1000000;
    if (left < 0)
        left = 0;
    return s->timeout_ms < 0 || left < s->timeout_ms ? left : s->timeout_ms;
}

dbpool_status source_take(source *s, int64_t last_ns, loan *loan_out, dbpool_error *err) {
    int64_t timeout_ms = timeout_until(s, last_ns);
    *loan_out = (loan){NULL, DBPOOL_CONN_NONE};
    return s->raw ? take_raw(s, timeout_ms, loan_out, err) : lend(s, timeout_ms, loan_out, err);
}

void source_give(source *s, loan *l) {
    if (!s->raw)
        (void)dbpool_checkin(&l->conn);
    else if (s->driver->clean(l->native))
        take_back(s, l);
    else
        source_drop(s, l, NULL);
}

void source_drop(source *s, loan *l, const dbpool_error *reason) {
    if (reason && reason->flags & DBPOOL_ERROR_POOL_STALE)
        (void)dbpool_invalidate_pool(s->pool, &l->conn, reason);
    else
        (void)dbpool_invalidate(&l->conn, reason);
    *l = (loan){NULL, DBPOOL_CONN_NONE};
    if (s->raw)
        take_back(s, l);
}
