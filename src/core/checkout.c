/* SPDX-License-Identifier: MIT
 *
 * Lending. The fast path takes an idle record, sees that nothing asks for more, and makes it a lease: no lock, no system call, three
 * locked instructions with the return. Everything else is here too, below it.
 */
#include "base/error.h"
#include "core/lease.h"
#include "core/log.h"
#include "core/pool.h"
#include "os/clock.h"
#include "os/thread.h"

/* ---- The beginning of a lease ---- */

static inline uint64_t begin(dbpool_record *record, uint64_t cell_state) {
    dbp_store_relaxed_u32(&record->handles, 1);
    return dbp_cell_begin(&record->cell, cell_state);
}

/* The moment from which the lease counts. */
static inline void count_lease(dbpool_record *record) {
    dbp_bump_u64(&record->uses);
    dbp_store_relaxed_u32(&record->holder, dbp_thread_id());
    dbp_store_relaxed_u64(&record->since_ns, (uint64_t)dbp_clock_coarse());
}

#if __has_attribute(no_stack_protector)
#define UNGUARDED __attribute__((noinline, no_stack_protector))
#else
#define UNGUARDED __attribute__((noinline))
#endif

/* Not inline: as the last call of the fast path it saves the registers that it needs, and the path before it none. No stack guard: the one local
 * that another function writes is the clock's. */
UNGUARDED static dbpool_status lend(dbpool_record *record, dbpool_conn *conn_out) {
    dbp_record_enter(record, DBP_RECORD_LEASED);
    *conn_out = (dbpool_conn){&record->cell, begin(record, DBP_CELL_LIVE)};
    count_lease(record);
    return DBPOOL_OK;
}

/* A lease that was shown to listeners becomes the caller's. */
static dbpool_status hand_over(dbpool_record *record, dbpool_conn *conn_out) {
    dbp_record_enter(record, DBP_RECORD_LEASED);
    count_lease(record);
    uint64_t number = dbp_cell_in_state(dbp_load_relaxed_u64(&record->cell.number), DBP_CELL_LIVE);
    dbp_store_relaxed_u64(&record->cell.number, number);
    *conn_out = (dbpool_conn){&record->cell, number};
    return DBPOOL_OK;
}

/* ---- Making sure that it is alive ---- */

static bool was_used_lately(const dbpool_record *record) {
    int64_t after_ms = record->pool->config.validate_after_ms;
    return after_ms > 0 && dbp_clock_coarse() - (int64_t)dbp_load_relaxed_u64(&record->since_ns) < after_ms * DBP_NS_PER_MS;
}

/* What it finds dead stays so, however often it is asked. */
static bool looks_alive(dbpool *pool, dbpool_record *record) {
    if (record->flags & DBP_RECORD_DEAD)
        return false;
    if (was_used_lately(record) || pool->driver->look(pool->driver_arg, record->native))
        return true;
    record->flags |= DBP_RECORD_DEAD;
    dbp_pool_count(pool, DBP_COUNT_LOOK_FAILED);
    return false;
}

/* The time that work for this checkout may take: none is set for one who will not wait for others but may open. */
static int64_t work_deadline(dbp_waiter *waiter) { return waiter->timeout_ms == 0 ? DBP_NEVER : dbp_waiter_deadline(waiter); }

/* Opens another connection in a CLOSING record. On failure the record and its place have been given back, and the lease with them. */
static dbpool_status reopen(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_error *err) {
    dbp_record_enter(record, DBP_RECORD_OPENING);
    dbpool_status status = dbp_record_open(record, work_deadline(waiter), err);
    if (status == DBPOOL_OK) {
        dbp_record_enter(record, DBP_RECORD_CHECKING);
        return DBPOOL_OK;
    }
    dbp_store_relaxed_u32(&record->handles, 0);
    dbp_cell_end(&record->cell);
    dbp_pool_tell(pool, DBPOOL_ON_CHECKIN, record, NULL, NULL);
    dbp_queue_give_empty(pool, record);
    return status;
}

static dbpool_status ping(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_error *err) {
    int64_t own = dbp_deadline_after_ms(dbp_clock_now(), pool->config.ping_timeout_ms), until = work_deadline(waiter);
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Pool pre-ping on connection %p", record->native);
    dbp_pool_count(pool, DBP_COUNT_PINGS);
    dbpool_status status = pool->driver->ping(pool->driver_arg, record->native, own < until ? own : until, err);
    if (dbp_error_ensure(err, status, "ping connection") == DBPOOL_OK)
        return status;
    dbp_pool_count(pool, DBP_COUNT_PING_FAILED);
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Pool pre-ping on connection %p failed: %s", record->native, err->message);
    return status;
}

