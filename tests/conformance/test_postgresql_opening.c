/* SPDX-License-Identifier: MIT
 *
 * Opening PostgreSQL connections when it is not simple: servers that never answer, several of them, names that are slow to find or not
 * found, arguments that are no good. Every deadline is proven by a status, not by a clock: a call that did not keep it would hang this
 * program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/postgresql.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "check_error.h"
#include "drivers/postgresql/aside.h"
#include "drivers/postgresql/config.h"
#include "os/clock.h"
#include "os/thread.h"
#include "os/wait.h"
#include "postgres_client.h"
#include "postgres_mock.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Long enough for anything that works, and short enough for what must not. */
#define SOON (dbp_clock_now() + 20000 * (int64_t)DBP_NS_PER_MS)
#define NOT_LONG (dbp_clock_now() + 200 * (int64_t)DBP_NS_PER_MS)

static const dbpool_driver *const driver = &dbpool_postgresql_driver;
static postgres_server server;

/* ---- Help --------------------------------------------------------------------------------------------------------------------- */

static struct dbp_pg_config *configure(const dbpool_param *params, size_t count) {
    void *config = NULL;
    dbpool_error err = {0};
    if (driver->configure(params, count, &config, &err) != DBPOOL_OK)
        fail_msg("%s", err.message);
    return config;
}

/* Opens with these arguments alone. NULL, with `err` checked, when that fails. */
static PGconn *open_with(const dbpool_param *params, size_t count, int64_t deadline_ns, dbpool_error *err) {
    struct dbp_pg_config *config = configure(params, count);
    void *native = NULL;
    dbpool_status status = driver->open(config, deadline_ns, &native, err);
    if (status != DBPOOL_OK)
        check_error(status, err, DBPOOL_ECONNECT);
    assert_int_equal(status == DBPOOL_OK, native != NULL);
    driver->release(config);
    return native;
}

/* Opens with the arguments of the server, but for hosts, ports and one more. */
static PGconn *open_hosts(const char *hosts, const char *ports, const char *key, const char *value, int64_t deadline_ns,
                          dbpool_error *err) {
    dbpool_param params[POSTGRES_SERVER_PARAMS + 2];
    postgres_server_params(&server, true, params);
    params[2].value = hosts;
    params[3].value = ports;
    params[5] = (dbpool_param){"sslmode", "disable"};
    params[6] = (dbpool_param){key, value};
    return open_with(params, COUNT(params), deadline_ns, err);
}

static void shut(PGconn *conn) { assert_int_equal(driver->close(NULL, conn, NULL), DBPOOL_OK); }

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* A port on which nothing listens. */
static void dead_port(char port[8]) {
    postgres_mock mock = {.silent = true};
    assert_true(postgres_mock_start(&mock));
    postgres_mock_stop(&mock);
    snprintf(port, 8, "%s", mock.port);
}

/* ---- A server that does not answer ---------------------------------------------------------------------------------------------- */

static void open_keeps_its_deadline_with_a_stopped_server(void **unused) {
    (void)unused;
    postgres_server_signal_all(&server, SIGSTOP);
    for (int tcp = 0; tcp < 2; tcp++) {
        dbpool_param params[POSTGRES_SERVER_PARAMS];
        dbpool_error err = {0};
        postgres_server_params(&server, tcp, params);
        assert_null(open_with(params, COUNT(params), NOT_LONG, &err));
        assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
    }
    postgres_server_signal_all(&server, SIGCONT);
}

/* ---- Several hosts -------------------------------------------------------------------------------------------------------------- */

static void connect_timeout_is_kept_without_a_deadline(void **unused) {
    (void)unused;
    postgres_mock silent = {.silent = true};
    dbpool_error err = {0};
    assert_true(postgres_mock_start(&silent));
    assert_null(open_hosts("127.0.0.1", silent.port, "connect_timeout", "1", DBP_NEVER, &err));
    assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
    postgres_mock_stop(&silent);
}

static void a_host_that_never_answers_leaves_time_for_the_next(void **unused) {
    (void)unused;
    postgres_mock silent = {.silent = true};
    dbpool_error err = {0};
    char ports[32];
    assert_true(postgres_mock_start(&silent));
    snprintf(ports, sizeof ports, "%s,%s", silent.port, server.port);
    PGconn *conn = open_hosts("127.0.0.1,127.0.0.1", ports, "connect_timeout", "1", SOON, &err);
    assert_non_null(conn);
    assert_string_equal(PQport(conn), server.port);
    shut(conn);
    postgres_mock_stop(&silent);
}

