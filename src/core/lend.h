/* SPDX-License-Identifier: MIT
 *
 * The lending core: a slot, live or empty, goes to exactly one taker. It knows no database, no event and no log. The algorithm, its
 * invariants and why no wake-up is lost: docs/internals/lending.md. A slot is the first member of a bigger struct of the user's.
 *
 * Lock: one mutex, taken only when there is nothing idle or somebody waits. Under it no allocation, no system call and no callback.
 */
#ifndef DBP_CORE_LEND_H
#define DBP_CORE_LEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store.h"
#include "os/atomic.h"
#include "os/cpu.h"
#include "os/wait.h"

#define DBP_LEND_MAX 32767 /* slots of one core: what 15 bits count */
#define DBP_LEND_HOT_MAX 16
#define DBP_WAIT_BUCKETS 32

typedef struct dbp_slot {
    dbp_atomic_u32 next; /* index of the one below in the idle stack, ring, free list or a chain; 0: none */
    uint32_t index;      /* from 1; immutable */
} dbp_slot;

/* An opening under way on behalf of a waiter, on another thread. */
typedef struct dbp_ticket {
    struct dbp_waiter *waiter; /* guarded by the mutex; NULL once the waiter has left the line */
} dbp_ticket;

typedef enum dbp_waiter_state {
    DBP_WAITER_WAIT,   /* queued, awake */
    DBP_WAITER_SLEEP,  /* queued, asleep or about to be */
    DBP_WAITER_WOKEN,  /* out of the line, to look again */
    DBP_WAITER_GRANT,  /* out of the line, `slot` is its own */
    DBP_WAITER_FAILED, /* out of the line, its opening failed: `failed` is its own */
    DBP_WAITER_CLOSED  /* out of the line, the core is closed */
} dbp_waiter_state;

/* One who waits, in the caller's memory. Zero-initialise, then set the first group. */
typedef struct dbp_waiter {
    /* set by the caller */
    int64_t timeout_ms;                          /* from the first moment that it would block; < 0: none */
    bool no_wait;                                /* never wait */
    void (*callback)(struct dbp_waiter *waiter); /* called, with no lock held, instead of waking a thread; NULL: a thread */

    /* owner only */
    bool front;          /* it has been woken in vain: the same wait goes on */
    uint64_t arrival;    /* its place in the line, which it keeps when it comes back; 0: it has not waited yet */
    int64_t joined_ns;   /* when the present wait began */
    int64_t since_ns;    /* when it first would have blocked; 0: not yet */
    int64_t deadline_ns; /* valid when since_ns is */

    /* guarded by the mutex while queued; the owner's afterwards */
    dbp_atomic_u32 state;
    bool queued;
    struct dbp_waiter *older, *newer;
    dbp_slot *slot;
    dbp_ticket *ticket; /* accepts live slots only while it has one */
    dbp_ticket *failed;
} dbp_waiter;

typedef enum dbp_lend_result {
    DBP_LEND_SLOT,       /* waiter->slot, live or empty */
    DBP_LEND_TIMEOUT,    /* the deadline passed */
    DBP_LEND_WOULD_WAIT, /* nothing is free and the caller may not wait */
    DBP_LEND_CLOSED,
    DBP_LEND_FAILED, /* waiter->failed */
    DBP_LEND_LIMIT,  /* "no limit", and DBP_LEND_MAX are out */
    DBP_LEND_NOMEM
} dbp_lend_result;

typedef enum dbp_lend_order { DBP_LEND_WARM, DBP_LEND_LIFO, DBP_LEND_FIFO } dbp_lend_order;

typedef struct dbp_lend_config {
    dbp_store *store; /* of structs that begin with a dbp_slot */
    uint32_t keep;    /* at most this many idle; at most DBP_LEND_MAX */
    uint32_t limit;   /* at most this many places; at least keep */
    bool unlimited;   /* the limit is DBP_LEND_MAX for want of another: reaching it is no reason to wait */
    dbp_lend_order order;
    int64_t fair_ns;
    void (*bug)(void *arg, const char *where); /* an impossible state; called with or without the mutex held */
    void *bug_arg;
} dbp_lend_config;