/* The look, the ping and the checkout listeners. EDISCONNECT: the connection is no good; another failure ends the checkout. */
static dbpool_status examine(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_error *err) {
    bool fresh = record->flags & DBP_RECORD_FRESH;
    record->flags &= ~DBP_RECORD_FRESH;
    if (!fresh && pool->driver->look && !looks_alive(pool, record))
        return dbp_error_set(err, DBPOOL_EDISCONNECT, "look at connection: it is dead or not quiet");
    if (pool->config.pre_ping && fresh)
        dbp_log(pool, DBPOOL_LOG_DEBUG, "Connection %p is fresh, skipping pre-ping", record->native);
    else if (pool->config.pre_ping) {
        dbpool_status status = ping(pool, record, waiter, err);
        if (status != DBPOOL_OK)
            return status;
    }
    dbpool_event event = {
        .kind = DBPOOL_ON_CHECKOUT, .pool = pool, .native = record->native, .record = record, .conn = dbp_lease_shown(&record->cell)};
    return dbp_events_run(&event, err);
}

static dbpool_status give_up(dbpool *pool, dbpool_record *record, dbpool_error *err) {
    dbp_log(pool, DBPOOL_LOG_INFO, "Reconnection attempts exhausted on checkout");
    dbp_record_invalidate(record, NULL);
    dbp_record_enter(record, DBP_RECORD_LEASED);
    dbp_lease_return(record, &record->cell, DBP_RETURN_RESET);
    return dbp_error_set_native(err, DBPOOL_EDISCONNECT, DBPOOL_ERROR_RETRYABLE | DBPOOL_ERROR_CONNECTION_LOST, 0,
                                "checkout: This connection is closed");
}

/* The connection turned out to be dead: another one in its place. */
static dbpool_status replace(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, const dbpool_error *why, dbpool_error *err) {
    if (why->flags & DBPOOL_ERROR_POOL_STALE) {
        dbp_log(pool, DBPOOL_LOG_INFO,
                "Disconnection detected on checkout, invalidating all pooled connections prior to the current one (reason: %s)",
                why->message);
        dbp_pool_condemn(pool, record);
    } else {
        dbp_log(pool, DBPOOL_LOG_INFO, "Disconnection detected on checkout, invalidating individual connection %p (reason: %s)",
                record->native, why->message);
    }
    dbp_record_invalidate(record, why);
    return reopen(pool, record, waiter, err);
}

/* The record has a connection and is CHECKING, its cell ENDING. Two tries in all. On failure the record has been given back. */
static dbpool_status prove(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_error *err) {
    for (int tries = 2; tries > 0; tries--) {
        dbpool_error own = {.status = DBPOOL_OK};
        dbpool_status status = examine(pool, record, waiter, &own);
        if (status == DBPOOL_OK)
            return DBPOOL_OK;
        if (status != DBPOOL_EDISCONNECT) {
            dbp_record_enter(record, DBP_RECORD_LEASED);
            dbp_lease_return(record, &record->cell, DBP_RETURN_RESET);
            (void)dbp_error_pass(err, &own);
            return status;
        }
        status = replace(pool, record, waiter, &own, err);
        if (status != DBPOOL_OK)
            return status;
    }
    return give_up(pool, record, err);
}

/* Opens anew what is too old or condemned, and again what is condemned while opening; who condemns every opening gets no connection. */
static dbpool_status refresh(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_error *err) {
    for (int tries = 3; dbp_record_is_stale(record); tries--) {
        if (tries == 0)
            return give_up(pool, record, err);
        dbp_record_close(record);
        dbpool_status status = reopen(pool, record, waiter, err);
        if (status != DBPOOL_OK)
            return status;
    }
    return DBPOOL_OK;
}

/* ---- The slow path ---- */

static dbpool_status prepare(dbpool *pool, dbpool_record *record, dbp_waiter *waiter, dbpool_conn *conn_out, dbpool_error *err) {
    dbp_record_enter(record, DBP_RECORD_CHECKING);
    (void)begin(record, DBP_CELL_ENDING);
    dbpool_status status = refresh(pool, record, waiter, err);
    if (status == DBPOOL_OK)
        status = prove(pool, record, waiter, err);
    if (status != DBPOOL_OK)
        return status;
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Connection %p checked out from pool", record->native);
    return hand_over(record, conn_out);
}

/* What the fast path took is never lent, and must not keep the pool from ending. */
static dbpool_status refuse_broken(dbpool *pool, dbpool_record *record, dbpool_error *err) {
    dbp_pool_log_bug(pool);
    if (record) {
        dbp_record_close(record);
        dbp_queue_give_empty(pool, record);
    }
    return dbp_error_set(err, DBPOOL_EBUG, "checkout: the pool found itself in an impossible state and lends no more");
}

