/* SPDX-License-Identifier: MIT
 *
 * libpq's errors made ours: "action: cause" in one line, with SQLSTATE and flags, without a password and without anything of a connect
 * argument that libpq could not make sense of (a password with an unescaped character in it ends up there).
 */
#include "drivers/postgresql/error.h"

#include <dbpool/postgresql.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/memory.h"

/* Shorter secrets are not looked for: hiding each "a" would tell more than it hides. */
#define SECRET_LEAST 4

/* Libpq's own words for a socket that it tried; everything before that is about arguments. */
static const char reached[] = "connection to server";

static void hide(char *text, const char *secret) {
    size_t length = secret ? strlen(secret) : 0;
    if (length < SECRET_LEAST)
        return;
    for (char *at = text; (at = strstr(at, secret)); at += length)
        memset(at, '*', length);
}

/* Makes what stands in quotation marks, from the first to the last, three stars. */
static void hide_quoted(char *text) {
    char *first = strchr(text, '"'), *last = strrchr(text, '"');
    if (!first || last - first < 2)
        return;
    size_t stars = (size_t)(last - first - 1) < 3 ? (size_t)(last - first - 1) : 3;
    memset(first + 1, '*', stars);
    memmove(first + 1 + stars, last, strlen(last) + 1);
}

/* With PQERRORS_VERBOSE the server's messages read "FATAL:  28P01: text": where in `text` such a code begins, or NULL. */
static char *code_in(char *text) {
    for (char *at = text; (at = strstr(at, ":  ")); at += 3) {
        char *code = at + 3;
        size_t length = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length == 5 && code[5] == ':' && code[6] == ' ')
            return code;
    }
    return NULL;
}

/* Takes the codes out of the text; the last one is the answer that counts (libpq may have tried with TLS, then without). */
static void take_codes(char *text, char sqlstate[6]) {
    for (char *code = text; (code = code_in(code));) {
        memcpy(sqlstate, code, 5);
        sqlstate[5] = '\0';
        memmove(code, code + 7, strlen(code + 7) + 1);
        code -= 3;
        memmove(code + 1, code + 2, strlen(code + 2) + 1);
    }
}

/* Appends a text of several lines as one. Empty lines, hints (which begin with a tab), where in the server's source it happened, and what
 * was just said (libpq tries again without TLS) are left out. */
static void append_lines(dbp_buffer *out, char *text) {
    const char *last = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '\t' || strncmp(line, "LOCATION:", 9) == 0 || line[strspn(line, " \r")] == '\0' || (last && strcmp(line, last) == 0))
            continue;
        dbp_buffer_format(out, "%s", last ? "; " : "");
        dbp_buffer_escape(out, line);
        last = line;
    }
}

static dbpool_status fill(dbpool_error *err, dbpool_status status, uint32_t flags, const char *sqlstate, const char *action, char *cause) {
    char message[sizeof err->message];
    dbp_buffer buffer = dbp_buffer_init(message, sizeof message);
    dbp_buffer_format(&buffer, "%s: ", action);
    size_t before = buffer.length;
    append_lines(&buffer, cause);
    if (buffer.length == before)
        dbp_buffer_format(&buffer, "libpq gave no reason");
    dbp_error_set_native(err, status, flags, 0, "%s", message);
    if (err)
        memcpy(err->sqlstate, sqlstate, sizeof err->sqlstate);
    return status;
}

static const char *field(const PGresult *result, int code) {
    const char *text = result ? dbp_pg->PQresultErrorField(result, code) : NULL;
    return text ? text : "";
}

/* A server that this connection was to find writable, and that has since become a standby: no connection to it is what the pool asked for.
 * */
