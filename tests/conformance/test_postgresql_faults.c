/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL connections whose server is killed or stopped. Every deadline is proven by a status, not by a clock: a call that did not keep
 * it would hang this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/postgresql.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "check_error.h"
#include "os/clock.h"
#include "postgres_client.h"

/* Long enough for anything that works, and short enough for what must not. */
#define SOON (dbp_clock_now() + 20000 * (int64_t)DBP_NS_PER_MS)
#define NOT_LONG (dbp_clock_now() + 200 * (int64_t)DBP_NS_PER_MS)

static const dbpool_driver *const driver = &dbpool_postgresql_driver;
static postgres_server server;

/* ---- Help --------------------------------------------------------------------------------------------------------------------- */

static PGconn *open_over(bool tcp) { return postgres_open(&server, tcp); }

static void shut(PGconn *conn) { assert_int_equal(driver->close(NULL, conn, NULL), DBPOOL_OK); }

static void run(PGconn *conn, const char *sql) { assert_true(postgres_run(conn, sql)); }

static void expect_alive(PGconn *conn) {
    dbpool_error err = {0};
    if (driver->ping(NULL, conn, SOON, &err) != DBPOOL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(driver->state(NULL, conn), DBPOOL_NATIVE_CLEAN);
}

static dbpool_native_state state_of(PGconn *conn) { return driver->state(NULL, conn); }

static bool look(PGconn *conn) { return driver->look(NULL, conn); }

/* ---- A live connection that dies ------------------------------------------------------------------------------------------------ */

static void terminate(PGconn *conn) { assert_true(postgres_terminate(&server, conn)); }

static void a_killed_session_is_seen_by_look(void **unused) {
    (void)unused;
    for (int tcp = 0; tcp < 2; tcp++) {
        PGconn *conn = open_over(tcp);
        assert_true(look(conn));
        terminate(conn);
        assert_false(look(conn));
        shut(conn);
    }
}

static void a_killed_session_fails_its_ping_as_lost(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true);
    dbpool_error err = {0};
    terminate(conn);
    check_error(driver->ping(NULL, conn, SOON, &err), &err, DBPOOL_EDISCONNECT);
    assert_true(err.flags & DBPOOL_ERROR_CONNECTION_LOST);
    assert_false(err.flags & DBPOOL_ERROR_POOL_STALE);
    assert_int_equal(state_of(conn), DBPOOL_NATIVE_UNCLEAN);
    shut(conn);
}

static void a_killed_session_fails_its_reset(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true);
    dbpool_error err = {0};
    run(conn, "begin");
    terminate(conn);
    check_error(driver->reset(NULL, conn, DBPOOL_RESET_ROLLBACK, SOON, &err), &err, DBPOOL_EDISCONNECT);
    shut(conn);
}

static void a_crash_is_seen_by_all_and_survived(void **unused) {
    (void)unused;
    PGconn *one = open_over(false), *other = open_over(true);
    assert_true(postgres_server_restart(&server));
    postgres_await_hangup(one);
    postgres_await_hangup(other);
    assert_false(look(one));
    assert_false(look(other));
    shut(one);
    shut(other);
    PGconn *again = open_over(true);
    expect_alive(again);
    shut(again);
}

static void a_crash_of_another_session_condemns_the_pool(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true), *victim = open_over(true);
    dbpool_error err = {0};
    kill(PQbackendPID(victim), SIGKILL);
    postgres_await_hangup(conn);
    check_error(driver->ping(NULL, conn, SOON, &err), &err, DBPOOL_EDISCONNECT);
    assert_string_equal(err.sqlstate, "57P02");
    assert_true(err.flags & DBPOOL_ERROR_POOL_STALE);
    shut(victim);
    shut(conn);
    assert_true(postgres_server_restart(&server));
}

static void the_caller_learns_what_his_own_failure_means(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true);
    dbpool_error err = {0};
    PGresult *result = PQexec(conn, "select 1/0");
    check_error(dbpool_postgresql_error(conn, result, &err), &err, DBPOOL_EDRIVER);
    assert_string_equal(err.sqlstate, "22012");
    assert_string_equal(err.message, "run statement: division by zero");
    PQclear(result);
    terminate(conn);
    result = PQexec(conn, "select 1");
    check_error(dbpool_postgresql_error(conn, result, &err), &err, DBPOOL_EDISCONNECT);
    assert_true(err.flags & DBPOOL_ERROR_CONNECTION_LOST);
    PQclear(result);
    shut(conn);
}

/* ---- A server that is stopped --------------------------------------------------------------------------------------------------- */

static void ping_keeps_its_deadline(void **unused) {
    (void)unused;
    for (int tcp = 0; tcp < 2; tcp++) {
        PGconn *conn = open_over(tcp);
        pid_t backend = PQbackendPID(conn);
        dbpool_error err = {0};
        kill(backend, SIGSTOP);
        check_error(driver->ping(NULL, conn, NOT_LONG, &err), &err, DBPOOL_EDISCONNECT);
        assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
        shut(conn);
        kill(backend, SIGCONT);
    }
}

static void reset_keeps_its_deadline(void **unused) {
    (void)unused;
    for (int32_t reset = DBPOOL_RESET_ROLLBACK; reset <= DBPOOL_RESET_FULL; reset++) {
        PGconn *conn = open_over(true);
        pid_t backend = PQbackendPID(conn);
        dbpool_error err = {0};
        run(conn, "begin");
        kill(backend, SIGSTOP);
        check_error(driver->reset(NULL, conn, reset, NOT_LONG, &err), &err, DBPOOL_ETIMEOUT);
        assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
        shut(conn);
        kill(backend, SIGCONT);
    }
}

/* Fills the socket until nothing more goes in, behind libpq's back. */
static void fill_socket(PGconn *conn) {
    static const char bytes[4096];
    while (send(PQsocket(conn), bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

static void close_does_not_wait_for_a_full_socket(void **unused) {
    (void)unused;
    for (int midway = 0; midway < 2; midway++) {
        PGconn *conn = open_over(true);
        pid_t backend = PQbackendPID(conn);
        if (midway) {
            PQclear(PQexec(conn, "copy (select 1) to stdout; create temp table t (n int)"));
            PGresult *result;
            while ((result = PQgetResult(conn)) && PQresultStatus(result) == PGRES_COPY_OUT) {
                char *row = NULL;
                while (PQgetCopyData(conn, &row, 0) > 0)
                    PQfreemem(row);
                PQclear(result);
            }
            PQclear(result);
            while ((result = PQgetResult(conn)))
                PQclear(result);
            PQclear(PQexec(conn, "copy t from stdin"));
        }
        kill(backend, SIGSTOP);
        fill_socket(conn);
        if (midway)
            assert_int_equal(PQputCopyData(conn, "1\n", 2), 1);
        shut(conn);
        kill(backend, SIGKILL);
        kill(backend, SIGCONT);
        assert_true(postgres_server_restart(&server));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_session_is_seen_by_look),
        cmocka_unit_test(a_killed_session_fails_its_ping_as_lost),
        cmocka_unit_test(a_killed_session_fails_its_reset),
        cmocka_unit_test(a_crash_is_seen_by_all_and_survived),
        cmocka_unit_test(a_crash_of_another_session_condemns_the_pool),
        cmocka_unit_test(the_caller_learns_what_his_own_failure_means),
        cmocka_unit_test(ping_keeps_its_deadline),
        cmocka_unit_test(reset_keeps_its_deadline),
        cmocka_unit_test(close_does_not_wait_for_a_full_socket),
    };
    int refused = postgres_server_start(&server);
    if (refused)
        return refused;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop(&server);
    return failed;
}
