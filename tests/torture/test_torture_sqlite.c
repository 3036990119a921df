/* SPDX-License-Identifier: MIT
 *
 * Whatever fails below the SQLite driver, it fails in order: each call of SQLite, each allocation of ours and each of SQLite's own is made
 * to fail, the k-th for every k, once and from then on, over a session that uses the whole driver. After each failure the driver's promises
 * hold, nothing is left in memory, and the next session works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/sqlite/calls.h"
#include "os/memory.h"

/* ---- The fault ------------------------------------------------------------------------------------------------------------------- */

enum source { VENDOR_CALLS, OUR_ALLOCATIONS, VENDOR_ALLOCATIONS };

static struct fault {
    enum source source;
    int code;   /* what a call of SQLite fails with */
    bool lasts; /* from the k-th on */
    bool armed; /* inside a call of the driver */
    uint64_t k; /* 0: none */
    uint64_t count, fired;
} fault;

static bool fires(enum source source) {
    if (!fault.armed || fault.source != source)
        return false;
    fault.count++;
    bool now = fault.k != 0 && (fault.lasts ? fault.count >= fault.k : fault.count == fault.k);
    fault.fired += now;
    return now;
}

/* ---- Calls of SQLite that fail --------------------------------------------------------------------------------------------------- */

static int try_open(const char *path, sqlite3 **db_out, int flags, const char *vfs) {
    bool fails = fires(VENDOR_CALLS);
    /* Without memory there is no handle; with any other failure there is one, to be closed. */
    if (fails && fault.code == SQLITE_NOMEM) {
        *db_out = NULL;
        return fault.code;
    }
    int code = sqlite3_open_v2(path, db_out, flags, vfs);
    return fails ? fault.code : code;
}

/* A close that fails has closed all the same, but for BUSY, which is an answer and no failure. */
static int try_close(sqlite3 *db) {
    bool fails = fires(VENDOR_CALLS);
    int code = sqlite3_close(db);
    return fails && code == SQLITE_OK && fault.code != SQLITE_BUSY ? fault.code : code;
}

static int try_close_v2(sqlite3 *db) {
    int code = sqlite3_close_v2(db);
    return fires(VENDOR_CALLS) ? fault.code : code;
}

static int try_prepare(sqlite3 *db, const char *sql, int size, sqlite3_stmt **out, const char **tail) {
    *out = NULL;
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_prepare_v2(db, sql, size, out, tail);
}

static int try_step(sqlite3_stmt *statement) { return fires(VENDOR_CALLS) ? fault.code : sqlite3_step(statement); }

static int try_reset(sqlite3_stmt *statement) {
    int code = sqlite3_reset(statement);
    return fires(VENDOR_CALLS) ? fault.code : code;
}

static int try_finalize(sqlite3_stmt *statement) {
    int code = sqlite3_finalize(statement);
    return fires(VENDOR_CALLS) ? fault.code : code;
}

static const unsigned char *try_column_text(sqlite3_stmt *statement, int column) {
    return fires(VENDOR_CALLS) ? NULL : sqlite3_column_text(statement, column);
}

static int try_extended_result_codes(sqlite3 *db, int on) {
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_extended_result_codes(db, on);
}

static int try_busy_handler(sqlite3 *db, int (*handler)(void *, int), void *arg) {
    /* It takes effect all the same: were the end of a handler refused, SQLite would keep one whose argument is gone. */
    int code = sqlite3_busy_handler(db, handler, arg);
    return fires(VENDOR_CALLS) ? fault.code : code;
}

static int try_busy_timeout(sqlite3 *db, int ms) { return fires(VENDOR_CALLS) ? fault.code : sqlite3_busy_timeout(db, ms); }

static int try_file_control(sqlite3 *db, const char *schema, int op, void *arg) {
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_file_control(db, schema, op, arg);
}

static const char *try_db_filename(sqlite3 *db, const char *schema) { return fires(VENDOR_CALLS) ? NULL : sqlite3_db_filename(db, schema); }

static int try_limit(sqlite3 *db, int id, int value) { return fires(VENDOR_CALLS) ? -1 : sqlite3_limit(db, id, value); }

static int try_db_config(sqlite3 *db, int op, ...) {
    va_list args;
    va_start(args, op);
    int value = va_arg(args, int);
    int *out = va_arg(args, int *);
    va_end(args);
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_db_config(db, op, value, out);
}

static int try_set_authorizer(sqlite3 *db, int (*fn)(void *, int, const char *, const char *, const char *, const char *), void *arg) {
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_set_authorizer(db, fn, arg);
}

static int try_trace(sqlite3 *db, unsigned mask, int (*fn)(unsigned, void *, void *, void *), void *arg) {
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_trace_v2(db, mask, fn, arg);
}

