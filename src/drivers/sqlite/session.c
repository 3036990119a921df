/* SPDX-License-Identifier: MIT
 *
 * What a connection is set up with: the keys of a URL, the settings made from them, and how a full reset brings a connection back to what
 * it was after its opening. A full reset undoes what it can and verifies it; on what it finds and cannot undo it fails, and the pool opens
 * the connection anew.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/parse.h"
#include "drivers/sqlite/calls.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

/* ---- The keys of a URL ----------------------------------------------------------------------------------------------------------- */

static const char *const mode_words[] = {"rwc", "rw", "ro", NULL};
static const char *const statement_words[] = {"close", "keep", NULL};
static const char *const journal_words[] = {"wal", "delete", "truncate", "persist", "memory", "off", NULL};
static const char *const synchronous_words[] = {"off", "normal", "full", "extra", NULL};

static dbpool_status refuse(const char *key, const char *why, dbpool_error *err) {
    char name[64];
    dbp_buffer escaped = dbp_buffer_init(name, sizeof name);
    dbp_buffer_escape(&escaped, key);
    return dbp_error_set(err, DBPOOL_EOPTION, "configuring: %s: %s", name, why);
}

/* The word of the list that `param` has as its value. */
static dbpool_status read_word(const dbpool_param *param, const char *const *words, const char **word_out, dbpool_error *err) {
    char why[80];
    dbp_buffer list = dbp_buffer_init(why, sizeof why);
    dbp_buffer_format(&list, "it must be one of");
    for (; *words; words++) {
        if (dbp_parse_same_word(param->value, *words)) {
            *word_out = *words;
            return DBPOOL_OK;
        }
        dbp_buffer_format(&list, " %s", *words);
    }
    return refuse(param->key, why, err);
}

/* A path that SQLite would take for something else than a file name is made one. */
static dbpool_status read_path(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    if (*param->value == '\0')
        return refuse(param->key, "the name of a file, or :memory:, is missing", err);
    const char *prefix = strncmp(param->value, "file:", 5) == 0 ? "./" : "";
    size_t size = strlen(prefix) + strlen(param->value) + 1;
    dbp_memory_free(config->path);
    config->path = dbp_memory_alloc(size);
    if (!config->path)
        return dbp_error_nomem(err, "configuring");
    snprintf(config->path, size, "%s%s", prefix, param->value);
    return DBPOOL_OK;
}

static dbpool_status read_empty(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    (void)config;
    return *param->value == '\0' ? DBPOOL_OK : refuse(param->key, "SQLite has none, it must be empty", err);
}

static dbpool_status read_mode(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    const char *word = "";
    dbpool_status status = read_word(param, mode_words, &word, err);
    int mode = strcmp(word, "ro") == 0 ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    config->open_flags &= ~(SQLITE_OPEN_READONLY | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    config->open_flags |= strcmp(word, "rwc") == 0 ? mode | SQLITE_OPEN_CREATE : mode;
    return status;
}

static dbpool_status read_busy_timeout(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    int64_t ns;
    if (!dbp_parse_duration(param->value, &ns))
        return refuse(param->key, "it must be a duration such as 5s or 500ms", err);
    int64_t ms = ns < 0 ? INT_MAX : (ns + DBP_NS_PER_MS - 1) / DBP_NS_PER_MS;
    config->busy_timeout_ms = ms > INT_MAX ? INT_MAX : (int)ms;
    return DBPOOL_OK;
}

static dbpool_status read_statements(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    const char *word = "";
    dbpool_status status = read_word(param, statement_words, &word, err);
    config->keep_statements = strcmp(word, "keep") == 0;
    return status;
}

static dbpool_status read_journal_mode(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    return read_word(param, journal_words, &config->journal_mode, err);
}

static dbpool_status read_synchronous(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    return read_word(param, synchronous_words, &config->synchronous, err);
}

static dbpool_status read_foreign_keys(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    bool on;
    if (!dbp_parse_bool(param->value, &on))
        return refuse(param->key, "it must be true or false", err);
    config->foreign_keys = on ? "on" : "off";
    return DBPOOL_OK;
}

static dbpool_status read_cache_size(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    int64_t pages;
    if (!dbp_parse_int(param->value, &pages) || pages < INT_MIN || pages > INT_MAX)
        return refuse(param->key, "it must be a whole number", err);
    snprintf(config->cache_size, sizeof config->cache_size, "%d", (int)pages);
    return DBPOOL_OK;
}

static const struct {
    const char *name;
    dbpool_status (*read)(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err);
} keys[] = {
    {"path",         read_path        },
    {"host",         read_empty       },
    {"port",         read_empty       },
    {"user",         read_empty       },
    {"password",     read_empty       },
    {"mode",         read_mode        },
    {"busy_timeout", read_busy_timeout},
    {"statements",   read_statements  },
    {"journal_mode", read_journal_mode},
    {"synchronous",  read_synchronous },
    {"foreign_keys", read_foreign_keys},
    {"cache_size",   read_cache_size  },
};

static dbpool_status read_param(const dbpool_param *param, struct dbp_sqlite_config *config, dbpool_error *err) {
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(param->key, keys[i].name) == 0)
            return keys[i].read(param, config, err);
    return refuse(param->key, "the SQLite driver has no such option", err);
}

