/* SPDX-License-Identifier: MIT
 *
 * A process-wide, type-stable store of segments. A segment is given out, taken back and given out again, but never unmapped, and it is
 * zeroed only when it is new: what an item counts goes on rising, so a stale reference to it can always be read and told from a live one.
 * Lock: the store's own mutex; no allocation is made under it.
 */
#ifndef DBP_CORE_STORE_H
#define DBP_CORE_STORE_H

#include <stddef.h>

#include "os/wait.h"

/* Segment k holds 8 << k items: thirteen of them cover every index of a pool. */
#define DBP_SEGMENT_KINDS 13
#define DBP_SEGMENT_ITEMS(kind) ((size_t)8 << (kind))

typedef struct dbp_store {
    size_t stride; /* bytes of one item, a multiple of 64 */
    dbp_mutex mutex;
    struct dbp_segment *idle[DBP_SEGMENT_KINDS]; /* guarded by mutex */
} dbp_store;

/* The items of a segment of this kind, or NULL when there is no memory. */
void *dbp_store_take(dbp_store *store, unsigned kind);

/* Takes the items back. Nobody may use them but to compare numbers. */
void dbp_store_give(dbp_store *store, unsigned kind, void *items);

#endif
