/* SPDX-License-Identifier: MIT
 *
 * The conformance suite over SQLite, once with a rollback journal and once with a write-ahead log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dbpool/sqlite.h>

#include "conformance.h"

static char folder[] = "/tmp/dbpool-sqlite-XXXXXX";
static char path[128], gone_path[128], text_path[128], other_path[128], missing_path[128], attach[256];

/* ---- SQL ------------------------------------------------------------------------------------------------------------------------- */

static bool run(void *native, const char *sql) { return sqlite3_exec(native, sql, NULL, NULL, NULL) == SQLITE_OK; }

static bool number(void *native, const char *sql, int64_t *out) {
    sqlite3_stmt *statement = NULL;
    bool found = sqlite3_prepare_v2(native, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *out = sqlite3_column_int64(statement, 0);
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

static bool make_database(void) {
    sqlite3 *db = NULL;
    bool made = sqlite3_open(path, &db) == SQLITE_OK && run(db, "create table if not exists numbers (n integer)");
    return sqlite3_close(db) == SQLITE_OK && made;
}

static sqlite3_stmt *unread;

static bool leave_unread(void *native) {
    return sqlite3_prepare_v2(native, "values (1), (2), (3)", -1, &unread, NULL) == SQLITE_OK && sqlite3_step(unread) == SQLITE_ROW;
}

static void drop_unread(void) {
    sqlite3_finalize(unread);
    unread = NULL;
}

/* ---- A database that goes away, or is locked -------------------------------------------------------------------------------------- */

static bool kill_session(void *native) {
    (void)native;
    return rename(path, gone_path) == 0;
}

static sqlite3 *blocker;

static bool block(const char *sql) { return sqlite3_open(path, &blocker) == SQLITE_OK && run(blocker, sql); }

static void unstick(void) {
    sqlite3_close(blocker);
    blocker = NULL;
}

/* To turn the log on, an opening must be alone. */
static bool stick_open(void) { return block("pragma journal_mode=delete; begin exclusive"); }

/* A commit without a log waits for the readers. */
static bool stick_commit(void *native) {
    (void)native;
    return block("begin; select * from numbers");
}

/* ---- What a holder can leave ------------------------------------------------------------------------------------------------------ */

static int seen;

static void add_value(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    sqlite3_result_value(context, values[0]);
}

static bool make_function(void *native) {
    return sqlite3_create_function(native, "leftover", 1, SQLITE_UTF8, NULL, add_value, NULL, NULL) == SQLITE_OK;
}

static bool replace_function(void *native) {
    return sqlite3_create_function(native, "lower", 1, SQLITE_UTF8, NULL, add_value, NULL, NULL) == SQLITE_OK;
}

static bool has_function(void *native) { return run(native, "select leftover(1)"); }

static int compare(void *arg, int a_size, const void *a, int b_size, const void *b) {
    (void)arg;
    int order = memcmp(a, b, (size_t)(a_size < b_size ? a_size : b_size));
    return order ? order : a_size - b_size;
}

static bool make_collation(void *native) { return sqlite3_create_collation(native, "leftover", SQLITE_UTF8, NULL, compare) == SQLITE_OK; }

static bool has_collation(void *native) { return run(native, "select 'a' < 'b' collate leftover"); }

static bool make_limit(void *native) { return sqlite3_limit(native, SQLITE_LIMIT_SQL_LENGTH, 200) > 200; }

static bool has_limit(void *native) { return sqlite3_limit(native, SQLITE_LIMIT_SQL_LENGTH, -1) == 200; }

static bool make_switch(void *native) { return sqlite3_db_config(native, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL) == SQLITE_OK; }

static bool has_switch(void *native) {
    int on = -1;
    return sqlite3_db_config(native, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &on) == SQLITE_OK && on == 0;
}

static bool has_autocheckpoint(void *native) {
    int64_t pages = 0;
    return number(native, "pragma wal_autocheckpoint", &pages) && pages == 7;
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *c, const char *d) {
    (void)arg, (void)action, (void)a, (void)b, (void)c, (void)d;
    seen++;
    return SQLITE_OK;
}

static int trace(unsigned mask, void *arg, void *a, void *b) {
    (void)mask, (void)arg, (void)a, (void)b;
    return ++seen > 0;
}

static int commit_hook(void *arg) {
    (void)arg;
    seen++;
    return 0;
}

static void rollback_hook(void *arg) {
    (void)arg;
    seen++;
}

static void update_hook(void *arg, int action, const char *schema, const char *table, sqlite3_int64 row) {
    (void)arg, (void)action, (void)schema, (void)table, (void)row;
    seen++;
}

static bool make_authorizer(void *native) { return sqlite3_set_authorizer(native, authorize, NULL) == SQLITE_OK; }

static bool make_trace(void *native) { return sqlite3_trace_v2(native, SQLITE_TRACE_STMT, trace, NULL) == SQLITE_OK; }

static bool make_commit_hook(void *native) { return sqlite3_commit_hook(native, commit_hook, NULL) == NULL; }

static bool make_rollback_hook(void *native) { return sqlite3_rollback_hook(native, rollback_hook, NULL) == NULL; }

static bool make_update_hook(void *native) { return sqlite3_update_hook(native, update_hook, NULL) == NULL; }

/* Whether any of the hooks is called by work that meets them all. */
static bool has_hook(void *native) {
    seen = 0;
    bool worked = run(native, "insert into numbers values (7); begin; delete from numbers; rollback; delete from numbers where n = 7");
    return worked && seen > 0;
}

static sqlite3_stmt *left_open;

static bool make_statement(void *native) { return sqlite3_prepare_v2(native, "select 1", -1, &left_open, NULL) == SQLITE_OK; }

static bool has_statement(void *native) { return sqlite3_next_stmt(native, NULL) != NULL; }

static void finalise_statement(void *native) {
    (void)native;
    sqlite3_finalize(left_open);
}

#define STAYS CONFORMANCE_STAYS
#define GONE CONFORMANCE_GONE
#define CLOSED CONFORMANCE_CLOSED
#define PRAGMA(key, value, quote)                                                                                                        \
    {                                                                                                                                    \
        .name = "setting " key, .make = "pragma " key "=" value, .probe = "select \"" key "\" = " quote value quote " from pragma_" key, \
        .after_rollback = STAYS, .after_full = GONE                                                                                      \
    }

/* clang-format off */
static const conformance_leftover leftovers[] = {
    {.name = "a temporary table",
     .make = "create temp table scratch (a); insert into scratch values (1); create index temp.by_a on scratch (a)",
     .probe = "select count(*) from sqlite_temp_master where name = 'scratch'",
     .after_rollback = STAYS,
     .after_full = GONE},
    {.name = "temporary objects with odd names",
     .make = "create temp table \"a\"\"b; c\" (n integer primary key autoincrement); insert into temp.\"a\"\"b; c\" values (1);"
             "create temp view \"sqlitely\" as select 1; create temp table sqliter (n);"
             "create temp trigger \"drop\" after insert on main.numbers begin select 1; end",
     .probe = "select count(*) = 4 from sqlite_temp_master where name not glob 'sqlite_sequence'",
     .after_rollback = STAYS,
     .after_full = GONE},
    {.name = "an attached database",
     .make = attach,
     .probe = "select count(*) from pragma_database_list where name = 'my \"other\" one'",
     .after_rollback = STAYS,
     .after_full = GONE},
    {.name = "a temporary table that hides one of the database",
     .make = "create temp table numbers (n)",
     .probe = "select count(*) from sqlite_temp_master where name = 'numbers'",
     .after_rollback = STAYS,
     .after_full = GONE},
    PRAGMA("foreign_keys", "1", ""),
    PRAGMA("synchronous", "0", ""),
    PRAGMA("cache_size", "17", ""),
    PRAGMA("query_only", "1", ""),
    PRAGMA("recursive_triggers", "1", ""),
    PRAGMA("reverse_unordered_selects", "1", ""),
    {.name = "setting wal_autocheckpoint",
     .make = "pragma wal_autocheckpoint=7",
     .probe_by = has_autocheckpoint,
     .after_rollback = STAYS,
     .after_full = GONE},
    PRAGMA("temp_store", "2", ""),
    PRAGMA("ignore_check_constraints", "1", ""),
    PRAGMA("locking_mode", "exclusive", "'"),
    {.name = "a function", .make_by = make_function, .probe_by = has_function, .after_rollback = STAYS, .after_full = CLOSED},
    {.name = "a function in the place of one of SQLite's",
     .make_by = replace_function,
     .probe = "select lower('A') = 'A'",
     .after_rollback = STAYS,
     .after_full = CLOSED},
    {.name = "a collation", .make_by = make_collation, .probe_by = has_collation, .after_rollback = STAYS, .after_full = CLOSED},
    {.name = "a limit", .make_by = make_limit, .probe_by = has_limit, .after_rollback = STAYS, .after_full = GONE},
    {.name = "a switch", .make_by = make_switch, .probe_by = has_switch, .after_rollback = STAYS, .after_full = GONE},
    {.name = "an authorizer", .make_by = make_authorizer, .probe_by = has_hook, .after_rollback = STAYS, .after_full = GONE},
    {.name = "a trace", .make_by = make_trace, .probe_by = has_hook, .after_rollback = STAYS, .after_full = GONE},
    {.name = "a commit hook", .make_by = make_commit_hook, .probe_by = has_hook, .after_rollback = STAYS, .after_full = GONE},
    {.name = "a rollback hook", .make_by = make_rollback_hook, .probe_by = has_hook, .after_rollback = STAYS, .after_full = GONE},
    {.name = "an update hook", .make_by = make_update_hook, .probe_by = has_hook, .after_rollback = STAYS, .after_full = GONE},
    {.name = "an open statement",
     .make_by = make_statement,
     .probe_by = has_statement,
     .clean_up = finalise_statement,
     .after_rollback = CLOSED,
     .after_full = CLOSED},
};
/* clang-format on */

/* ---- What is refused -------------------------------------------------------------------------------------------------------------- */

#define REFUSED(what, code, key_named, ...)                                                                             \
    {                                                                                                                   \
        .name = what, .params = (const dbpool_param[]){__VA_ARGS__},                                                    \
        .count = sizeof((const dbpool_param[]){__VA_ARGS__}) / sizeof(dbpool_param), .status = code, .names = key_named \
    }
#define THE_FILE \
    { "path", path }

static const conformance_refusal refusals[] = {
    REFUSED("a host", DBPOOL_EOPTION, "host", {"host", "db.example"}, THE_FILE),
    REFUSED("a user", DBPOOL_EOPTION, "user", {"user", "app"}, THE_FILE),
    REFUSED("a password", DBPOOL_EOPTION, "password", {"password", CONFORMANCE_SECRET}, THE_FILE),
    REFUSED("an unknown key", DBPOOL_EOPTION, "journalmode", THE_FILE, {"journalmode", CONFORMANCE_SECRET}),
    REFUSED("an unknown key that looks like an attack", DBPOOL_EOPTION, "a\\x0Ab", THE_FILE, {"a\nb", "1"}),
    REFUSED("no path", DBPOOL_EOPTION, "path", {"mode", "rw"}),
    REFUSED("an empty path", DBPOOL_EOPTION, "path", {"path", ""}),
    REFUSED("a wrong mode", DBPOOL_EOPTION, "mode", THE_FILE, {"mode", "w"}),
    REFUSED("a wrong journal mode", DBPOOL_EOPTION, "journal_mode", THE_FILE, {"journal_mode", "wal; drop table numbers"}),
    REFUSED("a wrong synchronous", DBPOOL_EOPTION, "synchronous", THE_FILE, {"synchronous", "5"}),
    REFUSED("a wrong truth", DBPOOL_EOPTION, "foreign_keys", THE_FILE, {"foreign_keys", "maybe"}),
    REFUSED("a wrong duration", DBPOOL_EOPTION, "busy_timeout", THE_FILE, {"busy_timeout", "5 apples"}),
    REFUSED("a wrong number", DBPOOL_EOPTION, "cache_size", THE_FILE, {"cache_size", "many"}),
    REFUSED("a number too large", DBPOOL_EOPTION, "cache_size", THE_FILE, {"cache_size", "99999999999"}),
    REFUSED("a wrong choice", DBPOOL_EOPTION, "statements", THE_FILE, {"statements", "finalise"}),
    REFUSED("a file that is no database", DBPOOL_ECONNECT, "not a database", {"path", text_path}),
    REFUSED("a missing file that is not to be made", DBPOOL_ECONNECT, "opening", {"path", missing_path}, {"mode", "rw"}),
    REFUSED("a log for a database in memory", DBPOOL_ECONNECT, "journal_mode", {"path", ":memory:"}, {"journal_mode", "wal"}),
};

/* ---- The run ---------------------------------------------------------------------------------------------------------------------- */

static bool write_text(void) {
    FILE *file = fopen(text_path, "w");
    if (!file)
        return false;
    for (int i = 0; i < 100; i++)
        fputs("This is text, and no database. ", file);
    return fclose(file) == 0;
}

static bool make_files(void) {
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/numbers.db", folder);
    snprintf(gone_path, sizeof gone_path, "%s/gone.db", folder);
    snprintf(text_path, sizeof text_path, "%s/text.db", folder);
    snprintf(other_path, sizeof other_path, "%s/other.db", folder);
    snprintf(missing_path, sizeof missing_path, "%s/missing.db", folder);
    snprintf(attach, sizeof attach, "attach '%s' as 'my \"other\" one'", other_path);
    return make_database() && write_text();
}

static void remove_files(void) {
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        perror(command);
}

static const char *const facts[] = {"server", "database", "encryption", "role", "journal_mode", "busy_timeout_ms"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int run_with(const char *journal_mode) {
    char url[256];
    snprintf(url, sizeof url, "sqlite:%s?journal_mode=%s&busy_timeout=60s", path, journal_mode);
    const dbpool_param params[] = {
        {"path",         path        },
        {"journal_mode", journal_mode},
        {"busy_timeout", "60s"       }
    };
    const dbpool_param unreachable[] = {
        {"path", "/no such folder/numbers.db"}
    };
    bool has_log = strcmp(journal_mode, "wal") == 0;
    conformance_adapter adapter = {
        .driver = &dbpool_sqlite_driver,
        .url = url,
        .params = params,
        .param_count = COUNT(params),
        .run = run,
        .number = number,
        .table = "numbers",
        .begin = "begin",
        .leave_unread = leave_unread,
        .drop_unread = drop_unread,
        .kill = kill_session,
        .kill_is_for_all = true,
        .revive = make_database,
        .stick_open = has_log ? stick_open : NULL,
        .stick_reset = has_log ? NULL : stick_commit,
        .stuck_reset = DBPOOL_RESET_COMMIT,
        .unstick = unstick,
        .unreachable = unreachable,
        .unreachable_count = COUNT(unreachable),
        .refusals = refusals,
        .refusal_count = COUNT(refusals),
        .leftovers = leftovers,
        .leftover_count = COUNT(leftovers),
        .facts = facts,
        .fact_count = COUNT(facts),
    };
    return conformance_run(&adapter);
}

int main(void) {
    if (!make_files())
        return 77;
    int failed = run_with("delete") + run_with("wal");
    remove_files();
    return failed;
}
