/* SPDX-License-Identifier: MIT
 *
 * Text of a bounded length, put together in the caller's memory: what does not fit is cut, never overrun.
 */
#ifndef DBP_BASE_BUFFER_H
#define DBP_BASE_BUFFER_H

#include <stddef.h>

typedef struct dbp_buffer {
    char *text;    /* always ends in NUL when size > 0 */
    size_t size;   /* of the memory */
    size_t length; /* what the whole text would have; more than size - 1 when it was cut */
} dbp_buffer;

/* Starts an empty text in `memory`. `size` may be 0: then only the length is counted. */
dbp_buffer dbp_buffer_init(char *memory, size_t size);

void dbp_buffer_format(dbp_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends text from a server or a user: control characters and bytes that are no UTF-8 become \xNN, so that one line stays one line. */
void dbp_buffer_escape(dbp_buffer *buffer, const char *text);

#endif
