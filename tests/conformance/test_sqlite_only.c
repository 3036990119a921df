/* SPDX-License-Identifier: MIT
 *
 * What the SQLite driver promises beyond the conformance suite: statements that are left, locks, settings, paths,
 * connections of a creator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dbpool/sqlite.h>
#include <unistd.h>

static const dbpool_driver *const driver = &dbpool_sqlite_driver;
static char folder[] = "/tmp/dbpool-sqlite-XXXXXX";
static char path[64], other_path[64];

/* ---- Helpers --------------------------------------------------------------------------------------------------------------------- */

static void check(dbpool_status status, const dbpool_error *err) {
    if (status != DBPOOL_OK)
        fail_msg("%s", err->message);
}

/* Configures for `file`, with one further key unless it is NULL. */
static void *configured(const char *file, const char *key, const char *value) {
    const dbpool_param params[] = {
        {"path", file },
        {key,    value}
    };
    dbpool_error err = {0};
    void *arg = NULL;
    check(driver->configure(params, key ? 2 : 1, &arg, &err), &err);
    return arg;
}

static sqlite3 *opened(void *arg) {
    dbpool_error err = {0};
    void *native = NULL;
    check(driver->open(arg, INT64_MAX, &native, &err), &err);
    return native;
}

static void closed(void *arg, sqlite3 *db) {
    dbpool_error err = {0};
    check(driver->close(arg, db, &err), &err);
}

static bool run(sqlite3 *db, const char *sql) { return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK; }

static bool run_elsewhere(const char *sql) {
    sqlite3 *db = NULL;
    bool worked = sqlite3_open(path, &db) == SQLITE_OK && run(db, sql);
    sqlite3_close(db);
    return worked;
}

static int64_t number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void check_reset(void *arg, sqlite3 *db, dbpool_reset reset) {
    dbpool_error err = {0};
    check(driver->reset(arg, db, (int32_t)reset, INT64_MAX, &err), &err);
    assert_int_equal(driver->state(arg, db), DBPOOL_NATIVE_CLEAN);
}

/* ---- Statements ------------------------------------------------------------------------------------------------------------------ */