static void each_host_gets_its_share_of_the_time(void **unused) {
    (void)unused;
    postgres_mock silent = {.silent = true};
    dbpool_error err = {0};
    char ports[32];
    assert_true(postgres_mock_start(&silent));
    snprintf(ports, sizeof ports, "%s,%s", silent.port, server.port);
    int64_t deadline = dbp_clock_now() + 4000 * (int64_t)DBP_NS_PER_MS;
    PGconn *conn = open_hosts("127.0.0.1,127.0.0.1", ports, "options", "", deadline, &err);
    assert_non_null(conn);
    shut(conn);
    postgres_mock_stop(&silent);
}

static void dead_hosts_are_passed_over(void **unused) {
    (void)unused;
    dbpool_error err = {0};
    char port[8], ports[32];
    dead_port(port);
    snprintf(ports, sizeof ports, "%s,%s", port, server.port);
    PGconn *conn = open_hosts("127.0.0.1,127.0.0.1", ports, "options", "", SOON, &err);
    assert_non_null(conn);
    shut(conn);
    assert_null(open_hosts("127.0.0.1,127.0.0.1", port, "options", "", SOON, &err));
    assert_true(err.flags & DBPOOL_ERROR_RETRYABLE);
    assert_null(open_hosts("127.0.0.1,127.0.0.1", "1,2,3", "options", "", SOON, &err));
    assert_non_null(strstr(err.message, "2 hosts, but 3 ports"));
}

/* Whom a list of two servers leads to: 0, 1, or -1 for none. */
static int chosen(const postgres_mock servers[2], const char *session) {
    postgres_mock mock[2] = {servers[0], servers[1]};
    dbpool_error err = {0};
    char ports[32];
    assert_true(postgres_mock_start(&mock[0]));
    assert_true(postgres_mock_start(&mock[1]));
    snprintf(ports, sizeof ports, "%s,%s", mock[0].port, mock[1].port);
    PGconn *conn = open_hosts("127.0.0.1,127.0.0.1", ports, "target_session_attrs", session, SOON, &err);
    int which = !conn ? -1 : strcmp(PQport(conn), mock[1].port) == 0;
    if (conn)
        shut(conn);
    postgres_mock_stop(&mock[0]);
    postgres_mock_stop(&mock[1]);
    return which;
}

static void target_session_attrs_is_kept_over_the_whole_list(void **unused) {
    (void)unused;
    const postgres_mock primary = {0}, standby = {.standby = true}, starting = {.refusal = "57P03"}, refusing = {.refusal = "28P01"};
    const struct {
        postgres_mock servers[2];
        const char *session;
        int chosen;
    } cases[] = {
        {{standby, primary},  "any",            0 },
        {{standby, primary},  "read-write",     1 },
        {{standby, primary},  "primary",        1 },
        {{standby, primary},  "prefer-standby", 0 },
        {{primary, standby},  "prefer-standby", 1 },
        {{primary, primary},  "prefer-standby", 0 },
        {{starting, primary}, "prefer-standby", 1 },
        {{primary, standby},  "standby",        1 },
        {{primary, standby},  "read-only",      1 },
        {{primary, primary},  "standby",        -1},
        {{standby, standby},  "read-write",     -1},
        {{starting, primary}, "any",            1 },
        {{refusing, primary}, "any",            -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (chosen(cases[i].servers, cases[i].session) != cases[i].chosen)
            fail_msg("case %zu, %s", i, cases[i].session);
}

/* ---- Names ---------------------------------------------------------------------------------------------------------------------- */

static struct dbp_pg_calls calls;
static dbp_atomic_u32 held, asked;

/* A resolver that hangs until it is let go, and then finds two addresses: one where nobody is, and the server's. */
static int find_slowly(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)node;
    (void)service;
    dbp_add_relaxed_u32(&asked, 1);
    while (dbp_load_acquire_u32(&held))
        dbp_wait(&held, 1, DBP_NEVER);
    struct addrinfo *first = NULL;
    int failure = getaddrinfo("127.0.0.2", NULL, hints, &first);
    return failure ? failure : getaddrinfo("127.0.0.1", NULL, hints, found) ? EAI_FAIL : ((*found)->ai_next = first, 0);
}

static int find_other_first(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)node;
    (void)service;
    struct addrinfo *second = NULL;
    int failure = getaddrinfo("127.0.0.2", NULL, hints, found);
    if (failure || getaddrinfo("127.0.0.1", NULL, hints, &second))
        return EAI_FAIL;
    (*found)->ai_next = second;
    return 0;
}

static void hold(bool on) {
    dbp_store_release_u32(&held, on);
    dbp_wake_all(&held);
}

static void use_resolver(int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **)) {
    calls = dbp_pg_libpq;
    if (resolver)
        calls.getaddrinfo = resolver;
    dbp_pg = &calls;
}

