/* SPDX-License-Identifier: MIT
 *
 * Where the load's threads get their connections from: the pool, or, to compare with, the same connections handed round with a plain
 * mutex and condition variable.
 */
#ifndef DBPOOL_TOOL_SOURCE_H
#define DBPOOL_TOOL_SOURCE_H

#include <dbpool/dbpool.h>
#include <pthread.h>

#include "session.h"

/* A connection that one thread uses. */
typedef struct loan {
    void *native;
    dbpool_conn conn; /* in a raw source: the lease that keeps the connection open; empty after it was lost */
} loan;

typedef struct source {
    dbpool *pool;
    const session_driver *driver;
    bool raw;
    int64_t timeout_ms; /* the pool's; -1: none */
    pthread_mutex_t mutex;
    pthread_cond_t returned;
    loan *idle; /* guarded by mutex: a stack of `idle_count`, of at most `size` */
    size_t idle_count, size;
} source;

/* Over the pool, which must outlive it. */
dbpool_status source_init(source *s, dbpool *pool, const session_driver *driver);

/* The raw one: takes `size` connections out of the pool for as long as it lives. After a failure nothing is held. */
dbpool_status source_init_raw(source *s, dbpool *pool, const session_driver *driver, size_t size, dbpool_error *err);

/* Returns the connections that a raw source holds. No loan may be out. */
void source_fini(source *s);

/* Waits for a connection, at most as long as the pool's timeout is, and not past `last_ns` on dbpool_now_ns's clock. */
dbpool_status source_take(source *s, int64_t last_ns, loan *loan_out, dbpool_error *err);

/* Gives it back, after a rollback when a transaction is open. */
void source_give(source *s, loan *l);

/* Gives it back as lost: it is closed, and its place is free for a new one. */
void source_drop(source *s, loan *l, const dbpool_error *reason);

#endif
