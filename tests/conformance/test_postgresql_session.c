/* SPDX-License-Identifier: MIT
 *
 * A PostgreSQL session between two holders: what arrives unasked, what is dropped and what closes it; where its arguments come from; what a
 * fork and a program started from here see of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/postgresql.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check_error.h"
#include "drivers/postgresql/calls.h"
#include "os/clock.h"
#include "postgres_client.h"
#include "postgres_mock.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SOON (dbp_clock_now() + 20000 * (int64_t)DBP_NS_PER_MS)

static const dbpool_driver *const driver = &dbpool_postgresql_driver;
static postgres_server server;

/* ---- Help --------------------------------------------------------------------------------------------------------------------- */

static PGconn *open_params(const dbpool_param *params, size_t count, dbpool_error *err) {
    void *config = NULL, *native = NULL;
    assert_int_equal(driver->configure(params, count, &config, err), DBPOOL_OK);
    driver->open(config, SOON, &native, err);
    driver->release(config);
    return native;
}

static PGconn *open_over(bool tcp) { return postgres_open(&server, tcp); }

static PGconn *open_mock(const postgres_mock *mock) {
    const dbpool_param params[] = {
        {"user",    "me"       },
        {"host",    "127.0.0.1"},
        {"port",    mock->port },
        {"sslmode", "disable"  }
    };
    dbpool_error err = {0};
    PGconn *conn = open_params(params, COUNT(params), &err);
    if (!conn)
        fail_msg("%s", err.message);
    return conn;
}

static void shut(PGconn *conn) { assert_int_equal(driver->close(NULL, conn, NULL), DBPOOL_OK); }

static void run(PGconn *conn, const char *sql) { assert_true(postgres_run(conn, sql)); }

static int64_t number(PGconn *conn, const char *sql) {
    int64_t result = 0;
    assert_true(postgres_number(conn, sql, &result));
    return result;
}

static bool look(PGconn *conn) { return driver->look(NULL, conn); }

static dbpool_native_state state_of(PGconn *conn) { return driver->state(NULL, conn); }

/* ---- What arrives unasked ------------------------------------------------------------------------------------------------------- */

static void flood(PGconn *conn) {
    PGconn *other = open_over(false);
    run(conn, "listen flood");
    run(other, "select pg_notify('flood', repeat('x', 500) || n) from generate_series(1, 5000) n");
    shut(other);
    postgres_await_readable(conn);
}

static void notifications_are_drained(void **unused) {
    (void)unused;
    for (int tcp = 0; tcp < 2; tcp++) {
        PGconn *conn = open_over(tcp);
        flood(conn);
        assert_true(look(conn));
        assert_null(PQnotifies(conn));
        assert_int_equal(number(conn, "select 1"), 1);
        assert_int_equal(state_of(conn), DBPOOL_NATIVE_CLEAN);
        assert_null(PQnotifies(conn));
        shut(conn);
    }
}

static void a_holder_gets_no_notification_of_the_last(void **unused) {
    (void)unused;
    PGconn *conn = open_over(false);
    run(conn, "listen mine");
    run(conn, "notify mine");
    assert_int_equal(state_of(conn), DBPOOL_NATIVE_CLEAN);
    assert_null(PQnotifies(conn));
    shut(conn);
}

/* Whether the connection passes the look after the server has said that. */
static bool passes(const char *said, size_t length) {
    postgres_mock mock = {.said = said, .said_length = length};
    assert_true(postgres_mock_start(&mock));
    PGconn *conn = open_mock(&mock);
    assert_int_equal(send(PQsocket(conn), "", 1, 0), 1);
    postgres_await_readable(conn);
    bool passed = look(conn);
    shut(conn);
    postgres_mock_stop(&mock);
    return passed;
}

static bool passes_message(char type, const void *body, size_t length) {
    char message[256];
    return passes(message, postgres_mock_message(message, 0, type, body, length));
}

static void notices_and_settings_may_come_unasked(void **unused) {
    (void)unused;
    static const char notice[] = "SNOTICE\0VNOTICE\0C00000\0Mhello\0", setting[] = "TimeZone\0UTC", heard[] = "\0\0\0\1channel\0payload";
    assert_true(passes_message('N', notice, sizeof notice));
    assert_true(passes_message('S', setting, sizeof setting));
    assert_true(passes_message('A', heard, sizeof heard));
}

