/* SPDX-License-Identifier: MIT
 *
 * The SQLite driver's table: opening and closing, the looks at a connection, the end of a transaction, deadlines, and the list of files
 * that are open through it. What a connection is set up with, and a full reset, are in session.c.
 *
 * Connections are opened without SQLite's own mutexes (NOMUTEX): a connection moves between threads, but one at a time uses it, and the
 * pool's hand-over orders their accesses. That needs an SQLite that was not built for a single thread; configure checks it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/parse.h"
#include "drivers/sqlite/calls.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

/* How many steps of SQLite's machine run between two looks at the clock: some 20 microseconds. */
#define STEPS_BETWEEN_LOOKS 1000

const struct dbp_sqlite_calls dbp_sqlite_real_calls = {
    .open_v2 = sqlite3_open_v2,
    .close = sqlite3_close,
    .close_v2 = sqlite3_close_v2,
    .prepare_v2 = sqlite3_prepare_v2,
    .step = sqlite3_step,
    .reset = sqlite3_reset,
    .finalize = sqlite3_finalize,
    .column_text = sqlite3_column_text,
    .next_stmt = sqlite3_next_stmt,
    .stmt_busy = sqlite3_stmt_busy,
    .get_autocommit = sqlite3_get_autocommit,
    .errcode = sqlite3_errcode,
    .errmsg = sqlite3_errmsg,
    .extended_result_codes = sqlite3_extended_result_codes,
    .busy_handler = sqlite3_busy_handler,
    .busy_timeout = sqlite3_busy_timeout,
    .progress_handler = sqlite3_progress_handler,
    .sleep = sqlite3_sleep,
    .file_control = sqlite3_file_control,
    .db_filename = sqlite3_db_filename,
    .db_readonly = sqlite3_db_readonly,
    .limit = sqlite3_limit,
    .db_config = sqlite3_db_config,
    .set_authorizer = sqlite3_set_authorizer,
    .trace_v2 = sqlite3_trace_v2,
    .collation_needed = sqlite3_collation_needed,
    .commit_hook = sqlite3_commit_hook,
    .rollback_hook = sqlite3_rollback_hook,
    .update_hook = sqlite3_update_hook,
};
const struct dbp_sqlite_calls *dbp_sqlite_calls = &dbp_sqlite_real_calls;

/* ---- Errors ---------------------------------------------------------------------------------------------------------------------- */

struct verdict {
    dbpool_status status;
    uint32_t flags;
};

/* What a result code says of the connection. */
static struct verdict judge(int code) {
    if (code == SQLITE_READONLY_DBMOVED)
        return (struct verdict){DBPOOL_EDISCONNECT, DBPOOL_ERROR_CONNECTION_LOST | DBPOOL_ERROR_POOL_STALE};
    switch (code & 0xff) {
    /* Dead: the file cannot be read or is no longer a database. What the connection holds in memory may be wrong too. */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_IOERR: return (struct verdict){DBPOOL_EDISCONNECT, DBPOOL_ERROR_CONNECTION_LOST};
    /* Misuse: the handle was closed by its holder, or is in use by another thread. Nothing may touch it again. */
    case SQLITE_MISUSE: return (struct verdict){DBPOOL_EDISCONNECT, DBPOOL_ERROR_CONNECTION_LOST};
    /* Busy: somebody else holds a lock (PROTOCOL: on the write-ahead log's index), or the work was interrupted. The same again may
     * succeed. */
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT: return (struct verdict){DBPOOL_EDRIVER, DBPOOL_ERROR_RETRYABLE};
    case SQLITE_NOMEM: return (struct verdict){DBPOOL_ENOMEM, DBPOOL_ERROR_RETRYABLE};
    /* Refused: the statement, the disk or the rights were at fault; the connection is as it was. */
    default: return (struct verdict){DBPOOL_EDRIVER, 0};
    }
}

dbpool_status dbp_sqlite_fail(sqlite3 *db, int code, const struct dbp_sqlite_guard *guard, const char *action, dbpool_error *err) {
    struct verdict verdict = judge(code);
    if (guard && guard->expired)
        verdict = (struct verdict){DBPOOL_ETIMEOUT, DBPOOL_ERROR_TIMED_OUT | DBPOOL_ERROR_RETRYABLE};
    char text[240];
    dbp_buffer cause = dbp_buffer_init(text, sizeof text);
    dbp_buffer_escape(&cause, db ? dbp_sqlite_calls->errmsg(db) : sqlite3_errstr(code));
    const char *late = guard && guard->expired ? "the time ran out: " : "";
    return dbp_error_set_native(err, verdict.status, verdict.flags, code, "%s: %s%s", action, late, text);
}

