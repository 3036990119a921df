/* SPDX-License-Identifier: MIT
 *
 * Whatever fails below the PostgreSQL driver, it fails in order: each call of libpq and of the system that can fail, each allocation of
 * ours and each start of a thread is made to fail, the k-th for every k, once and from then on, over a session that uses the whole driver.
 * Every failure is told in words without a secret, nothing that libpq gave is kept, no descriptor stays open, and the next session works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "drivers/postgresql/calls.h"
#include "drivers/postgresql/config.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"
#include "postgres_client.h"

static const dbpool_driver *const driver = &dbpool_postgresql_driver;
static postgres_server server;

/* ---- The fault ------------------------------------------------------------------------------------------------------------------ */

static struct fault {
    uint32_t k; /* 0: none */
    bool lasts; /* from the k-th on */
    dbp_atomic_u32 count, fired;
} fault;

/* Called by the test's thread and the driver's helper, one after the other. */
static bool fires(void) {
    uint32_t count = dbp_add_relaxed_u32(&fault.count, 1) + 1;
    bool now = fault.k != 0 && (fault.lasts ? count >= fault.k : count == fault.k);
    if (now)
        dbp_add_relaxed_u32(&fault.fired, 1);
    return now;
}

static bool allow_allocation(size_t size) {
    (void)size;
    return !fires();
}

static bool allow_thread(void) { return !fires(); }

static void arm(uint32_t k, bool lasts) {
    fault.k = k;
    fault.lasts = lasts;
    dbp_store_relaxed_u32(&fault.count, 0);
    dbp_store_relaxed_u32(&fault.fired, 0);
}

/* ---- Calls that fail, and a book of what they gave ------------------------------------------------------------------------------ */

static dbp_atomic_u32 given; /* connections, results, options and addresses that were given and not yet given back */

static void *give(void *thing) {
    dbp_add_relaxed_u32(&given, thing != NULL);
    return thing;
}

static void take_back(const void *thing) { dbp_sub_acq_rel_u32(&given, thing != NULL); }

#define FAILING(type, name, failure, declaration, arguments) \
    static type try_##name declaration { return fires() ? (failure) : name arguments; }

#define GIVING(type, name, declaration, arguments) \
    static type try_##name declaration { return fires() ? NULL : give(name arguments); }

#define TAKING(type, name)               \
    static void try_##name(type thing) { \
        take_back(thing);                \
        name(thing);                     \
    }

GIVING(PQconninfoOption *, PQconninfoParse, (const char *text, char **message), (text, message))
GIVING(PQconninfoOption *, PQconninfo, (PGconn * conn), (conn))
GIVING(PGconn *, PQconnectStartParams, (const char *const *keys, const char *const *values, int expand), (keys, values, expand))
GIVING(PGresult *, PQgetResult, (PGconn * conn), (conn))
GIVING(PGnotify *, PQnotifies, (PGconn * conn), (conn))
TAKING(PQconninfoOption *, PQconninfoFree)
TAKING(PGconn *, PQfinish)
TAKING(PGresult *, PQclear)
TAKING(void *, PQfreemem)
TAKING(struct addrinfo *, freeaddrinfo)

FAILING(PostgresPollingStatusType, PQconnectPoll, PGRES_POLLING_FAILED, (PGconn * conn), (conn))
FAILING(ConnStatusType, PQstatus, CONNECTION_BAD, (const PGconn *conn), (conn))
FAILING(PGTransactionStatusType, PQtransactionStatus, PQTRANS_UNKNOWN, (const PGconn *conn), (conn))
FAILING(int, PQsocket, -1, (const PGconn *conn), (conn))
FAILING(const char *, PQparameterStatus, NULL, (const PGconn *conn, const char *name), (conn, name))
FAILING(char *, PQpass, NULL, (const PGconn *conn), (conn))
FAILING(const char *, PQsslAttribute, NULL, (PGconn * conn, const char *name), (conn, name))
FAILING(int, PQsetnonblocking, -1, (PGconn * conn, int on), (conn, on))
FAILING(int, PQsendQuery, 0, (PGconn * conn, const char *sql), (conn, sql))
FAILING(int, PQflush, -1, (PGconn * conn), (conn))
FAILING(int, PQconsumeInput, 0, (PGconn * conn), (conn))
FAILING(char *, PQresultErrorField, NULL, (const PGresult *result, int field), (result, field))
FAILING(int, getnameinfo, EAI_FAIL,
        (const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t service_size,
         int flags),
        (address, length, host, host_size, service, service_size, flags))
FAILING(int, shutdown, -1, (int fd, int how), (fd, how))

static char *try_PQerrorMessage(const PGconn *conn) {
    static char nothing[] = "";
    return fires() ? nothing : PQerrorMessage(conn);
}

static int try_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int failure = fires() ? EAI_AGAIN : getaddrinfo(node, service, hints, found);
    if (!failure)
        give(*found);
    return failure;
}

static int try_poll(struct pollfd *fds, nfds_t count, int timeout) {
    if (!fires())
        return poll(fds, count, timeout);
    errno = ENOMEM;
    return -1;
}

#define TRIED(X)            \
    X(PQconninfoParse)      \
    X(PQconninfo)           \
    X(PQconnectStartParams) \
    X(PQgetResult)          \
    X(PQnotifies)           \
    X(PQconninfoFree)       \
    X(PQfinish)             \
    X(PQclear)              \
    X(PQfreemem)            \
    X(freeaddrinfo)         \
    X(PQconnectPoll)        \
    X(PQstatus)             \
    X(PQtransactionStatus)  \
    X(PQsocket)             \
    X(PQparameterStatus)    \
    X(PQpass)               \
    X(PQsslAttribute)       \
    X(PQsetnonblocking)     \
    X(PQsendQuery)          \
    X(PQflush)              \
    X(PQconsumeInput)       \
    X(PQresultErrorField)   \
    X(getnameinfo)          \
    X(shutdown)             \
    X(PQerrorMessage)       \
    X(getaddrinfo)          \
    X(poll)

