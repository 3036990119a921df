/* SPDX-License-Identifier: MIT
 *
 * The listeners of one pool: a list for each kind of event, in the order of adding. It is read without a lock; adding and removing happen
 * under the pool's mutex. A removed listener's node stays until the pool goes, so a reader never meets freed memory.
 */
#ifndef DBP_CORE_EVENTS_H
#define DBP_CORE_EVENTS_H

#include <dbpool/dbpool.h>

#include "os/atomic.h"

typedef struct dbp_events {
    dbp_atomic_ptr first[DBPOOL_EVENT_COUNT];
} dbp_events;

/* A node for a listener, or NULL when there is no memory; made before the mutex is taken. */
struct dbp_listener_node *dbp_events_node(const dbpool_listener *listener);

/* Pool's mutex held. */
void dbp_events_append_locked(dbp_events *events, struct dbp_listener_node *node);
bool dbp_events_remove_locked(dbp_events *events, const dbpool_listener *listener);

/* Both at once, for a list that nobody else knows yet. */
bool dbp_events_add_unshared(dbp_events *events, const dbpool_listener *listener);

/* Appends the listeners of `from` to `to`, which nobody else knows yet. False when there is no memory. */
bool dbp_events_copy(const dbp_events *from, dbp_events *to);

void dbp_events_fini(dbp_events *events);

/* Whether there is a listener for this kind. */
bool dbp_events_any(const dbp_events *events, dbpool_event_kind kind);

/* Runs the listeners of event->kind in order. run: the first failure ends it and is returned. tell: a failure is logged and the rest run.
 * */
dbpool_status dbp_events_run(const dbpool_event *event, dbpool_error *err);
void dbp_events_tell(const dbpool_event *event);

/* Whether the calling thread is inside a listener of this pool. */
bool dbp_events_inside(const dbpool *pool);

#endif
