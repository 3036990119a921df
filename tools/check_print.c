/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "json.h"
#include "output.h"

#define NS_PER_MS 1e6
#define NAME_COLUMN 18

static int64_t least_trip(const check_report *r) { return r->trips_ns[0]; }
static int64_t median_trip(const check_report *r) { return r->trips_ns[r->trip_count / 2]; }

static void print_name(const char *name) {
    int width = printf("%s%s%s", style_on(stdout, STYLE_BOLD), name, style_on(stdout, STYLE_PLAIN)) -
                (int)(strlen(style_on(stdout, STYLE_BOLD)) + strlen(style_on(stdout, STYLE_PLAIN)));
    printf("%*s", width < NAME_COLUMN ? NAME_COLUMN - width : 1, "");
}

static void print_text(const char *name, const char *value) {
    if (!value || !*value)
        return;
    print_name(name);
    print_clean(stdout, value);
    putchar('\n');
}

/* A server's time-out, which is 0 when there is none. */
static void print_timeout(const check_report *r, const char *key, const char *name) {
    int64_t ms = check_fact_number(r, key);
    char text[DURATION_SIZE];
    if (ms >= 0)
        print_text(name, ms == 0 ? "none" : setting_text(text, ms * 1000000));
}

static void print_limits(const check_report *r) {
    int64_t most = check_fact_number(r, "max_connections"), reserved = check_fact_number(r, "reserved_connections"),
            used = check_fact_number(r, "used_connections");
    if (most >= 0) {
        print_name("connections");
        printf("%" PRId64 " at most", most);
        if (reserved >= 0)
            printf(", %" PRId64 " of them reserved", reserved);
        if (used >= 0)
            printf(", %" PRId64 " in use", used);
        putchar('\n');
    }
    print_timeout(r, "idle_timeout_ms", "idle timeout");
    print_timeout(r, "transaction_idle_timeout_ms", "idle in trans.");
    print_timeout(r, "statement_timeout_ms", "statement timeout");
}

static bool has_a_place(const char *key) {
    static const char *const keys[] = {"server",
                                       "user",
                                       "database",
                                       "encryption",
                                       "role",
                                       "max_connections",
                                       "reserved_connections",
                                       "used_connections",
                                       "idle_timeout_ms",
                                       "transaction_idle_timeout_ms",
                                       "statement_timeout_ms"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static void print_server(const check_report *r) {
    static const char *const keys[] = {"user", "database", "role", "encryption"};
    print_text("server", check_fact_text(r, "server"));
    print_text("at", r->place);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        print_text(keys[i], check_fact_text(r, keys[i]));
    print_limits(r);
    for (size_t i = 0; i < r->fact_count; i++)
        if (!has_a_place(r->facts[i].key))
            print_text(r->facts[i].key, r->facts[i].value);
}

static void print_times(const check_report *r) {
    char least[DURATION_SIZE], median[DURATION_SIZE], connect[DURATION_SIZE];
    print_text("connect", duration_text(connect, r->connect_ns));
    if (r->trip_count == 0)
        return;
    print_name("round trip");
    printf("%s min, %s median of %zu\n", duration_text(least, least_trip(r)), duration_text(median, median_trip(r)), r->trip_count);
}

static void print_pool(const check_report *r) {
    char wait[DURATION_SIZE];
    print_name("pool");
    if (r->size == 0 || r->max_overflow < 0)
        printf("any number of connections");
    else
        printf("at most %d connections (%d kept, %d more when needed)", r->size + r->max_overflow, r->size, r->max_overflow);
    if (r->timeout_ms < 0)
        printf("; a checkout waits without limit\n");
    else
        printf("; a checkout waits %s at most\n", setting_text(wait, r->timeout_ms * 1000000));
}

void check_print(const check_report *r) {
    print_server(r);
    print_times(r);
    print_pool(r);
    for (size_t i = 0; i < r->warning_count; i++)
        printf("%swarning:%s %s\n", style_on(stdout, STYLE_WARNING), style_on(stdout, STYLE_PLAIN), r->warnings[i].text);
    if (r->warning_count == 0)
        printf("%sfine%s\n", style_on(stdout, STYLE_GOOD), style_on(stdout, STYLE_PLAIN));
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static void write_round_trip(json *j, const check_report *r) {
    if (r->trip_count == 0) {
        json_null(j, "round_trip_ms");
        return;
    }
    json_open(j, "round_trip_ms");
    json_number(j, "min", (double)least_trip(r) / NS_PER_MS);
    json_number(j, "median", (double)median_trip(r) / NS_PER_MS);
    json_count(j, "count", r->trip_count);
    json_close(j);
}

/* Facts that are numbers are written as numbers. */
static void write_facts(json *j, const check_report *r) {
    json_open(j, "facts");
    for (size_t i = 0; i < r->fact_count; i++) {
        const char *key = r->facts[i].key;
        bool numeric = has_a_place(key) && (strstr(key, "_connections") || strstr(key, "_ms")) && check_fact_number(r, key) >= 0;
        if (numeric)
            json_integer(j, key, check_fact_number(r, key));
        else
            json_text(j, key, r->facts[i].value);
    }
    json_close(j);
}

static void write_pool(json *j, const check_report *r) {
    json_open(j, "pool");
    json_integer(j, "size", r->size);
    json_integer(j, "max_overflow", r->max_overflow);
    json_integer(j, "timeout_ms", r->timeout_ms);
    json_integer(j, "recycle_ms", r->recycle_ms);
    json_bool(j, "pre_ping", r->pre_ping);
    json_close(j);
}

bool check_write_json(FILE *file, const check_report *r) {
    json j = json_to(file);
    json_open(&j, NULL);
    json_text(&j, "dbpool", dbpool_version());
    json_bool(&j, "ok", true);
    json_null(&j, "error");
    json_text(&j, "place", r->place[0] ? r->place : NULL);
    json_bool(&j, "local", r->local);
    json_number(&j, "connect_ms", (double)r->connect_ns / NS_PER_MS);
    write_round_trip(&j, r);
    write_facts(&j, r);
    write_pool(&j, r);
    json_open_array(&j, "warnings");
    for (size_t i = 0; i < r->warning_count; i++) {
        json_open(&j, NULL);
        json_text(&j, "code", r->warnings[i].code);
        json_text(&j, "text", r->warnings[i].text);
        json_close(&j);
    }
    json_close_array(&j);
    json_close(&j);
    return json_end(&j);
}

bool check_write_json_error(FILE *file, const dbpool_error *err) {
    json j = json_to(file);
    json_open(&j, NULL);
    json_text(&j, "dbpool", dbpool_version());
    json_bool(&j, "ok", false);
    json_open(&j, "error");
    json_text(&j, "status", dbpool_status_name(err->status));
    json_text(&j, "sqlstate", err->sqlstate[0] ? err->sqlstate : NULL);
    json_integer(&j, "native_code", err->native_code);
    json_text(&j, "message", err->message);
    json_close(&j);
    json_close(&j);
    return json_end(&j);
}
