/* SPDX-License-Identifier: MIT
 *
 * A forked child: every use of the parent's pool and leases is refused there, nothing of the parent's is touched, and a pool of the child's
 * own works.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child found wrong; it must not leave through an assertion. */
static int wrong;

static void expect(bool holds, const char *what) {
    if (holds)
        return;
    (void)fprintf(stderr, "child: %s\n", what);
    wrong = 1;
}
#define EXPECT(condition) expect(condition, #condition)
#define EXPECT_REFUSED(call) expect((call) == DBPOOL_EFORK, #call)

/* Runs `child` in a child process; its expectations must hold. */
static void in_child(void (*child)(fixture *f, dbpool_conn conn), fixture *f, dbpool_conn conn) {
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        wrong = 0;
        fake_clock_fini(); /* its sleepers are the parent's threads */
        child(f, conn);
        _exit(wrong);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_untouched(fixture *f, const char *when) {
    const char *happened = trace(f);
    if (*happened)
        (void)fprintf(stderr, "child: %s: %s\n", when, happened);
    EXPECT(!*happened);
}

static dbpool_status ignore(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)arg;
    (void)err;
    return DBPOOL_OK;
}

static dbpool_status open_none(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)arg;
    (void)deadline_ns;
    (void)native_out;
    return dbpool_error_set(err, DBPOOL_ECONNECT, "open: never");
}

static void use_the_pool(fixture *f, dbpool_conn conn) {
    dbpool_conn other;
    dbpool *none = NULL;
    dbpool_error err;
    dbpool_stats stats = DBPOOL_STATS_INIT;
    size_t count;
    const dbpool_creator creator = {.open = open_none};
    (void)conn;
    EXPECT(strcmp(trace(f), "abandon2") == 0); /* the idle one; whoever holds the other may still have its native handle */
    EXPECT_REFUSED(dbpool_checkout(f->pool, &other, &err));
    EXPECT(other.cell == NULL);
    EXPECT(err.status == DBPOOL_EFORK);
    EXPECT_REFUSED(dbpool_checkout_timeout(f->pool, -1, &other, NULL));
    EXPECT_REFUSED(dbpool_try_checkout(f->pool, &other, NULL));
    EXPECT_REFUSED(dbpool_invalidate_pool(f->pool, NULL, NULL));
    EXPECT_REFUSED(dbpool_dispose(f->pool));
    EXPECT_REFUSED(dbpool_resize(f->pool, 1, 1, NULL));
    EXPECT_REFUSED(dbpool_recreate(f->pool, &none, NULL));
    EXPECT_REFUSED(dbpool_set_creator(f->pool, &creator, NULL));
    EXPECT_REFUSED(dbpool_listen(f->pool, DBPOOL_ON_CHECKOUT, ignore, NULL));
    EXPECT_REFUSED(dbpool_unlisten(f->pool, DBPOOL_ON_CHECKOUT, ignore, NULL));
    EXPECT_REFUSED(dbpool_set_log_level(f->pool, 0));
    EXPECT_REFUSED(dbpool_get_stats(f->pool, &stats));
    EXPECT_REFUSED(dbpool_leases(f->pool, NULL, 0, &count));
    EXPECT_REFUSED(dbpool_close(f->pool, -1, NULL));
    dbpool_destroy(f->pool);
    expect_untouched(f, "after the use of the pool");
}

/* R-LEAK-1 */
static void a_child_can_do_nothing_with_the_pool(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), idle = lent(f);
    returned(&idle);
    fixture_listen(f);
    (void)trace(f);
    in_child(use_the_pool, f, conn);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
    conn = taken(f);
    returned(&conn);
    assert_int_equal(fake_driver_open_natives(f->fake), 2);
}

static void ignore_row(void *arg, const char *key, const char *value) {
    (void)arg;
    (void)key;
    (void)value;
}

static void ignore_native(void *native, void *arg) {
    (void)native;
    (void)arg;
}

static dbpool_record *parents_record;

