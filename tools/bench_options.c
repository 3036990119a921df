/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "bench.h"
#include "output.h"

#define DAY_NS (86400 * NS_PER_S)

static const char usage[] =
    "usage: dbpool bench URL [options]\n"
    "       dbpool bench --demo [options]\n"
    "\n"
    "Put a load on a pool: many threads check out, run statements and check in. Prints the throughput, how long checkouts waited\n"
    "and queries took, what failed, and how even the threads fared. Defaults stand in parentheses.\n"
    "\n";

static const char notes[] =
    "\n"
    "Without --rate the loop is closed: each thread waits for its answer before it asks again. A stall then delays the requests\n"
    "behind it, which are not counted as slow: the percentiles say what that many users who wait for each other's answers met, and\n"
    "nothing is added for requests that were never made. To learn what an outside load would meet, give --rate: requests are due\n"
    "at even intervals, and each is timed from when it was due, so that no stall hides another (no coordinated omission). A rate\n"
    "that cannot be kept shows as growing waits and as requests not started.\n"
    "\n"
    "  wait      from when a request is due until it has its connection; time-outs count\n"
    "  query     from there until the last row of its last statement is read\n"
    "  response  the whole, from due to answered\n"
    "\n"
    "Percentiles have three digits. Ctrl-C ends the run early and prints the result; a second one ends at once.\n"
    "\n"
    "Exit codes: 0 measured; 1 nothing could be run, not one request succeeded, a check failed or a result could not be written;\n"
    "2 wrong usage; 130 interrupted before anything was measured.\n"
    "\n"
    "Examples:\n"
    "  dbpool bench 'postgresql://app@db.example/shop' -t 32 -c 8 -d 30s --rate 5000\n"
    "  dbpool bench 'postgresql:///shop' -t 32 -c 8 --raw          the same without dbpool, to compare\n"
    "  dbpool bench 'sqlite:shop.db?journal_mode=wal' -q 'select count(*) from orders' --json result.json\n"
    "  dbpool bench --demo\n";

/* What two options mean together. */
static parse_result check_together(const bench_options *b) {
    const char *problem = NULL;
    if (b->demo && (b->url || b->queries.count || b->file || b->raw))
        problem = "--demo brings its own database and statements: it takes no URL, --query, --file or --raw";
    else if (!b->demo && !b->url)
        problem = "a URL is missing";
    else if (b->rate > 0 && b->think_ns > 0)
        problem = "--think is for the closed loop; with --rate the schedule says when";
    else if (b->queries.count && b->file)
        problem = "--query and --file do not go together";
    else if (b->raw && b->verify)
        problem = "--verify-after looks at the pool, which --raw does without";
    else if (b->progress && b->quiet)
        problem = "--progress and --quiet do not go together";
    if (problem)
        fail_usage("bench", "%s", problem);
    return problem ? PARSE_WRONG : PARSE_OK;
}

/* The table points into it; a command is read once. */
static bench_options given = {.threads = 16, .duration_ns = -1};

/* clang-format off */
static const option options[] = {
    {'t', OPTION_COUNT, "threads", &given.threads, "N",
     "how many threads (16)", 1, 10000},
    {'c', OPTION_COUNT, "connections", &given.connections, "N",
     "let the pool hold N connections and no more, whatever the\nURL says (the URL's pool_size + pool_max_overflow)",
     1, DBPOOL_CONNECTIONS_MAX},
    {'d', OPTION_DURATION, "duration", &given.duration_ns, "TIME",
     "how long to measure: 500ms, 30s, 5min (10s; --demo: 5s)", 1000000, DAY_NS},
    {0, OPTION_DURATION, "warmup", &given.warmup_ns, "TIME",
     "run this long before, unmeasured (0)", 0, DAY_NS},
    {'q', OPTION_TEXTS, "query", &given.queries, "SQL",
     "a statement to run on each lease; given again, they run\nin order (a trivial select)", 0, 0},
    {'f', OPTION_TEXT, "file", &given.file, "FILE",
     "run the statements of this file, parted by ';', in order on\none lease; - is standard input", 0, 0},
    {0, OPTION_DURATION, "think", &given.think_ns, "TIME",
     "pause of a thread between two requests (0)", 0, DAY_NS},
    {0, OPTION_DURATION, "hold", &given.hold_ns, "TIME",
     "keep the lease this long after the statements (0)", 0, DAY_NS},
    {'r', OPTION_RATE, "rate", &given.rate, "N",
     "open loop: N requests per second over all threads", 0, 0},
    {0, OPTION_DURATION, "query-timeout", &given.query_timeout_ns, "TIME",
     "give a request's statements up after this long, and the\nconnection with them (5s past the end of the run)",
     1000000, DAY_NS},
    {0, OPTION_FLAG, "raw", &given.raw, NULL,
     "do without the pool: hand the same connections round with\na mutex and a condition variable, to see what dbpool costs",
     0, 0},
    {0, OPTION_FLAG, "demo", &given.demo, NULL,
     "write and read an SQLite file in a temporary directory,\nthen prove that it holds exactly the acknowledged rows", 0, 0},
    {0, OPTION_FLAG, "verify-after", &given.verify, NULL,
     "after the run, fail (exit 1) if the pool has lost a\nconnection's place", 0, 0},
    {0, OPTION_TEXT, "json", &given.json, "FILE",
     "write the result as JSON, its keys are in dbpool(1); - is\nstandard output, and replaces the text", 0, 0},
    {0, OPTION_FLAG, "progress", &given.progress, NULL,
     "print a line each second, also when standard error is not\na terminal", 0, 0},
    {0, OPTION_FLAG, "quiet", &given.quiet, NULL,
     "print no line each second", 0, 0},
};
/* clang-format on */

parse_result bench_parse(bench_options *options_out, int argc, char **argv) {
    const argument_table table = {"bench", options, sizeof options / sizeof *options, "URL"};
    parse_result result = parse_arguments(&table, argc, argv, &given.url);
    if (result == PARSE_HELP) {
        fputs(usage, stdout);
        print_options(stdout, &table);
        fputs(notes, stdout);
    }
    if (given.duration_ns < 0)
        given.duration_ns = (given.demo ? 5 : 10) * NS_PER_S;
    *options_out = given;
    return result == PARSE_OK ? check_together(options_out) : result;
}
