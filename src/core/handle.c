/* SPDX-License-Identifier: MIT
 *
 * Reading through a handle: what the holder of a lease may ask and attach. Nothing here begins or ends a lease.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "core/lease.h"
#include "core/pool.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

/* The lease behind a handle: exactly one of record and detached is set, or none when the handle is stale or of the parent process. */
struct view {
    dbpool *pool;
    dbpool_record *record;
    dbp_detached *detached;
    void *native;
    dbpool_status absent; /* why there is nothing to see */
};

static struct view look_through(dbpool_conn conn) {
    struct view view = {.absent = DBPOOL_ESTALE};
    if (!dbp_cell_readable(conn))
        return view;
    dbpool_record *record = conn.cell->record;
    dbp_detached *detached = conn.cell->detached;
    dbpool *pool = record ? record->pool : detached->pool;
    if (dbp_pool_is_inherited(pool))
        return (struct view){.absent = DBPOOL_EFORK};
    return (struct view){pool, record, record ? NULL : detached, record ? record->native : detached->native, DBPOOL_ESTALE};
}

void *dbpool_native(dbpool_conn conn) { return look_through(conn).native; }

void *dbpool_native_of(dbpool_conn conn, const char *driver_name) {
    struct view view = look_through(conn);
    return view.native && driver_name && strcmp(view.pool->driver->name, driver_name) == 0 ? view.native : NULL;
}

bool dbpool_is_valid(dbpool_conn conn) { return look_through(conn).native != NULL; }

dbpool_record *dbpool_record_of(dbpool_conn conn) { return look_through(conn).record; }

/* ---- Attaching ---- */

static dbpool_status extras_of(const struct view *view, dbp_extras **extras_out) {
    if (!view->pool)
        return view->absent;
    if (view->detached && !view->detached->extras)
        view->detached->extras = dbp_memory_alloc(sizeof *view->detached->extras);
    *extras_out = view->record ? dbp_record_extras(view->record) : view->detached->extras;
    return *extras_out ? DBPOOL_OK : DBPOOL_ENOMEM;
}

dbpool_status dbpool_set_info(dbpool_conn conn, dbpool_scope scope, const char *key, void *value, void (*free_value)(void *)) {
    struct view view = look_through(conn);
    if (!key || (unsigned)scope > DBPOOL_SCOPE_RECORD)
        return DBPOOL_EINVAL;
    if (view.detached && scope == DBPOOL_SCOPE_RECORD)
        return DBPOOL_EUNSUPPORTED;
    dbp_extras *extras = NULL;
    dbpool_status status = extras_of(&view, &extras);
    return status == DBPOOL_OK ? dbp_info_set(&extras->info[scope], key, value, free_value) : status;
}

void *dbpool_get_info(dbpool_conn conn, dbpool_scope scope, const char *key) {
    struct view view = look_through(conn);
    if (!view.pool || !key || (unsigned)scope > DBPOOL_SCOPE_RECORD)
        return NULL;
    const dbp_extras *extras = view.record ? view.record->extras : view.detached->extras;
    return extras ? dbp_info_get(extras->info[scope], key) : NULL;
}

dbpool_status dbpool_on_checkin(dbpool_conn conn, void (*fn)(void *native, void *arg), void *arg) {
    struct view view = look_through(conn);
    if (!view.pool)
        return view.absent;
    return view.record ? dbpool_record_on_checkin(view.record, fn, arg) : DBPOOL_EUNSUPPORTED;
}

dbpool_status dbpool_set_tag(dbpool_conn conn, const char *tag) {
    struct view view = look_through(conn);
    if (!tag)
        return DBPOOL_EINVAL;
    dbp_extras *extras = NULL;
    dbpool_status status = extras_of(&view, &extras);
    if (status != DBPOOL_OK)
        return status;
    dbp_mutex_lock(&view.pool->mutex);
    snprintf(extras->tag, sizeof extras->tag, "%s", tag);
    dbp_mutex_unlock(&view.pool->mutex);
    return DBPOOL_OK;
}

dbpool_status dbpool_describe(dbpool_conn conn, int64_t timeout_ms, void (*row)(void *arg, const char *key, const char *value), void *arg,
                              dbpool_error *err) {
    struct view view = look_through(conn);
    if (!view.native)
        return view.absent == DBPOOL_EFORK ? dbp_error_set(err, DBPOOL_EFORK, "describe server: the lease belongs to the parent process")
                                           : dbp_error_set(err, DBPOOL_ESTALE, "describe server: This connection is closed");
    if (!row)
        return dbp_error_set(err, DBPOOL_EINVAL, "describe server: row is NULL");
    if (!view.pool->driver->describe)
        return dbp_error_set(err, DBPOOL_EUNSUPPORTED, "describe server: the driver %s cannot", view.pool->driver->name);
    int64_t deadline_ns = dbp_deadline_after_ms(dbp_clock_now(), timeout_ms);
    return view.pool->driver->describe(view.pool->driver_arg, view.native, deadline_ns, row, arg, err);
}
