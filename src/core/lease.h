/* SPDX-License-Identifier: MIT
 *
 * What checkout.c and checkin.c share: the beginning and the end of a lease.
 */
#ifndef DBP_CORE_LEASE_H
#define DBP_CORE_LEASE_H

#include "core/record.h"

/* A connection that has left its record. Owned by the handle to it. */
typedef struct dbp_detached {
    dbpool *pool; /* referenced */
    void *native;
    dbp_extras *extras; /* the connection's info; may be NULL */
} dbp_detached;

/* What a return does with the connection. */
typedef enum dbp_return_kind {
    DBP_RETURN_RESET,   /* as the pool is told to */
    DBP_RETURN_NO_RESET /* the caller has ended the transaction */
} dbp_return_kind;

/* Ends the lease of a LEASED record by its last handle, whose cell the caller has made ENDING, and gives the record back. The pool may be
 * gone afterwards. */
void dbp_lease_return(dbpool_record *record, dbpool_cell *cell, dbp_return_kind kind);

/* The pool of a handle that is readable. */
static inline dbpool *dbp_cell_pool(dbpool_conn conn) { return conn.cell->record ? conn.cell->record->pool : conn.cell->detached->pool; }

/* A handle to an ENDING cell, for listeners. */
static inline dbpool_conn dbp_lease_shown(dbpool_cell *cell) { return (dbpool_conn){cell, dbp_load_relaxed_u64(&cell->number)}; }

#endif
