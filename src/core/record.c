/* SPDX-License-Identifier: MIT */
#include "core/record.h"

#include "base/error.h"
#include "core/log.h"
#include "core/pool.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

_Static_assert(sizeof(struct dbpool_record) == 128, "a record is two cache lines");

#define TO(state) (1u << DBP_RECORD_##state)
const uint8_t dbp_record_steps[DBP_RECORD_STATES] = {
    [DBP_RECORD_FREE] = TO(OPENING),
    [DBP_RECORD_OPENING] = TO(IDLE) | TO(CHECKING) | TO(CLOSING) | TO(FREE),
    [DBP_RECORD_IDLE] = TO(CHECKING) | TO(LEASED) | TO(CLOSING),
    [DBP_RECORD_CHECKING] = TO(LEASED) | TO(CLOSING),
    [DBP_RECORD_LEASED] = TO(IDLE) | TO(RESETTING) | TO(CLOSING) | TO(FREE),
    [DBP_RECORD_RESETTING] = TO(IDLE) | TO(CLOSING) | TO(FREE),
    [DBP_RECORD_CLOSING] = TO(FREE) | TO(OPENING) | TO(LEASED) | TO(RESETTING),
};

void dbp_record_bug(dbpool_record *record, dbp_record_state to) {
    static const char *const steps[DBP_RECORD_STATES] = {"record: illegal step to FREE",   "record: illegal step to OPENING",
                                                         "record: illegal step to IDLE",   "record: illegal step to CHECKING",
                                                         "record: illegal step to LEASED", "record: illegal step to RESETTING",
                                                         "record: illegal step to CLOSING"};
    dbp_bug(record->pool, steps[to]);
}

/* ---- Opening ---- */

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

static dbpool_status create(dbpool_record *record, int64_t deadline_ns, dbpool_error *err) {
    dbpool *pool = record->pool;
    dbp_mutex_lock(&pool->mutex);
    dbpool_creator creator = pool->creator;
    dbp_mutex_unlock(&pool->mutex);
    if (creator.open_for)
        return creator.open_for(creator.arg, record, deadline_ns, &record->native, err);
    if (creator.open)
        return creator.open(creator.arg, deadline_ns, &record->native, err);
    return pool->driver->open(pool->driver_arg, deadline_ns, &record->native, err);
}

static dbpool_status run_connect(dbpool_record *record, dbpool_event_kind kind, dbpool_error *err) {
    dbpool_event event = {.kind = kind, .pool = record->pool, .native = record->native, .record = record};
    return dbp_events_run(&event, err);
}

/* The kinds of listener whose very first run is still to come. */
static uint32_t first_runs_due(dbpool *pool) {
    uint32_t due = 0, done = dbp_load_acquire_u32(&pool->first_done);
    if (dbp_events_any(&pool->events, DBPOOL_ON_FIRST_CONNECT))
        due |= 1u << DBPOOL_ON_FIRST_CONNECT;
    if (dbp_events_any(&pool->events, DBPOOL_ON_CONNECT))
        due |= 1u << DBPOOL_ON_CONNECT;
    return due & ~done;
}

/* Runs them for the first time, while no other thread runs any; what has come to its end is not due again. */
static dbpool_status run_first(dbpool_record *record, uint32_t due, dbpool_error *err) {
    dbpool *pool = record->pool;
    dbp_store_relaxed_u32(&pool->first_thread, dbp_thread_id());
    dbpool_status status = DBPOOL_OK;
    if (due & 1u << DBPOOL_ON_FIRST_CONNECT) {
        status = run_connect(record, DBPOOL_ON_FIRST_CONNECT, err);
        if (status == DBPOOL_OK)
            (void)dbp_or_seq_cst_u32(&pool->first_done, 1u << DBPOOL_ON_FIRST_CONNECT);
    }
    if (status == DBPOOL_OK)
        status = run_connect(record, DBPOOL_ON_CONNECT, err);
    if (status == DBPOOL_OK)
        (void)dbp_or_seq_cst_u32(&pool->first_done, due & 1u << DBPOOL_ON_CONNECT);
    dbp_store_relaxed_u32(&pool->first_thread, 0);
    dbp_store_release_u32(&pool->first_busy, 0);
    dbp_wake_all(&pool->first_busy);
    return status;
}

