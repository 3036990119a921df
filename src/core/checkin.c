/* SPDX-License-Identifier: MIT
 *
 * The end of a lease: return, invalidation, detachment. Whoever moves a handle's cell from LIVE to ENDING owns that handle's end; the last
 * handle to leave owns the record's.
 */
#include "base/error.h"
#include "core/lease.h"
#include "core/log.h"
#include "core/pool.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

/* ---- Proving that a connection is clean ---- */

static dbpool_status unclean(dbpool *pool, const char *why, dbpool_error *err) {
    dbp_pool_count(pool, DBP_COUNT_UNCLEAN);
    return dbp_error_set(err, DBPOOL_EDRIVER, "return connection: %s", why);
}

static dbpool_status send_reset(dbpool *pool, void *native, int32_t reset, dbpool_error *err) {
    static const char *const names[] = {"none", "rollback", "commit", "full reset"};
    int64_t deadline_ns = dbp_deadline_after_ms(dbp_clock_now(), pool->config.reset_timeout_ms);
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Connection %p %s-on-return", native, names[reset]);
    dbp_pool_count(pool, DBP_COUNT_RESETS);
    dbpool_status status = pool->driver->reset(pool->driver_arg, native, reset, deadline_ns, err);
    if (status == DBPOOL_OK && pool->driver->state && pool->driver->state(pool->driver_arg, native) != DBPOOL_NATIVE_CLEAN)
        return unclean(pool, "the reset did not make it clean", err);
    return status;
}

/* OK: the connection may be lent to somebody else. What the driver says of it counts, not what was sent. */
static dbpool_status make_clean(dbpool *pool, void *native, dbp_return_kind kind, dbpool_error *err) {
    const dbpool_driver *driver = pool->driver;
    dbpool_native_state state = driver->state ? driver->state(pool->driver_arg, native) : DBPOOL_NATIVE_DIRTY;
    if (state == DBPOOL_NATIVE_UNCLEAN)
        return unclean(pool, "it is not quiet, or dead", err);
    int32_t reset = pool->config.reset_on_return;
    if (reset != DBPOOL_RESET_FULL && state == DBPOOL_NATIVE_CLEAN)
        return DBPOOL_OK;
    if (reset == DBPOOL_RESET_NONE || (kind == DBP_RETURN_NO_RESET && reset != DBPOOL_RESET_FULL) || !driver->reset)
        return driver->state ? unclean(pool, "it is inside a transaction, and no reset was asked for", err) : DBPOOL_OK;
    return send_reset(pool, native, reset, err);
}

/* Reset listeners, then the driver. `record` is NULL for a detached connection. */
static dbpool_status reset(dbpool *pool, dbpool_record *record, void *native, dbpool_cell *cell, dbp_return_kind kind, dbpool_error *err) {
    if (kind == DBP_RETURN_NO_RESET)
        dbp_log(pool, DBPOOL_LOG_DEBUG, "Connection %p reset, transaction already reset", native);
    dbpool_event event = {.kind = DBPOOL_ON_RESET,
                          .pool = pool,
                          .native = native,
                          .record = record,
                          .conn = dbp_lease_shown(cell),
                          .reset = pool->config.reset_on_return};
    dbpool_status status = kind == DBP_RETURN_NO_RESET ? DBPOOL_OK : dbp_events_run(&event, err);
    /* A listener may have invalidated the record: then there is nothing left to clean. */
    if (status != DBPOOL_OK || (record && !record->native))
        return status;
    return make_clean(pool, native, kind, err);
}

/* ---- Handles ---- */

/* Nobody holds the record's lease any more; statistics do not count it from here on. */
static void end_count(dbpool_record *record) {
    dbp_store_relaxed_u32(&record->handles, 0);
    dbp_store_relaxed_u32(&record->holder, 0);
}

static void unlink_locked(dbpool_record *record, dbpool_cell *cell) {
    dbpool_cell **link = &record->cell.next;
    while (*link && *link != cell)
        link = &(*link)->next;
    if (*link)
        *link = cell->next;
}

/* Ends a cell that the caller has made ENDING. */
static void end_cell(dbpool_record *record, dbpool_cell *cell) {
    dbp_cell_end(cell);
    if (cell == &record->cell)
        return;
    dbp_mutex_lock(&record->pool->mutex);
    unlink_locked(record, cell);
    dbp_mutex_unlock(&record->pool->mutex);
    dbp_cell_give_spare(cell);
}

/* Takes the caller's handle, which it has made ENDING, from the lease, and ends its cell; true when it is the last one: then it stays as it
 * is, for the end of the lease. One that finds itself alone can neither gain nor lose company: only a live handle makes another. The cell
 * is ended before the count falls: as soon as it has, the lease may end, and the record serve somebody else, or another pool. */