static void anything_else_closes_the_connection(void **unused) {
    (void)unused;
    static const char fatal[] = "SFATAL\0VFATAL\0C57P01\0Mbye\0", error[] = "SERROR\0VERROR\0C22012\0Mno\0";
    static const char bare[] = "Mno\0";
    assert_false(passes_message('E', fatal, sizeof fatal));
    assert_false(passes_message('E', error, sizeof error));
    assert_false(passes_message('E', bare, sizeof bare));
    assert_false(passes_message('D', "\0\1\0\0\0\1x", 7));
    assert_false(passes_message('C', "SELECT 1", 9));
    assert_false(passes_message('Z', "I", 1));
    assert_false(passes_message('Z', "T", 1));
    assert_false(passes_message('1', "", 0));
    assert_false(passes_message('\x7f', "", 0));
    assert_false(passes("\xff\xff\xff\xff\xff\xff\xff\xff", 8));
}

/* There is always more to read. */
static int poll_more(struct pollfd *fds, nfds_t count, int timeout) {
    (void)count;
    (void)timeout;
    fds[0].revents = POLLIN;
    return 1;
}

static void a_server_that_does_not_stop_talking_is_given_up(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true);
    struct dbp_pg_calls calls = dbp_pg_libpq;
    calls.poll = poll_more;
    dbp_pg = &calls;
    bool passed = look(conn);
    dbp_pg = &dbp_pg_libpq;
    assert_false(passed);
    assert_true(look(conn));
    shut(conn);
}

/* What a ping makes of a server that answers like that. */
static uint32_t ping_flags(const char *said, size_t length, bool for_ever) {
    postgres_mock mock = {.said = said, .said_length = length, .for_ever = for_ever};
    assert_true(postgres_mock_start(&mock));
    PGconn *conn = open_mock(&mock);
    dbpool_error err = {0};
    check_error(driver->ping(NULL, conn, dbp_clock_now() + 200 * (int64_t)DBP_NS_PER_MS, &err), &err, DBPOOL_EDISCONNECT);
    shut(conn);
    postgres_mock_stop(&mock);
    return err.flags;
}

static void a_ping_is_not_held_by_talk(void **unused) {
    (void)unused;
    static const char notice[] = "SNOTICE\0VNOTICE\0C00000\0Mhello\0";
    static char many[16384];
    char copy[16];
    size_t length = 0;
    while (length + 256 < sizeof many)
        length = postgres_mock_message(many, length, 'N', notice, sizeof notice);
    assert_true(ping_flags(many, length, true) & DBPOOL_ERROR_TIMED_OUT);
    /* A COPY that nobody began, of which libpq would give results for ever. */
    assert_true(ping_flags(copy, postgres_mock_message(copy, 0, 'G', "\0\0\0", 3), false) & DBPOOL_ERROR_CONNECTION_LOST);
}

static void a_primary_that_became_a_standby_condemns_the_pool(void **unused) {
    (void)unused;
    static const char error[] = "SERROR\0VERROR\0C25006\0Mcannot execute INSERT in a read-only transaction\0";
    char said[256];
    size_t length = postgres_mock_message(said, 0, 'S', "in_hot_standby\0on", 18);
    length = postgres_mock_message(said, length, 'E', error, sizeof error);
    length = postgres_mock_message(said, length, 'Z', "I", 1);
    for (int wanted = 0; wanted < 2; wanted++) {
        postgres_mock mock = {.said = said, .said_length = length};
        dbpool_error err = {0};
        assert_true(postgres_mock_start(&mock));
        const dbpool_param params[] = {
            {"user",                 "me"                      },
            {"host",                 "127.0.0.1"               },
            {"port",                 mock.port                 },
            {"sslmode",              "disable"                 },
            {"target_session_attrs", wanted ? "primary" : "any"}
        };
        PGconn *conn = open_params(params, COUNT(params), &err);
        PGresult *result = PQexec(conn, "insert");
        check_error(dbpool_postgresql_error(conn, result, &err), &err, wanted ? DBPOOL_EDISCONNECT : DBPOOL_EDRIVER);
        assert_int_equal((err.flags & DBPOOL_ERROR_POOL_STALE) != 0, wanted);
        PQclear(result);
        shut(conn);
        postgres_mock_stop(&mock);
    }
}

