/* SPDX-License-Identifier: MIT
 *
 * Reading the numbers, truths and durations of options, exactly: the whole text or nothing, the same in every locale, no rounding, no
 * overflow. Each answers false on a text that is not one, and then leaves the result as it was. White space is never skipped.
 */
#ifndef DBP_BASE_PARSE_H
#define DBP_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits, and '-' before them if negative. */
bool dbp_parse_int(const char *text, int64_t *out);

/* true, yes, on, 1; false, no, off, 0; in any mixture of small and capital letters. */
bool dbp_parse_bool(const char *text, bool *out);

/* A decimal number and its unit, one of ns us ms s min h d, with nothing between them; without a unit it is seconds. A fraction ("1.5h")
 * must come out at a whole number of nanoseconds. "-1", "none" and "off" give -1; nothing else is negative. */
bool dbp_parse_duration(const char *text, int64_t *ns_out);

/* Whether two texts are the same but for small and capital letters of ASCII. */
bool dbp_parse_same_word(const char *a, const char *b);

/* The length of the well-formed UTF-8 sequence (no overlong form, no surrogate) that `text` begins with, or 0. It reads no further than a
 * NUL. */
size_t dbp_parse_utf8(const char *text);

/* Whether a text is UTF-8 without control characters: fit for one line of a log. */
bool dbp_parse_is_plain(const char *text);

#endif
