/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
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

/* The length of the well-formed UTF-8 sequence at `text`, or 0. */
static size_t sequence_length(const unsigned char *text) {
    size_t length = *text < 0x80 ? 1 : *text >= 0xC2 && *text < 0xE0 ? 2 : *text >= 0xE0 && *text < 0xF0 ? 3 : *text >= 0xF0 && *text < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

void dbp_buffer_escape(dbp_buffer *buffer, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = sequence_length(at);
        if (length == 0 || *at < 0x20 || *at == 0x7F) {
            dbp_buffer_format(buffer, "\\x%02X", *at);
            at++;
        } else {
            dbp_buffer_format(buffer, "%.*s", (int)length, (const char *)at);
            at += length;
        }
    }
}
