/* SPDX-License-Identifier: MIT
 *
 * Lease cells: what a dbpool_conn points at. A cell is never unmapped and its number only rises, so a handle can be compared with it for
 * ever.
 *
 * The number's two lowest bits tell its state:
 *     DEAD    nobody's
 *     LIVE    a lease; the handle that the caller holds has this very number
 *     PINNED  the same lease, while a call that must not meet its end works on it
 *     ENDING  the lease is being made or being ended by one thread, which may show it to listeners: their handle has this number
 * Only the thread that has moved LIVE to ENDING, or that holds the record, writes the number; everybody else compares.
 */
#ifndef DBP_CORE_CELL_H
#define DBP_CORE_CELL_H

#include <dbpool/dbpool.h>

#include "os/atomic.h"

enum { DBP_CELL_DEAD = 0, DBP_CELL_LIVE = 1, DBP_CELL_PINNED = 2, DBP_CELL_ENDING = 3, DBP_CELL_STATE = 3 };

typedef struct dbpool_cell {
    dbp_atomic_u64 number;
    dbpool_record *record;         /* whom it serves; NULL when detached. Immutable while not DEAD */
    struct dbp_detached *detached; /* the detached connection, or NULL */
    struct dbpool_cell *next;      /* of a record's nested handles (pool's mutex), or of the spare cells */
} dbpool_cell;

/* The same lease in another state. */
static inline uint64_t dbp_cell_in_state(uint64_t number, uint64_t state) { return (number & ~(uint64_t)DBP_CELL_STATE) | state; }

/* The next lease of a cell that the caller owns, in this state. Nobody else writes a DEAD number, so it needs no atomic step. */
static inline uint64_t dbp_cell_begin(dbpool_cell *cell, uint64_t state) {
    uint64_t number = dbp_cell_in_state(dbp_load_relaxed_u64(&cell->number) + 4, state);
    dbp_store_relaxed_u64(&cell->number, number);
    return number;
}

/* Ends whatever the cell holds. Release: a thread that finds it DEAD sees what happened before. */
static inline void dbp_cell_end(dbpool_cell *cell) {
    dbp_store_release_u64(&cell->number, dbp_cell_in_state(dbp_load_relaxed_u64(&cell->number), DBP_CELL_DEAD));
}

/* Whether the handle may be read through: it is the caller's LIVE one or a listener's ENDING one. */
static inline bool dbp_cell_readable(dbpool_conn conn) {
    return conn.cell && (conn.number & 1) && dbp_load_acquire_u64(&conn.cell->number) == conn.number;
}

/* Moves the caller's lease from LIVE to ENDING; false when the handle is stale. The one who succeeds owns the lease's end. */
bool dbp_cell_claim_slow(dbpool_conn conn);
static inline bool dbp_cell_claim(dbpool_conn conn) {
    uint64_t live = conn.number;
    if (__builtin_expect(conn.cell && (live & DBP_CELL_STATE) == DBP_CELL_LIVE, 1) &&
        __builtin_expect(dbp_cas_acq_rel_u64(&conn.cell->number, &live, dbp_cell_in_state(live, DBP_CELL_ENDING)), 1))
        return true;
    return dbp_cell_claim_slow(conn);
}

/* Holds the lease where it is for the length of one call; false when the handle is stale. */
bool dbp_cell_pin(dbpool_conn conn);
void dbp_cell_unpin(dbpool_conn conn);

/* A spare cell, DEAD, for a nested handle or a detached connection; NULL when there is no memory. Give back a DEAD one. */
dbpool_cell *dbp_cell_take_spare(void);
void dbp_cell_give_spare(dbpool_cell *cell);

#endif
