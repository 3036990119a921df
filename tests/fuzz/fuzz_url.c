/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a URL. Whatever they are: no crash and no leak; the same answer each time; what is refused leaves nothing behind and is told
 * in one plain line without a secret; what is taken, given again as keywords, comes out the same.
 */
#include "base/parse.h"
#include "core/options.h"
#include "core/url.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Put into a URL at a place that the URL itself picks. It is in no message of ours. */
#define SECRET "s3cr3tW0rd"

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

typedef struct answer {
    dbpool_status status;
    dbp_target target;
    dbpool_config config;
    dbpool_error err;
} answer;

static const dbpool_config INITIAL = DBPOOL_CONFIG_INIT;

static int allocations, failing_allocation;

static bool fail_one(size_t size) {
    (void)size;
    return allocations++ != failing_allocation;
}

static answer ask(const char *url) {
    answer result = {.config = INITIAL};
    allocations = 0;
    result.status = dbp_target_from_url(url, &result.target, &result.config, &result.err);
    return result;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_config(const dbpool_config *a, const dbpool_config *b) {
#define SAME_INT(field) (a->field == b->field)
#define SAME_BOOL SAME_INT
#define SAME_MS SAME_INT
#define SAME_NS SAME_INT
#define SAME_RESET SAME_INT
#define SAME_ORDER SAME_INT
#define SAME_ECHO SAME_INT
#define SAME_TEXT(field) same_text(a->field, b->field)
#define SAME(kind, field, key, initial, least, most, text) SAME_##kind(field) &&
    return DBPOOL_OPTIONS(SAME) true;
}

static void expect_same_target(const dbp_target *a, const dbp_target *b) {
    MUST(same_text(a->scheme, b->scheme));
    MUST(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        MUST(same_text(a->params[i].key, b->params[i].key) && same_text(a->params[i].value, b->params[i].value));
}

static void expect_refusal(const answer *answer) {
    MUST(answer->status == DBPOOL_EOPTION || answer->status == DBPOOL_ENOMEM);
    MUST(answer->err.status == answer->status);
    MUST(strncmp(answer->err.message, "parse URL: ", 11) == 0 || strncmp(answer->err.message, "pool_", 5) == 0);
    MUST(strlen(answer->err.message) + 1 < sizeof answer->err.message);
    MUST(dbp_parse_is_plain(answer->err.message));
    MUST(!answer->target.scheme && !answer->target.params && !answer->target.text && answer->target.count == 0);
    MUST(same_config(&answer->config, &INITIAL));
}

static void expect_sound(const answer *answer) {
    const dbp_target *target = &answer->target;
    MUST(target->scheme[0] >= 'a' && target->scheme[0] <= 'z');
    for (size_t i = 0; i < target->count; i++) {
        MUST(target->params[i].key[0] && dbp_parse_is_plain(target->params[i].key));
        MUST(strncmp(target->params[i].key, DBP_OPTIONS_PREFIX, strlen(DBP_OPTIONS_PREFIX)) != 0);
        for (size_t j = 0; j < i; j++)
            MUST(strcmp(target->params[i].key, target->params[j].key) != 0);
    }
    dbpool_error err = {0};
    if (dbp_options_check(&answer->config, &err) != DBPOOL_OK)
        MUST(strncmp(err.message, "pool_size=", 10) == 0 && strstr(err.message, " and pool_max_overflow="));
}

/* What was understood, as keywords. */
static void expect_same_from_arrays(const dbp_target *target) {
    const char *keywords[300] = {NULL}, *values[300] = {NULL};
    dbp_target again;
    dbpool_config config = INITIAL;
    if (target->count > 256)
        return;
    for (size_t i = 0; i < target->count; i++) {
        keywords[i] = target->params[i].key;
        values[i] = target->params[i].value;
    }
    /* It may be longer than keywords may be: what they share is written for each. */
    dbpool_status status = dbp_target_from_arrays(target->scheme, keywords, values, &again, &config, NULL);
    MUST(status == DBPOOL_OK || target->text_size > DBP_URL_LENGTH_MAX);
    if (status == DBPOOL_OK)
        expect_same_target(target, &again);
    dbp_target_fini(&again);
}

static void expect_all(const char *url) {
    answer first = ask(url), second = ask(url);
    MUST(first.status == second.status);
    MUST(strcmp(first.err.message, second.err.message) == 0);
    MUST(same_config(&first.config, &second.config));
    expect_same_target(&first.target, &second.target);
    if (first.status == DBPOOL_OK) {
        expect_sound(&first);
        expect_same_from_arrays(&first.target);
    } else {
        expect_refusal(&first);
    }
    dbp_target_fini(&first.target);
    dbp_target_fini(&second.target);
}

static void expect_refusals_without_memory(const char *url) {
    dbp_memory_hook = fail_one;
    for (failing_allocation = 0; failing_allocation < 2; failing_allocation++) {
        answer result = ask(url);
        expect_refusal(&result);
    }
    dbp_memory_hook = NULL;
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Whether this item of a query is an option, its key unescaped: then a message may show it. */
static bool is_option_item(const char *item) {
    for (const char *wanted = DBP_OPTIONS_PREFIX; *wanted; wanted++, item++) {
        char c = *item;
        if (c == '%' && hex(item[1]) >= 0 && hex(item[2]) >= 0) {
            c = (char)(hex(item[1]) * 16 + hex(item[2]));
            item += 2;
        }
        if (c != *wanted)
            return false;
    }
    return true;
}

static bool may_be_shown(const char *url, size_t place) {
    const char *query = strchr(url, '?'), *item = url + place;
    if (!query || query >= url + place)
        return false;
    while (item[-1] != '&' && item - 1 != query)
        item--;
    return is_option_item(item);
}

static void expect_secret_kept(const char *url, size_t length, size_t place) {
    char *told = calloc(1, length + sizeof SECRET);
    MUST(told);
    memcpy(told, url, place);
    memcpy(told + place, SECRET, strlen(SECRET));
    memcpy(told + place + strlen(SECRET), url + place, length - place);
    answer result = ask(told);
    if (!strstr(url, SECRET) && !may_be_shown(told, place))
        MUST(!strstr(result.err.message, SECRET));
    dbp_target_fini(&result.target);
    free(told);
}

static size_t hash(const char *text, size_t length) {
    uint64_t value = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        value = (value ^ (unsigned char)text[i]) * 1099511628211u;
    return (size_t)(value ^ value >> 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *url = calloc(1, size + 1);
    MUST(url);
    if (size)
        memcpy(url, data, size);
    size_t length = strlen(url);
    expect_all(url);
    expect_refusals_without_memory(url);
    expect_secret_kept(url, length, hash(url, length) % (length + 1));
    free(url);
    return 0;
}
