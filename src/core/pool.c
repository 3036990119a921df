/* SPDX-License-Identifier: MIT
 *
 * Making, changing, closing and freeing pools.
 */
#include "core/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "core/drivers.h"
#include "core/log.h"
#include "core/options.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

static dbp_store record_store = {.stride = sizeof(dbpool_record)};

/* All pools; and the memory of those that are gone, which is used again but never for anything else: see dbp_lend_init. */
static dbp_mutex list_mutex;
static dbpool *pools, *spare_pools; /* guarded by list_mutex */

DBP_FORK_GUARD(list_mutex)
__attribute__((constructor)) static void guard_store(void) { dbp_fork_guard(&record_store.mutex); }

/* ---- The list ---- */

void dbp_pools_each(void (*visit)(dbpool *pool)) {
    dbp_mutex_lock(&list_mutex);
    for (dbpool *pool = pools; pool; pool = pool->older)
        visit(pool);
    dbp_mutex_unlock(&list_mutex);
}

static void list(dbpool *pool) {
    dbp_mutex_lock(&list_mutex);
    pool->newer = NULL;
    pool->older = pools;
    if (pools)
        pools->newer = pool;
    pools = pool;
    dbp_mutex_unlock(&list_mutex);
}

static void unlist(dbpool *pool) {
    dbp_mutex_lock(&list_mutex);
    *(pool->newer ? &pool->newer->older : &pools) = pool->older;
    if (pool->older)
        pool->older->newer = pool->newer;
    dbp_mutex_unlock(&list_mutex);
}

static dbpool *take_memory(void) {
    dbp_mutex_lock(&list_mutex);
    dbpool *pool = spare_pools;
    if (pool)
        spare_pools = pool->older;
    dbp_mutex_unlock(&list_mutex);
    return pool ? pool : dbp_memory_alloc_lines(sizeof *pool);
}

static void give_memory(dbpool *pool) {
    dbp_mutex_lock(&list_mutex);
    pool->older = spare_pools;
    spare_pools = pool;
    dbp_mutex_unlock(&list_mutex);
}

/* ---- In a forked child ---- */

/* An idle connection is nobody's: its socket is closed without a goodbye. One that is lent is left as it is, since whoever held it may
 * still have its native handle; so is what was being opened or closed. */
static void abandon_idle(dbpool *pool) {
    for (uint32_t index = 1; pool->driver->abandon && index <= pool->lend.created; index++) {
        dbpool_record *record = dbp_record_of_slot(dbp_lend_slot(&pool->lend, index));
        if (dbp_load_relaxed_u32(&record->state) == DBP_RECORD_IDLE && record->native)
            pool->driver->abandon(pool->driver_arg, record->native);
    }
}

/* Between fork and whatever comes next: only stores and close(2). The list's mutex is held over the fork. */
static void disown_all(void) {
    for (dbpool *pool = pools; pool; pool = pool->older) {
        if (pool->fork_count + 1 != dbp_fork_count)
            continue;
        dbp_store_relaxed_u32(&pool->checkout_checks, DBP_CHECK_FORKED);
        dbp_store_relaxed_u32(&pool->checkin_checks, DBP_CHECK_FORKED);
        abandon_idle(pool);
    }
}

__attribute__((constructor)) static void watch_forks(void) { dbp_fork_child_hook = disown_all; }

/* ---- Making ---- */

static const size_t after_lend = offsetof(struct dbpool, epoch);

static void on_bug(void *arg, const char *where) { dbp_bug(arg, where); }

static dbp_lend_config lending_for(dbpool *pool) {
    const dbpool_config *config = &pool->config;
    bool unlimited = config->size == 0 || config->max_overflow < 0;
    return (dbp_lend_config){
        .store = &record_store,
        .keep = config->size == 0 ? DBP_LEND_MAX : (uint32_t)config->size,
        .limit = unlimited ? DBP_LEND_MAX : (uint32_t)(config->size + config->max_overflow),
        .unlimited = unlimited,
        .order = (dbp_lend_order)config->idle_order,
        .fair_ns = config->fair_ns,
        .bug = on_bug,
        .bug_arg = pool,
    };
}