static void await_helpers(struct dbp_pg_config *config) {
    while (dbp_load_acquire_u32(&config->refs) > 1)
        dbp_thread_yield();
}

static void slow_name_resolution_keeps_the_deadline(void **unused) {
    (void)unused;
    dbpool_param params[POSTGRES_SERVER_PARAMS];
    dbpool_error err = {0};
    void *native = NULL;
    int files = open_files();
    postgres_server_params(&server, true, params);
    params[2].value = "slow.example";
    struct dbp_pg_config *config = configure(params, COUNT(params));
    use_resolver(find_slowly);
    hold(true);
    for (uint32_t i = 0; i < DBP_PG_ASIDE_MOST; i++)
        check_error(driver->open(config, dbp_clock_now() + DBP_NS_PER_MS, &native, &err), &err, DBPOOL_ECONNECT);
    while (dbp_load_acquire_u32(&asked) < DBP_PG_ASIDE_MOST)
        dbp_thread_yield();
    check_error(driver->open(config, NOT_LONG, &native, &err), &err, DBPOOL_ECONNECT);
    assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
    assert_int_equal(dbp_load_acquire_u32(&asked), DBP_PG_ASIDE_MOST);
    hold(false);
    assert_int_equal(driver->open(config, SOON, &native, &err), DBPOOL_OK);
    shut(native);
    await_helpers(config);
    driver->release(config);
    use_resolver(NULL);
    assert_int_equal(open_files(), files);
}

static void each_address_of_a_name_is_tried(void **unused) {
    (void)unused;
    dbpool_error err = {0};
    use_resolver(find_other_first);
    PGconn *conn = open_hosts("two.example", server.port, "options", "", SOON, &err);
    assert_non_null(conn);
    assert_string_equal(PQhost(conn), "two.example");
    assert_string_equal(PQhostaddr(conn), "127.0.0.1");
    shut(conn);
    use_resolver(NULL);
}

static int find_nothing(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)service;
    (void)hints;
    (void)found;
    return strcmp(node, "later.example") == 0 ? EAI_AGAIN : EAI_NONAME;
}

static void names_that_are_not_found_are_not_repeated(void **unused) {
    (void)unused;
    dbpool_error err = {0};
    use_resolver(find_nothing);
    assert_null(open_hosts("marker@127.0.0.1", server.port, "options", "", SOON, &err));
    assert_false(err.flags & DBPOOL_ERROR_RETRYABLE);
    assert_null(open_hosts("later.example", server.port, "options", "", SOON, &err));
    assert_true(err.flags & DBPOOL_ERROR_RETRYABLE);
    use_resolver(NULL);
}

static void a_host_address_needs_no_lookup(void **unused) {
    (void)unused;
    dbpool_error err = {0};
    use_resolver(find_nothing);
    PGconn *conn = open_hosts("no.example", server.port, "hostaddr", "127.0.0.1", SOON, &err);
    assert_non_null(conn);
    assert_string_equal(PQhost(conn), "no.example");
    shut(conn);
    assert_null(open_hosts("no.example", server.port, "hostaddr", "127.0.0.1,127.0.0.2", SOON, &err));
    use_resolver(NULL);
}

/* ---- Helper threads ------------------------------------------------------------------------------------------------------------- */

/* The caller's time is up as soon as the helper has its connection. */
static bool time_out_when_asked(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    (void)word;
    (void)expected;
    (void)deadline_ns;
    while (!dbp_load_acquire_u32(&asked))
        dbp_thread_yield();
    return false;
}

/* The last step of the handshake takes until the test lets it go. */
static PostgresPollingStatusType finish_late(PGconn *conn) {
    PostgresPollingStatusType status = PQconnectPoll(conn);
    if (status == PGRES_POLLING_OK)
        dbp_store_release_u32(&asked, 1);
    while (status == PGRES_POLLING_OK && dbp_load_acquire_u32(&held))
        dbp_thread_yield();
    return status;
}

static void a_connection_that_comes_too_late_is_closed(void **unused) {
    (void)unused;
    dbpool_param params[POSTGRES_SERVER_PARAMS];
    dbpool_error err = {0};
    void *native = NULL;
    int files = open_files();
    postgres_server_params(&server, true, params);
    struct dbp_pg_config *config = configure(params, COUNT(params));
    use_resolver(NULL);
    calls.PQconnectPoll = finish_late;
    dbp_store_release_u32(&asked, 0);
    hold(true);
    dbp_wait_hook = time_out_when_asked;
    check_error(driver->open(config, SOON, &native, &err), &err, DBPOOL_ECONNECT);
    assert_true(err.flags & DBPOOL_ERROR_TIMED_OUT);
    assert_null(native);
    hold(false);
    await_helpers(config);
    dbp_wait_hook = NULL;
    driver->release(config);
    use_resolver(NULL);
    assert_int_equal(open_files(), files);
}

