/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdlib.h>

#include "arguments.h"
#include "output.h"
#include "session.h"

#define ROUND_TRIPS 20
#define TRIPS_NS INT64_C(2000000000) /* what all of them may take */
#define DESCRIBE_MS 5000

static const char usage[] =
    "usage: dbpool check URL [options]\n"
    "\n"
    "Open a pool, check one connection out, and print what the server is and how far away: name and version, user, database,\n"
    "role, encryption, limits, how long connecting and a round trip take. Then warn of pool options that fight the server's:\n"
    "more connections than it takes, connections kept longer than it keeps sessions, time-outs that cut each other off, no\n"
    "encryption to another machine.\n"
    "\n";

static const char notes[] =
    "\n"
    "Exit codes: 0 connected, with or without warnings; 1 could not connect, or not print; 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  dbpool check 'postgresql://app@db.example/shop?pool_size=8'\n"
    "  dbpool check 'postgresql:///shop?host=/run/postgresql'\n"
    "  dbpool check sqlite:shop.db --json\n"
    "\n"
    "A password is best left out of the URL, where other users can see it: PostgreSQL's come from ~/.pgpass or PGPASSWORD.\n";

static void add_fact(void *report, const char *key, const char *value) { check_add_fact(report, key, value); }

static int by_length(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static dbpool_status time_trips(check_report *r, const session_driver *driver, void *native, dbpool_error *err) {
    int64_t begin = dbpool_now_ns(), before = begin;
    while (r->trip_count < ROUND_TRIPS && before - begin < TRIPS_NS) {
        dbpool_status status = driver->run(native, driver->probe, before + DESCRIBE_MS * INT64_C(1000000), err);
        if (status != DBPOOL_OK)
            return status;
        int64_t now = dbpool_now_ns();
        r->trips_ns[r->trip_count++] = now - before;
        before = now;
    }
    qsort(r->trips_ns, r->trip_count, sizeof *r->trips_ns, by_length);
    return DBPOOL_OK;
}

static dbpool_status examine_lease(check_report *r, dbpool_conn conn, dbpool_error *err) {
    void *native;
    const session_driver *driver = session_of(conn, &native);
    dbpool_status status = dbpool_describe(conn, DESCRIBE_MS, add_fact, r, err);
    if (status != DBPOOL_OK && status != DBPOOL_EUNSUPPORTED)
        return status;
    r->local = !driver || driver->is_local(native);
    if (!driver)
        return DBPOOL_OK;
    driver->place(native, r->place, sizeof r->place);
    return time_trips(r, driver, native, err);
}

static dbpool_status examine_pool(check_report *r, dbpool *pool, dbpool_error *err) {
    dbpool_conn conn;
    int64_t begin = dbpool_now_ns();
    dbpool_status status = dbpool_checkout(pool, &conn, err);
    r->connect_ns = dbpool_now_ns() - begin;
    if (status != DBPOOL_OK)
        return status;
    status = examine_lease(r, conn, err);
    (void)dbpool_checkin(&conn);
    return status;
}

static dbpool_status examine(check_report *r, const char *url, dbpool_error *err) {
    dbpool *pool = NULL;
    dbpool_error ignored;
    dbpool_status status = dbpool_open(url, NULL, &pool, err);
    if (status != DBPOOL_OK)
        return status;
    check_read_options(r, pool, url);
    status = examine_pool(r, pool, err);
    (void)dbpool_close(pool, DESCRIBE_MS, &ignored);
    dbpool_destroy(pool);
    check_warn(r);
    return status;
}

static int run(const char *url, bool as_json) {
    check_report report = {0};
    dbpool_error err;
    if (examine(&report, url, &err) != DBPOOL_OK) {
        if (as_json)
            (void)check_write_json_error(stdout, &err);
        return fail_with("", &err);
    }
    if (as_json)
        (void)check_write_json(stdout, &report);
    else
        check_print(&report);
    return TOOL_FINE;
}

int check_command(int argc, char **argv) {
    bool as_json = false;
    const char *url = NULL;
    const option options[] = {
        {0, OPTION_FLAG, "json", &as_json, NULL, "print JSON; dbpool(1) tells the keys", 0, 0}
    };
    const argument_table table = {"check", options, sizeof options / sizeof *options, "URL"};
    parse_result parsed = parse_arguments(&table, argc, argv, &url);
    if (parsed == PARSE_HELP) {
        fputs(usage, stdout);
        print_options(stdout, &table);
        fputs(notes, stdout);
        return TOOL_FINE;
    }
    if (parsed != PARSE_OK)
        return TOOL_USAGE;
    return url ? run(url, as_json) : fail_usage("check", "a URL is missing");
}
