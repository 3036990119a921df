/* SPDX-License-Identifier: MIT
 *
 * The pool: the lending core, the driver, the settings and the listeners, held together. What happens at a checkout is in checkout.c, at a
 * return in checkin.c, to one connection in record.c; which record a checkout gets, in strategy_queue.c.
 *
 * Lifetime: `references` counts the user (until destroy), the lending core (until it is closed and no place is taken), each detached
 * connection, each opening on another thread, and each call inside a slow path. The last one frees the pool.
 */
#ifndef DBP_CORE_POOL_H
#define DBP_CORE_POOL_H

#include <dbpool/driver.h>

#include "core/events.h"
#include "core/lend.h"
#include "core/record.h"
#include "os/thread.h"

/* What a checkout or checkin cannot skip. */
#define DBP_CHECK_LOOK 1u     /* the driver has a look */
#define DBP_CHECK_PING 2u     /* pre_ping */
#define DBP_CHECK_RECYCLE 4u  /* recycle >= 0 */
#define DBP_CHECK_LISTENER 8u /* one of the events on the way has a listener */
#define DBP_CHECK_LOG 16u     /* debug lines are wanted */
#define DBP_CHECK_RESET 32u   /* each return needs more than the driver's look at its own state */
#define DBP_CHECK_STAMP 64u   /* the time of return is needed */
#define DBP_CHECK_BROKEN 128u /* an impossible state was met */
#define DBP_CHECK_FORKED 256u /* this is a child of the process that made the pool */

typedef enum dbp_counter {
    DBP_COUNT_NESTED,
    DBP_COUNT_OPENED,
    DBP_COUNT_OPEN_FAILED,
    DBP_COUNT_CLOSED,
    DBP_COUNT_INVALIDATED,
    DBP_COUNT_SOFT_INVALIDATED,
    DBP_COUNT_POOL_INVALIDATED,
    DBP_COUNT_RECYCLED,
    DBP_COUNT_DETACHES,
    DBP_COUNT_RESETS,
    DBP_COUNT_RESET_FAILED,
    DBP_COUNT_UNCLEAN,
    DBP_COUNT_PINGS,
    DBP_COUNT_PING_FAILED,
    DBP_COUNT_LOOK_FAILED,
    DBP_COUNTERS
} dbp_counter;

struct dbpool {
    dbp_lend lend;

    /* read often, written seldom */
    _Alignas(64) dbp_atomic_u64 epoch; /* disposals:32 | invalidations:32 */
    dbp_atomic_u32 checkout_checks;    /* DBP_CHECK_…; made by dbp_pool_refresh */
    dbp_atomic_u32 checkin_checks;
    dbp_atomic_u32 log_level; /* the level in force */
    uint32_t fork_count;      /* dbp_fork_count of the process that made it. Immutable, like the next ones */
    const dbpool_driver *driver;
    void *driver_arg;
    struct dbp_source *source; /* what driver and driver_arg come from, shared with recreated pools */
    dbpool_config config;      /* as given; size and max_overflow are guarded by mutex */
    char *name;

    dbp_events events;
    dbp_atomic_u32 first_busy;   /* 1 while a thread runs the very first connect listeners; others wait on it */
    dbp_atomic_u32 first_thread; /* which */
    dbp_atomic_u32 first_done;   /* bit per event kind that has run to its end once */

    dbp_atomic_u32 references;
    dbp_atomic_u32 drained; /* 1: closed, and every place given back; closers wait on it */
    dbp_atomic_u32 broken;
    dbp_atomic_ptr bug;      /* where, until it has been logged */
    dbp_atomic_u32 detached; /* detached connections that are open */
    dbp_atomic_u64 counters[DBP_COUNTERS];

    dbp_mutex mutex;
    /* guarded by mutex */
    dbpool_creator creator; /* both functions NULL: the driver opens */
    int32_t own_log_level;  /* -1: the process-wide one */

    struct dbpool *newer, *older; /* the list of all pools, or of spare ones, under their own mutex */
};

/* The epoch's parts. */
#define DBP_EPOCH_DISPOSED ((uint64_t)1 << 32)
#define DBP_EPOCH_FIRST (DBP_EPOCH_DISPOSED | 1)

/* Whether the pool has been disposed of since the record's connection was opened. */
static inline bool dbp_pool_has_disposed(const dbpool *pool, const dbpool_record *record) {
    return record->epoch >> 32 != dbp_load_acquire_u64(&pool->epoch) >> 32;
}

static inline void dbp_pool_count(dbpool *pool, dbp_counter counter) { (void)dbp_add_relaxed_u64(&pool->counters[counter], 1); }

/* Whether it is the parent's of this process: then its locks may be held by threads that are not here, and its connections are not ours. */
static inline bool dbp_pool_is_inherited(const dbpool *pool) { return __builtin_expect(pool->fork_count != dbp_fork_count, 0); }

static inline void dbp_pool_ref(dbpool *pool) { (void)dbp_add_relaxed_u32(&pool->references, 1); }
void dbp_pool_unref(dbpool *pool);

/* Recomputes the words that decide about fast paths and logging, from settings, listeners and levels. */
void dbp_pool_refresh(dbpool *pool);

/* Calls `visit` for every pool of the process, under the mutex of their list. */
void dbp_pools_each(void (*visit)(dbpool *pool));

/* Condemns every connection opened before now. Given a record, only if its connection is of the newest epoch: else somebody has done it
 * before. */
void dbp_pool_condemn(dbpool *pool, const dbpool_record *record);

/* An impossible state (design: never an assert). Test builds trap; others log it once and lend no more. */
void dbp_bug(dbpool *pool, const char *where);

/* Logs the impossible state that was met, once. */
void dbp_pool_log_bug(dbpool *pool);

/* Tells listeners about a record's connection; a failure is logged. */
void dbp_pool_tell(dbpool *pool, dbpool_event_kind kind, dbpool_record *record, void *native, const dbpool_error *reason);

const char *dbp_event_name(dbpool_event_kind kind);

/* ---- strategy_queue.c: a bounded number of connections, lent in turn ---- */

/* A record for the caller alone: OPENING with a connection just opened, or IDLE. */
dbpool_status dbp_queue_take(dbpool *pool, dbp_waiter *waiter, dbpool_record **record_out, dbpool_error *err);

/* Closes the connection of a record that nobody may keep, and gives its place back. */
void dbp_queue_close(dbpool *pool, dbpool_record *record);

/* Takes back a record that has a connection: keeps it, hands it on, or closes it (or another that has come back in the meantime). The caller's
 * hold ends, and the pool may be gone afterwards. */
static inline void dbp_queue_give(dbpool *pool, dbpool_record *record) {
    dbp_record_enter(record, DBP_RECORD_IDLE);
    dbp_slot *surplus = dbp_lend_put(&pool->lend, &record->slot);
    if (__builtin_expect(surplus != NULL, 0))
        dbp_queue_close(pool, dbp_record_of_slot(surplus));
}

/* Takes back a record without one, and its place. The pool may be gone afterwards unless the caller holds a reference. */
void dbp_queue_give_empty(dbpool *pool, dbpool_record *record);

/* Closes what dbp_lend_drain and its like have taken out. */
void dbp_queue_close_chain(dbpool *pool, dbp_slot *chain);

#endif