typedef struct dbp_lend_stats {
    uint32_t places, idle, waiting;
    uint64_t waits, handoffs, barged, timeouts, wait_ns;
    uint64_t histogram[DBP_WAIT_BUCKETS];
} dbp_lend_stats;

typedef struct dbp_hot {
    dbp_atomic_ptr slot;
    char line[64 - sizeof(dbp_atomic_ptr)];
} dbp_hot;

#define DBP_GATE_WAITERS 1u  /* somebody waits, or is about to */
#define DBP_GATE_OVERFLOW 2u /* places > keep: idle slots must be counted */
#define DBP_GATE_CLOSED 4u
#define DBP_GATE_COLD 8u /* lifo and fifo: no hot slots, ever */

typedef struct dbp_lend {
    /* Written by every push and pop. top:16 | count:15 | W:1 | tag:32, from the top */
    _Alignas(64) dbp_atomic_u64 head;

    /* Read often, written seldom: gate and keep under the mutex, the rest by init (segments also under the mutex, once each). */
    _Alignas(64) dbp_atomic_u32 gate; /* DBP_GATE_…; hot slots are filled only while it is 0 */
    dbp_atomic_u32 keep;              /* a lock-free push needs count < keep; 0 sends every put to the slow path */
    uint32_t hot_mask;
    dbp_lend_config config; /* keep and limit: guarded by the mutex */
    char *segments[DBP_SEGMENT_KINDS];

    _Alignas(64) dbp_mutex mutex;
    /* guarded by mutex */
    bool closed;
    uint32_t places;  /* slots that are not free */
    uint32_t leaving; /* of these, the ones given out to be closed */
    uint32_t created; /* slots that exist: the indices 1 to created */
    uint32_t free;    /* index of the first free slot */
    uint32_t ring_first, ring_last, ring_count;
    dbp_waiter *oldest, *newest;
    uint32_t queued;
    dbp_lend_stats counters; /* the gauges in it are unused */

    _Alignas(64) dbp_hot hot[DBP_LEND_HOT_MAX]; /* hot_mask + 1 of them are used */
} dbp_lend;

/* The memory of a dbp_lend is zeroed when new, and type-stable as a store's: it may be used for another one after fini, but not for
 * anything else. A put that has made its slot visible in a hot slot may look at the gate after others have drained, finished and even begun
 * the core anew: it then takes an idle slot from where it lies and puts it back there, which is always right. */
void dbp_lend_init(dbp_lend *lend, const dbp_lend_config *config);
/* Gives the slots back to the store. The core is closed and drained (dbp_lend_is_drained). */
void dbp_lend_fini(dbp_lend *lend);

/* The slow parts of take and put. */
dbp_slot *dbp_lend_take_other(dbp_lend *lend);
dbp_slot *dbp_lend_put_other(dbp_lend *lend, dbp_slot *slot);

static inline dbp_slot *dbp_hot_take(dbp_hot *hot) {
    return dbp_load_relaxed_ptr(&hot->slot) ? dbp_exchange_seq_cst_ptr(&hot->slot, NULL) : NULL;
}

/* Takes the slot that rests at the caller's CPU; NULL when there is none, or the CPU is not known at once. */
static inline dbp_slot *dbp_lend_take_hot(dbp_lend *lend) {
    int32_t cpu = dbp_cpu_current_fast();
    return __builtin_expect(cpu >= 0, 1) ? dbp_hot_take(&lend->hot[(uint32_t)cpu & lend->hot_mask]) : NULL;
}

/* Takes an idle slot without waiting, locking or a system call; NULL when there is none (in fifo order always: dbp_lend_wait finds it). */
static inline dbp_slot *dbp_lend_take(dbp_lend *lend) {
    dbp_slot *slot = dbp_lend_take_hot(lend);
    return slot ? slot : dbp_lend_take_other(lend);
}