static void nothing_is_printed(void **unused) {
    (void)unused;
    FILE *printed = tmpfile();
    int kept = dup(STDERR_FILENO);
    PGconn *conn = open_over(false);
    fflush(stderr);
    dup2(fileno(printed), STDERR_FILENO);
    run(conn, "do $$ begin raise warning 'for all to see'; end $$");
    dbpool_native_state state = state_of(conn);
    run(conn, "do $$ begin raise warning 'for all to see'; end $$");
    bool live = look(conn);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(state, DBPOOL_NATIVE_CLEAN);
    assert_true(live);
    assert_int_equal(lseek(fileno(printed), 0, SEEK_END), 0);
    fclose(printed);
    shut(conn);
}

/* ---- Transactions --------------------------------------------------------------------------------------------------------------- */

static void a_commit_that_fails_is_told(void **unused) {
    (void)unused;
    PGconn *conn = open_over(false);
    dbpool_error err = {0};
    run(conn, "create temp table t (n int unique deferrable initially deferred)");
    run(conn, "begin; insert into t values (1), (1)");
    assert_int_equal(driver->reset(NULL, conn, DBPOOL_RESET_COMMIT, SOON, &err), DBPOOL_EDRIVER);
    assert_string_equal(err.sqlstate, "23505");
    assert_ptr_equal(strstr(err.message, "commit: "), err.message);
    shut(conn);
}

static void a_commit_of_a_failed_transaction_ends_it(void **unused) {
    (void)unused;
    PGconn *conn = open_over(false);
    dbpool_error err = {0};
    run(conn, "begin");
    PQclear(PQexec(conn, "select 1/0"));
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_INERROR);
    assert_int_equal(driver->reset(NULL, conn, DBPOOL_RESET_COMMIT, SOON, &err), DBPOOL_OK);
    assert_int_equal(state_of(conn), DBPOOL_NATIVE_CLEAN);
    shut(conn);
}

/* ---- Where arguments come from -------------------------------------------------------------------------------------------------- */

static void the_environment_and_services_work_as_with_libpq(void **unused) {
    (void)unused;
    char file[128];
    dbpool_error err = {0};
    snprintf(file, sizeof file, "%s/services", server.directory);
    FILE *services = fopen(file, "w");
    assert_non_null(services);
    fprintf(services, "[ours]\nhost=127.0.0.1\nport=%s\ndbname=template1\n", server.port);
    fclose(services);
    const dbpool_param login[] = {
        {"user",     POSTGRES_SERVER_USER    },
        {"password", POSTGRES_SERVER_PASSWORD},
        {"service",  "ours"                  }
    };
    setenv("PGSERVICEFILE", file, 1);
    PGconn *conn = open_params(login, 3, &err);
    assert_non_null(conn);
    assert_string_equal(PQdb(conn), "template1");
    assert_string_equal(PQhost(conn), "127.0.0.1");
    shut(conn);
    unsetenv("PGSERVICEFILE");
    setenv("PGHOST", server.directory, 1);
    setenv("PGPORT", server.port, 1);
    setenv("PGDATABASE", "postgres", 1);
    conn = open_params(login, 2, &err);
    assert_non_null(conn);
    assert_string_equal(PQhost(conn), server.directory);
    shut(conn);
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGDATABASE");
}

static void the_application_name_is_ours_only_for_want_of_another(void **unused) {
    (void)unused;
    dbpool_param params[POSTGRES_SERVER_PARAMS + 1];
    dbpool_error err = {0};
    postgres_server_params(&server, false, params);
    params[5] = (dbpool_param){"application_name", "theirs"};
    PGconn *conn = open_params(params, 5, &err);
    assert_string_equal(PQparameterStatus(conn, "application_name"), "dbpool");
    shut(conn);
    conn = open_params(params, 6, &err);
    assert_string_equal(PQparameterStatus(conn, "application_name"), "theirs");
    shut(conn);
}