static bool leave(dbpool_record *record, dbpool_cell *cell, uint32_t flags) {
    if (dbp_load_acquire_u32(&record->handles) == 1)
        return true;
    dbpool *pool = record->pool;
    bool own = cell == &record->cell;
    dbp_pool_ref(pool);
    dbp_mutex_lock(&pool->mutex);
    bool last = dbp_load_acquire_u32(&record->handles) == 1;
    if (!last) {
        record->flags |= flags;
        unlink_locked(record, cell);
        dbp_cell_end(cell);
        (void)dbp_sub_acq_rel_u32(&record->handles, 1);
    }
    dbp_mutex_unlock(&pool->mutex);
    if (!last && !own)
        dbp_cell_give_spare(cell);
    dbp_pool_unref(pool);
    return last;
}

/* Makes every other live handle of the lease stale. Those whose return is under way leave by themselves. */
static void kill_others(dbpool_record *record, const dbpool_cell *own) {
    dbp_mutex_lock(&record->pool->mutex);
    for (dbpool_cell *cell = &record->cell, *next; cell; cell = next) {
        next = cell->next;
        uint64_t number = dbp_load_relaxed_u64(&cell->number);
        if (cell == own || (number & DBP_CELL_STATE) != DBP_CELL_LIVE)
            continue;
        if (!dbp_cas_acq_rel_u64(&cell->number, &number, dbp_cell_in_state(number, DBP_CELL_DEAD)))
            continue;
        (void)dbp_sub_acq_rel_u32(&record->handles, 1);
        if (cell != &record->cell) {
            unlink_locked(record, cell);
            dbp_cell_give_spare(cell);
        }
    }
    dbp_mutex_unlock(&record->pool->mutex);
}

static dbpool_status stale(const dbpool_conn *conn) { return conn ? DBPOOL_ESTALE : DBPOOL_EINVAL; }

/* ---- Returning ---- */

static void forget_tag(dbpool_record *record) {
    if (!record->extras || !record->extras->tag[0])
        return;
    dbp_mutex_lock(&record->pool->mutex);
    record->extras->tag[0] = '\0';
    dbp_mutex_unlock(&record->pool->mutex);
}

static void clean_or_close(dbpool *pool, dbpool_record *record, dbpool_cell *cell, dbp_return_kind kind) {
    dbpool_error own = {.status = DBPOOL_OK};
    void *native = record->native;
    if (reset(pool, record, native, cell, kind, &own) == DBPOOL_OK)
        return;
    dbp_pool_count(pool, DBP_COUNT_RESET_FAILED);
    dbp_log(pool, DBPOOL_LOG_ERROR, "Exception during reset or similar of connection %p: %s", native, own.message);
    if (record->native)
        dbp_record_invalidate(record, &own);
}

/* Finalizers and checkin listeners run after the reset, and may use the connection. */
static bool foreign_code_ran(dbpool *pool, bool had_finalizers) {
    return pool->driver->state && (had_finalizers || dbp_events_any(&pool->events, DBPOOL_ON_CHECKIN));
}

static void close_unless_clean(dbpool *pool, dbpool_record *record) {
    if (pool->driver->state(pool->driver_arg, record->native) == DBPOOL_NATIVE_CLEAN)
        return;
    dbp_pool_count(pool, DBP_COUNT_UNCLEAN);
    dbp_log(pool, DBPOOL_LOG_ERROR, "A finalizer or checkin listener left connection %p unclean; closing it", record->native);
    dbp_record_close(record);
}

void dbp_lease_return(dbpool_record *record, dbpool_cell *cell, dbp_return_kind kind) {
    dbpool *pool = record->pool;
    dbp_record_enter(record, DBP_RECORD_RESETTING);
    if (record->native)
        dbp_log(pool, DBPOOL_LOG_DEBUG, "Connection %p being returned to pool", record->native);
    if (record->native && record->flags & DBP_RECORD_KILLED)
        dbp_record_invalidate(record, NULL);
    if (record->native)
        clean_or_close(pool, record, cell, kind);
    bool had_finalizers = record->native && record->extras && record->extras->finalizers;
    if (had_finalizers)
        dbp_finalizer_run(&record->extras->finalizers, record->native);
    forget_tag(record);
    end_count(record);
    end_cell(record, cell);
    dbp_pool_tell(pool, DBPOOL_ON_CHECKIN, record, record->native, NULL);
    if (record->native && foreign_code_ran(pool, had_finalizers))
        close_unless_clean(pool, record);
    if (record->native && (dbp_pool_has_disposed(pool, record) || dbp_load_relaxed_u32(&pool->broken)))
        dbp_record_close(record);
    if (!record->native) {
        dbp_queue_give_empty(pool, record);
        return;
    }
    dbp_store_relaxed_u64(&record->since_ns, (uint64_t)dbp_clock_coarse());
    dbp_queue_give(pool, record);
}

