/* SPDX-License-Identifier: MIT
 *
 * The SQLite driver in processes that fork: a file that was open at the fork is refused in the child, and only that.
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
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static const dbpool_driver *const driver = &dbpool_sqlite_driver;
static char folder[] = "/tmp/dbpool-sqlite-XXXXXX";
static char path[64], other_path[64], link_path[64], hard_path[64], left_path[64];

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

/* ---- Processes that fork --------------------------------------------------------------------------------------------------------- */

/* What opening `file` answers. */
static dbpool_status try_open(const char *file) {
    const dbpool_param params[] = {
        {"path", file}
    };
    dbpool_error err = {0};
    void *arg = NULL, *native = NULL;
    dbpool_status status = driver->configure(params, 1, &arg, &err);
    if (status == DBPOOL_OK)
        status = driver->open(arg, INT64_MAX, &native, &err);
    if (native)
        driver->close(arg, native, NULL);
    driver->release(arg);
    return status;
}

static dbpool_status exit_status_of(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (dbpool_status)WEXITSTATUS(status);
}

/* The same, asked in a child; `generations` of processes down. */
static dbpool_status try_open_in_child(const char *file, int generations) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit((int)(generations > 1 ? try_open_in_child(file, generations - 1) : try_open(file)));
    return exit_status_of(child);
}

static void a_child_may_not_open_what_was_open_at_the_fork(void **state) {
    (void)state;
    void *arg = configured(path, NULL, NULL);
    sqlite3 *db = opened(arg);
    assert_int_equal(try_open_in_child(path, 1), DBPOOL_EFORK);
    assert_int_equal(try_open_in_child(path, 2), DBPOOL_EFORK);
    assert_int_equal(try_open_in_child(link_path, 1), DBPOOL_EFORK);
    assert_int_equal(try_open_in_child(hard_path, 1), DBPOOL_EFORK);
    assert_int_equal(try_open_in_child(other_path, 1), DBPOOL_OK);
    assert_int_equal(try_open_in_child(":memory:", 1), DBPOOL_OK);
    assert_int_equal(try_open(path), DBPOOL_OK);
    closed(arg, db);
    assert_int_equal(try_open_in_child(path, 1), DBPOOL_OK);
    driver->release(arg);
}

/* Only what is done with a file of its own, which stays until the end: another file that is given its inode's number is taken for it. */
static void a_left_statement_keeps_its_file_from_children(void **state) {
    (void)state;
    void *arg = configured(left_path, NULL, NULL);
    sqlite3_stmt *statements[3];
    for (int i = 0; i < 3; i++) {
        sqlite3 *db = opened(arg);
        assert_int_equal(sqlite3_prepare_v2(db, "select 1", -1, &statements[i], NULL), SQLITE_OK);
        closed(arg, db);
    }
    assert_int_equal(try_open_in_child(left_path, 1), DBPOOL_EFORK);
    assert_int_equal(try_open_in_child(other_path, 1), DBPOOL_OK);
    for (int i = 0; i < 3; i++)
        sqlite3_finalize(statements[i]);
    driver->release(arg);
}

static dbpool_status checkout_from_new_pool(const char *url) {
    dbpool *pool = NULL;
    dbpool_conn conn;
    dbpool_error err = {0};
    dbpool_status status = dbpool_open(url, NULL, &pool, &err);
    if (status == DBPOOL_OK)
        status = dbpool_checkout(pool, &conn, &err);
    if (status == DBPOOL_EFORK && !strstr(err.message, "exec first, or open the pool after the fork"))
        return DBPOOL_EBUG;
    return status;
}

static void a_pool_in_a_child_says_what_to_do(void **state) {
    (void)state;
    char url[96];
    snprintf(url, sizeof url, "sqlite:%s", path);
    dbpool *pool = NULL;
    dbpool_conn conn;
    dbpool_error err = {0};
    check(dbpool_open(url, NULL, &pool, &err), &err);
    check(dbpool_checkout(pool, &conn, &err), &err);
    assert_non_null(dbpool_sqlite(conn));
    pid_t child = fork();
    if (child == 0)
        _exit((int)checkout_from_new_pool(url));
    assert_int_equal(exit_status_of(child), DBPOOL_EFORK);
    assert_int_equal(sqlite3_exec(dbpool_sqlite(conn), "insert into numbers values (1)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(dbpool_checkin(&conn), DBPOOL_OK);
    assert_null(dbpool_sqlite(conn));
    dbpool_destroy(pool);
    assert_int_equal(try_open_in_child(path, 1), DBPOOL_OK);
}

/* ---- Threads ----------------------------------------------------------------------------------------------------------------- */

#define OPENERS 4
#define OPENINGS 50

static void *open_and_close(void *arg) {
    for (int i = 0; i < OPENINGS; i++) {
        void *native = NULL;
        if (driver->open(arg, INT64_MAX, &native, NULL) != DBPOOL_OK || driver->close(arg, native, NULL) != DBPOOL_OK)
            return NULL;
    }
    return arg;
}

static void several_threads_open_and_close(void **state) {
    (void)state;
    void *arg = configured(path, NULL, NULL);
    pthread_t threads[OPENERS];
    for (int i = 0; i < OPENERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, arg), 0);
    for (int i = 0; i < OPENERS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, arg);
    }
    driver->release(arg);
    assert_int_equal(try_open_in_child(path, 1), DBPOOL_OK);
}

/* ---- The run --------------------------------------------------------------------------------------------------------------------- */

static bool make_database(void) {
    sqlite3 *db = NULL;
    bool made = sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, "create table numbers (n)", NULL, NULL, NULL) == SQLITE_OK;
    return sqlite3_close(db) == SQLITE_OK && made;
}

static int make_files(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/numbers.db", folder);
    snprintf(other_path, sizeof other_path, "%s/other.db", folder);
    snprintf(link_path, sizeof link_path, "%s/symbolic.db", folder);
    snprintf(hard_path, sizeof hard_path, "%s/hard.db", folder);
    snprintf(left_path, sizeof left_path, "%s/left.db", folder);
    bool made = make_database();
    return made && symlink(path, link_path) == 0 && link(path, hard_path) == 0 ? 0 : -1;
}

static int remove_files(void **state) {
    (void)state;
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_may_not_open_what_was_open_at_the_fork),
        cmocka_unit_test(a_left_statement_keeps_its_file_from_children),
        cmocka_unit_test(a_pool_in_a_child_says_what_to_do),
        cmocka_unit_test(several_threads_open_and_close),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
