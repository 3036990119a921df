/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "output.h"

#define CLOSE_MS 5000

/* ---- The statements ---------------------------------------------------------------------------------------------------------- */

/* The whole of a file as a text to be freed, or NULL with errno set. */
static char *read_all(FILE *file) {
    size_t size = 4096, length = 0;
    char *text = malloc(size);
    while (text && !feof(file) && !ferror(file)) {
        length += fread(text + length, 1, size - length - 1, file);
        char *grown = length + 1 < size ? text : realloc(text, size *= 2);
        if (!grown)
            free(text);
        text = grown;
    }
    if (text)
        text[length] = '\0';
    return text;
}

static char *read_file(const char *name) {
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    char *text = file ? read_all(file) : NULL;
    int problem = file && ferror(file) ? errno : 0;
    if (file && file != stdin)
        fclose(file);
    if (problem) {
        free(text);
        text = NULL;
        errno = problem;
    }
    return text;
}

static int load_file(script *s, const char *name) {
    char *text = read_file(name);
    if (!text)
        return fail("read %s: %s", name, strerror(errno));
    script_result result = script_split(s, text);
    free(text);
    if (result == SCRIPT_NO_MEMORY)
        return fail("read %s: out of memory", name);
    if (result == SCRIPT_UNFINISHED)
        return fail("read %s: a quote or comment has no end", name);
    return s->count ? TOOL_FINE : fail("read %s: it holds no statement", name);
}

static int take_queries(script *s, const char *const *queries, size_t count) {
    s->statements = calloc(count, sizeof *s->statements);
    for (size_t i = 0; s->statements && i < count; i++)
        if ((s->statements[i] = strdup(queries[i])) != NULL)
            s->count++;
    return s->count == count ? TOOL_FINE : fail("bench: out of memory");
}

/* The statements of the command line; with none, `probe`. */
static int load_script(script *s, const bench_options *o, const char *probe) {
    if (o->file)
        return load_file(s, o->file);
    return o->queries.count ? take_queries(s, o->queries.items, o->queries.count) : take_queries(s, &probe, 1);
}

/* ---- The end of a run -------------------------------------------------------------------------------------------------------- */

static int write_json(const bench_run *run, const bench_result *r, const bench_verdict *verdict, const ledger_check *check) {
    const char *name = run->options->json;
    if (strcmp(name, "-") == 0)
        return bench_write_json(stdout, run, r, verdict, check) ? TOOL_FINE : finish_output(TOOL_FINE);
    FILE *file = fopen(name, "w");
    bool written = file && bench_write_json(file, run, r, verdict, check);
    int problem = errno;
    if (file && fclose(file) != 0 && written) {
        problem = errno;
        written = false;
    }
    return written ? TOOL_FINE : fail("write %s: %s", name, strerror(problem));
}

static int judge(const bench_run *run, const bench_result *r, const bench_verdict *verdict) {
    int result = TOOL_FINE;
    if (verdict && verdict->problem[0])
        result = fail("verify: %s", verdict->problem);
    if (r->completed == 0 && run->failures.count)
        result = fail_with("bench: not one request succeeded: ", &run->failures.kinds[0].first);
    else if (r->completed == 0)
        result = fail("bench: not one request ended within the time");
    return result;
}

static int finish(bench_run *run, const bench_result *r, const ledger_check *check) {
    bench_verdict verdict;
    const bench_verdict *found = run->options->verify ? &verdict : NULL;
    int written = TOOL_FINE;
    if (run->interrupted && r->completed == 0 && r->failed == 0) {
        (void)fail("bench: interrupted before anything was measured");
        return TOOL_INTERRUPTED;
    }
    if (found)
        bench_verify(run->pool, &verdict);
    if (!run->options->json || strcmp(run->options->json, "-") != 0)
        bench_print(run, r, found);
    if (run->options->json)
        written = write_json(run, r, found, check);
    int judged = judge(run, r, found);
    return judged != TOOL_FINE ? judged : written;
}

int bench_finish(bench_run *run, const ledger_check *check) {
    bench_result r;
    int result = bench_result_init(&r, run) ? finish(run, &r, check) : fail("bench: out of memory");
    bench_result_fini(&r);
    return result;
}

/* ---- A run on a URL ---------------------------------------------------------------------------------------------------------- */

/* Checks one connection out, so that a server that cannot be reached is said at once, and finds out what it is. */
static int meet(dbpool *pool, const session_driver **driver_out) {
    dbpool_conn conn;
    dbpool_error err;
    void *native;
    if (dbpool_checkout(pool, &conn, &err) != DBPOOL_OK)
        return fail_with("", &err);
    *driver_out = session_of(conn, &native);
    (void)dbpool_checkin(&conn);
    return *driver_out ? TOOL_FINE : fail("bench: this build of the command cannot run statements on this kind of database");
}

static int init_source(bench_run *run, const session_driver *driver) {
    dbpool_stats stats = DBPOOL_STATS_INIT;
    dbpool_error err;
    if (!run->options->raw)
        return source_init(&run->source, run->pool, driver) == DBPOOL_OK ? TOOL_FINE : TOOL_FAILED;
    (void)dbpool_get_stats(run->pool, &stats);
    if (stats.size == 0 || stats.max_overflow < 0)
        return fail_usage("bench", "--raw: say how many connections there are with --connections");
    size_t size = (size_t)stats.size + (size_t)stats.max_overflow;
    return source_init_raw(&run->source, run->pool, driver, size, &err) == DBPOOL_OK ? TOOL_FINE : fail_with("", &err);
}

static int load_and_report(bench_run *run, const session_driver *driver) {
    int result = init_source(run, driver);
    if (result != TOOL_FINE)
        return result;
    result = bench_load(run, NULL);
    source_fini(&run->source);
    if (result == TOOL_FINE)
        result = bench_finish(run, NULL);
    bench_load_fini(run);
    return result;
}

static int run_on_pool(bench_run *run) {
    const session_driver *driver = NULL;
    dbpool_error err;
    int32_t connections = (int32_t)run->options->connections;
    if (connections && dbpool_resize(run->pool, connections, 0, &err) != DBPOOL_OK)
        return fail_with("", &err);
    int result = meet(run->pool, &driver);
    if (signals_caught()) {
        (void)fail("bench: interrupted before anything was measured");
        return TOOL_INTERRUPTED;
    }
    if (result == TOOL_FINE && driver)
        result = load_script(&run->script, run->options, driver->probe);
    if (result == TOOL_FINE)
        result = load_and_report(run, driver);
    script_fini(&run->script);
    return result;
}

static int run_on_url(const bench_options *options) {
    bench_run run = {.options = options, .work = bench_run_script};
    dbpool_error err;
    if (dbpool_open(options->url, NULL, &run.pool, &err) != DBPOOL_OK)
        return fail_with("", &err);
    int result = run_on_pool(&run);
    (void)dbpool_close(run.pool, CLOSE_MS, &err);
    dbpool_destroy(run.pool);
    return result;
}

int bench_command(int argc, char **argv) {
    bench_options options;
    parse_result parsed = bench_parse(&options, argc, argv);
    if (parsed != PARSE_OK)
        return parsed == PARSE_HELP ? TOOL_FINE : TOOL_USAGE;
    signals_catch();
    return options.demo ? bench_demo(&options) : run_on_url(&options);
}
