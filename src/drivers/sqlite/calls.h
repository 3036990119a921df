/* SPDX-License-Identifier: MIT
 *
 * What the files of the SQLite driver share: the table that every call of SQLite goes through, what all connections of one pool have
 * in common, and the deadline of one operation.
 */
#ifndef DBP_SQLITE_CALLS_H
#define DBP_SQLITE_CALLS_H

#include <dbpool/sqlite.h>

#include "os/wait.h"

/* Every call of SQLite that the driver makes. A test puts a table of its own here to make the k-th one fail. */
struct dbp_sqlite_calls {
    int (*open_v2)(const char *path, sqlite3 **db_out, int flags, const char *vfs);
    int (*close)(sqlite3 *db);
    int (*close_v2)(sqlite3 *db);
    int (*prepare_v2)(sqlite3 *db, const char *sql, int size, sqlite3_stmt **out, const char **tail);
    int (*step)(sqlite3_stmt *statement);
    int (*reset)(sqlite3_stmt *statement);
    int (*finalize)(sqlite3_stmt *statement);
    const unsigned char *(*column_text)(sqlite3_stmt *statement, int column);
    sqlite3_stmt *(*next_stmt)(sqlite3 *db, sqlite3_stmt *statement);
    int (*stmt_busy)(sqlite3_stmt *statement);
    int (*get_autocommit)(sqlite3 *db);
    int (*errcode)(sqlite3 *db);
    const char *(*errmsg)(sqlite3 *db);
    int (*extended_result_codes)(sqlite3 *db, int on);
    int (*busy_handler)(sqlite3 *db, int (*handler)(void *, int), void *arg);
    int (*busy_timeout)(sqlite3 *db, int ms);
    void (*progress_handler)(sqlite3 *db, int steps, int (*handler)(void *), void *arg);
    int (*sleep)(int ms);
    int (*file_control)(sqlite3 *db, const char *schema, int op, void *arg);
    const char *(*db_filename)(sqlite3 *db, const char *schema);
    int (*db_readonly)(sqlite3 *db, const char *schema);
    int (*limit)(sqlite3 *db, int id, int value);
    int (*db_config)(sqlite3 *db, int op, ...);
    int (*set_authorizer)(sqlite3 *db, int (*fn)(void *, int, const char *, const char *, const char *, const char *), void *arg);
    int (*trace_v2)(sqlite3 *db, unsigned mask, int (*fn)(unsigned, void *, void *, void *), void *arg);
    int (*collation_needed)(sqlite3 *db, void *arg, void (*fn)(void *, sqlite3 *, int, const char *));
    void *(*commit_hook)(sqlite3 *db, int (*fn)(void *), void *arg);
    void *(*rollback_hook)(sqlite3 *db, void (*fn)(void *), void *arg);
    void *(*update_hook)(sqlite3 *db, void (*fn)(void *, int, const char *, const char *, sqlite3_int64), void *arg);
};
extern const struct dbp_sqlite_calls dbp_sqlite_real_calls;
extern const struct dbp_sqlite_calls *dbp_sqlite_calls;

#define DBP_SQLITE_PRAGMAS 32
#define DBP_SQLITE_LIMITS 12
#define DBP_SQLITE_FLAGS 20

/* What a connection is like right after its opening, so that a full reset can bring it back to that. */
struct dbp_sqlite_snapshot {
    char pragmas[DBP_SQLITE_PRAGMAS][24]; /* empty: this SQLite does not know it */
    char journal_mode[24];
    int limits[DBP_SQLITE_LIMITS];
    int flags[DBP_SQLITE_FLAGS]; /* -1: this SQLite does not know it */
    int extensions;              /* functions and collations, SQLite's own included */
};

struct dbp_sqlite_config {
    /* immutable after configure */
    char *path; /* NULL in a pool with a creator: this driver opens nothing for it */
    int open_flags;
    int busy_timeout_ms;                                   /* -1 with a creator: whatever the connection has */
    bool keep_statements;                                  /* an idle statement that the holder left does not make a connection unclean */
    const char *journal_mode, *synchronous, *foreign_keys; /* NULL: left as it is */
    char cache_size[24];                                   /* empty: left as it is */

    dbp_mutex mutex;
    /* guarded by mutex */
    bool snapshot_taken; /* once true the snapshot is immutable */
    struct dbp_sqlite_snapshot snapshot;
};

/* One operation of the pool on a connection, and until when it may take. */
struct dbp_sqlite_guard {
    int64_t deadline_ns;
    int64_t lock_deadline_ns; /* for a lock that somebody else holds */
    int old_timeout_ms;       /* what the lock wait is set to afterwards */
    bool expired;             /* the deadline has ended it */
};

dbpool_status dbp_sqlite_configure(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err);
void dbp_sqlite_release(void *driver_arg);

/* Applies the settings of the URL to a connection just opened. */
dbpool_status dbp_sqlite_apply(sqlite3 *db, struct dbp_sqlite_config *config, const struct dbp_sqlite_guard *guard, dbpool_error *err);

/* A full reset, when no transaction and no statement is open. After a failure the connection is to be closed. */
dbpool_status dbp_sqlite_restore(sqlite3 *db, struct dbp_sqlite_config *config, const struct dbp_sqlite_guard *guard, dbpool_error *err);

/* Runs one statement to its end. The first column of its first row goes to `out`, cut to fit; without a row or a value that is the empty
 * text. `out` may be NULL. Returns SQLite's code, SQLITE_OK for success. */
int dbp_sqlite_query(sqlite3 *db, const char *sql, char *out, size_t size);

/* Fills `err` from a code of SQLite and the text that goes with it. `db` may be NULL, `guard` too. */
dbpool_status dbp_sqlite_fail(sqlite3 *db, int code, const struct dbp_sqlite_guard *guard, const char *action, dbpool_error *err);

#endif
