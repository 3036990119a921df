/* SPDX-License-Identifier: MIT
 *
 * Connect arguments: checked against libpq's own list, kept as a table of keys and values from which every connection is opened, never put
 * together into a connect string, and wiped when they are let go.
 */
#include "drivers/postgresql/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/memory.h"

/* The name that libpq has for an argument. */
static const char *name_of(const dbpool_param *param) { return strcmp(param->key, "path") == 0 ? "dbname" : param->key; }

static const char *value_of(const dbpool_param *param) {
    bool path = strcmp(param->key, "path") == 0;
    return param->value + (path && param->value[0] == '/');
}

static bool knows(const PQconninfoOption *options, const char *key) {
    for (; options->keyword; options++)
        if (strcmp(options->keyword, key) == 0)
            return true;
    return false;
}

static dbpool_status refuse(dbpool_error *err, const char *key, const char *why) {
    char name[64];
    dbp_buffer buffer = dbp_buffer_init(name, sizeof name);
    dbp_buffer_escape(&buffer, key);
    return dbp_error_set(err, DBPOOL_EOPTION, "%s: %s", name, why);
}

/* libpq reads connect_timeout only in its blocking calls, so it is for us to check. */
static bool is_whole_number(const char *text) {
    char *end;
    errno = 0;
    (void)strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static dbpool_status check(const dbpool_param *params, size_t count, dbpool_error *err) {
    /* Not PQconndefaults, whose list is the same: that one also looks up PGSERVICE, which may ask an LDAP server. */
    PQconninfoOption *options = dbp_pg->PQconninfoParse("", NULL);
    if (!options)
        return dbp_error_nomem(err, "configure PostgreSQL");
    dbpool_status status = DBPOOL_OK;
    for (size_t i = 0; i < count && status == DBPOOL_OK; i++) {
        const char *name = name_of(&params[i]);
        if (!knows(options, name))
            status = refuse(err, params[i].key, "neither an option of the pool (pool_…) nor one of libpq");
        else if (strcmp(name, "connect_timeout") == 0 && !is_whole_number(params[i].value))
            status = refuse(err, name, "not a whole number of seconds");
    }
    dbp_pg->PQconninfoFree(options);
    return status;
}

/* The last of equal keys stays, as in libpq. */
static bool set(struct dbp_pg_config *config, const char *key, const char *value) {
    size_t at = 0;
    while (at < config->count && strcmp(config->param[at].key, key) != 0)
        at++;
    char *copy = dbp_memory_copy_text(value);
    if (!copy || (at == config->count && !(config->param[at].key = dbp_memory_copy_text(key)))) {
        dbp_memory_free_secret(copy);
        return false;
    }
    dbp_memory_free_secret(config->param[at].value);
    config->param[at].value = copy;
    config->count += at == config->count;
    return true;
}

dbpool_status dbp_pg_configure(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err) {
    dbpool_status status = check(params, count, err);
    if (status != DBPOOL_OK)
        return status;
    struct dbp_pg_config *config = dbp_memory_alloc(sizeof *config + (count + 1) * sizeof config->param[0]);
    bool all = config && set(config, "fallback_application_name", "dbpool");
    for (size_t i = 0; i < count && all; i++)
        all = set(config, name_of(&params[i]), value_of(&params[i]));
    if (config)
        dbp_pg_config_ref(config);
    if (!all) {
        dbp_pg_release(config);
        return dbp_error_nomem(err, "configure PostgreSQL");
    }
    *driver_arg_out = config;
    return DBPOOL_OK;
}

void dbp_pg_release(void *driver_arg) {
    if (driver_arg)
        dbp_pg_config_unref(driver_arg);
}

void dbp_pg_config_ref(struct dbp_pg_config *config) { dbp_add_relaxed_u32(&config->refs, 1); }

void dbp_pg_config_unref(struct dbp_pg_config *config) {
    if (dbp_sub_acq_rel_u32(&config->refs, 1) != 1)
        return;
    for (size_t i = 0; i < config->count; i++) {
        dbp_memory_free(config->param[i].key);
        dbp_memory_free_secret(config->param[i].value);
    }
    dbp_memory_free(config);
}

const char *dbp_pg_config_value(const struct dbp_pg_config *config, const char *key) {
    for (size_t i = 0; config && i < config->count; i++)
        if (strcmp(config->param[i].key, key) == 0)
            return config->param[i].value;
    return NULL;
}

static bool replaced(const char *key, const dbpool_param *instead, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(instead[i].key, key) == 0)
            return true;
    return false;
}

PGconn *dbp_pg_config_start(const struct dbp_pg_config *config, const dbpool_param *instead, size_t instead_count) {
    size_t own = config ? config->count : 0, most = own + instead_count + 1, n = 0;
    const char **keys = dbp_memory_alloc(2 * most * sizeof *keys);
    if (!keys)
        return NULL;
    const char **values = keys + most;
    for (size_t i = 0; i < own; i++)
        if (!replaced(config->param[i].key, instead, instead_count)) {
            keys[n] = config->param[i].key;
            values[n++] = config->param[i].value;
        }
    for (size_t i = 0; i < instead_count; i++)
        if (instead[i].value) {
            keys[n] = instead[i].key;
            values[n++] = instead[i].value;
        }
    /* expand_dbname is off: a database name that looks like a connect string is only a name. */
    PGconn *conn = dbp_pg->PQconnectStartParams(keys, values, 0);
    dbp_memory_free(keys);
    return conn;
}

void dbp_pg_config_wipe(PQconninfoOption *options) {
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (o->val && o->dispchar[0] == '*')
            explicit_bzero(o->val, strlen(o->val));
    dbp_pg->PQconninfoFree(options);
}