static bool no_thread(void) { return false; }

static void an_opening_without_a_helper_thread_is_refused(void **unused) {
    (void)unused;
    dbpool_param params[POSTGRES_SERVER_PARAMS];
    dbpool_error err = {0};
    void *native = NULL;
    postgres_server_params(&server, true, params);
    struct dbp_pg_config *config = configure(params, COUNT(params));
    dbp_thread_hook = no_thread;
    check_error(driver->open(config, SOON, &native, &err), &err, DBPOOL_ENOMEM);
    dbp_thread_hook = NULL;
    assert_int_equal(driver->open(config, SOON, &native, &err), DBPOOL_OK);
    shut(native);
    await_helpers(config);
    driver->release(config);
}

/* ---- Arguments ------------------------------------------------------------------------------------------------------------------ */

static void wrong_arguments_show_nothing_of_themselves(void **unused) {
    (void)unused;
    const dbpool_param wrong[] = {
        {"password",             "another-marker"  },
        {"sslmode",              "a-marker"        },
        {"service",              "a-marker"        },
        {"port",                 "a-marker"        },
        {"gssencmode",           "a-marker"        },
        {"channel_binding",      "marker"          },
        {"host",                 "a\"marker\""     },
        {"target_session_attrs", "\"marker"        },
        {"hostaddr",             "marker.1.2.3"    },
        {"host",                 "marker@127.0.0.1"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        dbpool_param params[POSTGRES_SERVER_PARAMS + 1];
        dbpool_error err = {0};
        postgres_server_params(&server, true, params);
        params[5] = wrong[i];
        assert_null(open_with(params, COUNT(params), SOON, &err));
        print_message("%s: %s\n", wrong[i].key, err.message);
    }
}

static void a_refused_login_is_told_with_its_sqlstate(void **unused) {
    (void)unused;
    const struct {
        dbpool_param param;
        const char *sqlstate;
    } cases[] = {
        {{"password", "another-marker"}, "28P01"},
        {{"dbname", "nowhere"},          "3D000"}
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        dbpool_param params[POSTGRES_SERVER_PARAMS + 1];
        dbpool_error err = {0};
        postgres_server_params(&server, true, params);
        params[5] = cases[i].param;
        assert_null(open_with(params, COUNT(params), SOON, &err));
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        assert_false(err.flags & DBPOOL_ERROR_RETRYABLE);
        assert_null(strstr(err.message, cases[i].sqlstate));
        print_message("%s\n", err.message);
    }
}

static void unknown_keys_are_refused_by_name(void **unused) {
    (void)unused;
    const dbpool_param params[] = {
        {"sslmode",    "prefer"},
        {"sslmod\x01", "marker"}
    };
    const dbpool_param late = {"connect_timeout", "marker"};
    void *config = NULL;
    dbpool_error err = {0};
    check_error(driver->configure(params, 2, &config, &err), &err, DBPOOL_EOPTION);
    assert_non_null(strstr(err.message, "sslmod\\x01: "));
    check_error(driver->configure(&late, 1, &config, &err), &err, DBPOOL_EOPTION);
    assert_null(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_keeps_its_deadline_with_a_stopped_server),
        cmocka_unit_test(connect_timeout_is_kept_without_a_deadline),
        cmocka_unit_test(a_host_that_never_answers_leaves_time_for_the_next),
        cmocka_unit_test(each_host_gets_its_share_of_the_time),
        cmocka_unit_test(dead_hosts_are_passed_over),
        cmocka_unit_test(target_session_attrs_is_kept_over_the_whole_list),
        cmocka_unit_test(slow_name_resolution_keeps_the_deadline),
        cmocka_unit_test(each_address_of_a_name_is_tried),
        cmocka_unit_test(names_that_are_not_found_are_not_repeated),
        cmocka_unit_test(a_host_address_needs_no_lookup),
        cmocka_unit_test(a_connection_that_comes_too_late_is_closed),
        cmocka_unit_test(an_opening_without_a_helper_thread_is_refused),
        cmocka_unit_test(wrong_arguments_show_nothing_of_themselves),
        cmocka_unit_test(a_refused_login_is_told_with_its_sqlstate),
        cmocka_unit_test(unknown_keys_are_refused_by_name),
    };
    int refused = postgres_server_start(&server);
    if (refused)
        return refused;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop(&server);
    return failed;
}
