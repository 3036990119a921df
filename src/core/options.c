/* SPDX-License-Identifier: MIT */
#include "core/options.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/parse.h"

#include <stddef.h>
#include <string.h>

/* ---- The table as data ---- */

enum kind { KIND_INT, KIND_BOOL, KIND_MS, KIND_NS, KIND_RESET, KIND_ORDER, KIND_ECHO, KIND_TEXT };

struct option {
    enum kind kind;
    const char *field;
    const char *key;
    size_t offset; /* of the field in dbpool_config */
    size_t size;
    int64_t least, most; /* of a TEXT: its length */
};

static const struct option OPTIONS[] = {
#define ROW(kind_, field_, key_, initial, least_, most_, text) \
    {.kind = KIND_##kind_,                                     \
     .field = #field_,                                         \
     .key = key_,                                              \
     .offset = offsetof(dbpool_config, field_),                \
     .size = sizeof(((dbpool_config *)NULL)->field_),          \
     .least = least_,                                          \
     .most = most_},
    DBPOOL_OPTIONS(ROW)
#undef ROW
};
#define OPTION_COUNT (sizeof OPTIONS / sizeof OPTIONS[0])

/* A field of a later version that came to lie in padding would be read from programs that have never set it. */
#define SIZE_OF_ROW(kind, field, key, initial, least, most, text) +sizeof(((dbpool_config *)NULL)->field)
_Static_assert(sizeof(dbpool_config) == offsetof(dbpool_config, name) DBPOOL_OPTIONS(SIZE_OF_ROW), "dbpool_config has no padding");

/* A word that stands for a value of an enum option. */
typedef struct word {
    const char *text;
    int64_t value;
} word;

static const word RESET_WORDS[] = {
    {"rollback", DBPOOL_RESET_ROLLBACK},
    {"true",     DBPOOL_RESET_ROLLBACK},
    {"commit",   DBPOOL_RESET_COMMIT  },
    {"none",     DBPOOL_RESET_NONE    },
    {"false",    DBPOOL_RESET_NONE    },
    {"null",     DBPOOL_RESET_NONE    },
    {"full",     DBPOOL_RESET_FULL    },
    {NULL,       0                    },
};
static const word ORDER_WORDS[] = {
    {"warm", DBPOOL_IDLE_WARM},
    {"lifo", DBPOOL_IDLE_LIFO},
    {"fifo", DBPOOL_IDLE_FIFO},
    {NULL,   0               }
};
static const word ECHO_WORDS[] = {
    {"off",   DBPOOL_ECHO_OFF  },
    {"false", DBPOOL_ECHO_OFF  },
    {"info",  DBPOOL_ECHO_INFO },
    {"true",  DBPOOL_ECHO_INFO },
    {"on",    DBPOOL_ECHO_INFO },
    {"debug", DBPOOL_ECHO_DEBUG},
    {NULL,    0                },
};

/* The words of an enum option, ended by one without text. */
static const word *words_of(enum kind kind) { return kind == KIND_RESET ? RESET_WORDS : kind == KIND_ORDER ? ORDER_WORDS : ECHO_WORDS; }

static bool is_duration(enum kind kind) { return kind == KIND_MS || kind == KIND_NS; }

static const struct option *find(const char *key) {
    for (const struct option *at = OPTIONS; at < OPTIONS + OPTION_COUNT; at++)
        if (strcmp(at->key, key) == 0)
            return at;
    return NULL;
}

/* The field of a numeric option. */
static int64_t load(const struct option *option, const dbpool_config *config) {
    const char *field = (const char *)config + option->offset;
    int32_t narrow = 0;
    int64_t wide = 0;
    if (option->size == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, field, sizeof wide);
    return wide;
}

static void store(const struct option *option, dbpool_config *config, int64_t value) {
    char *field = (char *)config + option->offset;
    int32_t narrow = (int32_t)value;
    if (option->size == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &value, sizeof value);
}