static dbpool_status read_params(const dbpool_param *params, size_t count, struct dbp_sqlite_config *config, dbpool_error *err) {
    config->open_flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    config->busy_timeout_ms = count ? 5000 : -1;
    for (size_t i = 0; i < count; i++) {
        dbpool_status status = read_param(&params[i], config, err);
        if (status != DBPOOL_OK)
            return status;
    }
    return count && !config->path ? refuse("path", "the name of a file, or :memory:, is missing", err) : DBPOOL_OK;
}

dbpool_status dbp_sqlite_configure(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err) {
    if (!sqlite3_threadsafe())
        return dbp_error_set(err, DBPOOL_EUNSUPPORTED, "configuring: this SQLite was built for a single thread");
    dbp_fork_watch();
    struct dbp_sqlite_config *config = dbp_memory_alloc(sizeof *config);
    if (!config)
        return dbp_error_nomem(err, "configuring");
    dbpool_status status = read_params(params, count, config, err);
    if (status == DBPOOL_OK)
        *driver_arg_out = config;
    else
        dbp_sqlite_release(config);
    return status;
}

void dbp_sqlite_release(void *driver_arg) {
    struct dbp_sqlite_config *config = driver_arg;
    if (config)
        dbp_memory_free(config->path);
    dbp_memory_free(config);
}

/* ---- What a session is like ------------------------------------------------------------------------------------------------------ */

/* The settings that belong to a connection and not to the file, each written as it is read. locking_mode comes first: an exclusive lock
 * goes with the next read of the file, which max_page_count does. (The lock wait is a setting too; it is set after each work of the pool.)
 * */
static const char *const pragmas[] = {
    "locking_mode",
    "query_only",
    "writable_schema",
    "trusted_schema",
    "foreign_keys",
    "synchronous",
    "cache_size",
    "temp_store",
    "recursive_triggers",
    "cache_spill",
    "read_uncommitted",
    "automatic_index",
    "mmap_size",
    "ignore_check_constraints",
    "fullfsync",
    "cell_size_check",
    "checkpoint_fullfsync",
    "secure_delete",
    "reverse_unordered_selects",
    "threads",
    "legacy_alter_table",
    "wal_autocheckpoint",
    "max_page_count",
    "journal_size_limit",
    "analysis_limit",
    "defer_foreign_keys",
    "full_column_names",
    "short_column_names",
    "count_changes",
};
#define PRAGMAS (sizeof pragmas / sizeof *pragmas)
_Static_assert(PRAGMAS <= DBP_SQLITE_PRAGMAS, "the snapshot has a place for each");

/* The switches of sqlite3_db_config, by number so that those of a newer SQLite count too; 1009 empties the database and is none. */
static int flag_number(int i) { return i < 7 ? 1002 + i : 1003 + i; }

static int read_pragma(sqlite3 *db, const char *name, char *value, size_t size) {
    char sql[64];
    snprintf(sql, sizeof sql, "pragma %s", name);
    return dbp_sqlite_query(db, sql, value, size);
}

static int write_pragma(sqlite3 *db, const char *name, const char *value, char *answer, size_t size) {
    char sql[96];
    snprintf(sql, sizeof sql, "pragma %s=%s", name, value);
    return dbp_sqlite_query(db, sql, answer, size);
}

