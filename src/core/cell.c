/* SPDX-License-Identifier: MIT */
#include "core/cell.h"

#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

/* Spare cells of the whole process; made in blocks that are never freed. */
#define BLOCK_CELLS 32
static dbp_mutex spare_mutex;
static dbpool_cell *spare; /* guarded by spare_mutex */

DBP_FORK_GUARD(spare_mutex)

/* LIVE to another state; waits for a pin, which another thread holds for moments only. */
static bool move(dbpool_conn conn, uint64_t state) {
    if (!conn.cell || (conn.number & DBP_CELL_STATE) != DBP_CELL_LIVE)
        return false;
    for (;;) {
        uint64_t found = conn.number;
        if (dbp_cas_acq_rel_u64(&conn.cell->number, &found, dbp_cell_in_state(conn.number, state)))
            return true;
        if (found != dbp_cell_in_state(conn.number, DBP_CELL_PINNED))
            return false;
        dbp_thread_yield();
    }
}

bool dbp_cell_claim_slow(dbpool_conn conn) { return move(conn, DBP_CELL_ENDING); }

bool dbp_cell_pin(dbpool_conn conn) { return move(conn, DBP_CELL_PINNED); }

void dbp_cell_unpin(dbpool_conn conn) { dbp_store_release_u64(&conn.cell->number, conn.number); }

static dbpool_cell *pop_spare(void) {
    dbp_mutex_lock(&spare_mutex);
    dbpool_cell *cell = spare;
    if (cell)
        spare = cell->next;
    dbp_mutex_unlock(&spare_mutex);
    return cell;
}

dbpool_cell *dbp_cell_take_spare(void) {
    dbpool_cell *cell = pop_spare();
    if (cell)
        return cell;
    dbpool_cell *block = dbp_memory_alloc_lines(BLOCK_CELLS * sizeof *block);
    for (int i = 1; block && i < BLOCK_CELLS; i++)
        dbp_cell_give_spare(&block[i]);
    return block;
}

void dbp_cell_give_spare(dbpool_cell *cell) {
    dbp_mutex_lock(&spare_mutex);
    cell->record = NULL;
    cell->detached = NULL;
    cell->next = spare;
    spare = cell;
    dbp_mutex_unlock(&spare_mutex);
}