/* The first run is exclusive: others wait for it, no longer than their deadline; the thread inside it goes on. */
static dbpool_status run_connect_listeners(dbpool_record *record, int64_t deadline_ns, dbpool_error *err) {
    dbpool *pool = record->pool;
    for (;;) {
        uint32_t due = first_runs_due(pool), idle = 0;
        if (!due || dbp_load_relaxed_u32(&pool->first_thread) == dbp_thread_id())
            return run_connect(record, DBPOOL_ON_CONNECT, err);
        if (dbp_cas_acquire_u32(&pool->first_busy, &idle, 1))
            return run_first(record, due, err);
        if (dbp_events_inside(pool))
            return dbp_error_set(err, DBPOOL_EDEADLK,
                                 "open connection: a listener must not wait for the first connect listeners of its own pool");
        if (!dbp_wait(&pool->first_busy, 1, deadline_ns) && dbp_load_acquire_u32(&pool->first_busy) == 1)
            return dbp_error_set_native(err, DBPOOL_ETIMEOUT, DBPOOL_ERROR_TIMED_OUT, 0,
                                        "open connection: the first connect listeners of the pool are still running");
    }
}

/* What was attached to the connection goes with it, or with the opening that came to nothing. */
static void drop_attached(dbpool_record *record) {
    if (!record->extras)
        return;
    dbp_finalizer_drop(&record->extras->finalizers);
    dbp_info_clear(&record->extras->info[DBPOOL_SCOPE_CONNECTION]);
}

static dbpool_status refuse(dbpool_record *record, dbpool_status status, const dbpool_error *why, dbpool_error *err) {
    dbp_pool_count(record->pool, DBP_COUNT_OPEN_FAILED);
    dbp_log(record->pool, DBPOOL_LOG_DEBUG, "Error on connect(): %s", why->message);
    (void)dbp_error_pass(err, why);
    return status;
}

dbpool_status dbp_record_open(dbpool_record *record, int64_t deadline_ns, dbpool_error *err) {
    dbpool *pool = record->pool;
    dbpool_error own = {.status = DBPOOL_OK};
    record->flags = 0;
    record->epoch = dbp_load_acquire_u64(&pool->epoch);
    record->opened_ns = dbp_clock_now();
    int64_t until = sooner(deadline_ns, dbp_deadline_after_ms(record->opened_ns, pool->config.connect_timeout_ms));

    record->native = NULL;
    dbpool_status status = create(record, until, &own);
    if (status == DBPOOL_OK && !record->native)
        status = dbp_error_set(&own, DBPOOL_ECONNECT, "open connection: the creator returned none");
    if (status != DBPOOL_OK) {
        record->native = NULL;
        drop_attached(record);
        (void)dbp_error_ensure(&own, status, "open connection");
        return refuse(record, status, &own, err);
    }
    dbp_pool_count(pool, DBP_COUNT_OPENED);
    record->flags = DBP_RECORD_FRESH;
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Created new connection %p", record->native);
    status = run_connect_listeners(record, until, &own);
    if (status == DBPOOL_OK)
        return DBPOOL_OK;
    dbp_record_close(record);
    dbp_record_enter(record, DBP_RECORD_OPENING);
    return refuse(record, status, &own, err);
}

/* ---- Closing ---- */

void dbp_record_close(dbpool_record *record) {
    dbpool *pool = record->pool;
    dbp_record_enter(record, DBP_RECORD_CLOSING);
    if (!record->native)
        return;
    if (record->extras)
        dbp_finalizer_drop(&record->extras->finalizers);
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Closing connection %p", record->native);
    dbp_pool_tell(pool, DBPOOL_ON_CLOSE, record, record->native, NULL);
    dbpool_error own = {.status = DBPOOL_OK};
    if (pool->driver->close(pool->driver_arg, record->native, &own) != DBPOOL_OK)
        dbp_log(pool, DBPOOL_LOG_ERROR, "Exception closing connection %p: %s", record->native, own.message);
    dbp_pool_count(pool, DBP_COUNT_CLOSED);
    record->native = NULL;
    record->flags = 0;
    drop_attached(record);
}