static bool in_range(const struct option *option, int64_t value) { return value >= option->least && value <= option->most; }

/* ---- What messages say ---- */

/* How much of a key or value a message shows, in bytes before escaping. */
#define SHOWN_MAX 40

struct shown {
    char text[SHOWN_MAX * 4 + 4]; /* an escaped byte takes four; then "..." */
};

/* Text of the user's, escaped, cut where a character ends. */
static struct shown show(const char *text) {
    struct shown shown;
    dbp_buffer buffer = dbp_buffer_init(shown.text, sizeof shown.text);
    size_t length = 0;
    while (text[length]) {
        size_t step = dbp_parse_utf8(text + length);
        char character[5] = "";
        if (length + (step ? step : 1) > SHOWN_MAX)
            break;
        memcpy(character, text + length, step);
        if (step)
            dbp_buffer_escape(&buffer, character);
        else
            dbp_buffer_format(&buffer, "\\x%02X", (unsigned char)text[length]);
        length += step ? step : 1;
    }
    dbp_buffer_format(&buffer, "%s", text[length] ? "..." : "");
    return shown;
}

/* A duration of the option's own unit, in the largest unit that divides it. */
static void write_duration(dbp_buffer *buffer, enum kind kind, int64_t value) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"d",   86400000000000},
        {"h",   3600000000000 },
        {"min", 60000000000   },
        {"s",   1000000000    },
        {"ms",  1000000       },
        {"us",  1000          },
        {"ns",  1             }
    };
    int64_t ns = kind == KIND_MS ? value * 1000000 : value;
    size_t i = 0;
    if (value == 0) {
        dbp_buffer_format(buffer, "0");
        return;
    }
    while (ns % units[i].ns)
        i++;
    dbp_buffer_format(buffer, "%lld%s", (long long)(ns / units[i].ns), units[i].name);
}

/* "a duration from 1ms to 366d": the least may be -1, which is no duration but "none". */
static void write_duration_rule(dbp_buffer *buffer, const struct option *option) {
    dbp_buffer_format(buffer, "a duration from ");
    write_duration(buffer, option->kind, option->least < 0 ? 0 : option->least);
    dbp_buffer_format(buffer, " to ");
    write_duration(buffer, option->kind, option->most);
    dbp_buffer_format(buffer, option->kind == KIND_MS ? " in whole milliseconds (30s, 500ms, 5min)" : " (500us, 2ms, 1s)");
    dbp_buffer_format(buffer, "%s", option->least < 0 ? ", or -1 for none" : "");
}

static void write_words_rule(dbp_buffer *buffer, const word *words) {
    dbp_buffer_format(buffer, "one of ");
    for (const word *at = words; at->text; at++)
        dbp_buffer_format(buffer, "%s%s", at == words ? "" : ", ", at->text);
}

/* What a value in a URL has to be. */
static void write_rule(dbp_buffer *buffer, const struct option *option) {
    if (option->kind == KIND_TEXT)
        dbp_buffer_format(buffer, "UTF-8 text of at most %lld bytes without control characters", (long long)option->most);
    else if (option->kind == KIND_INT)
        dbp_buffer_format(buffer, "a whole number from %lld to %lld", (long long)option->least, (long long)option->most);
    else if (option->kind == KIND_BOOL)
        dbp_buffer_format(buffer, "one of true, false, yes, no, on, off, 1, 0");
    else if (is_duration(option->kind))
        write_duration_rule(buffer, option);
    else
        write_words_rule(buffer, words_of(option->kind));
}

static dbpool_status refuse_value(const struct option *option, const char *value, dbpool_error *err) {
    char rule[200];
    dbp_buffer buffer = dbp_buffer_init(rule, sizeof rule);
    write_rule(&buffer, option);
    return dbp_error_set(err, DBPOOL_EOPTION, "%s=%s: is not %s", option->key, show(value).text, rule);
}

/* ---- An unknown key ---- */

/* Longer keys are compared by so much of their beginning. */
#define COMPARED_MAX 32