static void free_detached(dbp_detached *detached) {
    dbpool *pool = detached->pool;
    (void)dbp_sub_acq_rel_u32(&pool->detached, 1);
    dbp_extras_free(detached->extras);
    dbp_memory_free(detached);
    dbp_pool_unref(pool);
}

/* Closes a detached connection, once, whatever happens on the way. */
static void close_detached(dbpool_cell *cell, bool with_reset, dbp_return_kind kind) {
    dbp_detached *detached = cell->detached;
    dbpool *pool = detached->pool;
    dbpool_error own = {.status = DBPOOL_OK};
    if (with_reset && reset(pool, NULL, detached->native, cell, kind, &own) != DBPOOL_OK)
        dbp_log(pool, DBPOOL_LOG_ERROR, "Exception during reset or similar of connection %p: %s", detached->native, own.message);
    dbp_pool_tell(pool, DBPOOL_ON_CLOSE_DETACHED, NULL, detached->native, NULL);
    dbp_log(pool, DBPOOL_LOG_DEBUG, "Closing connection %p", detached->native);
    if (pool->driver->close(pool->driver_arg, detached->native, &own) != DBPOOL_OK)
        dbp_log(pool, DBPOOL_LOG_ERROR, "Exception closing connection %p: %s", detached->native, own.message);
    dbp_pool_count(pool, DBP_COUNT_CLOSED);
    dbp_cell_end(cell);
    dbp_cell_give_spare(cell);
    free_detached(detached);
}

/* The caller has claimed the handle. */
static dbpool_status return_slow(dbpool_cell *cell, dbp_return_kind kind) {
    dbpool_record *record = cell->record;
    if (dbp_pool_is_inherited(record ? record->pool : cell->detached->pool))
        return DBPOOL_EFORK;
    if (!record)
        close_detached(cell, true, kind);
    else if (leave(record, cell, 0))
        dbp_lease_return(record, cell, kind);
    return DBPOOL_OK;
}

dbpool_status dbpool_checkin(dbpool_conn *conn) {
    if (__builtin_expect(!conn || !dbp_cell_claim(*conn), 0))
        return stale(conn);
    dbpool_cell *cell = conn->cell;
    *conn = DBPOOL_CONN_NONE;
    dbpool_record *record = cell->record;
    if (!record || cell != &record->cell || dbp_load_acquire_u32(&record->handles) != 1)
        return return_slow(cell, DBP_RETURN_RESET);
    dbpool *pool = record->pool;
    if (dbp_load_relaxed_u32(&pool->checkin_checks) || record->extras || !record->native || dbp_pool_has_disposed(pool, record) ||
        pool->driver->state(pool->driver_arg, record->native) != DBPOOL_NATIVE_CLEAN)
        return return_slow(cell, DBP_RETURN_RESET);
    end_count(record);
    dbp_cell_end(cell);
    dbp_queue_give(pool, record);
    return DBPOOL_OK;
}

dbpool_status dbpool_checkin_no_reset(dbpool_conn *conn) {
    if (!conn || !dbp_cell_claim(*conn))
        return stale(conn);
    dbpool_cell *cell = conn->cell;
    *conn = DBPOOL_CONN_NONE;
    return return_slow(cell, DBP_RETURN_NO_RESET);
}

/* ---- Nested handles ---- */

static dbpool_cell *nest_locked(dbpool_record *record, dbpool_conn conn, dbpool_cell *cell) {
    /* Pinned, so that the handle's own return cannot find itself alone in the meantime. */
    if (!dbp_cell_pin(conn))
        return NULL;
    cell->record = record;
    cell->next = record->cell.next;
    record->cell.next = cell;
    (void)dbp_add_relaxed_u32(&record->handles, 1);
    (void)dbp_cell_begin(cell, DBP_CELL_LIVE);
    dbp_cell_unpin(conn);
    return cell;
}