/* ---- Deadlines ------------------------------------------------------------------------------------------------------------------- */

/* SQLite asks this when a lock is held elsewhere, for the `tries`-th time: 1 to try again. */
static int wait_for_lock(void *arg, int tries) {
    struct dbp_sqlite_guard *guard = arg;
    int64_t now = dbp_clock_now();
    guard->expired = now >= guard->deadline_ns;
    if (guard->expired || now >= guard->lock_deadline_ns)
        return 0;
    int64_t until = guard->deadline_ns < guard->lock_deadline_ns ? guard->deadline_ns : guard->lock_deadline_ns;
    int pause_ms = tries < 5 ? 1 << tries : 25;
    int64_t left_ms = (until - now) / DBP_NS_PER_MS + 1;
    dbp_sqlite_calls->sleep(left_ms < pause_ms ? (int)left_ms : pause_ms);
    return 1;
}

/* SQLite asks this every so many steps: 1 to interrupt. */
static int past_deadline(void *arg) {
    struct dbp_sqlite_guard *guard = arg;
    guard->expired = dbp_clock_now() >= guard->deadline_ns;
    return guard->expired;
}

/* With a creator the lock wait is as the creator or the holder has set it. */
static int current_timeout_ms(sqlite3 *db) {
    char text[24];
    int64_t ms = 0;
    if (dbp_sqlite_query(db, "pragma busy_timeout", text, sizeof text) == SQLITE_OK)
        dbp_parse_int(text, &ms);
    return (int)ms;
}

/* From here to `unguard` the connection waits for locks and works no longer than the deadline. */
static void guard_from(sqlite3 *db, const struct dbp_sqlite_config *config, int64_t deadline_ns, struct dbp_sqlite_guard *guard) {
    int timeout_ms = config->busy_timeout_ms >= 0 ? config->busy_timeout_ms : current_timeout_ms(db);
    *guard = (struct dbp_sqlite_guard){
        .deadline_ns = deadline_ns,
        .lock_deadline_ns = dbp_deadline_after_ms(dbp_clock_now(), timeout_ms),
        .old_timeout_ms = timeout_ms,
    };
    dbp_sqlite_calls->busy_handler(db, wait_for_lock, guard);
    dbp_sqlite_calls->progress_handler(db, STEPS_BETWEEN_LOOKS, past_deadline, guard);
}

static void unguard(sqlite3 *db, const struct dbp_sqlite_guard *guard) {
    dbp_sqlite_calls->progress_handler(db, 0, NULL, NULL);
    dbp_sqlite_calls->busy_handler(db, NULL, NULL);
    dbp_sqlite_calls->busy_timeout(db, guard->old_timeout_ms);
}