/* How many letters have to be put in, taken out or replaced to make `a` of `b`; whether they are capital (0x20) does not count. */
static size_t distance(const char *a, const char *b) {
    size_t row[COMPARED_MAX + 1], a_length = strnlen(a, COMPARED_MAX), b_length = strnlen(b, COMPARED_MAX);
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (((a[i - 1] ^ b[j - 1]) & ~0x20) != 0);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[b_length];
}

static const char *nearest_key(const char *key) {
    const struct option *nearest = OPTIONS;
    for (const struct option *at = OPTIONS + 1; at < OPTIONS + OPTION_COUNT; at++)
        if (distance(key, at->key) < distance(key, nearest->key))
            nearest = at;
    return nearest->key;
}

/* ---- Setting one ---- */

/* The texts go into log lines and the labels of metrics. */
static bool is_valid_text(const struct option *option, const char *text) {
    return strlen(text) <= (size_t)option->most && dbp_parse_is_plain(text);
}

static bool parse_word(const word *words, const char *text, int64_t *out) {
    for (; words->text; words++)
        if (dbp_parse_same_word(words->text, text)) {
            *out = words->value;
            return true;
        }
    return false;
}

static bool parse_ms(const char *text, int64_t *ms_out) {
    int64_t ns = 0;
    if (!dbp_parse_duration(text, &ns) || (ns > 0 && ns % 1000000))
        return false;
    *ms_out = ns > 0 ? ns / 1000000 : ns;
    return true;
}

/* A value of a URL in the option's own unit, whatever its range. */
static bool parse_value(enum kind kind, const char *text, int64_t *out) {
    bool truth = false;
    switch (kind) {
    case KIND_INT: return dbp_parse_int(text, out);
    case KIND_MS: return parse_ms(text, out);
    case KIND_NS: return dbp_parse_duration(text, out);
    case KIND_BOOL:
        if (!dbp_parse_bool(text, &truth))
            return false;
        *out = truth;
        return true;
    default: return parse_word(words_of(kind), text, out);
    }
}

dbpool_status dbp_options_set(dbpool_config *config, const char *key, const char *value, dbpool_error *err) {
    const struct option *option = find(key);
    int64_t number = 0;
    if (!option)
        return dbp_error_set(err, DBPOOL_EOPTION, "%s: is not an option of a pool; the nearest is %s", show(key).text, nearest_key(key));
    if (option->kind == KIND_TEXT) {
        if (!is_valid_text(option, value))
            return refuse_value(option, value, err);
        memcpy((char *)config + option->offset, &value, sizeof value);
        return DBPOOL_OK;
    }
    if (!parse_value(option->kind, value, &number) || !in_range(option, number))
        return refuse_value(option, value, err);
    store(option, config, number);
    return DBPOOL_OK;
}

/* ---- Taking over the caller's ---- */

/* No version of dbpool_config is larger: more is no size but a variable that was never set. */
#define CONFIG_SIZE_MAX 4096

/* Copies a field that lies wholly in the caller's struct. */
static void adopt_field(const dbpool_config *given, dbpool_config *out, size_t offset, size_t size) {
    if (offset + size <= given->struct_size)
        memcpy((char *)out + offset, (const char *)given + offset, size);
}

static bool has_unknown_field(const dbpool_config *given) {
    for (size_t at = sizeof *given; at < given->struct_size; at++)
        if (((const char *)given)[at])
            return true;
    return false;
}