static int try_collation_needed(sqlite3 *db, void *arg, void (*fn)(void *, sqlite3 *, int, const char *)) {
    return fires(VENDOR_CALLS) ? fault.code : sqlite3_collation_needed(db, arg, fn);
}

static struct dbp_sqlite_calls failing_calls(void) {
    struct dbp_sqlite_calls calls = dbp_sqlite_real_calls;
    calls.open_v2 = try_open;
    calls.close = try_close;
    calls.close_v2 = try_close_v2;
    calls.prepare_v2 = try_prepare;
    calls.step = try_step;
    calls.reset = try_reset;
    calls.finalize = try_finalize;
    calls.column_text = try_column_text;
    calls.extended_result_codes = try_extended_result_codes;
    calls.busy_handler = try_busy_handler;
    calls.busy_timeout = try_busy_timeout;
    calls.file_control = try_file_control;
    calls.db_filename = try_db_filename;
    calls.limit = try_limit;
    calls.db_config = try_db_config;
    calls.set_authorizer = try_set_authorizer;
    calls.trace_v2 = try_trace;
    calls.collation_needed = try_collation_needed;
    return calls;
}

/* ---- Allocations that fail ------------------------------------------------------------------------------------------------------- */

static sqlite3_mem_methods real_memory;

static bool may_allocate(size_t size) {
    (void)size;
    return !fires(OUR_ALLOCATIONS);
}

static void *try_malloc(int size) { return fires(VENDOR_ALLOCATIONS) ? NULL : real_memory.xMalloc(size); }

static void *try_realloc(void *memory, int size) { return fires(VENDOR_ALLOCATIONS) ? NULL : real_memory.xRealloc(memory, size); }

/* Without the look-aside memory each allocation of SQLite is one that can fail. */
static void use_failing_memory(void) {
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
    sqlite3_mem_methods methods = real_memory;
    methods.xMalloc = try_malloc;
    methods.xRealloc = try_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
}

/* ---- A session ------------------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/dbpool-torture-XXXXXX";
static char path[64];

/* A pool of one connection, driven by hand as the pool would do it: what fails is closed, and opened anew when it is needed. */
struct session {
    void *arg;
    void *native;
    uint64_t failures;
};

/* A call of the driver, with the fault armed. */
#define DRIVER(call) (fault.armed = true, arm_result = (call), fault.armed = false, arm_result)
static dbpool_status arm_result;

static void drop(struct session *session) {
    dbpool_error err = {0};
    if (DRIVER(dbpool_sqlite_driver.close(session->arg, session->native, &err)) != DBPOOL_OK)
        session->failures++;
    session->native = NULL;
}

/* A failure must be told, and then the connection is closed. */
static void settle(struct session *session, dbpool_status status, const dbpool_error *err) {
    if (status == DBPOOL_OK)
        return;
    session->failures++;
    assert_int_equal(err->status, status);
    assert_non_null(strstr(err->message, ": "));
    if (session->native)
        drop(session);
}

static bool connected(struct session *session) {
    dbpool_error err = {0};
    if (session->native)
        return true;
    settle(session, DRIVER(dbpool_sqlite_driver.open(session->arg, INT64_MAX, &session->native, &err)), &err);
    return session->native != NULL;
}

