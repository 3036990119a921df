/* SPDX-License-Identifier: MIT
 *
 * Opening one connection: find out what libpq would do, look the names up, then try the addresses one at a time, each with its share of the
 * time left, through PQconnectPoll.
 *
 * libpq itself goes through a list of hosts without a deadline for each, so it is given one address at a time. `target_session_attrs` is
 * still judged by libpq, for that one server; what is left to do here is to go on to the next, and prefer-standby's second pass. As in
 * libpq, a server that refuses the login ends the search, and one that is still starting does not.
 */
#include "drivers/postgresql/open.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "drivers/postgresql/aside.h"
#include "drivers/postgresql/error.h"
#include "drivers/postgresql/exchange.h"
#include "drivers/postgresql/resolve.h"
#include "drivers/postgresql/session.h"
#include "os/clock.h"
#include "os/memory.h"

static const char action[] = "open connection";

/* ---- What libpq would do ----------------------------------------------------------------------------------------------------- */

static void route_free(struct dbp_pg_route *route) {
    dbp_memory_free(route->host);
    dbp_memory_free(route->hostaddr);
    dbp_memory_free(route->port);
    dbp_memory_free(route->session);
    dbp_memory_free(route->connect_timeout);
    dbp_memory_free(route->balance);
}

static char **place_in(struct dbp_pg_route *route, const char *key) {
    return strcmp(key, "host") == 0                   ? &route->host
           : strcmp(key, "hostaddr") == 0             ? &route->hostaddr
           : strcmp(key, "port") == 0                 ? &route->port
           : strcmp(key, "target_session_attrs") == 0 ? &route->session
           : strcmp(key, "connect_timeout") == 0      ? &route->connect_timeout
           : strcmp(key, "load_balance_hosts") == 0   ? &route->balance
                                                      : NULL;
}

static bool copy_route(const PQconninfoOption *options, struct dbp_pg_route *route) {
    for (; options->keyword; options++) {
        char **place = options->val ? place_in(route, options->keyword) : NULL;
        if (place && !(*place = dbp_memory_copy_text(options->val)))
            return false;
        if (strcmp(options->keyword, "port") == 0)
            route->default_port = options->compiled;
    }
    return true;
}

/* Fills `route` with what libpq makes of the arguments, the environment, the service file and its defaults. libpq tells that only of a
 * connection, so it is given a channel_binding that it refuses after it has put everything together and before it begins to connect. Blocks
 * only for a service that stands in LDAP. */
static dbpool_status learn_route(const struct dbp_pg_config *config, struct dbp_pg_route *route, dbpool_error *err) {
    static const dbpool_param refused[] = {
        {"channel_binding", "none of these"},
        {"password",        NULL           }
    };
    PGconn *conn = dbp_pg_config_start(config, refused, 2);
    PQconninfoOption *options = conn ? dbp_pg->PQconninfo(conn) : NULL;
    dbpool_status status = DBPOOL_OK;
    if (!options || !copy_route(options, route))
        status = dbp_error_nomem(err, action);
    else if (!route->port)
        status = dbp_pg_open_error(conn, config, err); /* it stopped before that, at a service that there is not */
    dbp_pg_config_wipe(options);
    dbp_pg->PQfinish(conn);
    return status;
}

/* ---- One address ------------------------------------------------------------------------------------------------------------- */

/* Takes one connection through its handshake. */
static enum dbp_pg_readiness shake_hands(PGconn *conn, int64_t deadline_ns) {
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING) {
        /* The socket may be another one after each step. */
        enum dbp_pg_readiness ready = dbp_pg_wait(dbp_pg->PQsocket(conn), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ns);
        if (ready != DBP_PG_READY)
            return ready;
        want = dbp_pg->PQconnectPoll(conn);
    }
    return want == PGRES_POLLING_OK ? DBP_PG_READY : DBP_PG_FAILED;
}