dbpool_status dbp_options_adopt(const dbpool_config *given, dbpool_config *out, dbpool_error *err) {
    *out = (dbpool_config)DBPOOL_CONFIG_INIT;
    if (!given)
        return DBPOOL_OK;
    size_t size = given->struct_size;
    if (size < OPTIONS[0].offset + OPTIONS[0].size || size > CONFIG_SIZE_MAX || size % _Alignof(dbpool_config))
        return dbp_error_set(err, DBPOOL_EOPTION, "read dbpool_config: its struct_size is %zu, which is none; use DBPOOL_CONFIG_INIT",
                             size);
    if (has_unknown_field(given))
        return dbp_error_set(err, DBPOOL_EOPTION,
                             "read dbpool_config: the program was built for a newer dbpool (%zu bytes, here %zu) and sets an option "
                             "that this one does not know",
                             size, sizeof *out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        adopt_field(given, out, OPTIONS[i].offset, OPTIONS[i].size);
    adopt_field(given, out, offsetof(dbpool_config, listeners), sizeof out->listeners);
    adopt_field(given, out, offsetof(dbpool_config, listener_count), sizeof out->listener_count);
    adopt_field(given, out, offsetof(dbpool_config, log), sizeof out->log);
    adopt_field(given, out, offsetof(dbpool_config, log_arg), sizeof out->log_arg);
    return DBPOOL_OK;
}

/* ---- Checking all ---- */

/* The field as the struct has it, in its own unit. */
static dbpool_status refuse_field(const struct option *option, int64_t value, dbpool_error *err) {
    const char *what = option->kind == KIND_MS ? " milliseconds" : option->kind == KIND_NS ? " nanoseconds" : "";
    const char *none = is_duration(option->kind) && option->least < 0 ? ", where -1 is none" : "";
    return dbp_error_set(err, DBPOOL_EOPTION, "%s=%lld: is not from %lld to %lld%s%s", option->field, (long long)value,
                         (long long)option->least, (long long)option->most, what, none);
}

static dbpool_status check_field(const struct option *option, const dbpool_config *config, dbpool_error *err) {
    if (option->kind != KIND_TEXT) {
        int64_t value = load(option, config);
        return in_range(option, value) ? DBPOOL_OK : refuse_field(option, value, err);
    }
    const char *text = NULL;
    memcpy(&text, (const char *)config + option->offset, sizeof text);
    return !text || is_valid_text(option, text) ? DBPOOL_OK : refuse_value(option, text, err);
}

static dbpool_status check_limits(const dbpool_config *config, dbpool_error *err) {
    static const dbpool_config initial = DBPOOL_CONFIG_INIT;
    int size = config->size, overflow = config->max_overflow;
    if (size == 0 && overflow != -1 && overflow != initial.max_overflow)
        return dbp_error_set(err, DBPOOL_EOPTION,
                             "pool_size=0 and pool_max_overflow=%d: contradict each other; size 0 is no limit, which nothing can overflow",
                             overflow);
    if (size + overflow > DBPOOL_CONNECTIONS_MAX)
        return dbp_error_set(err, DBPOOL_EOPTION,
                             "pool_size=%d and pool_max_overflow=%d: are together more than the %d connections of a pool", size, overflow,
                             DBPOOL_CONNECTIONS_MAX);
    return DBPOOL_OK;
}

static dbpool_status check_listeners(const dbpool_config *config, dbpool_error *err) {
    if (config->listener_count > 0 && !config->listeners)
        return dbp_error_set(err, DBPOOL_EINVAL, "listeners and listener_count: contradict each other; there are %zu listeners at NULL",
                             config->listener_count);
    for (size_t i = 0; i < config->listener_count; i++) {
        const dbpool_listener *listener = &config->listeners[i];
        if (!listener->fn)
            return dbp_error_set(err, DBPOOL_EINVAL, "listeners[%zu]: has no function", i);
        if ((int)listener->kind < 0 || listener->kind >= DBPOOL_EVENT_COUNT)
            return dbp_error_set(err, DBPOOL_EINVAL, "listeners[%zu]: %d is not an event", i, (int)listener->kind);
    }
    return DBPOOL_OK;
}

dbpool_status dbp_options_check(const dbpool_config *config, dbpool_error *err) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        dbpool_status status = check_field(&OPTIONS[i], config, err);
        if (status != DBPOOL_OK)
            return status;
    }
    dbpool_status status = check_limits(config, err);
    return status != DBPOOL_OK ? status : check_listeners(config, err);
}
