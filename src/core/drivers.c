/* SPDX-License-Identifier: MIT */
#include "core/drivers.h"

#include <dlfcn.h>
#include <string.h>

#include "base/error.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

/* Registered drivers, newest first; never removed. */
struct entry {
    const dbpool_driver *driver;
    struct entry *next;
};
static dbp_mutex registry_mutex;
static struct entry *registry; /* guarded by registry_mutex */

DBP_FORK_GUARD(registry_mutex)

/* The drivers that are loaded when their scheme is asked for: a fixed set, so that no URL can name a file to load. */
static const struct loadable {
    const char *schemes, *library, *symbol;
} loadables[] = {
    {"sqlite",              "libdbpool-sqlite.so.0",     "dbpool_sqlite_driver"    },
    {"postgresql,postgres", "libdbpool-postgresql.so.0", "dbpool_postgresql_driver"},
};

/* ---- Schemes ---- */

/* Whether `scheme` of this length is one of a comma-separated list. */
static bool lists(const char *schemes, const char *scheme, size_t length) {
    for (const char *at = schemes; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strcspn(at, ",") == length && strncmp(at, scheme, length) == 0)
            return true;
    return false;
}

static bool overlap(const char *a, const char *b) {
    for (const char *at = a; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (lists(b, at, strcspn(at, ",")))
            return true;
    return false;
}

static const dbpool_driver *find_registered(const char *scheme) {
    dbp_mutex_lock(&registry_mutex);
    struct entry *entry = registry;
    while (entry && !lists(entry->driver->schemes, scheme, strlen(scheme)))
        entry = entry->next;
    dbp_mutex_unlock(&registry_mutex);
    return entry ? entry->driver : NULL;
}

static dbpool_status load(const struct loadable *loadable, const dbpool_driver **driver_out, dbpool_error *err) {
    void *library = dlopen(loadable->library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, loadable->symbol) : NULL;
    if (!symbol)
        return dbp_error_set(err, DBPOOL_EUNSUPPORTED, "load driver: %s", dlerror());
    *driver_out = symbol;
    return DBPOOL_OK;
}

dbpool_status dbp_drivers_find(const char *scheme, const dbpool_driver **driver_out, dbpool_error *err) {
    *driver_out = find_registered(scheme);
    if (*driver_out)
        return DBPOOL_OK;
    for (size_t i = 0; i < sizeof loadables / sizeof *loadables; i++)
        if (lists(loadables[i].schemes, scheme, strlen(scheme)))
            return load(&loadables[i], driver_out, err);
    return dbp_error_set(err, DBPOOL_EUNSUPPORTED,
                         "find driver: there is none for the scheme of this URL; known are sqlite, postgresql, postgres "
                         "and those registered");
}

/* ---- Registration ---- */

static dbpool_status check_table(const dbpool_driver *driver, bool has_creator, dbpool_error *err) {
    if (!driver || driver->struct_size < offsetof(dbpool_driver, look) || driver->struct_size > 4096)
        return dbp_error_set(err, DBPOOL_EINVAL, "use driver: struct_size is not that of a dbpool_driver");
    if (!driver->name || !driver->close)
        return dbp_error_set(err, DBPOOL_EINVAL, "use driver: name and close are required");
    if (!driver->open && !has_creator)
        return dbp_error_set(err, DBPOOL_EINVAL, "use driver %s: open is required", driver->name);
    return DBPOOL_OK;
}

static bool is_taken_locked(const dbpool_driver *driver) {
    for (struct entry *entry = registry; entry; entry = entry->next)
        if (overlap(driver->schemes, entry->driver->schemes))
            return true;
    return false;
}

static bool is_known_locked(const dbpool_driver *driver) {
    for (struct entry *entry = registry; entry; entry = entry->next)
        if (entry->driver == driver)
            return true;
    return false;
}

dbpool_status dbpool_register_driver(const dbpool_driver *driver, dbpool_error *err) {
    dbpool_status status = check_table(driver, false, err);
    if (status != DBPOOL_OK)
        return status;
    if (!driver->schemes || !*driver->schemes || !driver->configure)
        return dbp_error_set(err, DBPOOL_EINVAL, "register driver %s: schemes and configure are required", driver->name);
    struct entry *entry = dbp_memory_alloc(sizeof *entry);
    if (!entry)
        return dbp_error_nomem(err, "register driver");
    dbp_mutex_lock(&registry_mutex);
    bool known = is_known_locked(driver), taken = is_taken_locked(driver);
    if (!taken) {
        *entry = (struct entry){driver, registry};
        registry = entry;
    }
    dbp_mutex_unlock(&registry_mutex);
    if (!taken)
        return DBPOOL_OK;
    dbp_memory_free(entry);
    return known ? DBPOOL_OK : dbp_error_set(err, DBPOOL_EBUSY, "register driver %s: one of its schemes is taken", driver->name);
}

/* ---- Sources ---- */

dbpool_status dbp_source_open_driver(const dbpool_driver *driver, void *driver_arg, bool has_creator, dbp_source **out, dbpool_error *err) {
    dbpool_status status = check_table(driver, has_creator, err);
    if (status != DBPOOL_OK)
        return status;
    dbp_source *source = dbp_memory_alloc(sizeof *source);
    if (!source)
        return dbp_error_nomem(err, "open pool");
    dbp_store_relaxed_u32(&source->references, 1);
    /* An older table is shorter: what it lacks is NULL. */
    size_t size = driver->struct_size < sizeof source->driver ? driver->struct_size : sizeof source->driver;
    memcpy(&source->driver, driver, size);
    source->driver_arg = driver_arg;
    *out = source;
    return DBPOOL_OK;
}

dbpool_status dbp_source_open_target(const dbp_target *target, dbp_source **out, dbpool_error *err) {
    const dbpool_driver *driver = NULL;
    dbpool_status status = dbp_drivers_find(target->scheme, &driver, err);
    if (status == DBPOOL_OK)
        status = dbp_source_open_driver(driver, NULL, false, out, err);
    if (status != DBPOOL_OK)
        return status;
    status = driver->configure(target->params, target->count, &(*out)->driver_arg, err);
    (*out)->configured = status == DBPOOL_OK;
    if (status != DBPOOL_OK) {
        dbp_source_unref(*out);
        *out = NULL;
    }
    return status;
}

void dbp_source_ref(dbp_source *source) { (void)dbp_add_relaxed_u32(&source->references, 1); }

void dbp_source_unref(dbp_source *source) {
    if (dbp_sub_acq_rel_u32(&source->references, 1) != 1)
        return;
    if (source->configured && source->driver.release)
        source->driver.release(source->driver_arg);
    dbp_memory_free(source);
}
