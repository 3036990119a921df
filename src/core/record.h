/* SPDX-License-Identifier: MIT
 *
 * A record: one slot of the lending core with the driver connection in it, and what happens to that connection between two lends.
 * Everything in a record belongs to the thread that holds it (that took it from the lending core, or was lent it), unless it is atomic or
 * says otherwise. Two cache lines.
 */
#ifndef DBP_CORE_RECORD_H
#define DBP_CORE_RECORD_H

#include <dbpool/dbpool.h>

#include "core/cell.h"
#include "core/info.h"
#include "core/lend.h"

/* Where a record is in its life. Each state says who may touch it and in what list of the lending core it is. */
typedef enum dbp_record_state {
    DBP_RECORD_FREE,      /* no connection, no place; in the free list */
    DBP_RECORD_OPENING,   /* a place, no connection yet; one thread is opening it */
    DBP_RECORD_IDLE,      /* a connection; in a hot slot, the stack, the ring, or on its way to a waiter */
    DBP_RECORD_CHECKING,  /* taken by a checkout that looks, pings or runs listeners */
    DBP_RECORD_LEASED,    /* a lease refers to it; its connection may be gone (invalidated) */
    DBP_RECORD_RESETTING, /* its lease is being ended */
    DBP_RECORD_CLOSING,   /* its connection is being closed; it still counts */
    DBP_RECORD_STATES
} dbp_record_state;

#define DBP_RECORD_FRESH 1u  /* its connection was opened within this checkout, or for another and never lent yet */
#define DBP_RECORD_SOFT 2u   /* soft-invalidated: to be opened anew at the next checkout */
#define DBP_RECORD_DEAD 4u   /* a look has found the connection dead */
#define DBP_RECORD_KILLED 8u /* invalidated while another handle's return was under way: the last to leave closes it */

struct dbpool_record {
    _Alignas(64) dbp_slot slot;
    dbp_atomic_u32 state;
    dbp_atomic_u32 handles; /* of the present lease; 1 and 1 for each nested one */
    dbpool_cell cell;       /* cell.next: the nested handles' cells, guarded by the pool's mutex */
    void *native;           /* the driver connection, or NULL */
    uint64_t epoch;         /* the pool's epoch when the opening of the connection began */

    dbp_atomic_u64 uses;     /* leases so far */
    dbp_atomic_u64 since_ns; /* when the present lease began, or when it was last returned; as exact as dbp_clock_coarse */
    dbp_atomic_u32 holder;   /* thread id of the one who took the lease; 0: not lent */
    uint32_t flags;          /* DBP_RECORD_… */
    dbpool *pool;            /* immutable while the pool lives */
    int64_t opened_ns;       /* when the opening of the connection began */
    dbp_extras *extras;      /* NULL until needed; the pointer is set under the pool's mutex */
};

/* Moves the record to another state; the only writer of it. An illegal step is a bug. */
void dbp_record_bug(dbpool_record *record, dbp_record_state to);
extern const uint8_t dbp_record_steps[DBP_RECORD_STATES];
static inline void dbp_record_enter(dbpool_record *record, dbp_record_state to) {
    uint32_t from = dbp_load_relaxed_u32(&record->state);
    if (__builtin_expect(!(dbp_record_steps[from] >> to & 1), 0))
        dbp_record_bug(record, to);
    dbp_store_relaxed_u32(&record->state, to);
}

static inline dbpool_record *dbp_record_of_slot(dbp_slot *slot) { return (dbpool_record *)(void *)slot; }

/* Opens a connection in an OPENING record, through the creator or the driver, and runs the connect listeners. On failure the record is
 * still OPENING and has no connection. `deadline_ns` is the caller's; connect_timeout bounds it as well. */
dbpool_status dbp_record_open(dbpool_record *record, int64_t deadline_ns, dbpool_error *err);

/* Runs the close listeners and closes the connection, if there is one: any state to CLOSING. Never fails: the driver's error is logged. */
void dbp_record_close(dbpool_record *record);

/* The same after the invalidate listeners. `reason` may be NULL. */
void dbp_record_invalidate(dbpool_record *record, const dbpool_error *reason);

/* Why the connection must be opened anew before it is lent (recycle, invalidation), said in the log; false when it need not. */
bool dbp_record_is_stale(dbpool_record *record);

/* The extras, made if need be; NULL when there is no memory. */
dbp_extras *dbp_record_extras(dbpool_record *record);

#endif
