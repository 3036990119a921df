/* SPDX-License-Identifier: MIT */
#include "base/parse.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool dbp_parse_same_word(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

/* Reads the digits at `text`, at least one, as `sign` (1 or -1) times their value; gives what follows them, or NULL. */
static const char *digits(const char *text, int sign, int64_t *out) {
    int64_t value = 0;
    if (!is_digit(*text))
        return NULL;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, sign * (*text - '0'), &value))
            return NULL;
    *out = value;
    return text;
}

bool dbp_parse_int(const char *text, int64_t *out) {
    bool negative = *text == '-';
    int64_t value = 0;
    const char *end = digits(text + negative, negative ? -1 : 1, &value);
    if (!end || *end)
        return false;
    *out = value;
    return true;
}

bool dbp_parse_bool(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (dbp_parse_same_word(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return false;
}

/* The nanoseconds of one unit, or 0. */
static int64_t unit_ns(const char *name) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"",    1000000000    },
        {"ns",  1             },
        {"us",  1000          },
        {"ms",  1000000       },
        {"s",   1000000000    },
        {"min", 60000000000   },
        {"h",   3600000000000 },
        {"d",   86400000000000}
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(name, units[i].name) == 0)
            return units[i].ns;
    return 0;
}

/* Counts the digits at `text`, without the zeros that they end in. */
static size_t count_significant(const char *text) {
    size_t count = 0;
    for (size_t i = 0; is_digit(text[i]); i++)
        if (text[i] != '0')
            count = i + 1;
    return count;
}

/* More digits behind the point than this, the last no zero, are no whole number of nanoseconds in any unit: the longest, a day, has
 * 2^16 * 3^3 * 5^11. */
#define FRACTION_DIGITS 16

/* The part of `unit` that the digits behind the point stand for, or -1 if that is no whole number. */
static int64_t fraction_ns(const char *text, int64_t unit) {
    size_t count = count_significant(text);
    int64_t numerator = 0, divisor = 1;
    if (count > FRACTION_DIGITS)
        return -1;
    for (size_t i = 0; i < count; i++) {
        numerator = numerator * 10 + (text[i] - '0');
        divisor *= 10;
    }
    /* Shortened, so that the product below is less than the unit. */
    for (; unit % 2 == 0 && divisor % 2 == 0; unit /= 2)
        divisor /= 2;
    for (; unit % 5 == 0 && divisor % 5 == 0; unit /= 5)
        divisor /= 5;
    return numerator % divisor ? -1 : numerator / divisor * unit;
}

bool dbp_parse_duration(const char *text, int64_t *ns_out) {
    int64_t whole = 0, ns = 0, fraction = 0;
    if (strcmp(text, "-1") == 0 || dbp_parse_same_word(text, "none") || dbp_parse_same_word(text, "off")) {
        *ns_out = -1;
        return true;
    }
    const char *end = digits(text, 1, &whole);
    const char *behind_point = end && *end == '.' ? end + 1 : "";
    if (!end || (*end == '.' && !is_digit(*behind_point)))
        return false;
    if (*end == '.')
        end = behind_point + strspn(behind_point, "0123456789");
    int64_t unit = unit_ns(end);
    if (unit == 0 || (fraction = fraction_ns(behind_point, unit)) < 0)
        return false;
    if (__builtin_mul_overflow(whole, unit, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return false;
    *ns_out = ns;
    return true;
}

/* The bytes after the first, by the first two: Unicode, table 3-7. */
static size_t tail_length(unsigned char first, unsigned char second) {
    if (first >= 0xC2 && first <= 0xDF)
        return 1;
    if (first >= 0xE0 && first <= 0xEF)
        return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? 0 : 2;
    if (first >= 0xF0 && first <= 0xF4)
        return (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ? 0 : 3;
    return 0;
}

size_t dbp_parse_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    if (*at < 0x80)
        return *at != 0;
    size_t tail = tail_length(at[0], at[1]);
    for (size_t i = 1; i <= tail; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return tail ? tail + 1 : 0;
}

bool dbp_parse_is_plain(const char *text) {
    size_t step = 0;
    for (; *text; text += step) {
        unsigned char first = (unsigned char)*text;
        step = dbp_parse_utf8(text);
        if (step == 0 || first < 0x20 || first == 0x7F)
            return false;
    }
    return true;
}
