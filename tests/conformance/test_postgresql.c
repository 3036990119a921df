/* SPDX-License-Identifier: MIT
 *
 * The PostgreSQL driver keeps what every driver must keep, on a server of the test's own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "postgres_client.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

_Static_assert(sizeof CONFORMANCE_SECRET == sizeof POSTGRES_SERVER_PASSWORD, "the server's password is the suite's marker");

static postgres_server server;
static PGresult *unread;
static pid_t stopped;

/* ---- What one does in this database --------------------------------------------------------------------------------------------- */

static bool run(void *native, const char *sql) { return postgres_run(native, sql); }

static bool number(void *native, const char *sql, int64_t *out) { return postgres_number(native, sql, out); }

static bool same_session(void *native, void *other) {
    int64_t one = 0, two = 0;
    return number(native, "select pg_backend_pid()", &one) && number(other, "select pg_backend_pid()", &two) && one == two;
}

/* Two statements, of whose results one is read. */
static bool leave_unread(void *native) {
    bool sent = PQsendQuery(native, "select n from conformance; select 2") == 1;
    unread = sent ? PQgetResult(native) : NULL;
    return unread != NULL;
}

static void drop_unread(void) {
    PQclear(unread);
    unread = NULL;
}

static bool end_session(void *native) { return postgres_terminate(&server, native); }

static bool stick_open(void) {
    postgres_server_signal_all(&server, SIGSTOP);
    return true;
}

static bool stick_session(void *native) {
    stopped = PQbackendPID(native);
    return kill(stopped, SIGSTOP) == 0;
}

static void unstick(void) {
    postgres_server_signal_all(&server, SIGCONT);
    stopped = 0;
}

/* ---- What a holder can leave behind --------------------------------------------------------------------------------------------- */

static bool prepare_by_protocol(void *native) {
    PGresult *result = PQprepare(native, "left_behind", "select 1", 0, NULL);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return done;
}

/* An error says that there is none. */
static bool has_last_value(void *native) {
    PGresult *result = PQexec(native, "select lastval()");
    bool has = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return has;
}

static bool set_nonblocking(void *native) { return PQsetnonblocking(native, 1) == 0; }
static bool is_nonblocking(void *native) { return PQisnonblocking(native) == 1; }

static bool enter_pipeline(void *native) { return PQenterPipelineMode(native) == 1; }
static bool in_pipeline(void *native) { return PQpipelineStatus(native) != PQ_PIPELINE_OFF; }

static bool begin_copy(void *native, const char *sql, ExecStatusType expected) {
    PGresult *result = PQexec(native, sql);
    bool begun = PQresultStatus(result) == expected;
    PQclear(result);
    return begun;
}

static bool copy_in(void *native) { return begin_copy(native, "copy conformance from stdin", PGRES_COPY_IN); }
static bool copy_out(void *native) { return begin_copy(native, "copy (select generate_series(1, 9)) to stdout", PGRES_COPY_OUT); }
static bool is_busy(void *native) { return PQtransactionStatus(native) == PQTRANS_ACTIVE; }

static bool read_row_by_row(void *native) {
    if (PQsendQuery(native, "select generate_series(1, 3)") != 1 || PQsetSingleRowMode(native) != 1)
        return false;
    PGresult *row = PQgetResult(native);
    bool begun = PQresultStatus(row) == PGRES_SINGLE_TUPLE;
    PQclear(row);
    return begun;
}

static int notices;

static void count_notice(void *arg, const char *message) {
    (void)arg;
    (void)message;
    notices++;
}

static bool listen_to_notices(void *native) {
    PQsetNoticeProcessor(native, count_notice, NULL);
    return true;
}

static void receive_notice(void *arg, const PGresult *notice) {
    (void)arg;
    (void)notice;
    notices++;
}

static bool receive_notices(void *native) {
    PQsetNoticeReceiver(native, receive_notice, NULL);
    return true;
}

static bool are_notices_heard(void *native) {
    notices = 0;
    return postgres_run(native, "do $$ begin raise notice 'left behind'; end $$") && notices > 0;
}

static bool speak_briefly(void *native) {
    PQsetErrorVerbosity(native, PQERRORS_TERSE);
    return true;
}

static bool speaks_briefly(void *native) {
    PGVerbosity was = PQsetErrorVerbosity(native, PQERRORS_DEFAULT);
    PQsetErrorVerbosity(native, was);
    return was != PQERRORS_DEFAULT;
}

#define STAYS CONFORMANCE_STAYS
#define GONE CONFORMANCE_GONE
#define CLOSED CONFORMANCE_CLOSED