/* Adds the number of rows to `*count`. */
static int count_rows(sqlite3 *db, const char *sql, int *count) {
    sqlite3_stmt *statement = NULL;
    int code = dbp_sqlite_calls->prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    while ((code = dbp_sqlite_calls->step(statement)) == SQLITE_ROW)
        ++*count;
    dbp_sqlite_calls->finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* A function put in the place of SQLite's own counts as one more. */
static int count_extensions(sqlite3 *db, int *count) {
    *count = 0;
    int code = count_rows(db, "pragma function_list", count);
    return code == SQLITE_OK ? count_rows(db, "pragma collation_list", count) : code;
}

static int read_snapshot(sqlite3 *db, struct dbp_sqlite_snapshot *snapshot) {
    for (int i = 0; i < DBP_SQLITE_LIMITS; i++)
        snapshot->limits[i] = dbp_sqlite_calls->limit(db, i, -1);
    for (int i = 0; i < DBP_SQLITE_FLAGS; i++)
        if (dbp_sqlite_calls->db_config(db, flag_number(i), -1, &snapshot->flags[i]) != SQLITE_OK)
            snapshot->flags[i] = -1;
    int code = count_extensions(db, &snapshot->extensions);
    for (size_t i = 0; code == SQLITE_OK && i < PRAGMAS; i++)
        code = read_pragma(db, pragmas[i], snapshot->pragmas[i], sizeof snapshot->pragmas[i]);
    return code == SQLITE_OK ? read_pragma(db, "journal_mode", snapshot->journal_mode, sizeof snapshot->journal_mode) : code;
}

static bool has_snapshot(struct dbp_sqlite_config *config) {
    dbp_mutex_lock(&config->mutex);
    bool taken = config->snapshot_taken;
    dbp_mutex_unlock(&config->mutex);
    return taken;
}

/* The connections of a pool are set up alike: what the first one is like holds for all. */
static int take_snapshot(sqlite3 *db, struct dbp_sqlite_config *config) {
    struct dbp_sqlite_snapshot snapshot = {0};
    int code = has_snapshot(config) ? SQLITE_OK : read_snapshot(db, &snapshot);
    if (code != SQLITE_OK)
        return code;
    dbp_mutex_lock(&config->mutex);
    if (!config->snapshot_taken)
        config->snapshot = snapshot;
    config->snapshot_taken = true;
    dbp_mutex_unlock(&config->mutex);
    return SQLITE_OK;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------------------------ */

static dbpool_status apply_journal_mode(sqlite3 *db, const struct dbp_sqlite_config *config, const struct dbp_sqlite_guard *guard,
                                        dbpool_error *err) {
    char answer[24];
    int code = write_pragma(db, "main.journal_mode", config->journal_mode, answer, sizeof answer);
    if (code != SQLITE_OK)
        return dbp_sqlite_fail(db, code, guard, "setting journal_mode", err);
    if (strcmp(answer, config->journal_mode) != 0)
        return dbp_error_set(err, DBPOOL_EDRIVER, "setting journal_mode: the database stays in mode %s", answer);
    return DBPOOL_OK;
}

dbpool_status dbp_sqlite_apply(sqlite3 *db, struct dbp_sqlite_config *config, const struct dbp_sqlite_guard *guard, dbpool_error *err) {
    const char *const settings[][2] = {
        {"synchronous",  config->synchronous                              },
        {"foreign_keys", config->foreign_keys                             },
        {"cache_size",   config->cache_size[0] ? config->cache_size : NULL},
    };
    dbpool_status status = config->journal_mode ? apply_journal_mode(db, config, guard, err) : DBPOOL_OK;
    if (status != DBPOOL_OK)
        return status;
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < sizeof settings / sizeof *settings; i++)
        if (settings[i][1])
            code = write_pragma(db, settings[i][0], settings[i][1], NULL, 0);
    if (code == SQLITE_OK)
        code = take_snapshot(db, config);
    return code == SQLITE_OK ? DBPOOL_OK : dbp_sqlite_fail(db, code, guard, "setting up", err);
}

/* ---- A full reset ---------------------------------------------------------------------------------------------------------------- */

static void remove_hooks(sqlite3 *db) {
    dbp_sqlite_calls->set_authorizer(db, NULL, NULL);
    dbp_sqlite_calls->trace_v2(db, 0, NULL, NULL);
    dbp_sqlite_calls->collation_needed(db, NULL, NULL);
    dbp_sqlite_calls->commit_hook(db, NULL, NULL);
    dbp_sqlite_calls->rollback_hook(db, NULL, NULL);
    dbp_sqlite_calls->update_hook(db, NULL, NULL);
}

static int restore_switches(sqlite3 *db, const struct dbp_sqlite_snapshot *snapshot) {
    int code = SQLITE_OK;
    for (int i = 0; i < DBP_SQLITE_LIMITS; i++)
        dbp_sqlite_calls->limit(db, i, snapshot->limits[i]);
    for (int i = 0; code == SQLITE_OK && i < DBP_SQLITE_FLAGS; i++)
        if (snapshot->flags[i] >= 0)
            code = dbp_sqlite_calls->db_config(db, flag_number(i), snapshot->flags[i], (int *)NULL);
    return code;
}

/* Sets what differs, and looks again; SQLITE_MISMATCH when it still differs. */
static int restore_pragma(sqlite3 *db, const char *name, const char *value) {
    char now[24];
    int code = read_pragma(db, name, now, sizeof now);
    if (code != SQLITE_OK || strcmp(now, value) == 0)
        return code;
    code = write_pragma(db, name, value, NULL, 0);
    if (code == SQLITE_OK)
        code = read_pragma(db, name, now, sizeof now);
    return code == SQLITE_OK && strcmp(now, value) != 0 ? SQLITE_MISMATCH : code;
}

/* The mode of the file itself (wal, or delete) is the file's affair, which any process may change; the others are the connection's. */
static int restore_journal_mode(sqlite3 *db, const char *value, bool is_set) {
    char now[24];
    int code = read_pragma(db, "journal_mode", now, sizeof now);
    bool files_own = strcmp(now, "wal") == 0 || strcmp(now, "delete") == 0;
    bool was_files_own = strcmp(value, "wal") == 0 || strcmp(value, "delete") == 0;
    if (code != SQLITE_OK || (!is_set && files_own && was_files_own))
        return code;
    return restore_pragma(db, "journal_mode", value);
}

static int restore_settings(sqlite3 *db, const struct dbp_sqlite_config *config) {
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < PRAGMAS; i++)
        code = restore_pragma(db, pragmas[i], config->snapshot.pragmas[i]);
    return code == SQLITE_OK ? restore_journal_mode(db, config->snapshot.journal_mode, config->journal_mode != NULL) : code;
}

