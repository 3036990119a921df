/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include "base/parse.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

dbp_buffer dbp_buffer_init(char *memory, size_t size) {
    if (size > 0)
        memory[0] = '\0';
    return (dbp_buffer){.text = memory, .size = size, .length = 0};
}

static size_t room(const dbp_buffer *buffer) { return buffer->length < buffer->size ? buffer->size - buffer->length : 0; }

void dbp_buffer_format(dbp_buffer *buffer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t left = room(buffer);
    int length = vsnprintf(left ? buffer->text + buffer->length : NULL, left, format, args);
    va_end(args);
    if (length > 0)
        buffer->length += (size_t)length;
}

/* Those of ASCII, and the second set, U+0080 to U+009F, which terminals obey as well. */
static bool is_control(const char *text) {
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
    return first < 0x20 || first == 0x7F || (first == 0xC2 && second < 0xA0);
}

void dbp_buffer_escape(dbp_buffer *buffer, const char *text) {
    while (*text) {
        size_t length = dbp_parse_utf8(text);
        if (length == 0 || is_control(text)) {
            dbp_buffer_format(buffer, "\\x%02X", (unsigned char)*text);
            text++;
        } else {
            dbp_buffer_format(buffer, "%.*s", (int)length, text);
            text += length;
        }
    }
}