static void an_idle_statement_may_be_kept(void **state) {
    (void)state;
    void *arg = configured(path, "statements", "keep");
    sqlite3 *db = opened(arg);
    sqlite3_stmt *statement = NULL;
    dbpool_error err = {0};
    assert_int_equal(sqlite3_prepare_v2(db, "values (1), (2)", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(driver->state(arg, db), DBPOOL_NATIVE_CLEAN);
    check_reset(arg, db, DBPOOL_RESET_ROLLBACK);
    assert_int_equal(driver->reset(arg, db, DBPOOL_RESET_FULL, INT64_MAX, &err), DBPOOL_EDRIVER);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(driver->state(arg, db), DBPOOL_NATIVE_UNCLEAN);
    sqlite3_finalize(statement);
    check_reset(arg, db, DBPOOL_RESET_FULL);
    closed(arg, db);
    driver->release(arg);
}

static void a_left_statement_keeps_no_lock(void **state) {
    (void)state;
    void *arg = configured(path, NULL, NULL);
    sqlite3 *db = opened(arg);
    sqlite3_stmt *statement = NULL;
    assert_true(run(db, "insert into numbers values (1), (2); begin; insert into numbers values (3)"));
    assert_int_equal(sqlite3_prepare_v2(db, "select * from numbers", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    closed(arg, db);
    assert_true(run_elsewhere("delete from numbers where n in (1, 2); begin exclusive; commit"));
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    driver->release(arg);
    arg = configured(path, NULL, NULL);
    db = opened(arg);
    assert_int_equal(number(db, "select count(*) from numbers"), 0);
    closed(arg, db);
    driver->release(arg);
}

/* Full text search keeps statements of its own on the connection, and they are gone when it is closed. */
static void a_text_index_can_be_used(void **state) {
    (void)state;
    if (!sqlite3_compileoption_used("ENABLE_FTS5"))
        skip();
    for (int keep = 0; keep < 2; keep++) {
        void *arg = configured(":memory:", "statements", keep ? "keep" : "close");
        sqlite3 *db = opened(arg);
        assert_true(run(db, "create virtual table texts using fts5 (body); insert into texts values ('one word');"
                            "select * from texts where texts match 'word'"));
        assert_int_equal(driver->state(arg, db), keep ? DBPOOL_NATIVE_CLEAN : DBPOOL_NATIVE_UNCLEAN);
        closed(arg, db);
        driver->release(arg);
    }
}

/* ---- Locks and deadlines --------------------------------------------------------------------------------------------------------- */

static int interrupt(void *arg) {
    ++*(int *)arg;
    return 1;
}

static void the_pools_work_leaves_the_lock_wait_as_set(void **state) {
    (void)state;
    void *arg = configured(path, "busy_timeout", "1500ms");
    sqlite3 *db = opened(arg);
    int calls = 0;
    assert_int_equal(number(db, "pragma busy_timeout"), 1500);
    assert_true(run(db, "pragma busy_timeout=7; begin"));
    sqlite3_progress_handler(db, 1, interrupt, &calls);
    check_reset(arg, db, DBPOOL_RESET_ROLLBACK);
    assert_int_equal(calls, 0);
    assert_int_equal(number(db, "pragma busy_timeout"), 1500);
    closed(arg, db);
    driver->release(arg);
}

/* While `blocker` is open its statement's lock is held. */
static sqlite3 *blocked_by(const char *sql) {
    sqlite3 *blocker = NULL;
    assert_int_equal(sqlite3_open(path, &blocker), SQLITE_OK);
    assert_true(run(blocker, sql));
    return blocker;
}

static void a_lock_ends_a_commit_after_the_lock_wait(void **state) {
    (void)state;
    void *arg = configured(path, "busy_timeout", "10ms");
    sqlite3 *db = opened(arg);
    dbpool_error err = {0};
    assert_true(run(db, "begin; insert into numbers values (1)"));
    sqlite3 *blocker = blocked_by("begin; select * from numbers");
    assert_int_equal(driver->reset(arg, db, DBPOOL_RESET_COMMIT, INT64_MAX, &err), DBPOOL_EDRIVER);
    assert_int_equal(err.flags, DBPOOL_ERROR_RETRYABLE);
    assert_int_equal(err.native_code & 0xff, SQLITE_BUSY);
    sqlite3_close(blocker);
    closed(arg, db);
    driver->release(arg);
}

static void a_locked_database_lives(void **state) {
    (void)state;
    void *arg = configured(path, "busy_timeout", "none"); /* a wait would never end */
    sqlite3 *db = opened(arg), *blocker = blocked_by("begin exclusive");
    dbpool_error err = {0};
    check(driver->ping(arg, db, INT64_MAX, &err), &err);
    assert_true(driver->look(arg, db));
    closed(arg, opened(arg));
    sqlite3_close(blocker);
    closed(arg, db);
    driver->release(arg);
}

static void work_past_the_deadline_is_interrupted(void **state) {
    (void)state;
    void *arg = configured(path, NULL, NULL);
    sqlite3 *db = opened(arg);
    dbpool_error err = {0};
    assert_int_equal(driver->reset(arg, db, DBPOOL_RESET_FULL, 1, &err), DBPOOL_ETIMEOUT);
    assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
    closed(arg, db);
    driver->release(arg);
}

static void check_exclusive_lock(const char *journal_mode) {
    void *arg = configured(path, "journal_mode", journal_mode);
    sqlite3 *db = opened(arg);
    assert_true(run(db, "pragma locking_mode=exclusive; insert into numbers values (1); delete from numbers"));
    assert_false(run_elsewhere("select * from numbers"));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    assert_true(run_elsewhere("begin exclusive; commit"));
    closed(arg, db);
    driver->release(arg);
}

static void a_full_reset_gives_up_an_exclusive_lock(void **state) {
    (void)state;
    check_exclusive_lock("wal");
    check_exclusive_lock("delete");
}

/* ---- Settings and paths ---------------------------------------------------------------------------------------------------------- */

static void settings_are_applied(void **state) {
    (void)state;
    const dbpool_param params[] = {
        {"path",         path      },
        {"synchronous",  "Extra"   },
        {"foreign_keys", "yes"     },
        {"cache_size",   "-123"    },
        {"busy_timeout", "none"    },
        {"journal_mode", "TRUNCATE"},
    };
    dbpool_error err = {0};
    void *arg = NULL;
    check(driver->configure(params, 6, &arg, &err), &err);
    sqlite3 *db = opened(arg);
    assert_int_equal(number(db, "pragma synchronous"), 3);
    assert_int_equal(number(db, "pragma foreign_keys"), 1);
    assert_int_equal(number(db, "pragma cache_size"), -123);
    assert_int_equal(number(db, "pragma busy_timeout"), INT32_MAX);
    assert_int_equal(number(db, "select journal_mode = 'truncate' from pragma_journal_mode"), 1);
    assert_true(run(db, "pragma journal_mode=persist; pragma synchronous=off"));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    assert_int_equal(number(db, "select journal_mode = 'truncate' from pragma_journal_mode"), 1);
    assert_int_equal(number(db, "pragma synchronous"), 3);
    closed(arg, db);
    driver->release(arg);
}

/* Unset, the mode is the file's, and another process may change it. */
static void a_full_reset_leaves_the_files_journal_mode(void **state) {
    (void)state;
    void *arg = configured(path, NULL, NULL);
    sqlite3 *db = opened(arg);
    assert_true(run_elsewhere("pragma journal_mode=wal"));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    assert_int_equal(number(db, "select journal_mode = 'wal' from pragma_journal_mode"), 1);
    assert_true(run(db, "pragma journal_mode=delete; pragma journal_mode=off"));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    assert_int_equal(number(db, "select journal_mode = 'delete' from pragma_journal_mode"), 1);
    closed(arg, db);
    driver->release(arg);
}

static void a_database_in_memory_is_its_connections_own(void **state) {
    (void)state;
    void *arg = configured(":memory:", NULL, NULL);
    sqlite3 *db = opened(arg), *other = opened(arg);
    assert_true(run(db, "create table mine (n)"));
    assert_false(run(other, "select * from mine"));
    assert_true(driver->look(arg, db));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    assert_true(run(db, "select * from mine"));
    closed(arg, db);
    closed(arg, other);
    driver->release(arg);
}

static void a_path_is_never_taken_for_a_uri(void **state) {
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    void *arg = configured("file:new.db?mode=memory", NULL, NULL);
    sqlite3 *db = opened(arg);
    assert_true(run(db, "create table mine (n)"));
    closed(arg, db);
    driver->release(arg);
    assert_int_equal(unlink("file:new.db?mode=memory"), 0);
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void see_role(void *arg, const char *key, const char *value) {
    if (strcmp(key, "role") == 0)
        *(bool *)arg = strcmp(value, "read-only") == 0;
}

static void a_database_may_be_opened_for_reading_alone(void **state) {
    (void)state;
    void *arg = configured(path, "mode", "ro");
    sqlite3 *db = opened(arg);
    dbpool_error err = {0};
    bool read_only = false;
    check(driver->describe(arg, db, INT64_MAX, see_role, &read_only, &err), &err);
    assert_true(read_only);
    assert_false(run(db, "insert into numbers values (1)"));
    check_reset(arg, db, DBPOOL_RESET_FULL);
    closed(arg, db);
    driver->release(arg);
}

static void a_file_that_is_spoilt_makes_it_unclean(void **state) {
    (void)state;
    void *arg = configured(other_path, NULL, NULL);
    sqlite3 *db = opened(arg);
    assert_true(run(db, "create table numbers (n)"));
    FILE *file = fopen(other_path, "r+");
    for (int i = 0; i < 512; i++)
        fputs("spoilt: ", file);
    assert_int_equal(fclose(file), 0);
    assert_false(run(db, "select * from numbers"));
    assert_int_equal(driver->state(arg, db), DBPOOL_NATIVE_UNCLEAN);
    dbpool_error err = {0};
    assert_int_equal(driver->ping(arg, db, INT64_MAX, &err), DBPOOL_EDISCONNECT);
    assert_int_equal(err.flags, DBPOOL_ERROR_CONNECTION_LOST);
    closed(arg, db);
    driver->release(arg);
    unlink(other_path);
}

/* ---- Connections of a creator ---------------------------------------------------------------------------------------------------- */

static dbpool_status create(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)arg, (void)deadline_ns, (void)err;
    sqlite3 *db = NULL;
    sqlite3_open(path, &db);
    sqlite3_busy_timeout(db, 4321);
    *native_out = db;
    return DBPOOL_OK;
}

static void use_creator(int32_t reset, uint64_t openings) {
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = 1;
    config.pre_ping = 1;
    config.reset_on_return = reset;
    dbpool *pool = NULL;
    dbpool_error err = {0};
    check(dbpool_open_creator("sqlite", &(dbpool_creator){.open = create}, &config, &pool, &err), &err);
    for (int i = 0; i < 3; i++) {
        dbpool_conn conn;
        check(dbpool_checkout(pool, &conn, &err), &err);
        assert_int_equal(number(dbpool_sqlite(conn), "pragma busy_timeout"), 4321);
        assert_true(run(dbpool_sqlite(conn), "begin"));
        assert_int_equal(dbpool_checkin(&conn), DBPOOL_OK);
    }
    dbpool_stats stats = DBPOOL_STATS_INIT;
    assert_int_equal(dbpool_get_stats(pool, &stats), DBPOOL_OK);
    assert_int_equal(stats.opened, openings);
    dbpool_destroy(pool);
}

static void a_creators_connections_keep_their_lock_wait(void **state) {
    (void)state;
    use_creator(DBPOOL_RESET_ROLLBACK, 1);
}

static void a_creators_connections_are_closed_by_a_full_reset(void **state) {
    (void)state;
    use_creator(DBPOOL_RESET_FULL, 3);
}

static void without_a_path_nothing_is_opened(void **state) {
    (void)state;
    dbpool_error err = {0};
    void *arg = NULL, *native = NULL;
    check(driver->configure(NULL, 0, &arg, &err), &err);
    assert_int_equal(driver->open(arg, INT64_MAX, &native, &err), DBPOOL_EOPTION);
    assert_null(native);
    driver->release(arg);
}

/* ---- The run --------------------------------------------------------------------------------------------------------------------- */

static int make_files(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/numbers.db", folder);
    snprintf(other_path, sizeof other_path, "%s/other.db", folder);
    return run_elsewhere("create table numbers (n integer)") ? 0 : -1;
}

static int remove_files(void **state) {
    (void)state;
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_statement_may_be_kept),
        cmocka_unit_test(a_left_statement_keeps_no_lock),
        cmocka_unit_test(a_text_index_can_be_used),
        cmocka_unit_test(the_pools_work_leaves_the_lock_wait_as_set),
        cmocka_unit_test(a_lock_ends_a_commit_after_the_lock_wait),
        cmocka_unit_test(a_locked_database_lives),
        cmocka_unit_test(work_past_the_deadline_is_interrupted),
        cmocka_unit_test(a_full_reset_gives_up_an_exclusive_lock),
        cmocka_unit_test(settings_are_applied),
        cmocka_unit_test(a_full_reset_leaves_the_files_journal_mode),
        cmocka_unit_test(a_database_in_memory_is_its_connections_own),
        cmocka_unit_test(a_path_is_never_taken_for_a_uri),
        cmocka_unit_test(a_database_may_be_opened_for_reading_alone),
        cmocka_unit_test(a_file_that_is_spoilt_makes_it_unclean),
        cmocka_unit_test(a_creators_connections_keep_their_lock_wait),
        cmocka_unit_test(a_creators_connections_are_closed_by_a_full_reset),
        cmocka_unit_test(without_a_path_nothing_is_opened),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
