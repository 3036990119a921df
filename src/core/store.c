/* SPDX-License-Identifier: MIT */
#include "core/store.h"

#include "os/memory.h"

/* Stands in front of the items, on a line of its own. */
struct dbp_segment {
    struct dbp_segment *next;
};
#define HEADER 64

static struct dbp_segment *unlink_idle(dbp_store *store, unsigned kind) {
    dbp_mutex_lock(&store->mutex);
    struct dbp_segment *segment = store->idle[kind];
    if (segment)
        store->idle[kind] = segment->next;
    dbp_mutex_unlock(&store->mutex);
    return segment;
}

void *dbp_store_take(dbp_store *store, unsigned kind) {
    struct dbp_segment *segment = unlink_idle(store, kind);
    if (!segment)
        segment = dbp_memory_alloc_lines(HEADER + DBP_SEGMENT_ITEMS(kind) * store->stride);
    return segment ? (char *)segment + HEADER : NULL;
}

void dbp_store_give(dbp_store *store, unsigned kind, void *items) {
    struct dbp_segment *segment = (struct dbp_segment *)(void *)((char *)items - HEADER);
    dbp_mutex_lock(&store->mutex);
    segment->next = store->idle[kind];
    store->idle[kind] = segment;
    dbp_mutex_unlock(&store->mutex);
}