/* What the driver cannot do makes the setting that asks for it an error. */
static dbpool_status check_against_driver(const dbpool_config *config, const dbpool_driver *driver, dbpool_error *err) {
    if (config->pre_ping && !driver->ping)
        return dbp_error_set(err, DBPOOL_EOPTION, "pool_pre_ping: the driver %s has no ping", driver->name);
    if (config->reset_on_return == DBPOOL_RESET_FULL && !(driver->flags & DBPOOL_DRIVER_RESETS_FULLY))
        return dbp_error_set(err, DBPOOL_EOPTION, "pool_reset_on_return=full: the driver %s has no full reset", driver->name);
    if (config->validate_after_ms > 0 && !driver->look)
        return dbp_error_set(err, DBPOOL_EOPTION, "pool_validate_after: the driver %s has no look at idle connections", driver->name);
    return DBPOOL_OK;
}

static bool name_pool(dbpool *pool, const char *given) {
    char id[32];
    snprintf(id, sizeof id, "0x%" PRIxPTR, (uintptr_t)pool);
    pool->name = dbp_memory_copy_text(given ? given : id);
    pool->config.name = given ? pool->name : NULL;
    return pool->name != NULL;
}

static bool add_listeners(dbpool *pool, const dbp_events *inherited) {
    if (inherited && !dbp_events_copy(inherited, &pool->events))
        return false;
    for (size_t i = 0; i < pool->config.listener_count; i++)
        if (!dbp_events_add_unshared(&pool->events, &pool->config.listeners[i]))
            return false;
    pool->config.listeners = NULL;
    pool->config.listener_count = 0;
    return true;
}

static void free_parts(dbpool *pool) {
    dbp_events_fini(&pool->events);
    dbp_memory_free(pool->name);
    dbp_source_unref(pool->source);
    give_memory(pool);
}

/* Makes a pool and takes over the caller's reference to `source`, whatever the result. */
static dbpool_status make(dbp_source *source, const dbpool_config *config, const dbpool_creator *creator, const dbp_events *inherited,
                          dbpool **pool_out, dbpool_error *err) {
    dbp_fork_watch();
    dbpool *pool = take_memory();
    if (!pool) {
        dbp_source_unref(source);
        return dbp_error_nomem(err, "open pool");
    }
    memset((char *)pool + after_lend, 0, sizeof *pool - after_lend);
    pool->source = source;
    pool->driver = &source->driver;
    pool->driver_arg = source->driver_arg;
    pool->config = *config;
    pool->fork_count = dbp_fork_count;
    pool->own_log_level = config->echo < 0 ? -1 : config->echo == DBPOOL_ECHO_OFF ? DBPOOL_LOG_ERROR : DBPOOL_LOG_INFO + config->echo - 1;
    if (creator)
        pool->creator = *creator;
    if (!name_pool(pool, config->name) || !add_listeners(pool, inherited)) {
        free_parts(pool);
        return dbp_error_nomem(err, "open pool");
    }
    dbp_store_relaxed_u64(&pool->epoch, DBP_EPOCH_FIRST);
    dbp_store_relaxed_u32(&pool->references, 2); /* the user, the lending core */
    dbp_lend_config lending = lending_for(pool);
    dbp_lend_init(&pool->lend, &lending);
    dbp_pool_refresh(pool);
    list(pool);
    *pool_out = pool;
    return DBPOOL_OK;
}

/* Checks the rest and makes the pool; takes over the reference to `source`. */
static dbpool_status open_source(dbp_source *source, const dbpool_config *config, const dbpool_creator *creator, dbpool **pool_out,
                                 dbpool_error *err) {
    dbpool_status status = check_against_driver(config, &source->driver, err);
    if (status != DBPOOL_OK) {
        dbp_source_unref(source);
        return status;
    }
    return make(source, config, creator, NULL, pool_out, err);
}

static dbpool_status open_target(dbp_target *target, dbpool_config *config, dbpool **pool_out, dbpool_error *err) {
    dbp_source *source = NULL;
    dbpool_status status = dbp_options_check(config, err);
    if (status == DBPOOL_OK)
        status = dbp_source_open_target(target, &source, err);
    if (status == DBPOOL_OK)
        status = open_source(source, config, NULL, pool_out, err);
    dbp_target_fini(target);
    return status;
}