void dbp_record_invalidate(dbpool_record *record, const dbpool_error *reason) {
    dbpool *pool = record->pool;
    if (record->native) {
        dbp_pool_count(pool, DBP_COUNT_INVALIDATED);
        if (reason)
            dbp_log(pool, DBPOOL_LOG_INFO, "Invalidate connection %p (reason: %s:%s)", record->native, dbpool_status_name(reason->status),
                    reason->message);
        else
            dbp_log(pool, DBPOOL_LOG_INFO, "Invalidate connection %p", record->native);
        dbp_pool_tell(pool, DBPOOL_ON_INVALIDATE, record, record->native, reason);
    }
    dbp_record_close(record);
}

/* ---- Freshness ---- */

static bool is_too_old(const dbpool_record *record) {
    int64_t recycle_ms = record->pool->config.recycle_ms;
    if (recycle_ms < 0)
        return false;
    /* The coarse clock is late by milliseconds: good enough for limits of seconds. */
    int64_t now = recycle_ms >= 1000 ? dbp_clock_coarse() : dbp_clock_now();
    return now - record->opened_ns > recycle_ms * DBP_NS_PER_MS;
}

bool dbp_record_is_stale(dbpool_record *record) {
    dbpool *pool = record->pool;
    /* One opened in this very checkout is not old, however long the opening took; an invalidation in the meantime counts. */
    if (!(record->flags & DBP_RECORD_FRESH) && is_too_old(record)) {
        dbp_pool_count(pool, DBP_COUNT_RECYCLED);
        dbp_log(pool, DBPOOL_LOG_INFO, "Connection %p exceeded timeout; recycling", record->native);
        return true;
    }
    if (record->epoch != dbp_load_acquire_u64(&pool->epoch)) {
        dbp_log(pool, DBPOOL_LOG_INFO, "Connection %p invalidated due to pool invalidation; recycling", record->native);
        return true;
    }
    if (record->flags & DBP_RECORD_SOFT) {
        dbp_log(pool, DBPOOL_LOG_INFO, "Connection %p invalidated due to local soft invalidation; recycling", record->native);
        return true;
    }
    return false;
}

/* ---- What the user attaches ---- */

dbp_extras *dbp_record_extras(dbpool_record *record) {
    if (record->extras)
        return record->extras;
    dbp_extras *extras = dbp_memory_alloc(sizeof *extras);
    dbp_mutex_lock(&record->pool->mutex);
    record->extras = extras;
    dbp_mutex_unlock(&record->pool->mutex);
    return extras;
}

dbpool_status dbpool_record_set_info(dbpool_record *record, dbpool_scope scope, const char *key, void *value, void (*free_value)(void *)) {
    if (!record || !key || (unsigned)scope > DBPOOL_SCOPE_RECORD)
        return DBPOOL_EINVAL;
    dbp_extras *extras = dbp_record_extras(record);
    return extras ? dbp_info_set(&extras->info[scope], key, value, free_value) : DBPOOL_ENOMEM;
}

void *dbpool_record_get_info(dbpool_record *record, dbpool_scope scope, const char *key) {
    if (!record || !key || (unsigned)scope > DBPOOL_SCOPE_RECORD || !record->extras)
        return NULL;
    return dbp_info_get(record->extras->info[scope], key);
}

dbpool_status dbpool_record_on_checkin(dbpool_record *record, void (*fn)(void *native, void *arg), void *arg) {
    if (!record || !fn)
        return DBPOOL_EINVAL;
    dbp_extras *extras = dbp_record_extras(record);
    return extras ? dbp_finalizer_push(&extras->finalizers, fn, arg) : DBPOOL_ENOMEM;
}

void *dbpool_record_native(dbpool_record *record) { return record ? record->native : NULL; }

bool dbpool_record_in_use(dbpool_record *record) { return record && dbp_load_relaxed_u32(&record->handles) > 0; }

int64_t dbpool_record_last_connect_ns(dbpool_record *record) { return record && record->native ? record->opened_ns : 0; }
