/* SPDX-License-Identifier: MIT */
#include <dbpool/sqlite.h>
#include <stdio.h>

#include "session.h"

/* How many of SQLite's virtual instructions run between two looks at the clock. */
#define INSTRUCTIONS_PER_LOOK 10000

static int is_late(void *deadline_ns) { return dbpool_now_ns() >= *(const int64_t *)deadline_ns; }

/* Whether a result code means that the file or the connection itself is broken. */
static bool is_lost(int code) {
    switch (code & 0xFF) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_INTERNAL: return true;
    default: return false;
    }
}

static dbpool_status refused(sqlite3 *db, bool late, dbpool_error *err) {
    int code = sqlite3_extended_errcode(db), plain = code & 0xFF;
    if (late && plain == SQLITE_INTERRUPT) {
        (void)dbpool_error_set(err, DBPOOL_ETIMEOUT, "query: the time ran out");
        err->flags = DBPOOL_ERROR_TIMED_OUT | DBPOOL_ERROR_CONNECTION_LOST;
    } else {
        (void)dbpool_error_set(err, is_lost(code) ? DBPOOL_EDISCONNECT : DBPOOL_EDRIVER, "query: %s", sqlite3_errmsg(db));
        err->flags = is_lost(code) ? DBPOOL_ERROR_CONNECTION_LOST : 0;
    }
    if (plain == SQLITE_BUSY || plain == SQLITE_LOCKED)
        err->flags |= DBPOOL_ERROR_RETRYABLE;
    err->native_code = code;
    return err->status;
}

/* Steps through all rows; touching each value makes SQLite read it. */
static int read_rows(sqlite3_stmt *statement) {
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            (void)sqlite3_column_bytes(statement, i);
    return code;
}

static dbpool_status run(void *native, const char *sql, int64_t deadline_ns, dbpool_error *err) {
    sqlite3 *db = native;
    dbpool_status status = DBPOOL_OK;
    sqlite3_progress_handler(db, INSTRUCTIONS_PER_LOOK, is_late, &deadline_ns);
    while (*sql && status == DBPOOL_OK) {
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
        if (code == SQLITE_OK && statement)
            code = read_rows(statement);
        if (code != SQLITE_OK && code != SQLITE_DONE)
            status = refused(db, is_late(&deadline_ns), err);
        sqlite3_finalize(statement);
    }
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return status;
}

static bool clean(void *native) {
    return sqlite3_get_autocommit(native) || sqlite3_exec(native, "rollback", NULL, NULL, NULL) == SQLITE_OK;
}

static bool is_local(void *native) {
    (void)native;
    return true;
}

static void place(void *native, char *text, size_t size) {
    const char *file = sqlite3_db_filename(native, "main");
    snprintf(text, size, "%s", file && *file ? file : "memory");
}

const session_driver session_sqlite = {"sqlite", "select count(*) from sqlite_master", run, clean, is_local, place};