static dbpool_status begin_open(const dbpool_config *given, dbpool_config *config, dbpool **pool_out, dbpool_error *err) {
    if (!pool_out)
        return dbp_error_set(err, DBPOOL_EINVAL, "open pool: pool_out is NULL");
    *pool_out = NULL;
    return dbp_options_adopt(given, config, err);
}

dbpool_status dbpool_open(const char *url, const dbpool_config *given, dbpool **pool_out, dbpool_error *err) {
    dbpool_config config;
    dbp_target target = {0};
    dbpool_status status = begin_open(given, &config, pool_out, err);
    if (status == DBPOOL_OK)
        status = dbp_target_from_url(url, &target, &config, err);
    return status == DBPOOL_OK ? open_target(&target, &config, pool_out, err) : status;
}

dbpool_status dbpool_open_params(const char *scheme, const char *const *keywords, const char *const *values, const dbpool_config *given,
                                 dbpool **pool_out, dbpool_error *err) {
    dbpool_config config;
    dbp_target target = {0};
    dbpool_status status = begin_open(given, &config, pool_out, err);
    if (status == DBPOOL_OK)
        status = dbp_target_from_arrays(scheme, keywords, values, &target, &config, err);
    return status == DBPOOL_OK ? open_target(&target, &config, pool_out, err) : status;
}

static dbpool_status open_with(const dbpool_driver *driver, void *driver_arg, const dbpool_creator *creator, const dbpool_config *given,
                               dbpool **pool_out, dbpool_error *err) {
    dbpool_config config;
    dbp_source *source = NULL;
    dbpool_status status = begin_open(given, &config, pool_out, err);
    if (status == DBPOOL_OK)
        status = dbp_options_check(&config, err);
    if (status == DBPOOL_OK)
        status = dbp_source_open_driver(driver, driver_arg, creator != NULL, &source, err);
    return status == DBPOOL_OK ? open_source(source, &config, creator, pool_out, err) : status;
}

dbpool_status dbpool_open_driver(const dbpool_driver *driver, void *driver_arg, const dbpool_config *config, dbpool **pool_out,
                                 dbpool_error *err) {
    return open_with(driver, driver_arg, NULL, config, pool_out, err);
}

static dbpool_status check_creator(const dbpool_creator *creator, dbpool_error *err) {
    if (!creator || !creator->open == !creator->open_for)
        return dbp_error_set(err, DBPOOL_EINVAL, "use creator: exactly one of open and open_for must be set");
    return DBPOOL_OK;
}

dbpool_status dbpool_open_creator(const char *scheme, const dbpool_creator *creator, const dbpool_config *config, dbpool **pool_out,
                                  dbpool_error *err) {
    const dbpool_driver *driver = NULL;
    dbpool_status status = check_creator(creator, err);
    if (status == DBPOOL_OK && !scheme)
        status = dbp_error_set(err, DBPOOL_EINVAL, "open pool: scheme is NULL");
    if (status == DBPOOL_OK)
        status = dbp_drivers_find(scheme, &driver, err);
    return status == DBPOOL_OK ? open_with(driver, NULL, creator, config, pool_out, err) : status;
}

dbpool_status dbpool_set_creator(dbpool *pool, const dbpool_creator *creator, dbpool_error *err) {
    if (!pool)
        return dbp_error_set(err, DBPOOL_EINVAL, "set creator: pool is NULL");
    if (dbp_pool_is_inherited(pool))
        return dbp_error_set(err, DBPOOL_EFORK, "set creator: the pool belongs to the parent process");
    dbpool_status status = check_creator(creator, err);
    if (status != DBPOOL_OK)
        return status;
    dbp_mutex_lock(&pool->mutex);
    pool->creator = *creator;
    dbp_mutex_unlock(&pool->mutex);
    return DBPOOL_OK;
}