static const conformance_leftover leftovers[] = {
    {"a setting",                            "set work_mem = '3MB'",                                 NULL,                "select (current_setting('work_mem') = '3MB')::int",            NULL,              NULL, STAYS,  GONE  },
    {"a search path",                        "set search_path = pg_catalog",                         NULL,                "select (current_setting('search_path') = 'pg_catalog')::int",  NULL,              NULL,
     STAYS,                                                                                                                                                                                                                GONE  },
    {"a custom setting",                     "select set_config('left.behind', 'x', false)",         NULL,
     "select (coalesce(current_setting('left.behind', true), '') = 'x')::int",                                                                                                            NULL,              NULL, STAYS,  GONE  },
    {"a client encoding",                    "set client_encoding = 'LATIN1'",                       NULL,                "select (current_setting('client_encoding') = 'LATIN1')::int",  NULL,              NULL,
     STAYS,                                                                                                                                                                                                                GONE  },
    {"transactions that only read",          "set session characteristics as transaction read only", NULL,
     "select (current_setting('default_transaction_read_only') = 'on')::int",                                                                                                             NULL,              NULL, STAYS,  GONE  },
    {"a role",                               "set role pg_monitor",                                  NULL,                "select (current_user = 'pg_monitor')::int",                    NULL,              NULL, STAYS,  GONE  },
    {"a session authorization",              "set session authorization conformance_other",          NULL,                "select (session_user = 'conformance_other')::int",
     NULL,                                                                                                                                                                                                   NULL, STAYS,  GONE  },
    {"a temporary table",                    "create temp table left_behind (n int)",                NULL,                "select (to_regclass('pg_temp.left_behind') is not null)::int",
     NULL,                                                                                                                                                                                                   NULL, STAYS,  GONE  },
    {"a prepared statement",                 "prepare left_behind as select 1",                      NULL,                "select count(*) from pg_prepared_statements",                  NULL,              NULL, STAYS,
     GONE                                                                                                                                                                                                                        },
    {"a prepared statement of the protocol", NULL,                                                   prepare_by_protocol, "select count(*) from pg_prepared_statements",                  NULL,              NULL, STAYS,
     GONE                                                                                                                                                                                                                        },
    {"a cursor with hold",                   "declare left_behind cursor with hold for select 1",    NULL,                "select count(*) from pg_cursors",                              NULL,              NULL, STAYS,
     GONE                                                                                                                                                                                                                        },
    {"a listening",                          "listen left_behind",                                   NULL,                "select count(*) from pg_listening_channels()",                 NULL,              NULL, STAYS,  GONE  },
    {"an advisory lock",                     "select pg_advisory_lock(4711)",                        NULL,
     "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",                                                                                              NULL,              NULL, STAYS,  GONE  },
    {"the last value of a sequence",         "select nextval('conformance_sequence')",               NULL,                NULL,                                                           has_last_value,    NULL, STAYS,  GONE  },
    {"non-blocking mode",                    NULL,                                                   set_nonblocking,     NULL,                                                           is_nonblocking,    NULL, GONE,   GONE  },
    {"a notice processor",                   NULL,                                                   listen_to_notices,   NULL,                                                           are_notices_heard, NULL, GONE,   GONE  },
    {"a notice receiver",                    NULL,                                                   receive_notices,     NULL,                                                           are_notices_heard, NULL, GONE,   GONE  },
    {"short error messages",                 NULL,                                                   speak_briefly,       NULL,                                                           speaks_briefly,    NULL, GONE,   GONE  },
    {"pipeline mode",                        NULL,                                                   enter_pipeline,      NULL,                                                           in_pipeline,       NULL, CLOSED, CLOSED},
    {"a COPY in",                            NULL,                                                   copy_in,             NULL,                                                           is_busy,           NULL, CLOSED, CLOSED},
    {"a COPY out",                           NULL,                                                   copy_out,            NULL,                                                           is_busy,           NULL, CLOSED, CLOSED},
    {"rows that come one by one",            NULL,                                                   read_row_by_row,     NULL,                                                           is_busy,           NULL, CLOSED, CLOSED},
};

/* ---- Arguments ------------------------------------------------------------------------------------------------------------------ */

static const dbpool_param unknown_key[] = {
    {"sslmodus", CONFORMANCE_SECRET}
};
static const dbpool_param bad_timeout[] = {
    {"connect_timeout", CONFORMANCE_SECRET}
};

static const conformance_refusal refusals[] = {
    {"an unknown key",                      unknown_key, COUNT(unknown_key), DBPOOL_EOPTION, "sslmodus"       },
    {"a connect_timeout that is no number", bad_timeout, COUNT(bad_timeout), DBPOOL_EOPTION, "connect_timeout"},
};

static const char *const facts[] = {"server",
                                    "user",
                                    "database",
                                    "encryption",
                                    "role",
                                    "max_connections",
                                    "reserved_connections",
                                    "used_connections",
                                    "idle_timeout_ms",
                                    "transaction_idle_timeout_ms",
                                    "statement_timeout_ms"};

static bool make_tables(void) {
    PGconn *conn = postgres_open(&server, false);
    bool made = postgres_run(conn, "create table conformance (n int)") && postgres_run(conn, "create sequence conformance_sequence") &&
                postgres_run(conn, "create role conformance_other superuser");
    dbpool_postgresql_driver.close(NULL, conn, NULL);
    return made;
}

static void write_url(char *url, size_t size) {
    snprintf(url, size, "postgresql://%s:%s@127.0.0.1:%s/postgres", POSTGRES_SERVER_USER, POSTGRES_SERVER_PASSWORD, server.port);
}

static int run_suite(void) {
    char url[256];
    dbpool_param params[POSTGRES_SERVER_PARAMS], unreachable[POSTGRES_SERVER_PARAMS];
    write_url(url, sizeof url);
    postgres_server_params(&server, true, params);
    postgres_server_params(&server, false, unreachable);
    unreachable[2].value = "/nowhere";
    const conformance_adapter adapter = {
        .driver = &dbpool_postgresql_driver,
        .url = url,
        .params = params,
        .param_count = COUNT(params),
        .run = run,
        .number = number,
        .same_session = same_session,
        .table = "conformance",
        .begin = "begin",
        .leave_unread = leave_unread,
        .drop_unread = drop_unread,
        .kill = end_session,
        .stick_open = stick_open,
        .stick_ping = stick_session,
        .stick_reset = stick_session,
        .stuck_reset = DBPOOL_RESET_ROLLBACK,
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
    int refused = postgres_server_start(&server);
    if (refused)
        return refused;
    int failed = make_tables() ? run_suite() : 1;
    postgres_server_stop(&server);
    return failed;
}