static void a_database_name_is_only_a_name(void **unused) {
    (void)unused;
    dbpool_param params[POSTGRES_SERVER_PARAMS];
    dbpool_error err = {0};
    postgres_server_params(&server, false, params);
    params[4].value = "/dbname=postgres application_name=x";
    assert_null(open_params(params, COUNT(params), &err));
    assert_string_equal(err.sqlstate, "3D000");
}

/* ---- TLS, fork, exec ------------------------------------------------------------------------------------------------------------ */

static void note_encryption(void *arg, const char *key, const char *value) {
    if (strcmp(key, "encryption") == 0)
        snprintf(arg, 64, "%s", value);
}

static void tls_is_told_and_looked_through(void **unused) {
    (void)unused;
    if (!server.tls)
        skip();
    dbpool_param params[POSTGRES_SERVER_PARAMS + 1];
    dbpool_error err = {0};
    char encryption[64] = "";
    postgres_server_params(&server, true, params);
    params[5] = (dbpool_param){"sslmode", "require"};
    PGconn *conn = open_params(params, COUNT(params), &err);
    assert_int_equal(driver->describe(NULL, conn, SOON, note_encryption, encryption, &err), DBPOOL_OK);
    assert_ptr_equal(strstr(encryption, "TLSv1"), encryption);
    flood(conn);
    assert_int_equal(driver->ping(NULL, conn, SOON, &err), DBPOOL_OK);
    flood(conn);
    assert_true(look(conn));
    assert_int_equal(number(conn, "select 1"), 1);
    assert_true(postgres_terminate(&server, conn));
    assert_false(look(conn));
    shut(conn);
}

static void a_child_gives_up_what_it_inherits_and_the_parent_keeps_it(void **unused) {
    (void)unused;
    PGconn *conn = open_over(true);
    int64_t session = number(conn, "select pg_backend_pid()");
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        driver->abandon(NULL, conn);
        _exit(fcntl(PQsocket(conn), F_GETFD) >= 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(look(conn));
    assert_int_equal(number(conn, "select pg_backend_pid()"), session);
    shut(conn);
}

static void a_program_started_from_here_does_not_inherit_the_socket(void **unused) {
    (void)unused;
    for (int tcp = 0; tcp < 2; tcp++) {
        PGconn *conn = open_over(tcp);
        assert_true(fcntl(PQsocket(conn), F_GETFD) & FD_CLOEXEC);
        shut(conn);
    }
}

static void a_trace_ends_with_its_holder(void **unused) {
    (void)unused;
    FILE *trace = tmpfile();
    PGconn *conn = open_over(false);
    PQtrace(conn, trace);
    run(conn, "select 1");
    assert_int_equal(state_of(conn), DBPOOL_NATIVE_CLEAN);
    off_t length = lseek(fileno(trace), 0, SEEK_END);
    assert_true(length > 0);
    run(conn, "select 2");
    fflush(trace);
    assert_int_equal(lseek(fileno(trace), 0, SEEK_END), length);
    fclose(trace);
    shut(conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifications_are_drained),
        cmocka_unit_test(a_holder_gets_no_notification_of_the_last),
        cmocka_unit_test(notices_and_settings_may_come_unasked),
        cmocka_unit_test(anything_else_closes_the_connection),
        cmocka_unit_test(a_server_that_does_not_stop_talking_is_given_up),
        cmocka_unit_test(a_ping_is_not_held_by_talk),
        cmocka_unit_test(a_primary_that_became_a_standby_condemns_the_pool),
        cmocka_unit_test(nothing_is_printed),
        cmocka_unit_test(a_commit_that_fails_is_told),
        cmocka_unit_test(a_commit_of_a_failed_transaction_ends_it),
        cmocka_unit_test(the_environment_and_services_work_as_with_libpq),
        cmocka_unit_test(the_application_name_is_ours_only_for_want_of_another),
        cmocka_unit_test(a_database_name_is_only_a_name),
        cmocka_unit_test(tls_is_told_and_looked_through),
        cmocka_unit_test(a_child_gives_up_what_it_inherits_and_the_parent_keeps_it),
        cmocka_unit_test(a_program_started_from_here_does_not_inherit_the_socket),
        cmocka_unit_test(a_trace_ends_with_its_holder),
    };
    int refused = postgres_server_start(&server);
    if (refused)
        return refused;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop(&server);
    return failed;
}
