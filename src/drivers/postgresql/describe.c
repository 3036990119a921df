/* SPDX-License-Identifier: MIT
 *
 * What the server is, in one round trip.
 */
#include <stdio.h>

#include "drivers/postgresql/exchange.h"
#include "drivers/postgresql/session.h"

static const char action[] = "describe";

/* Every name is qualified: what stands first in the caller's search_path is not ours. A setting that the server does not know gives no row.
 * Time-outs are in milliseconds in pg_settings, whatever unit they were set in. */
static const char facts[] =
    "SELECT 'user', current_user::pg_catalog.text"
    " UNION ALL SELECT 'database', pg_catalog.current_database()::pg_catalog.text"
    " UNION ALL SELECT 'role', CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby'"
    " WHEN pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' THEN 'read-only' ELSE 'primary' END"
    " UNION ALL SELECT 'max_connections', pg_catalog.current_setting('max_connections')"
    " UNION ALL SELECT 'reserved_connections', pg_catalog.sum(setting::pg_catalog.int4)::pg_catalog.text FROM pg_catalog.pg_settings"
    " WHERE name IN ('superuser_reserved_connections', 'reserved_connections')"
    " UNION ALL SELECT 'used_connections', pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_stat_activity"
    " WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'"
    " UNION ALL SELECT CASE name WHEN 'idle_session_timeout' THEN 'idle_timeout_ms' WHEN 'statement_timeout' THEN 'statement_timeout_ms'"
    " ELSE 'transaction_idle_timeout_ms' END, setting FROM pg_catalog.pg_settings"
    " WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'statement_timeout')";

static void tell_server(const PGconn *conn, void (*row)(void *, const char *, const char *), void *arg) {
    char server[128];
    const char *version = dbp_pg->PQparameterStatus(conn, "server_version");
    snprintf(server, sizeof server, "PostgreSQL %s", version ? version : "of unknown version");
    row(arg, "server", server);
}

static void tell_encryption(PGconn *conn, void (*row)(void *, const char *, const char *), void *arg) {
    char text[128];
    const char *protocol = dbp_pg->PQsslInUse(conn) ? dbp_pg->PQsslAttribute(conn, "protocol") : NULL;
    const char *cipher = protocol ? dbp_pg->PQsslAttribute(conn, "cipher") : NULL;
    if (protocol)
        snprintf(text, sizeof text, "%s %s", protocol, cipher ? cipher : "");
    else
        snprintf(text, sizeof text, "%s", dbp_pg->PQgssEncInUse(conn) ? "GSSAPI" : "none");
    row(arg, "encryption", text);
}

dbpool_status dbp_pg_describe(void *driver_arg, void *native, int64_t deadline_ns,
                              void (*row)(void *arg, const char *key, const char *value), void *arg, dbpool_error *err) {
    (void)driver_arg;
    PGresult *result = NULL;
    dbpool_status status = dbp_pg_exchange(native, action, facts, deadline_ns, &result, err);
    if (status != DBPOOL_OK)
        return status;
    tell_server(native, row, arg);
    tell_encryption(native, row, arg);
    for (int i = 0; dbp_pg->PQnfields(result) == 2 && i < dbp_pg->PQntuples(result); i++)
        row(arg, dbp_pg->PQgetvalue(result, i, 0), dbp_pg->PQgetvalue(result, i, 1));
    dbp_pg->PQclear(result);
    return DBPOOL_OK;
}