static void holder_runs(struct session *session, const char *sql) {
    if (sqlite3_exec(session->native, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(session->native));
}

static void reset_after(struct session *session, const char *sql, int32_t reset) {
    dbpool_error err = {0};
    if (!connected(session))
        return;
    holder_runs(session, sql);
    settle(session, DRIVER(dbpool_sqlite_driver.reset(session->arg, session->native, reset, INT64_MAX, &err)), &err);
    if (!session->native)
        return;
    assert_int_equal(dbpool_sqlite_driver.state(session->arg, session->native), DBPOOL_NATIVE_CLEAN);
    assert_true(sqlite3_get_autocommit(session->native));
}

static void ping(struct session *session) {
    dbpool_error err = {0};
    if (connected(session))
        settle(session, DRIVER(dbpool_sqlite_driver.ping(session->arg, session->native, INT64_MAX, &err)), &err);
}

static void ignore_row(void *arg, const char *key, const char *value) {
    (void)arg;
    assert_non_null(key);
    assert_non_null(value);
}

static void describe(struct session *session) {
    dbpool_error err = {0};
    if (!connected(session))
        return;
    dbpool_status status = DRIVER(dbpool_sqlite_driver.describe(session->arg, session->native, INT64_MAX, ignore_row, NULL, &err));
    settle(session, status, &err);
}

/* The holder leaves a half-read statement and a write that nobody must see; the statement stays the holder's. */
static void close_with_statement(struct session *session) {
    sqlite3_stmt *statement = NULL;
    if (!connected(session))
        return;
    holder_runs(session, "begin; insert into numbers values (2)");
    assert_int_equal(sqlite3_prepare_v2(session->native, "select * from numbers", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(dbpool_sqlite_driver.state(session->arg, session->native), DBPOOL_NATIVE_UNCLEAN);
    drop(session);
    sqlite3_finalize(statement);
}

static void use_driver(struct session *session) {
    ping(session);
    reset_after(session, "begin; insert into numbers values (2)", DBPOOL_RESET_ROLLBACK);
    reset_after(session, "begin; insert into numbers values (1)", DBPOOL_RESET_COMMIT);
    reset_after(session, "create temp table t (a); attach ':memory:' as other; pragma foreign_keys=off; begin", DBPOOL_RESET_FULL);
    describe(session);
    close_with_statement(session);
    if (connected(session))
        drop(session);
}

/* Runs a whole session and returns how many calls of the driver failed. */
static uint64_t run_session(void) {
    const dbpool_param params[] = {
        {"path",         path  },
        {"foreign_keys", "true"},
        {"synchronous",  "off" },
        {"busy_timeout", "0"   }
    };
    struct session session = {0};
    dbpool_error err = {0};
    settle(&session, DRIVER(dbpool_sqlite_driver.configure(params, 4, &session.arg, &err)), &err);
    if (session.arg) {
        use_driver(&session);
        dbpool_sqlite_driver.release(session.arg);
    }
    return session.failures;
}

/* ---- The torture ----------------------------------------------------------------------------------------------------------------- */

/* The other half of the promise: what was not committed is not in the file, and it can be written. */
static void check_database(void) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "select count(*) from numbers where n = 2", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_exec(db, "pragma synchronous=off; delete from numbers; insert into numbers values (0)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Every k until a session is over before the k-th. Returns how many there were. */
static uint64_t torture_with(enum source source, int code, bool lasts, int64_t memory) {
    uint64_t k = 0, effects = 0;
    do {
        fault = (struct fault){.source = source, .code = code, .lasts = lasts, .k = ++k};
        effects += run_session() > 0;
        check_database();
        assert_int_equal(sqlite3_memory_used(), memory);
    } while (fault.fired > 0);
    fault = (struct fault){0};
    assert_int_equal(run_session(), 0);
    assert_true(k > 1);
    assert_true(effects > 0);
    return k - 1;
}

static void torture(enum source source, int code) {
    struct dbp_sqlite_calls calls = failing_calls();
    dbp_sqlite_calls = &calls;
    dbp_memory_hook = may_allocate;
    int64_t memory = sqlite3_memory_used();
    uint64_t once = torture_with(source, code, false, memory);
    uint64_t lasting = torture_with(source, code, true, memory);
    print_message("%lu places failed once, %lu from there on\n", (unsigned long)once, (unsigned long)lasting);
    dbp_memory_hook = NULL;
    dbp_sqlite_calls = &dbp_sqlite_real_calls;
}

static void every_call_may_fail_with_an_io_error(void **state) {
    (void)state;
    torture(VENDOR_CALLS, SQLITE_IOERR);
}

static void every_call_may_find_a_lock(void **state) {
    (void)state;
    torture(VENDOR_CALLS, SQLITE_BUSY);
}

static void every_call_may_find_no_memory(void **state) {
    (void)state;
    torture(VENDOR_CALLS, SQLITE_NOMEM);
}

static void every_allocation_of_ours_may_fail(void **state) {
    (void)state;
    torture(OUR_ALLOCATIONS, 0);
}

static void every_allocation_of_sqlite_may_fail(void **state) {
    (void)state;
    torture(VENDOR_ALLOCATIONS, 0);
}

static int make_database(void **state) {
    (void)state;
    use_failing_memory();
    sqlite3 *db = NULL;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/numbers.db", folder);
    int code = sqlite3_open(path, &db);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "pragma journal_mode=memory; create table numbers (n); insert into numbers values (0)", NULL, NULL, NULL);
    return sqlite3_close(db) == SQLITE_OK && code == SQLITE_OK ? 0 : -1;
}

static int remove_database(void **state) {
    (void)state;
    return unlink(path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_ours_may_fail), /* first: the list of open files is made only once */
        cmocka_unit_test(every_call_may_fail_with_an_io_error), cmocka_unit_test(every_call_may_find_a_lock),
        cmocka_unit_test(every_call_may_find_no_memory),        cmocka_unit_test(every_allocation_of_sqlite_may_fail),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}