dbpool_status dbpool_checkout_nested(dbpool_conn conn, dbpool_conn *conn_out, dbpool_error *err) {
    if (!conn_out)
        return dbp_error_set(err, DBPOOL_EINVAL, "nested checkout: conn_out is NULL");
    *conn_out = DBPOOL_CONN_NONE;
    if (!dbp_cell_readable(conn))
        return dbp_error_set(err, DBPOOL_ESTALE, "nested checkout: This connection is closed");
    dbpool_record *record = conn.cell->record;
    if (!record)
        return dbp_error_set(err, DBPOOL_EUNSUPPORTED, "nested checkout: the connection is detached");
    if (dbp_pool_is_inherited(record->pool))
        return dbp_error_set(err, DBPOOL_EFORK, "nested checkout: the lease belongs to the parent process");
    dbpool_cell *cell = dbp_cell_take_spare();
    if (!cell)
        return dbp_error_nomem(err, "nested checkout");
    dbp_mutex_lock(&record->pool->mutex);
    bool nested = nest_locked(record, conn, cell) != NULL;
    dbp_mutex_unlock(&record->pool->mutex);
    if (!nested) {
        dbp_cell_give_spare(cell);
        return dbp_error_set(err, DBPOOL_ESTALE, "nested checkout: This connection is closed");
    }
    dbp_pool_count(record->pool, DBP_COUNT_NESTED);
    *conn_out = dbp_lease_shown(cell);
    return DBPOOL_OK;
}

/* ---- Invalidation ---- */

/* The caller has claimed the handle of a record. */
static void invalidate_lease(dbpool_record *record, dbpool_cell *cell, const dbpool_error *reason) {
    kill_others(record, cell);
    /* Another handle's return may be under way: whoever leaves last closes the connection. */
    if (!leave(record, cell, DBP_RECORD_KILLED))
        return;
    dbp_record_invalidate(record, reason);
    dbp_record_enter(record, DBP_RECORD_LEASED);
    dbp_lease_return(record, cell, DBP_RETURN_RESET);
}

static bool has_connection(dbpool_conn conn) {
    if (!dbp_cell_readable(conn))
        return false;
    return conn.cell->record ? conn.cell->record->native != NULL : conn.cell->detached != NULL;
}

/* Claims a handle whose lease has a connection. That is looked at when nobody else can close it: before, another handle's holder might. */
static bool claim_connection(dbpool_conn conn) {
    if (!dbp_cell_claim(conn))
        return false;
    if (!conn.cell->record || conn.cell->record->native)
        return true;
    dbp_cell_unpin(conn); /* back to LIVE */
    return false;
}

/* The caller has claimed the handle. */
static dbpool_status invalidate_claimed(dbpool_conn *conn, const dbpool_error *reason) {
    dbpool_cell *cell = conn->cell;
    dbpool_record *record = cell->record;
    *conn = DBPOOL_CONN_NONE;
    if (dbp_pool_is_inherited(record ? record->pool : cell->detached->pool))
        return DBPOOL_EFORK;
    if (record)
        invalidate_lease(record, cell, reason);
    else
        close_detached(cell, false, DBP_RETURN_RESET);
    return DBPOOL_OK;
}

dbpool_status dbpool_invalidate(dbpool_conn *conn, const dbpool_error *reason) {
    return conn && claim_connection(*conn) ? invalidate_claimed(conn, reason) : stale(conn);
}

dbpool_status dbpool_invalidate_soft(dbpool_conn conn, const dbpool_error *reason) {
    if (!has_connection(conn))
        return DBPOOL_ESTALE;
    dbpool_record *record = conn.cell->record;
    if (dbp_pool_is_inherited(record ? record->pool : conn.cell->detached->pool))
        return DBPOOL_EFORK;
    if (!record)
        return DBPOOL_OK;
    dbpool *pool = record->pool;
    dbp_pool_count(pool, DBP_COUNT_SOFT_INVALIDATED);
    if (reason)
        dbp_log(pool, DBPOOL_LOG_INFO, "Soft invalidate connection %p (reason: %s:%s)", record->native, dbpool_status_name(reason->status),
                reason->message);
    else
        dbp_log(pool, DBPOOL_LOG_INFO, "Soft invalidate connection %p", record->native);
    dbp_pool_tell(pool, DBPOOL_ON_SOFT_INVALIDATE, record, record->native, reason);
    /* Under the mutex, since another handle's holder may be doing the same. */
    dbp_mutex_lock(&pool->mutex);
    record->flags |= DBP_RECORD_SOFT;
    dbp_mutex_unlock(&pool->mutex);
    return DBPOOL_OK;
}