/* `record` is one that the fast path took, or NULL. */
static dbpool_status checkout_slow(dbpool *pool, dbpool_record *record, int64_t timeout_ms, dbpool_conn *conn_out, dbpool_error *err) {
    dbp_waiter waiter = {.timeout_ms = timeout_ms, .no_wait = timeout_ms == 0 || dbp_events_inside(pool)};
    dbpool_status status = DBPOOL_OK;
    *conn_out = DBPOOL_CONN_NONE;
    if (dbp_pool_is_inherited(pool)) /* what the fast path has taken is lost in this process alone, where nothing of it can be used */
        return dbp_error_set(err, DBPOOL_EFORK, "checkout: the pool belongs to the parent process; open one after the fork");
    dbp_pool_ref(pool);
    if (record)
        record->flags &= ~DBP_RECORD_FRESH; /* opened for somebody else */
    if (dbp_load_relaxed_u32(&pool->checkout_checks) & DBP_CHECK_BROKEN)
        status = refuse_broken(pool, record, err);
    else if (!record)
        status = dbp_queue_take(pool, &waiter, &record, err);
    if (status == DBPOOL_OK && record)
        status = prepare(pool, record, &waiter, conn_out, err);
    dbp_pool_unref(pool);
    return status;
}

/* ---- The fast path ---- */

/* Nothing has to be asked of an idle record's connection but what is named in `allowed`. */
static inline bool is_ready(dbpool *pool, const dbpool_record *record, uint32_t allowed) {
    return !(dbp_load_relaxed_u32(&pool->checkout_checks) & ~allowed) && !record->flags &&
           record->epoch == dbp_load_acquire_u64(&pool->epoch);
}

/* `record` has been taken. A look alone does not make the path slow. */
static dbpool_status checkout_taken(dbpool *pool, dbpool_record *record, int64_t timeout_ms, dbpool_conn *conn_out, dbpool_error *err) {
    bool look = dbp_load_relaxed_u32(&pool->checkout_checks) & DBP_CHECK_LOOK;
    if (is_ready(pool, record, DBP_CHECK_LOOK) && (!look || looks_alive(pool, record)))
        return lend(record, conn_out);
    return checkout_slow(pool, record, timeout_ms, conn_out, err);
}

static dbpool_status checkout_elsewhere(dbpool *pool, int64_t timeout_ms, dbpool_conn *conn_out, dbpool_error *err) {
    dbp_slot *slot = dbp_lend_take_other(&pool->lend);
    if (slot)
        return checkout_taken(pool, dbp_record_of_slot(slot), timeout_ms, conn_out, err);
    return checkout_slow(pool, NULL, timeout_ms, conn_out, err);
}

/* What rests at this CPU is lent at once. Every other way is a last call, so that this one saves no registers for it. */
static inline dbpool_status checkout(dbpool *pool, int64_t timeout_ms, dbpool_conn *conn_out, dbpool_error *err) {
    dbp_slot *slot = dbp_lend_take_hot(&pool->lend);
    if (__builtin_expect(!slot, 0))
        return checkout_elsewhere(pool, timeout_ms, conn_out, err);
    dbpool_record *record = dbp_record_of_slot(slot);
    if (__builtin_expect(!is_ready(pool, record, 0), 0))
        return checkout_taken(pool, record, timeout_ms, conn_out, err);
    return lend(record, conn_out);
}

/* ---- Public ---- */

static dbpool_status misused(const dbpool *pool, dbpool_conn *conn_out, dbpool_error *err) {
    if (conn_out)
        *conn_out = DBPOOL_CONN_NONE;
    return dbp_error_set(err, DBPOOL_EINVAL, "checkout: %s",
                         !pool       ? "pool is NULL"
                         : !conn_out ? "conn_out is NULL"
                                     : "timeout_ms is below -1");
}

dbpool_status dbpool_checkout(dbpool *pool, dbpool_conn *conn_out, dbpool_error *err) {
    if (__builtin_expect(!pool || !conn_out, 0))
        return misused(pool, conn_out, err);
    return checkout(pool, pool->config.timeout_ms, conn_out, err);
}

dbpool_status dbpool_checkout_timeout(dbpool *pool, int64_t timeout_ms, dbpool_conn *conn_out, dbpool_error *err) {
    if (__builtin_expect(!pool || !conn_out || timeout_ms < -1, 0))
        return misused(pool, conn_out, err);
    return checkout(pool, timeout_ms, conn_out, err);
}

dbpool_status dbpool_try_checkout(dbpool *pool, dbpool_conn *conn_out, dbpool_error *err) {
    return dbpool_checkout_timeout(pool, 0, conn_out, err);
}
