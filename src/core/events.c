/* SPDX-License-Identifier: MIT */
#include "core/events.h"

#include "base/error.h"
#include "core/log.h"
#include "core/pool.h"
#include "os/memory.h"

#include <stdio.h>

struct dbp_listener_node {
    dbpool_listener listener;
    dbp_atomic_u32 removed;
    dbp_atomic_ptr next;
};

/* The listeners that the calling thread is inside of, innermost first. */
struct frame {
    const dbpool *pool;
    const struct frame *outer;
};
static _Thread_local const struct frame *innermost = NULL;

static struct dbp_listener_node *next_live(const dbp_atomic_ptr *link) {
    struct dbp_listener_node *node = dbp_load_acquire_ptr(link);
    while (node && dbp_load_relaxed_u32(&node->removed))
        node = dbp_load_acquire_ptr(&node->next);
    return node;
}

static bool equal(const dbpool_listener *a, const dbpool_listener *b) { return a->kind == b->kind && a->fn == b->fn && a->arg == b->arg; }

struct dbp_listener_node *dbp_events_node(const dbpool_listener *listener) {
    struct dbp_listener_node *node = dbp_memory_alloc(sizeof *node);
    if (node)
        node->listener = *listener;
    return node;
}

void dbp_events_append_locked(dbp_events *events, struct dbp_listener_node *node) {
    dbp_atomic_ptr *link = &events->first[node->listener.kind];
    for (struct dbp_listener_node *at; (at = dbp_load_relaxed_ptr(link));)
        link = &at->next;
    /* Releases the node's content to readers. */
    dbp_store_release_ptr(link, node);
}

bool dbp_events_add_unshared(dbp_events *events, const dbpool_listener *listener) {
    struct dbp_listener_node *node = dbp_events_node(listener);
    if (node)
        dbp_events_append_locked(events, node);
    return node != NULL;
}

bool dbp_events_remove_locked(dbp_events *events, const dbpool_listener *listener) {
    for (struct dbp_listener_node *node = next_live(&events->first[listener->kind]); node; node = next_live(&node->next))
        if (equal(&node->listener, listener)) {
            dbp_store_relaxed_u32(&node->removed, 1);
            return true;
        }
    return false;
}

bool dbp_events_copy(const dbp_events *from, dbp_events *to) {
    for (int kind = 0; kind < DBPOOL_EVENT_COUNT; kind++)
        for (struct dbp_listener_node *node = next_live(&from->first[kind]); node; node = next_live(&node->next))
            if (!dbp_events_add_unshared(to, &node->listener))
                return false;
    return true;
}

void dbp_events_fini(dbp_events *events) {
    for (int kind = 0; kind < DBPOOL_EVENT_COUNT; kind++)
        for (struct dbp_listener_node *node = dbp_load_relaxed_ptr(&events->first[kind]), *next; node; node = next) {
            next = dbp_load_relaxed_ptr(&node->next);
            dbp_memory_free(node);
        }
}

bool dbp_events_any(const dbp_events *events, dbpool_event_kind kind) { return next_live(&events->first[kind]) != NULL; }

bool dbp_events_inside(const dbpool *pool) {
    for (const struct frame *frame = innermost; frame; frame = frame->outer)
        if (frame->pool == pool)
            return true;
    return false;
}

static dbpool_status call(const struct dbp_listener_node *node, const dbpool_event *event, dbpool_error *err) {
    struct frame frame = {event->pool, innermost};
    innermost = &frame;
    dbpool_status status = node->listener.fn(event, node->listener.arg, err);
    innermost = frame.outer;
    char action[48];
    snprintf(action, sizeof action, "run %s listener", dbp_event_name(event->kind));
    return dbp_error_ensure(err, status, action);
}

dbpool_status dbp_events_run(const dbpool_event *event, dbpool_error *err) {
    dbpool_error own = {.status = DBPOOL_OK};
    for (struct dbp_listener_node *node = next_live(&event->pool->events.first[event->kind]); node; node = next_live(&node->next))
        if (call(node, event, &own) != DBPOOL_OK)
            return dbp_error_pass(err, &own);
    return DBPOOL_OK;
}

void dbp_events_tell(const dbpool_event *event) {
    for (struct dbp_listener_node *node = next_live(&event->pool->events.first[event->kind]); node; node = next_live(&node->next)) {
        dbpool_error own = {.status = DBPOOL_OK};
        if (call(node, event, &own) != DBPOOL_OK)
            dbp_log(event->pool, DBPOOL_LOG_ERROR, "exception in a %s listener: %s", dbp_event_name(event->kind), own.message);
    }
}