dbpool_status dbpool_invalidate_pool(dbpool *pool, dbpool_conn *conn, const dbpool_error *reason) {
    if (!pool)
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(pool))
        return DBPOOL_EFORK;
    bool given = conn && claim_connection(*conn);
    /* Asked only of a handle that nobody else can end meanwhile. */
    if (given && dbp_cell_pool(*conn) != pool) {
        dbp_cell_unpin(*conn); /* back to LIVE */
        return DBPOOL_EINVAL;
    }
    dbpool_record *record = given ? conn->cell->record : NULL;
    dbp_pool_condemn(pool, record && record->pool == pool ? record : NULL);
    return given ? invalidate_claimed(conn, reason) : DBPOOL_OK;
}

dbpool_status dbpool_record_invalidate(dbpool_record *record, const dbpool_error *reason) {
    if (!record)
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(record->pool))
        return DBPOOL_EFORK;
    dbp_record_state state = (dbp_record_state)dbp_load_relaxed_u32(&record->state);
    if (state != DBP_RECORD_LEASED && state != DBP_RECORD_RESETTING)
        return DBPOOL_EBUSY;
    if (!record->native)
        return DBPOOL_OK;
    dbp_record_invalidate(record, reason);
    dbp_record_enter(record, state);
    return DBPOOL_OK;
}

/* ---- Detaching ---- */

/* Moves connection and info from the record to `detached`, and makes the handle of a spare cell. */
static dbpool_conn separate(dbpool_record *record, dbp_detached *detached, dbpool_cell *cell) {
    *detached = (dbp_detached){.pool = record->pool, .native = record->native, .extras = detached->extras};
    dbp_pool_ref(detached->pool);
    (void)dbp_add_relaxed_u32(&detached->pool->detached, 1);
    record->native = NULL;
    record->flags = 0;
    if (record->extras) {
        dbp_finalizer_drop(&record->extras->finalizers);
        detached->extras->info[DBPOOL_SCOPE_CONNECTION] = record->extras->info[DBPOOL_SCOPE_CONNECTION];
        record->extras->info[DBPOOL_SCOPE_CONNECTION] = NULL;
    }
    cell->record = NULL;
    cell->detached = detached;
    (void)dbp_cell_begin(cell, DBP_CELL_LIVE);
    return dbp_lease_shown(cell);
}

static dbp_detached *make_detached(const dbpool_record *record) {
    dbp_detached *detached = dbp_memory_alloc(sizeof *detached);
    if (detached && record->extras && !(detached->extras = dbp_memory_alloc(sizeof *detached->extras))) {
        dbp_memory_free(detached);
        return NULL;
    }
    return detached;
}

static dbpool_status detach_record(dbpool_record *record, dbpool_conn *conn, dbp_detached *detached, dbpool_cell *spare) {
    dbpool *pool = record->pool;
    dbpool_cell *old = conn->cell;
    *conn = separate(record, detached, spare);
    dbp_pool_count(pool, DBP_COUNT_DETACHES);
    forget_tag(record);
    end_count(record);
    end_cell(record, old);
    dbp_pool_tell(pool, DBPOOL_ON_DETACH, record, detached->native, NULL);
    dbp_queue_give_empty(pool, record);
    return DBPOOL_OK;
}

/* Claims a handle that has no company. */
static dbpool_status claim_alone(dbpool_record *record, dbpool_conn conn, dbpool_error *err) {
    if (!dbp_cell_claim(conn))
        return dbp_error_set(err, DBPOOL_ESTALE, "detach: This connection is closed");
    if (dbp_load_acquire_u32(&record->handles) == 1)
        return DBPOOL_OK;
    dbp_cell_unpin(conn); /* back to LIVE */
    return dbp_error_set(err, DBPOOL_EBUSY, "detach: other handles to the same lease are out");
}

dbpool_status dbpool_detach(dbpool_conn *conn, dbpool_error *err) {
    if (!conn || !has_connection(*conn))
        return dbp_error_set(err, conn ? DBPOOL_ESTALE : DBPOOL_EINVAL, "detach: %s", conn ? "This connection is closed" : "conn is NULL");
    dbpool_record *record = conn->cell->record;
    if (!record)
        return DBPOOL_OK;
    if (dbp_pool_is_inherited(record->pool))
        return dbp_error_set(err, DBPOOL_EFORK, "detach: the lease belongs to the parent process");
    dbp_detached *detached = make_detached(record);
    dbpool_cell *spare = detached ? dbp_cell_take_spare() : NULL;
    dbpool_status status = spare ? claim_alone(record, *conn, err) : dbp_error_nomem(err, "detach");
    if (spare && status == DBPOOL_OK)
        return detach_record(record, conn, detached, spare);
    if (spare)
        dbp_cell_give_spare(spare);
    if (detached)
        dbp_extras_free(detached->extras);
    dbp_memory_free(detached);
    return status;
}
