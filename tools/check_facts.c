/* SPDX-License-Identifier: MIT
 *
 * What the server and the URL say, and the judgement of whether they go together.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arguments.h"
#include "check.h"
#include "output.h"

#define NS_PER_MS INT64_C(1000000)

/* ---- Facts ------------------------------------------------------------------------------------------------------------------- */

void check_add_fact(check_report *report, const char *key, const char *value) {
    if (report->fact_count == FACTS_MOST)
        return;
    check_fact *fact = &report->facts[report->fact_count++];
    snprintf(fact->key, sizeof fact->key, "%s", key);
    snprintf(fact->value, sizeof fact->value, "%s", value ? value : "");
}

const char *check_fact_text(const check_report *report, const char *key) {
    for (size_t i = 0; i < report->fact_count; i++)
        if (strcmp(report->facts[i].key, key) == 0)
            return report->facts[i].value;
    return NULL;
}

int64_t check_fact_number(const check_report *report, const char *key) {
    const char *text = check_fact_text(report, key);
    char *end = NULL;
    long long value = text ? strtoll(text, &end, 10) : -1;
    return !text || end == text || *end || value < 0 ? -1 : value;
}

/* ---- Options ----------------------------------------------------------------------------------------------------------------- */

static int hex_of(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

/* Copies a URL's value with its %XX resolved, cut to fit. */
static void decode(char *to, size_t size, const char *from, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < size; i++) {
        bool escaped = from[i] == '%' && i + 2 < length && hex_of(from[i + 1]) >= 0 && hex_of(from[i + 2]) >= 0;
        to[used++] = escaped ? (char)(hex_of(from[i + 1]) * 16 + hex_of(from[i + 2])) : from[i];
        i += escaped ? 2 : 0;
    }
    to[used] = '\0';
}

/* The last value that the URL's query gives to `key`; false when it gives none. */
static bool find_in_url(const char *url, const char *key, char *value, size_t size) {
    bool found = false;
    const char *at = strchr(url, '?');
    while (at) {
        at++;
        size_t length = strcspn(at, "&"), name = strcspn(at, "=&");
        if (name == strlen(key) && strncmp(at, key, name) == 0 && at[name] == '=') {
            decode(value, size, at + name + 1, length - name - 1);
            found = true;
        }
        at = strchr(at, '&');
    }
    return found;
}

void check_read_options(check_report *report, dbpool *pool, const char *url) {
    const dbpool_config defaults = DBPOOL_CONFIG_INIT;
    dbpool_stats stats = DBPOOL_STATS_INIT;
    char text[64];
    int64_t ns;
    (void)dbpool_get_stats(pool, &stats);
    report->size = stats.size;
    report->max_overflow = stats.max_overflow;
    report->timeout_ms = dbpool_timeout_ms(pool);
    report->recycle_ms = defaults.recycle_ms;
    report->pre_ping = defaults.pre_ping;
    if (find_in_url(url, "pool_recycle", text, sizeof text))
        report->recycle_ms = parse_duration(text, &ns) ? ns / NS_PER_MS : -1;
    if (find_in_url(url, "pool_pre_ping", text, sizeof text))
        report->pre_ping =
            strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0 || strcasecmp(text, "on") == 0 || strcmp(text, "1") == 0;
}

/* ---- Warnings ---------------------------------------------------------------------------------------------------------------- */

static void warn(check_report *report, const char *code, const char *format, ...) DBPOOL_PRINTF(3, 4);

static void warn(check_report *report, const char *code, const char *format, ...) {
    va_list args;
    if (report->warning_count == WARNINGS_MOST)
        return;
    check_warning *w = &report->warnings[report->warning_count++];
    w->code = code;
    va_start(args, format);
    vsnprintf(w->text, sizeof w->text, format, args);
    va_end(args);
}

/* The server ends idle sessions: the pool should be done with a connection before, or look. */
static void warn_of_idle(check_report *r) {
    int64_t idle = check_fact_number(r, "idle_timeout_ms");
    char limit[DURATION_SIZE], recycle[DURATION_SIZE];
    if (idle <= 0)
        return;
    setting_text(limit, idle * NS_PER_MS);
    if (r->recycle_ms < 0)
        warn(r, "recycle-never", "the server ends sessions that are idle for %s, and pool_recycle is not set: set it below that", limit);
    else if (r->recycle_ms >= idle)
        warn(r, "recycle-late", "the server ends sessions that are idle for %s, before pool_recycle (%s) replaces them", limit,
             setting_text(recycle, r->recycle_ms * NS_PER_MS));
    if (!r->pre_ping)
        warn(r, "no-pre-ping", "the server ends sessions that are idle for %s, and pool_pre_ping is off: one that ends unseen can be lent",
             limit);
}

static void warn_of_limit(check_report *r) {
    int64_t most = check_fact_number(r, "max_connections"), reserved = check_fact_number(r, "reserved_connections");
    if (most <= 0)
        return;
    int64_t usable = reserved > 0 ? most - reserved : most, limit = (int64_t)r->size + r->max_overflow;
    if (r->size == 0 || r->max_overflow < 0)
        warn(r, "no-limit", "nothing limits the pool, and the server takes %lld connections", (long long)usable);
    else if (limit > usable)
        warn(r, "over-limit", "the pool may open %lld connections (pool_size + pool_max_overflow), and the server takes %lld",
             (long long)limit, (long long)usable);
}

/* A server's time-out shorter than how long a checkout waits: whoever holds the connection is cut off while others still wait for it. */
static void warn_of_timeout(check_report *r, const char *key, const char *code, const char *what) {
    int64_t server = check_fact_number(r, key);
    char limit[DURATION_SIZE], wait[DURATION_SIZE];
    if (server > 0 && (r->timeout_ms < 0 || server < r->timeout_ms))
        warn(r, code, "the server %s after %s, sooner than a checkout gives up waiting (pool_timeout %s)", what,
             setting_text(limit, server * NS_PER_MS), r->timeout_ms < 0 ? "none" : setting_text(wait, r->timeout_ms * NS_PER_MS));
}

static void warn_of_encryption(check_report *r) {
    const char *encryption = check_fact_text(r, "encryption");
    if (!r->local && encryption && strcmp(encryption, "none") == 0)
        warn(r, "no-encryption",
             "the server is on another machine, and the connection is not encrypted: ask for TLS (sslmode=verify-full)");
}

void check_warn(check_report *r) {
    r->warning_count = 0;
    warn_of_encryption(r);
    warn_of_limit(r);
    warn_of_idle(r);
    warn_of_timeout(r, "statement_timeout_ms", "statement-timeout", "cancels a statement");
    warn_of_timeout(r, "transaction_idle_timeout_ms", "transaction-idle-timeout", "ends a session that is idle in a transaction");
}