dbpool_status dbpool_recreate(dbpool *pool, dbpool **pool_out, dbpool_error *err) {
    if (!pool || !pool_out)
        return dbp_error_set(err, DBPOOL_EINVAL, "recreate pool: an argument is NULL");
    if (dbp_pool_is_inherited(pool))
        return dbp_error_set(err, DBPOOL_EFORK, "recreate pool: it belongs to the parent process; open one after the fork");
    *pool_out = NULL;
    dbp_mutex_lock(&pool->mutex);
    dbpool_config config = pool->config;
    dbpool_creator creator = pool->creator;
    int32_t log_level = pool->own_log_level;
    dbp_mutex_unlock(&pool->mutex);
    dbp_log(pool, DBPOOL_LOG_INFO, "Pool recreating");
    dbp_source_ref(pool->source);
    dbpool_status status = make(pool->source, &config, &creator, &pool->events, pool_out, err);
    return status == DBPOOL_OK ? dbpool_set_log_level(*pool_out, log_level) : status;
}

/* ---- What the fast paths must know ---- */

static uint32_t checkout_checks(const dbpool *pool, bool debug) {
    uint32_t checks = debug ? DBP_CHECK_LOG : 0;
    if (pool->driver->look)
        checks |= DBP_CHECK_LOOK;
    if (pool->config.pre_ping)
        checks |= DBP_CHECK_PING;
    if (pool->config.recycle_ms >= 0)
        checks |= DBP_CHECK_RECYCLE;
    if (dbp_events_any(&pool->events, DBPOOL_ON_CHECKOUT))
        checks |= DBP_CHECK_LISTENER;
    if (dbp_load_relaxed_u32(&pool->broken))
        checks |= DBP_CHECK_BROKEN;
    return checks;
}

static uint32_t checkin_checks(const dbpool *pool, bool debug) {
    uint32_t checks = debug ? DBP_CHECK_LOG : 0;
    if (dbp_events_any(&pool->events, DBPOOL_ON_RESET) || dbp_events_any(&pool->events, DBPOOL_ON_CHECKIN))
        checks |= DBP_CHECK_LISTENER;
    if (pool->config.reset_on_return == DBPOOL_RESET_FULL || !pool->driver->state)
        checks |= DBP_CHECK_RESET;
    if (pool->driver->look && pool->config.validate_after_ms > 0)
        checks |= DBP_CHECK_STAMP;
    if (dbp_load_relaxed_u32(&pool->broken))
        checks |= DBP_CHECK_BROKEN;
    return checks;
}

static void mark_broken(dbpool *pool) {
    (void)dbp_or_seq_cst_u32(&pool->checkout_checks, DBP_CHECK_BROKEN);
    (void)dbp_or_seq_cst_u32(&pool->checkin_checks, DBP_CHECK_BROKEN);
}

void dbp_pool_refresh(dbpool *pool) {
    /* In a child the parent's pools are left as they are; a thread of the parent may have held the mutex. */
    if (pool->fork_count != dbp_fork_count)
        return;
    dbp_mutex_lock(&pool->mutex);
    uint32_t level = pool->own_log_level < 0 ? (uint32_t)dbp_log_process_level() : (uint32_t)pool->own_log_level;
    dbp_store_relaxed_u32(&pool->log_level, level);
    dbp_store_relaxed_u32(&pool->checkout_checks, checkout_checks(pool, level >= DBPOOL_LOG_DEBUG));
    dbp_store_relaxed_u32(&pool->checkin_checks, checkin_checks(pool, level >= DBPOOL_LOG_DEBUG));
    if (dbp_load_seq_cst_u32(&pool->broken))
        mark_broken(pool); /* it broke while this was computed */
    dbp_mutex_unlock(&pool->mutex);
}