static bool was_demoted(const PGconn *conn) {
    const char *standby = dbp_pg->PQparameterStatus(conn, "in_hot_standby");
    if (!standby || strcmp(standby, "on") != 0)
        return false;
    bool wanted = false;
    PQconninfoOption *options = dbp_pg->PQconninfo((PGconn *)(uintptr_t)conn);
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "target_session_attrs") == 0 && o->val)
            wanted = strcmp(o->val, "read-write") == 0 || strcmp(o->val, "primary") == 0;
    dbp_pg_config_wipe(options);
    return wanted;
}

static uint32_t flags_of(const PGconn *conn, const PGresult *result, const char *sqlstate) {
    uint32_t flags = dbp_pg_sqlstate_flags(sqlstate);
    const char *severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)
        flags |= DBPOOL_ERROR_CONNECTION_LOST;
    if (dbp_pg->PQstatus(conn) != CONNECTION_OK)
        flags |= DBPOOL_ERROR_CONNECTION_LOST | (sqlstate[0] ? 0 : DBPOOL_ERROR_RETRYABLE);
    if (strcmp(sqlstate, "25006") == 0 && was_demoted(conn))
        flags |= DBPOOL_ERROR_CONNECTION_LOST | DBPOOL_ERROR_POOL_STALE | DBPOOL_ERROR_RETRYABLE;
    return flags;
}

dbpool_status dbp_pg_error(const PGconn *conn, const PGresult *result, const char *heard, const char *action, dbpool_error *err) {
    char sqlstate[6] = "";
    const char *own = field(result, PG_DIAG_SQLSTATE);
    snprintf(sqlstate, sizeof sqlstate, "%s", *own ? own : heard);
    uint32_t flags = flags_of(conn, result, sqlstate);
    dbpool_status status = flags & DBPOOL_ERROR_CONNECTION_LOST ? DBPOOL_EDISCONNECT : DBPOOL_EDRIVER;
    const char *text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!*text)
        text = result ? dbp_pg->PQresultErrorMessage(result) : "";
    char *cause = dbp_memory_copy_text(*text ? text : dbp_pg->PQerrorMessage(conn));
    if (!cause)
        return fill(err, status, flags, sqlstate, action, (char[]){"out of memory"});
    hide(cause, dbp_pg->PQpass(conn));
    fill(err, status, flags, sqlstate, action, cause);
    dbp_memory_free_secret(cause);
    return status;
}

dbpool_status dbp_pg_open_error(const PGconn *conn, const struct dbp_pg_config *config, dbpool_error *err) {
    static const char action[] = "open connection";
    char *cause = conn ? dbp_memory_copy_text(dbp_pg->PQerrorMessage(conn)) : NULL;
    if (!cause)
        return dbp_error_nomem(err, action);
    char sqlstate[6] = "";
    take_codes(cause, sqlstate);
    hide(cause, dbp_pg->PQpass(conn));
    hide(cause, dbp_pg_config_value(config, "password"));
    hide(cause, dbp_pg_config_value(config, "sslpassword"));
    bool tried = strncmp(cause, reached, sizeof reached - 1) == 0;
    if (!tried)
        hide_quoted(cause);
    uint32_t flags = sqlstate[0] ? dbp_pg_sqlstate_flags(sqlstate) & DBPOOL_ERROR_RETRYABLE : tried ? DBPOOL_ERROR_RETRYABLE : 0;
    fill(err, DBPOOL_ECONNECT, flags, sqlstate, action, cause);
    dbp_memory_free_secret(cause);
    return DBPOOL_ECONNECT;
}

dbpool_status dbp_pg_late(const char *action, dbpool_error *err) {
    return dbp_error_set_native(err, DBPOOL_ETIMEOUT, DBPOOL_ERROR_TIMED_OUT | DBPOOL_ERROR_CONNECTION_LOST | DBPOOL_ERROR_RETRYABLE, 0,
                                "%s: the server did not answer in time", action);
}

dbpool_status dbpool_postgresql_error(const PGconn *native, const PGresult *result, dbpool_error *err) {
    return dbp_pg_error(native, result, "", "run statement", err);
}