int dbp_sqlite_query(sqlite3 *db, const char *sql, char *out, size_t size) {
    sqlite3_stmt *statement = NULL;
    if (out)
        out[0] = '\0';
    int code = dbp_sqlite_calls->prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    code = dbp_sqlite_calls->step(statement);
    const char *text = code == SQLITE_ROW && out ? (const char *)dbp_sqlite_calls->column_text(statement, 0) : NULL;
    if (text)
        snprintf(out, size, "%s", text);
    while (code == SQLITE_ROW)
        code = dbp_sqlite_calls->step(statement);
    dbp_sqlite_calls->finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- The files that are open ----------------------------------------------------------------------------------------------------- */

/* SQLite keeps a process-wide table of the locks it holds on each file. A child inherits the table but not the kernel's locks: opening
 * a file that is in it gives a connection that believes in locks that nobody holds. So each connection to a file has a place in this
 * list, which only grows and has no lock, so that a child finds it whole whatever the parent's threads were doing. */
struct file {
    struct file *next; /* immutable once in the list */
    dbp_atomic_u64 state;
    dbp_atomic_ptr db;
    /* written while OPENING, by the thread that opens; immutable while OPEN */
    dev_t device;
    ino_t inode;
};

/* A place's state is FREE, or one of the others with the fork count of the process that took it above. LINGERING: the connection was
 * closed, but SQLite keeps its file open for a statement that the holder left; nobody is told when that ends, so the place stays taken. */
enum { FREE = 0, OPENING = 1, OPEN = 2, LINGERING = 3 };
static dbp_atomic_ptr files;

static uint64_t state_of_ours(uint64_t state) { return (uint64_t)dbp_fork_count << 2 | state; }

static struct file *take_free_place(void) {
    for (struct file *file = dbp_load_acquire_ptr(&files); file; file = file->next) {
        uint64_t expected = FREE;
        if (dbp_cas_acq_rel_u64(&file->state, &expected, state_of_ours(OPENING)))
            return file;
    }
    return NULL;
}

/* A place for a connection that is about to be opened, or NULL when there is no memory. */
static struct file *take_place(void) {
    struct file *file = take_free_place();
    if (file || !(file = dbp_memory_alloc(sizeof *file)))
        return file;
    dbp_store_relaxed_u64(&file->state, state_of_ours(OPENING));
    void *first = dbp_load_acquire_ptr(&files);
    do
        file->next = first;
    while (!dbp_cas_acq_rel_ptr(&files, &first, file));
    return file;
}

static void free_place(struct file *file) {
    if (!file)
        return;
    dbp_store_relaxed_ptr(&file->db, NULL);
    dbp_store_release_u64(&file->state, FREE);
}

/* `name` is where SQLite found the file. */
static void fill_place(struct file *file, sqlite3 *db, const char *name) {
    struct stat facts;
    if (!name || stat(name, &facts) != 0)
        facts = (struct stat){0};
    file->device = facts.st_dev;
    file->inode = facts.st_ino;
    dbp_store_relaxed_ptr(&file->db, db);
    dbp_store_release_u64(&file->state, state_of_ours(OPEN));
}

static bool lingers_elsewhere(const struct file *file) {
    for (struct file *other = dbp_load_acquire_ptr(&files); other; other = other->next)
        if (dbp_load_acquire_u64(&other->state) == state_of_ours(LINGERING) && other->device == file->device && other->inode == file->inode)
            return true;
    return false;
}

/* One lingering place says enough of a file. */
static void keep_place(struct file *file) {
    if (file && !lingers_elsewhere(file))
        dbp_store_release_u64(&file->state, state_of_ours(LINGERING));
    else
        free_place(file);
}

static struct file *place_of(const sqlite3 *db) {
    for (struct file *file = dbp_load_acquire_ptr(&files); file; file = file->next)
        if (dbp_load_relaxed_ptr(&file->db) == db)
            return file;
    return NULL;
}

/* Whether a place speaks against opening this file: its connection was inherited and is to the same file. One that was just being opened
 * at the fork may be to any file. */
static bool inherited(const struct file *file, const struct stat *facts) {
    uint64_t state = dbp_load_acquire_u64(&file->state);
    if (state == FREE || state >> 2 == dbp_fork_count)
        return false;
    return (state & 3) == OPENING || (facts && file->device == facts->st_dev && file->inode == facts->st_ino);
}

static bool inherited_file(const char *path) {
    struct stat facts;
    bool exists = stat(path, &facts) == 0;
    for (struct file *file = dbp_load_acquire_ptr(&files); file; file = file->next)
        if (inherited(file, exists ? &facts : NULL))
            return true;
    return false;
}

/* ---- The driver's functions ------------------------------------------------------------------------------------------------------ */

/* The connections of a creator come without an argument of the driver's. */
static struct dbp_sqlite_config *config_of(void *driver_arg) {
    static struct dbp_sqlite_config of_creators = {.busy_timeout_ms = -1};
    return driver_arg ? driver_arg : &of_creators;
}

static bool in_memory(const struct dbp_sqlite_config *config) { return strcmp(config->path, ":memory:") == 0; }

/* A lock held elsewhere proves that the file is a database, too. */
static int read_header(sqlite3 *db) {
    int code = dbp_sqlite_query(db, "pragma main.schema_version", NULL, 0);
    return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED ? SQLITE_OK : code;
}

/* Whatever went wrong at an opening, its caller is told that there is no connection, but for what is no fault of the database. */
static dbpool_status refuse_open(dbpool_status status, dbpool_error *err) {
    if (status != DBPOOL_EDRIVER && status != DBPOOL_EDISCONNECT)
        return status;
    if (err) {
        err->status = DBPOOL_ECONNECT;
        err->flags &= DBPOOL_ERROR_RETRYABLE;
    }
    return DBPOOL_ECONNECT;
}

static dbpool_status set_up(sqlite3 *db, struct dbp_sqlite_config *config, int64_t deadline_ns, dbpool_error *err) {
    struct dbp_sqlite_guard guard;
    dbp_sqlite_calls->extended_result_codes(db, 1);
    int code = read_header(db);
    if (code != SQLITE_OK)
        return dbp_sqlite_fail(db, code, NULL, "opening", err);
    guard_from(db, config, deadline_ns, &guard);
    dbpool_status status = dbp_sqlite_apply(db, config, &guard, err);
    unguard(db, &guard);
    return status;
}

/* Opens, in a place that is taken already; NULL for a database in memory. */
static dbpool_status open_in(struct file *file, struct dbp_sqlite_config *config, int64_t deadline_ns, sqlite3 **db_out,
                             dbpool_error *err) {
    int code = dbp_sqlite_calls->open_v2(config->path, db_out, config->open_flags, NULL);
    if (code != SQLITE_OK)
        return dbp_sqlite_fail(*db_out, code, NULL, "opening", err);
    if (file)
        fill_place(file, *db_out, dbp_sqlite_calls->db_filename(*db_out, "main"));
    return set_up(*db_out, config, deadline_ns, err);
}

static dbpool_status open_connection(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    struct dbp_sqlite_config *config = config_of(driver_arg);
    if (!config->path)
        return dbp_error_set(err, DBPOOL_EOPTION, "opening: no path is given");
    struct file *file = NULL;
    if (!in_memory(config)) {
        if (inherited_file(config->path))
            return dbp_error_set(err, DBPOOL_EFORK,
                                 "opening: the file was open when this process was forked: exec first, or open the pool after the fork");
        file = take_place();
        if (!file)
            return dbp_error_nomem(err, "opening");
    }
    sqlite3 *db = NULL;
    dbpool_status status = open_in(file, config, deadline_ns, &db, err);
    if (status == DBPOOL_OK) {
        *native_out = db;
        return DBPOOL_OK;
    }
    if (db)
        dbp_sqlite_calls->close_v2(db);
    free_place(file);
    return refuse_open(status, err);
}

/* Statements that the holder left keep their memory until the holder finalises them, but no lock. */
static void quiet_statements(sqlite3 *db) {
    for (sqlite3_stmt *next = NULL; (next = dbp_sqlite_calls->next_stmt(db, next)) != NULL;)
        if (dbp_sqlite_calls->stmt_busy(next))
            dbp_sqlite_calls->reset(next);
    if (!dbp_sqlite_calls->get_autocommit(db))
        dbp_sqlite_query(db, "rollback", NULL, 0);
}

static dbpool_status close_connection(void *driver_arg, void *native, dbpool_error *err) {
    (void)driver_arg;
    struct file *file = place_of(native);
    if (file)
        dbp_store_relaxed_ptr(&file->db, NULL); /* the next connection may be given the same address */
    int code = dbp_sqlite_calls->close(native);
    if (code != SQLITE_BUSY) {
        free_place(file);
    } else {
        quiet_statements(native);
        code = dbp_sqlite_calls->close_v2(native);
        keep_place(file);
    }
    return code == SQLITE_OK ? DBPOOL_OK : dbp_sqlite_fail(NULL, code, NULL, "closing", err);
}

/* Deleted, renamed or replaced under its path: what is written to it would be lost. A file system call, no waiting. */
static bool has_moved(sqlite3 *db) {
    int moved = 0;
    return dbp_sqlite_calls->file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

static bool look(void *driver_arg, void *native) {
    (void)driver_arg;
    return !has_moved(native);
}

/* Of the statements, and of the last call's result. */
static bool is_quiet(const struct dbp_sqlite_config *config, sqlite3 *db) {
    for (sqlite3_stmt *next = NULL; (next = dbp_sqlite_calls->next_stmt(db, next)) != NULL;)
        if (!config->keep_statements || dbp_sqlite_calls->stmt_busy(next))
            return false;
    return judge(dbp_sqlite_calls->errcode(db)).status != DBPOOL_EDISCONNECT;
}

static dbpool_native_state state_of(void *driver_arg, void *native) {
    if (!is_quiet(config_of(driver_arg), native))
        return DBPOOL_NATIVE_UNCLEAN;
    return dbp_sqlite_calls->get_autocommit(native) ? DBPOOL_NATIVE_CLEAN : DBPOOL_NATIVE_DIRTY;
}

static dbpool_status ping(void *driver_arg, void *native, int64_t deadline_ns, dbpool_error *err) {
    if (has_moved(native))
        return dbp_error_set_native(err, DBPOOL_EDISCONNECT, DBPOOL_ERROR_CONNECTION_LOST | DBPOOL_ERROR_POOL_STALE, 0,
                                    "pinging: the database file was moved or deleted");
    struct dbp_sqlite_guard guard;
    guard_from(native, config_of(driver_arg), deadline_ns, &guard);
    dbp_sqlite_calls->busy_handler(native, NULL, NULL); /* a lock held elsewhere is answer enough: no waiting */
    int code = read_header(native);
    dbpool_status status = code == SQLITE_OK ? DBPOOL_OK : dbp_sqlite_fail(native, code, &guard, "pinging", err);
    unguard(native, &guard);
    return status;
}

static dbpool_status end_transaction(sqlite3 *db, int32_t reset, const struct dbp_sqlite_guard *guard, dbpool_error *err) {
    if (dbp_sqlite_calls->get_autocommit(db))
        return DBPOOL_OK;
    bool commits = reset == DBPOOL_RESET_COMMIT;
    int code = dbp_sqlite_query(db, commits ? "commit" : "rollback", NULL, 0);
    if (code != SQLITE_OK)
        return dbp_sqlite_fail(db, code, guard, commits ? "committing" : "rolling back", err);
    if (!dbp_sqlite_calls->get_autocommit(db))
        return dbp_error_set(err, DBPOOL_EDRIVER, "resetting: the transaction is still open");
    return DBPOOL_OK;
}

static dbpool_status reset_connection(void *driver_arg, void *native, int32_t reset, int64_t deadline_ns, dbpool_error *err) {
    dbpool_native_state state = state_of(driver_arg, native);
    if (state == DBPOOL_NATIVE_UNCLEAN)
        return dbp_error_set(err, DBPOOL_EDRIVER, "resetting: a statement is still open, or the database failed");
    if (reset == DBPOOL_RESET_NONE)
        return state == DBPOOL_NATIVE_CLEAN ? DBPOOL_OK : dbp_error_set(err, DBPOOL_EDRIVER, "resetting: a transaction is open");
    struct dbp_sqlite_guard guard;
    guard_from(native, config_of(driver_arg), deadline_ns, &guard);
    dbpool_status status = end_transaction(native, reset, &guard, err);
    if (status == DBPOOL_OK && reset == DBPOOL_RESET_FULL)
        status = dbp_sqlite_restore(native, config_of(driver_arg), &guard, err);
    unguard(native, &guard);
    return status;
}

struct row_sink {
    void (*row)(void *arg, const char *key, const char *value);
    void *arg;
};

static dbpool_status describe_by(sqlite3 *db, const struct dbp_sqlite_guard *guard, const struct row_sink *sink, dbpool_error *err) {
    static const struct {
        const char *key, *sql;
    } facts[] = {
        {"server",       "select 'SQLite ' || sqlite_version()"},
        {"journal_mode", "pragma journal_mode"                 },
        {"synchronous",  "pragma synchronous"                  },
        {"foreign_keys", "pragma foreign_keys"                 },
    };
    char text[64];
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        int code = dbp_sqlite_query(db, facts[i].sql, text, sizeof text);
        if (code != SQLITE_OK)
            return dbp_sqlite_fail(db, code, guard, "describing", err);
        sink->row(sink->arg, facts[i].key, text);
    }
    const char *file = dbp_sqlite_calls->db_filename(db, "main");
    snprintf(text, sizeof text, "%d", guard->old_timeout_ms);
    sink->row(sink->arg, "busy_timeout_ms", text);
    sink->row(sink->arg, "database", file && *file ? file : ":memory:");
    sink->row(sink->arg, "encryption", "none");
    sink->row(sink->arg, "role", dbp_sqlite_calls->db_readonly(db, "main") == 1 ? "read-only" : "primary");
    return DBPOOL_OK;
}

static dbpool_status describe(void *driver_arg, void *native, int64_t deadline_ns,
                              void (*row)(void *arg, const char *key, const char *value), void *arg, dbpool_error *err) {
    struct dbp_sqlite_guard guard;
    guard_from(native, config_of(driver_arg), deadline_ns, &guard);
    dbpool_status status = describe_by(native, &guard, &(struct row_sink){row, arg}, err);
    unguard(native, &guard);
    return status;
}

/* No `abandon`: a child can close nothing of an inherited connection without harm, so that it is left as it is; and so is its place in the
 * list of files, which goes on refusing the file. */
const dbpool_driver dbpool_sqlite_driver = {
    .struct_size = sizeof(dbpool_driver),
    .name = "sqlite",
    .schemes = "sqlite",
    .flags = DBPOOL_DRIVER_OPENS_FAST | DBPOOL_DRIVER_RESETS_FULLY,
    .configure = dbp_sqlite_configure,
    .release = dbp_sqlite_release,
    .open = open_connection,
    .close = close_connection,
    .look = look,
    .state = state_of,
    .ping = ping,
    .reset = reset_connection,
    .describe = describe,
};

/* Linking the driver is enough: its schemes are known before main. Without memory they are not, and the library is then found by its name.
 * */
__attribute__((constructor)) static void make_known(void) { (void)dbpool_register_driver(&dbpool_sqlite_driver, NULL); }

sqlite3 *dbpool_sqlite(dbpool_conn conn) { return dbpool_native_of(conn, "sqlite"); }