/* Takes a slot, idle or empty, waiting for one as the waiter allows. On DBP_LEND_SLOT `waiter->slot` is the caller's. A waiter with a
 * callback is queued instead of blocked: the result is DBP_LEND_WOULD_WAIT and the callback will tell by the waiter's state. */
dbp_lend_result dbp_lend_wait(dbp_lend *lend, dbp_waiter *waiter);

/* Takes a waiter with a callback out of the line. False when it was too late: the callback has run or will. */
bool dbp_lend_cancel(dbp_lend *lend, dbp_waiter *waiter);

/* Gives back a live slot: to the oldest waiter or to the idle ones. NULL: done. Else there are too many, and the slot in the result is the
 * caller's, who closes what it holds and then puts it back empty. It need not be the slot given: that one may have been lent on, and
 * another one found in its stead. */
static inline dbp_slot *dbp_lend_put(dbp_lend *lend, dbp_slot *slot) {
    if (dbp_load_relaxed_u32(&lend->gate) == 0) {
        dbp_hot *hot = &lend->hot[dbp_cpu_current() & lend->hot_mask];
        void *none = NULL;
        if (!dbp_load_relaxed_ptr(&hot->slot) && dbp_cas_seq_cst_ptr(&hot->slot, &none, slot)) {
            /* (B1) Look at the gate after the slot is visible: whoever closed the gate before will not look here again. */
            if (dbp_load_seq_cst_u32(&lend->gate) == 0)
                return NULL;
            /* By now it may be anybody's, and another slot in its place. */
            slot = dbp_exchange_seq_cst_ptr(&hot->slot, NULL);
            if (!slot)
                return NULL;
        }
    }
    return dbp_lend_put_other(lend, slot);
}

/* Gives back an empty slot and with it its place. True when the core is closed and this was the last place: nobody will come again. */
bool dbp_lend_put_empty(dbp_lend *lend, dbp_slot *slot);

/* Ties a waiter that is not queued to an opening; the next dbp_lend_wait accepts live slots only, until the opening ends. */
void dbp_lend_ticket(dbp_lend *lend, dbp_waiter *waiter, dbp_ticket *ticket);

/* The end of such an opening. done: the slot has been put. failed: its waiter, if it still waits, has the ticket now, in `failed`, and the
 * result is true; the slot is then to be put back empty. */
void dbp_lend_open_done(dbp_lend *lend, dbp_ticket *ticket);
bool dbp_lend_open_failed(dbp_lend *lend, dbp_ticket *ticket);

/* These return a chain of idle slots that are the caller's now, to be closed and put back empty; NULL: none. */
dbp_slot *dbp_lend_resize(dbp_lend *lend, uint32_t keep, uint32_t limit, bool unlimited);
dbp_slot *dbp_lend_drain(dbp_lend *lend);
dbp_slot *dbp_lend_close(dbp_lend *lend); /* and everybody who waits is told CLOSED, now and later */

/* The next of a chain; read it before the slot is put back. */
dbp_slot *dbp_lend_chain_next(dbp_lend *lend, dbp_slot *slot);

/* The slot of an index from 1 to dbp_lend_created, whoever holds it. */
dbp_slot *dbp_lend_slot(const dbp_lend *lend, uint32_t index);
uint32_t dbp_lend_created(dbp_lend *lend);

/* The moment by which the waiter must have its answer; starts its clock if that has not been done. */
int64_t dbp_waiter_deadline(dbp_waiter *waiter);

/* How many slots are not free. */
uint32_t dbp_lend_places(dbp_lend *lend);

/* Closed, and every place given back. */
bool dbp_lend_is_drained(dbp_lend *lend);

void dbp_lend_get_stats(dbp_lend *lend, dbp_lend_stats *out);

#endif
