/* SPDX-License-Identifier: MIT
 *
 * The queue strategy: at most size + max_overflow connections, lent in turn. What is idle is lent; else a free place is filled by opening;
 * else the caller waits in line. An opening that may be slow runs on another thread while the caller waits in line: whichever comes first
 * serves it, and a connection opened too late serves the next.
 */
#include "base/error.h"
#include "core/log.h"
#include "core/opener.h"
#include "core/pool.h"
#include "os/clock.h"
#include "os/memory.h"

/* Closed, and no place is taken: releases closers, and the lending core's reference. */
static void drained(dbpool *pool) {
    if (dbp_exchange_acq_rel_u32(&pool->drained, 1) == 0) {
        dbp_wake_all(&pool->drained);
        dbp_pool_unref(pool);
    }
}

void dbp_queue_give_empty(dbpool *pool, dbpool_record *record) {
    dbp_record_enter(record, DBP_RECORD_FREE);
    if (dbp_lend_put_empty(&pool->lend, &record->slot))
        drained(pool);
}

void dbp_queue_close(dbpool *pool, dbpool_record *record) {
    dbp_record_close(record);
    dbp_queue_give_empty(pool, record);
}

void dbp_queue_close_chain(dbpool *pool, dbp_slot *chain) {
    for (dbp_slot *slot = chain, *next; slot; slot = next) {
        next = dbp_lend_chain_next(&pool->lend, slot);
        dbp_queue_close(pool, dbp_record_of_slot(slot));
    }
    if (dbp_lend_is_drained(&pool->lend))
        drained(pool);
}

/* ---- Opening ---- */

/* The place of an opening that failed goes back: checkin listeners see a record without a connection, then the next in line may try. */
static void give_up(dbpool *pool, dbpool_record *record) {
    dbp_pool_tell(pool, DBPOOL_ON_CHECKIN, record, NULL, NULL);
    dbp_queue_give_empty(pool, record);
}

static dbpool_status open_here(dbpool *pool, dbpool_record *record, int64_t deadline_ns, dbpool_error *err) {
    dbp_record_enter(record, DBP_RECORD_OPENING);
    dbpool_status status = dbp_record_open(record, deadline_ns, err);
    if (status != DBPOOL_OK)
        give_up(pool, record);
    return status;
}

/* An opening on another thread. Owned by that thread, or, once it has failed and its waiter was told, by the waiter. */
struct opening {
    dbp_ticket ticket; /* first: a waiter finds the opening by it */
    dbpool *pool;      /* referenced */
    dbpool_record *record;
    dbpool_error error;
};

static void run_opening(void *arg) {
    struct opening *opening = arg;
    dbpool *pool = opening->pool;
    dbpool_record *record = opening->record;
    bool told = false;
    if (dbp_record_open(record, DBP_NEVER, &opening->error) == DBPOOL_OK) {
        dbp_queue_give(pool, record);
        dbp_lend_open_done(&pool->lend, &opening->ticket);
    } else {
        told = dbp_lend_open_failed(&pool->lend, &opening->ticket);
        give_up(pool, record);
    }
    if (!told)
        dbp_memory_free(opening);
    dbp_pool_unref(pool);
}

/* Worth it only when somebody else holds a connection that may come back, and the caller can wait for that. */
static bool may_race(dbpool *pool, const dbp_waiter *waiter) {
    return !waiter->no_wait && !(pool->driver->flags & DBPOOL_DRIVER_OPENS_FAST) && dbp_lend_places(&pool->lend) > 1;
}

static bool open_elsewhere(dbpool *pool, dbp_waiter *waiter, dbpool_record *record) {
    struct opening *opening = dbp_memory_alloc(sizeof *opening);
    if (!opening)
        return false;
    opening->pool = pool;
    opening->record = record;
    dbp_record_enter(record, DBP_RECORD_OPENING);
    dbp_lend_ticket(&pool->lend, waiter, &opening->ticket);
    dbp_pool_ref(pool);
    if (dbp_opener_run(run_opening, opening))
        return true;
    dbp_lend_open_done(&pool->lend, &opening->ticket);
    dbp_memory_free(opening);
    dbp_pool_unref(pool);
    dbp_record_enter(record, DBP_RECORD_FREE);
    return false;
}