static void use_the_lease(fixture *f, dbpool_conn conn) {
    static int value;
    dbpool_conn copy = conn, other;
    EXPECT(!dbpool_is_valid(conn));
    EXPECT(!dbpool_native(conn));
    EXPECT(!dbpool_native_of(conn, "fake"));
    EXPECT(!dbpool_record_of(conn));
    EXPECT(!dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"));
    EXPECT_REFUSED(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &value, NULL));
    EXPECT_REFUSED(dbpool_set_tag(conn, "tag"));
    EXPECT_REFUSED(dbpool_on_checkin(conn, ignore_native, NULL));
    EXPECT_REFUSED(dbpool_describe(conn, 0, ignore_row, NULL, NULL));
    EXPECT_REFUSED(dbpool_checkout_nested(conn, &other, NULL));
    EXPECT_REFUSED(dbpool_invalidate_soft(conn, NULL));
    EXPECT_REFUSED(dbpool_detach(&copy, NULL));
    if (parents_record)
        EXPECT_REFUSED(dbpool_record_invalidate(parents_record, NULL));
    EXPECT_REFUSED(dbpool_checkin(&copy));
    expect_untouched(f, "after the use of the lease");
}

static void invalidate_the_lease(fixture *f, dbpool_conn conn) {
    EXPECT_REFUSED(dbpool_invalidate(&conn, NULL));
    expect_untouched(f, "after the invalidation");
}

static void return_the_lease_as_it_is(fixture *f, dbpool_conn conn) {
    EXPECT_REFUSED(dbpool_checkin_no_reset(&conn));
    expect_untouched(f, "after the return");
}

/* R-LEAK-1 */
static void a_child_can_do_nothing_with_a_lease(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    parents_record = dbpool_record_of(conn);
    (void)trace(f);
    in_child(use_the_lease, f, conn);
    in_child(invalidate_the_lease, f, conn);
    in_child(return_the_lease_as_it_is, f, conn);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
}

static void use_the_detached(fixture *f, dbpool_conn conn) {
    EXPECT(!dbpool_is_valid(conn));
    EXPECT_REFUSED(dbpool_invalidate_soft(conn, NULL));
    EXPECT_REFUSED(dbpool_checkin(&conn));
    expect_untouched(f, "after the use of the detached connection");
}

/* R-LEAK-1 */
static void a_child_can_do_nothing_with_a_detached_connection(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    (void)trace(f);
    in_child(use_the_detached, f, conn);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
}

/* ThreadSanitizer lets a forked child start no threads. */
#if defined(__SANITIZE_THREAD__)
#define MAY_START_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAY_START_THREADS false
#endif
#endif
#ifndef MAY_START_THREADS
#define MAY_START_THREADS true
#endif

static void use_a_pool_of_its_own(fixture *f, dbpool_conn conn) {
    dbpool *own = NULL;
    dbpool_conn one, two;
    (void)conn;
    if (!MAY_START_THREADS)
        fake_driver_table(f->fake)->flags |= DBPOOL_DRIVER_OPENS_FAST;
    EXPECT(dbpool_open_driver(fake_driver_table(f->fake), f->fake, &f->config, &own, NULL) == DBPOOL_OK);
    EXPECT(dbpool_checkout(own, &one, NULL) == DBPOOL_OK);
    EXPECT(dbpool_checkout(own, &two, NULL) == DBPOOL_OK); /* opened on a new thread of the library: the parent's are not here */
    EXPECT(dbpool_is_valid(two));
    EXPECT(dbpool_checkin(&one) == DBPOOL_OK);
    EXPECT(dbpool_checkin(&two) == DBPOOL_OK);
    EXPECT(dbpool_close(own, 0, NULL) == DBPOOL_OK);
    dbpool_destroy(own);
}

/* R-QUE-1 */
static void a_pool_of_the_childs_own_works(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), other = lent(f); /* the second leaves an idle thread of the library behind */
    returned(&other);
    in_child(use_a_pool_of_its_own, f, conn);
    returned(&conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_child_can_do_nothing_with_the_pool),
        FIXTURE_TEST(a_child_can_do_nothing_with_a_lease),
        FIXTURE_TEST(a_child_can_do_nothing_with_a_detached_connection),
        FIXTURE_TEST(a_pool_of_the_childs_own_works),
    };
    return cmocka_run_group_tests_name("fork", tests, fixture_start, NULL);
}