static dbpool_status change_listeners(dbpool *pool, dbpool_event_kind kind, dbpool_listener_fn fn, void *arg, bool add) {
    if (!pool || !fn || (unsigned)kind >= DBPOOL_EVENT_COUNT)
        return DBPOOL_EINVAL;
    if (dbp_pool_is_inherited(pool))
        return DBPOOL_EFORK;
    dbpool_listener listener = {kind, fn, arg};
    struct dbp_listener_node *node = add ? dbp_events_node(&listener) : NULL;
    if (add && !node)
        return DBPOOL_ENOMEM;
    bool known = true;
    dbp_mutex_lock(&pool->mutex);
    if (node)
        dbp_events_append_locked(&pool->events, node);
    else
        known = dbp_events_remove_locked(&pool->events, &listener);
    dbp_mutex_unlock(&pool->mutex);
    if (!known)
        return DBPOOL_EINVAL;
    dbp_pool_refresh(pool);
    return DBPOOL_OK;
}

dbpool_status dbpool_listen(dbpool *pool, dbpool_event_kind kind, dbpool_listener_fn fn, void *arg) {
    return change_listeners(pool, kind, fn, arg, true);
}

dbpool_status dbpool_unlisten(dbpool *pool, dbpool_event_kind kind, dbpool_listener_fn fn, void *arg) {
    return change_listeners(pool, kind, fn, arg, false);
}

void dbp_pool_tell(dbpool *pool, dbpool_event_kind kind, dbpool_record *record, void *native, const dbpool_error *reason) {
    dbpool_event event = {.kind = kind, .pool = pool, .native = native, .record = record, .reason = reason};
    dbp_events_tell(&event);
}

void dbp_pool_condemn(dbpool *pool, const dbpool_record *record) {
    uint64_t epoch = dbp_load_acquire_u64(&pool->epoch);
    while (!record || (uint32_t)epoch == (uint32_t)record->epoch)
        if (dbp_cas_acq_rel_u64(&pool->epoch, &epoch, (epoch & ~(uint64_t)UINT32_MAX) | (uint32_t)(epoch + 1))) {
            dbp_pool_count(pool, DBP_COUNT_POOL_INVALIDATED);
            return;
        }
}

void dbp_pool_log_bug(dbpool *pool) {
    const char *where = dbp_exchange_acq_rel_ptr(&pool->bug, NULL);
    if (where)
        dbp_log(pool, DBPOOL_LOG_ERROR, "Impossible state, the pool lends no more: %s", where);
}

void dbp_bug(dbpool *pool, const char *where) {
#if DBP_TRAP_BUGS
    (void)pool;
    (void)where;
    __builtin_trap();
#else
    if (dbp_exchange_acq_rel_u32(&pool->broken, 1))
        return;
    /* It may be met under a lock: it is logged by the next call that is refused. */
    dbp_store_release_ptr(&pool->bug, (void *)(uintptr_t)where);
    mark_broken(pool);
#endif
}

/* ---- Resize, dispose, close ---- */

static dbp_lend_config wanted_lending(dbpool *pool) {
    dbp_mutex_lock(&pool->mutex);
    dbp_lend_config lending = lending_for(pool);
    dbp_mutex_unlock(&pool->mutex);
    return lending;
}

/* Not under the pool's mutex, since it may wake and call. Of several resizes at once the last to finish here has applied the last to be
 * set. */
static void apply_size(dbpool *pool) {
    dbp_lend_config applied, wanted = wanted_lending(pool);
    do {
        applied = wanted;
        dbp_queue_close_chain(pool, dbp_lend_resize(&pool->lend, applied.keep, applied.limit, applied.unlimited));
        wanted = wanted_lending(pool);
    } while (wanted.keep != applied.keep || wanted.limit != applied.limit || wanted.unlimited != applied.unlimited);
}

dbpool_status dbpool_resize(dbpool *pool, int32_t size, int32_t max_overflow, dbpool_error *err) {
    if (!pool)
        return dbp_error_set(err, DBPOOL_EINVAL, "resize pool: pool is NULL");
    if (pool->fork_count != dbp_fork_count)
        return dbp_error_set(err, DBPOOL_EFORK, "resize pool: it belongs to the parent process");
    if (dbp_load_seq_cst_u32(&pool->lend.gate) & DBP_GATE_CLOSED)
        return dbp_error_set(err, DBPOOL_ECLOSED, "resize pool: it is closed");
    dbp_mutex_lock(&pool->mutex);
    dbpool_config wanted = pool->config;
    wanted.size = size;
    wanted.max_overflow = max_overflow;
    dbpool_status status = dbp_options_check(&wanted, err);
    if (status == DBPOOL_OK) {
        pool->config.size = size;
        pool->config.max_overflow = max_overflow;
    }
    dbp_mutex_unlock(&pool->mutex);
    if (status == DBPOOL_OK)
        apply_size(pool);
    return status;
}