static dbpool_status try_address(struct dbp_pg_config *config, const struct dbp_pg_target *target, const char *session, int64_t deadline_ns,
                                 PGconn **conn_out, dbpool_error *err) {
    const dbpool_param instead[] = {
        {"host",                 target->host    },
        {"hostaddr",             target->hostaddr},
        {"port",                 target->port    },
        {"target_session_attrs", session         }
    };
    PGconn *conn = dbp_pg_config_start(config, instead, 4);
    enum dbp_pg_readiness outcome = DBP_PG_FAILED;
    if (conn && dbp_pg->PQstatus(conn) != CONNECTION_BAD) {
        dbp_pg_session_begin(conn);
        outcome = shake_hands(conn, deadline_ns);
    }
    if (outcome == DBP_PG_READY) {
        dbp_pg->PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
        *conn_out = conn;
        return DBPOOL_OK;
    }
    dbpool_status status = outcome == DBP_PG_LATE ? dbp_pg_open_late(err) : dbp_pg_open_error(conn, config, err);
    dbp_pg->PQfinish(conn);
    return status;
}

/* ---- All of them ------------------------------------------------------------------------------------------------------------- */

/* When the next address must have answered: its part of the time left, and no longer than connect_timeout says. */
static int64_t share(int64_t deadline_ns, size_t tries_left, const char *connect_timeout) {
    int64_t now = dbp_clock_now(), until = deadline_ns;
    if (deadline_ns != DBP_NEVER && deadline_ns > now)
        until = now + (deadline_ns - now) / (int64_t)tries_left;
    long seconds = connect_timeout ? strtol(connect_timeout, NULL, 10) : 0;
    int64_t capped = seconds > 0 && seconds < 1000000 ? now + seconds * 1000000000 : DBP_NEVER;
    return capped < until ? capped : until;
}

/* Whether an address behind this one may do better: not when a server was reached and said no, unless it said "not now". */
static bool goes_on(const dbpool_error *err) {
    return err->status == DBPOOL_ECONNECT && (err->sqlstate[0] == '\0' || strcmp(err->sqlstate, "57P03") == 0);
}

static dbpool_status try_all(struct dbp_pg_config *config, const struct dbp_pg_route *route, const struct dbp_pg_targets *targets,
                             int64_t deadline_ns, PGconn **conn_out, dbpool_error *err) {
    bool prefers = route->session && strcmp(route->session, "prefer-standby") == 0;
    size_t tries = prefers ? 2 * targets->count : targets->count;
    dbpool_error failure = {.status = DBPOOL_ECONNECT};
    for (size_t i = 0; i < tries && goes_on(&failure); i++) {
        const char *session = !prefers ? route->session : i < targets->count ? "standby" : "any";
        int64_t until = share(deadline_ns, tries - i, route->connect_timeout);
        if (try_address(config, &targets->at[i % targets->count], session, until, conn_out, &failure) == DBPOOL_OK)
            return DBPOOL_OK;
    }
    return dbp_error_pass(err, &failure);
}

static dbpool_status open_now(struct dbp_pg_config *config, int64_t deadline_ns, PGconn **conn_out, dbpool_error *err) {
    struct dbp_pg_route route = {0};
    struct dbp_pg_targets targets = {0};
    dbpool_status status = learn_route(config, &route, err);
    if (status == DBPOOL_OK)
        status = dbp_pg_resolve(&route, &targets, err);
    if (status == DBPOOL_OK)
        status = try_all(config, &route, &targets, deadline_ns, conn_out, err);
    dbp_pg_targets_free(&targets);
    route_free(&route);
    return status;
}

static const char *value_or_env(const struct dbp_pg_config *config, const char *key, const char *variable) {
    const char *value = dbp_pg_config_value(config, key);
    return value && *value ? value : getenv(variable);
}

/* Whether nothing can block but the server's socket. Over the network names are looked up, and GSS may be negotiated, which libpq does with
 * blocking calls. */
static bool stays_here(const struct dbp_pg_config *config) {
    return !value_or_env(config, "service", "PGSERVICE") && !value_or_env(config, "hostaddr", "PGHOSTADDR") &&
           dbp_pg_is_local(value_or_env(config, "host", "PGHOST"));
}

dbpool_status dbp_pg_open(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    if (!driver_arg)
        return dbp_error_set(err, DBPOOL_EOPTION,
                             "open connection: there are no connect arguments; open the pool from a URL or with a creator");
    PGconn *conn = NULL;
    dbpool_status status = stays_here(driver_arg) ? open_now(driver_arg, deadline_ns, &conn, err)
                                                  : dbp_pg_open_aside(open_now, driver_arg, deadline_ns, &conn, err);
    *native_out = conn;
    return status;
}