/* Runs the statement that `generator` yields, again and again until it yields none. */
static int run_generated(sqlite3 *db, const char *generator) {
    char sql[1024];
    for (;;) {
        int code = dbp_sqlite_query(db, generator, sql, sizeof sql);
        if (code != SQLITE_OK || sql[0] == '\0')
            return code;
        code = dbp_sqlite_query(db, sql, NULL, 0);
        if (code != SQLITE_OK)
            return code;
    }
}

static int drop_temporary(sqlite3 *db) {
    /* Virtual tables first: their shadow tables go with them. */
    int code = run_generated(db, "select 'drop '||type||' temp.\"'||replace(name,'\"','\"\"')||'\"' from temp.sqlite_master"
                                 " where type in ('table','view','trigger') and substr(name,1,7)<>'sqlite_'"
                                 " order by sql like 'create virtual%' desc limit 1");
    if (code != SQLITE_OK)
        return code;
    return run_generated(db, "select 'detach \"'||replace(name,'\"','\"\"')||'\"' from pragma_database_list where seq>1 limit 1");
}

dbpool_status dbp_sqlite_restore(sqlite3 *db, struct dbp_sqlite_config *config, const struct dbp_sqlite_guard *guard, dbpool_error *err) {
    if (!config->path || !has_snapshot(config))
        return dbp_error_set(err, DBPOOL_EUNSUPPORTED, "resetting fully: the creator's connection is not known as it was at first");
    if (dbp_sqlite_calls->next_stmt(db, NULL))
        return dbp_error_set(err, DBPOOL_EDRIVER, "resetting fully: a statement is still open");
    remove_hooks(db);
    int extensions = 0;
    int code = restore_switches(db, &config->snapshot);
    if (code == SQLITE_OK)
        code = count_extensions(db, &extensions);
    if (code == SQLITE_OK && extensions != config->snapshot.extensions)
        return dbp_error_set(err, DBPOOL_EDRIVER, "resetting fully: a function or collation was added");
    if (code == SQLITE_OK)
        code = restore_settings(db, config);
    if (code == SQLITE_MISMATCH)
        return dbp_error_set(err, DBPOOL_EDRIVER, "resetting fully: a setting cannot be undone");
    if (code == SQLITE_OK)
        code = drop_temporary(db);
    return code == SQLITE_OK ? DBPOOL_OK : dbp_sqlite_fail(db, code, guard, "resetting fully", err);
}