static struct dbp_pg_calls failing_calls(void) {
    struct dbp_pg_calls calls = dbp_pg_libpq;
#define USE(name) calls.name = try_##name;
    TRIED(USE)
#undef USE
    return calls;
}

/* ---- The session ---------------------------------------------------------------------------------------------------------------- */

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Whether a step of the driver succeeded; if not, it has to say why. */
static bool told(dbpool_status status, const dbpool_error *err) {
    if (status == DBPOOL_OK)
        return true;
    assert_int_equal(err->status, status);
    const char *colon = strstr(err->message, ": ");
    assert_true(colon && colon > err->message && strlen(colon) > 4);
    assert_null(strstr(err->message, "marker"));
    assert_null(strchr(err->message, '\n'));
    return false;
}

static void ignore_fact(void *arg, const char *key, const char *value) {
    (void)arg;
    assert_non_null(key);
    assert_non_null(value);
}

static bool fail_statement(PGconn *conn) {
    dbpool_error err = {0};
    PGresult *result = PQexec(conn, "select 1/0");
    bool failed = told(dbpool_postgresql_error(conn, result, &err), &err);
    PQclear(result);
    return !failed;
}

static bool in_transaction(PGconn *conn) {
    PQclear(PQexec(conn, "begin; listen torture; notify torture"));
    return true;
}

/* True when everything went well. */
static bool use(void *config, PGconn *conn) {
    int64_t deadline = dbp_clock_now() + 5000 * (int64_t)DBP_NS_PER_MS;
    dbpool_error err = {0};
    return driver->look(config, conn) && told(driver->ping(config, conn, deadline, &err), &err) && in_transaction(conn) &&
           told(driver->reset(config, conn, DBPOOL_RESET_COMMIT, deadline, &err), &err) && in_transaction(conn) &&
           told(driver->reset(config, conn, DBPOOL_RESET_ROLLBACK, deadline, &err), &err) && in_transaction(conn) &&
           told(driver->reset(config, conn, DBPOOL_RESET_FULL, deadline, &err), &err) &&
           told(driver->describe(config, conn, deadline, ignore_fact, NULL, &err), &err) && fail_statement(conn) &&
           driver->state(config, conn) == DBPOOL_NATIVE_CLEAN && driver->look(config, conn);
}

static bool open_and_use(struct dbp_pg_config *config) {
    dbpool_error err = {0};
    void *native = NULL;
    if (!told(driver->open(config, dbp_clock_now() + 5000 * (int64_t)DBP_NS_PER_MS, &native, &err), &err)) {
        assert_null(native);
        return false;
    }
    bool well = use(config, native);
    driver->close(config, native, &err);
    return well;
}

static bool session(const char *host) {
    dbpool_param params[POSTGRES_SERVER_PARAMS + 2];
    dbpool_error err = {0};
    void *arg = NULL;
    postgres_server_params(&server, true, params);
    params[2].value = host;
    params[5] = (dbpool_param){"sslmode", "disable"};
    params[6] = (dbpool_param){"target_session_attrs", "prefer-standby"};
    if (!told(driver->configure(params, POSTGRES_SERVER_PARAMS + 2, &arg, &err), &err))
        return false;
    struct dbp_pg_config *config = arg;
    bool well = open_and_use(config);
    while (dbp_load_acquire_u32(&config->refs) > 1)
        dbp_thread_yield();
    driver->release(config);
    return well;
}

/* ---- The torture ---------------------------------------------------------------------------------------------------------------- */

/* Until a session is too short for its k-th call. */
static void fail_each_call(const char *host, bool lasts) {
    int files = open_files();
    uint32_t k = 0, failures = 0;
    do {
        arm(++k, lasts);
        bool well = session(host);
        failures += !well;
        assert_true(well || dbp_load_relaxed_u32(&fault.fired) > 0);
        if (dbp_load_relaxed_u32(&given) != 0)
            fail_msg("call %u: %u things of libpq's are not given back", k, dbp_load_relaxed_u32(&given));
        if (open_files() != files)
            fail_msg("call %u: a descriptor is left open", k);
    } while (dbp_load_relaxed_u32(&fault.fired) > 0);
    print_message("%s: %u calls, %u sessions failed\n", host, k - 1, failures);
    assert_true(failures > k / 2);
}

static void over_the_network_once(void **unused) {
    (void)unused;
    fail_each_call("localhost", false);
}

static void over_the_network_for_ever(void **unused) {
    (void)unused;
    fail_each_call("localhost", true);
}

static void over_a_socket_once(void **unused) {
    (void)unused;
    fail_each_call(server.directory, false);
}

static void over_a_socket_for_ever(void **unused) {
    (void)unused;
    fail_each_call(server.directory, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_the_network_once),
        cmocka_unit_test(over_the_network_for_ever),
        cmocka_unit_test(over_a_socket_once),
        cmocka_unit_test(over_a_socket_for_ever),
    };
    int refused = postgres_server_start(&server);
    if (refused)
        return refused;
    const struct dbp_pg_calls calls = failing_calls();
    dbp_pg = &calls;
    dbp_memory_hook = allow_allocation;
    dbp_thread_hook = allow_thread;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop(&server);
    return failed;
}
