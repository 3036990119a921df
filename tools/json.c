/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

json json_to(FILE *file) { return (json){file, 0, true}; }

/* How many bytes the UTF-8 sequence at `s` has; 0 when it is none (overlong, a surrogate, too large, cut). */
static size_t sequence_length(const unsigned char *s) {
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool outside = (s[0] == 0xED && s[1] >= 0xA0) || (s[0] == 0xF4 && s[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

static void quote(FILE *file, const char *text) {
    fputc('"', file);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t length = sequence_length(s);
        if (length == 0)
            fputs("\\ufffd", file);
        else if (*s == '"' || *s == '\\')
            fprintf(file, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7F)
            fprintf(file, "\\u%04x", *s);
        else
            fwrite(s, 1, length, file);
        s += length ? length : 1;
    }
    fputc('"', file);
}

/* Everything before a value: the comma, the line and its indent, the key. */
static void place(json *j, const char *key) {
    if (j->depth > 0)
        fprintf(j->file, "%s\n%*s", j->empty ? "" : ",", j->depth * 2, "");
    j->empty = false;
    if (key) {
        quote(j->file, key);
        fputs(": ", j->file);
    }
}

static void open_with(json *j, const char *key, char bracket) {
    place(j, key);
    fputc(bracket, j->file);
    j->depth++;
    j->empty = true;
}

static void close_with(json *j, char bracket) {
    j->depth--;
    if (!j->empty)
        fprintf(j->file, "\n%*s", j->depth * 2, "");
    fputc(bracket, j->file);
    j->empty = false;
}

void json_open(json *j, const char *key) { open_with(j, key, '{'); }
void json_close(json *j) { close_with(j, '}'); }
void json_open_array(json *j, const char *key) { open_with(j, key, '['); }
void json_close_array(json *j) { close_with(j, ']'); }

void json_text(json *j, const char *key, const char *value) {
    place(j, key);
    if (value)
        quote(j->file, value);
    else
        fputs("null", j->file);
}

void json_integer(json *j, const char *key, int64_t value) {
    place(j, key);
    fprintf(j->file, "%" PRId64, value);
}

void json_count(json *j, const char *key, uint64_t value) {
    place(j, key);
    fprintf(j->file, "%" PRIu64, value);
}

void json_number(json *j, const char *key, double value) {
    place(j, key);
    if (isfinite(value))
        fprintf(j->file, "%.10g", value);
    else
        fputs("null", j->file);
}

void json_bool(json *j, const char *key, bool value) {
    place(j, key);
    fputs(value ? "true" : "false", j->file);
}

void json_null(json *j, const char *key) {
    place(j, key);
    fputs("null", j->file);
}

bool json_end(json *j) {
    fputc('\n', j->file);
    return fflush(j->file) == 0 && !ferror(j->file);
}
