/* SPDX-License-Identifier: MIT
 *
 * `dbpool bench --demo`: the whole on an SQLite file of its own. The threads insert rows and read their own rows back; at the end the
 * table must hold exactly the rows whose inserts were acknowledged.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "ledger.h"
#include "output.h"

#if TOOL_SQLITE
#include <dbpool/sqlite.h>

#define CONNECTIONS 4
#define READS_PER_WRITE 3
#define PATH_SIZE 4096

typedef struct demo {
    char directory[PATH_SIZE];
    char file[PATH_SIZE + 16];
    ledger *ledgers;
    void **states; /* one ledger for each worker */
} demo;

/* ---- The place --------------------------------------------------------------------------------------------------------------- */

static int make_place(demo *d) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(d->directory, sizeof d->directory, "%s/dbpool-demo-XXXXXX", parent && *parent ? parent : "/tmp");
    if (length < 0 || (size_t)length >= sizeof d->directory)
        return fail("make a directory: TMPDIR is too long");
    if (!mkdtemp(d->directory))
        return fail("make a directory %s: %s", d->directory, strerror(errno));
    snprintf(d->file, sizeof d->file, "%s/demo.db", d->directory);
    return TOOL_FINE;
}

static void remove_place(const demo *d) {
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[sizeof d->file + 16];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%s%s", d->file, endings[i]);
        unlink(name);
    }
    rmdir(d->directory);
}

static int make_ledgers(demo *d, size_t count) {
    size_t bytes = count * sizeof *d->ledgers;
    d->ledgers = aligned_alloc(64, bytes);
    d->states = calloc(count, sizeof *d->states);
    if (!d->ledgers || !d->states)
        return fail("bench: out of memory");
    memset(d->ledgers, 0, bytes);
    for (size_t i = 0; i < count; i++) {
        d->ledgers[i].thread = (int64_t)i;
        d->states[i] = &d->ledgers[i];
    }
    return TOOL_FINE;
}

/* ---- The work ---------------------------------------------------------------------------------------------------------------- */

static dbpool_status work(bench_run *run, void *state, void *native, int64_t deadline_ns, dbpool_error *err) {
    ledger *l = state;
    (void)run;
    (void)deadline_ns; /* each statement touches one row, and waits for a lock no longer than busy_timeout */
    bool writes = l->turns++ % (READS_PER_WRITE + 1) == 0;
    int code = writes ? ledger_write(native, l) : ledger_read(native, l);
    if (code == SQLITE_OK)
        return DBPOOL_OK;
    const char *cause = code == SQLITE_MISMATCH ? "a row of this thread is missing or changed" : sqlite3_errstr(code);
    (void)dbpool_error_set(err, DBPOOL_EDRIVER, "%s: %s", writes ? "write" : "read", cause);
    err->native_code = code;
    return err->status;
}

/* Runs one of the ledger's whole-table jobs on a lease. */
static int on_lease(dbpool *pool, int (*job)(sqlite3 *db, void *arg), void *arg) {
    dbpool_conn conn;
    dbpool_error err;
    if (dbpool_checkout(pool, &conn, &err) != DBPOOL_OK)
        return fail_with("", &err);
    int code = job(dbpool_native(conn), arg);
    (void)dbpool_checkin(&conn);
    return code == SQLITE_OK ? TOOL_FINE : fail("demo: %s", sqlite3_errstr(code));
}

static int create(sqlite3 *db, void *arg) {
    (void)arg;
    return ledger_create(db);
}

typedef struct comparison {
    const demo *demo;
    size_t count;
    ledger_check check;
} comparison;

static int compare(sqlite3 *db, void *arg) {
    comparison *c = arg;
    return ledger_compare(db, c->demo->ledgers, c->count, &c->check);
}

/* ---- The run ----------------------------------------------------------------------------------------------------------------- */

static int open_pool(const demo *d, const bench_options *options, dbpool **pool_out) {
    const char *const keywords[] = {"path", "journal_mode", "synchronous", NULL};
    const char *const values[] = {d->file, "wal", "normal", NULL};
    dbpool_config config = DBPOOL_CONFIG_INIT;
    dbpool_error err;
    config.name = "demo";
    config.size = options->connections ? (int32_t)options->connections : CONNECTIONS;
    config.max_overflow = 0;
    return dbpool_open_params("sqlite", keywords, values, &config, pool_out, &err) == DBPOOL_OK ? TOOL_FINE : fail_with("", &err);
}

static int say_check(const bench_options *options, const ledger_check *check) {
    bool right = ledger_is_right(check);
    FILE *file = options->json && strcmp(options->json, "-") == 0 ? stderr : stdout;
    if (!right)
        return fail("check failed: %" PRId64 " rows acknowledged, %" PRId64 " rows found, the rows of %" PRId64 " threads differ",
                    check->acknowledged, check->found, check->wrong_threads);
    fprintf(file, "\n%scheck passed%s: %" PRId64 " rows acknowledged, %" PRId64 " rows found\n", style_on(file, STYLE_GOOD),
            style_on(file, STYLE_PLAIN), check->acknowledged, check->found);
    return TOOL_FINE;
}

static int report(bench_run *run, const demo *d) {
    comparison c = {.demo = d, .count = run->worker_count};
    int compared = on_lease(run->pool, compare, &c);
    if (compared != TOOL_FINE)
        return compared;
    int finished = bench_finish(run, &c.check);
    if (finished == TOOL_INTERRUPTED)
        return finished;
    int checked = say_check(run->options, &c.check);
    return checked != TOOL_FINE ? checked : finished;
}

static int load(bench_run *run, const demo *d) {
    int result = on_lease(run->pool, create, NULL);
    if (result != TOOL_FINE)
        return result;
    (void)source_init(&run->source, run->pool, &session_sqlite);
    result = bench_load(run, d->states);
    source_fini(&run->source);
    if (result == TOOL_FINE)
        result = report(run, d);
    bench_load_fini(run);
    return result;
}

static int run_in_place(const bench_options *options, demo *d) {
    bench_run run = {.options = options, .work = work};
    dbpool_error err;
    int result = open_pool(d, options, &run.pool);
    if (result != TOOL_FINE)
        return result;
    result = make_ledgers(d, (size_t)options->threads);
    if (result == TOOL_FINE)
        result = load(&run, d);
    (void)dbpool_close(run.pool, 5000, &err);
    dbpool_destroy(run.pool);
    free(d->ledgers);
    free(d->states);
    return result;
}

int bench_demo(const bench_options *options) {
    demo d = {.ledgers = NULL};
    int result = make_place(&d);
    if (result != TOOL_FINE)
        return result;
    result = run_in_place(options, &d);
    remove_place(&d);
    return result;
}

#else

int bench_demo(const bench_options *options) {
    (void)options;
    return fail("bench: --demo needs SQLite, which this build leaves out");
}

#endif