dbpool_status dbpool_dispose(dbpool *pool) {
    if (!pool)
        return DBPOOL_EINVAL;
    if (pool->fork_count != dbp_fork_count)
        return DBPOOL_EFORK;
    char text[160];
    (void)dbpool_status_text(pool, text, sizeof text);
    /* First the epoch, then the idle ones: whoever comes back or is lent in between is seen to be of the old one. */
    (void)dbp_add_relaxed_u64(&pool->epoch, DBP_EPOCH_DISPOSED);
    dbp_queue_close_chain(pool, dbp_lend_drain(&pool->lend));
    dbp_log(pool, DBPOOL_LOG_INFO, "Pool disposed. %s", text);
    return DBPOOL_OK;
}

static dbpool_status still_out(dbpool *pool, dbpool_error *err) {
    dbpool_stats stats = {.struct_size = sizeof stats};
    (void)dbpool_get_stats(pool, &stats);
    return dbp_error_set_native(err, DBPOOL_ETIMEOUT, DBPOOL_ERROR_TIMED_OUT, 0,
                                "close pool: %d leases are still out, and %d connections are being opened or closed", stats.leased,
                                stats.open - stats.leased);
}

static dbpool_status await_leases(dbpool *pool, int64_t timeout_ms, dbpool_error *err) {
    int64_t deadline_ns = dbp_deadline_after_ms(dbp_clock_now(), timeout_ms);
    while (!dbp_load_acquire_u32(&pool->drained))
        if (!dbp_wait(&pool->drained, 0, deadline_ns) && !dbp_load_acquire_u32(&pool->drained))
            return still_out(pool, err);
    return DBPOOL_OK;
}

dbpool_status dbpool_close(dbpool *pool, int64_t timeout_ms, dbpool_error *err) {
    if (!pool || timeout_ms < -1)
        return dbp_error_set(err, DBPOOL_EINVAL, "close pool: %s", pool ? "timeout_ms is below -1" : "pool is NULL");
    if (pool->fork_count != dbp_fork_count)
        return dbp_error_set(err, DBPOOL_EFORK, "close pool: it belongs to the parent process");
    dbp_pool_ref(pool);
    dbp_queue_close_chain(pool, dbp_lend_close(&pool->lend));
    dbpool_status status = DBPOOL_OK;
    if (dbp_events_inside(pool) && !dbp_load_acquire_u32(&pool->drained))
        status = dbp_error_set(err, DBPOOL_EDEADLK, "close pool: it is closing, but a listener of the same pool must not wait");
    else
        status = await_leases(pool, timeout_ms, err);
    dbp_pool_unref(pool);
    return status;
}

void dbpool_destroy(dbpool *pool) {
    /* In a child everything is the parent's: it is left as it is. */
    if (!pool || pool->fork_count != dbp_fork_count)
        return;
    (void)dbpool_close(pool, 0, NULL);
    dbp_pool_unref(pool);
}

static void free_records(dbpool *pool) {
    uint32_t created = dbp_lend_created(&pool->lend);
    for (uint32_t index = 1; index <= created; index++) {
        dbpool_record *record = dbp_record_of_slot(dbp_lend_slot(&pool->lend, index));
        dbp_extras_free(record->extras);
        record->extras = NULL;
        dbp_store_relaxed_u64(&record->uses, 0);
    }
    dbp_lend_fini(&pool->lend);
}

void dbp_pool_unref(dbpool *pool) {
    if (dbp_sub_acq_rel_u32(&pool->references, 1) != 1)
        return;
    unlist(pool);
    free_records(pool);
    free_parts(pool);
}

const char *dbpool_name(dbpool *pool) { return pool ? pool->name : ""; }

int64_t dbpool_timeout_ms(dbpool *pool) { return pool ? pool->config.timeout_ms : 0; }