/* ---- Taking ---- */

static dbpool_status timed_out(dbpool *pool, const dbp_waiter *waiter, dbpool_error *err) {
    dbp_mutex_lock(&pool->mutex);
    int32_t size = pool->config.size, overflow = pool->config.max_overflow;
    dbp_mutex_unlock(&pool->mutex);
    dbp_error_set_native(err, DBPOOL_ETIMEOUT, DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_TIMED_OUT, 0,
                         "checkout: QueuePool limit of size %d overflow %d reached, connection timed out, timeout %g", size, overflow,
                         (double)waiter->timeout_ms / 1000.0);
    return DBPOOL_ETIMEOUT;
}

/* The limit was not what the caller waited for: its own opening was late. */
static dbpool_status opening_timed_out(const dbp_waiter *waiter, dbpool_error *err) {
    return dbp_error_set_native(err, DBPOOL_ETIMEOUT, DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_TIMED_OUT, 0,
                                "checkout: a connection was still being opened, and none came back, within the timeout of %g",
                                (double)waiter->timeout_ms / 1000.0);
}

static dbpool_status refused(dbpool *pool, const dbp_waiter *waiter, dbp_lend_result result, dbpool_error *err) {
    switch (result) {
    case DBP_LEND_CLOSED: return dbp_error_set(err, DBPOOL_ECLOSED, "checkout: the pool is closed");
    case DBP_LEND_LIMIT:
        return dbp_error_set(err, DBPOOL_ELIMIT, "checkout: %d connections are open, the most that one pool can hold", DBP_LEND_MAX);
    case DBP_LEND_NOMEM: return dbp_error_nomem(err, "checkout");
    case DBP_LEND_WOULD_WAIT:
        if (dbp_events_inside(pool))
            return dbp_error_set(err, DBPOOL_EDEADLK, "checkout: nothing is free, and a listener of the same pool must not wait");
        return timed_out(pool, waiter, err);
    default: return timed_out(pool, waiter, err);
    }
}

static dbpool_status told_of_failure(dbp_waiter *waiter, dbpool_error *err) {
    struct opening *opening = (struct opening *)(void *)waiter->failed;
    dbpool_status status = dbp_error_pass(err, &opening->error);
    dbp_memory_free(opening);
    return status;
}

/* A try may take the time of an opening: only a wait is measured by its timeout. */
static int64_t opening_deadline(dbp_waiter *waiter) { return waiter->timeout_ms == 0 ? DBP_NEVER : dbp_waiter_deadline(waiter); }

dbpool_status dbp_queue_take(dbpool *pool, dbp_waiter *waiter, dbpool_record **record_out, dbpool_error *err) {
    const dbpool_record *own = NULL; /* opened elsewhere, for this checkout */
    for (;;) {
        dbp_lend_result result = dbp_lend_wait(&pool->lend, waiter);
        if (result == DBP_LEND_FAILED)
            return told_of_failure(waiter, err);
        if (result == DBP_LEND_TIMEOUT && own)
            return opening_timed_out(waiter, err);
        if (result != DBP_LEND_SLOT)
            return refused(pool, waiter, result, err);
        dbpool_record *record = dbp_record_of_slot(waiter->slot);
        record->pool = pool;
        record->cell.record = record;
        if (record->native && record != own)
            record->flags &= ~DBP_RECORD_FRESH;
        if (!record->native && may_race(pool, waiter) && open_elsewhere(pool, waiter, record)) {
            own = record;
            continue;
        }
        dbpool_status status = record->native ? DBPOOL_OK : open_here(pool, record, opening_deadline(waiter), err);
        *record_out = status == DBPOOL_OK ? record : NULL;
        return status;
    }
}
