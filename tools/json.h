/* SPDX-License-Identifier: MIT
 *
 * Writes one JSON document, indented, piece by piece. The caller opens and closes in order; inside an array the key is NULL.
 */
#ifndef DBPOOL_TOOL_JSON_H
#define DBPOOL_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct json {
    FILE *file;
    int depth;
    bool empty; /* nothing stands yet in what was opened last */
} json;

json json_to(FILE *file);

void json_open(json *j, const char *key);
void json_close(json *j);
void json_open_array(json *j, const char *key);
void json_close_array(json *j);

/* Bytes that are no UTF-8 become U+FFFD. NULL is null. */
void json_text(json *j, const char *key, const char *value);
void json_integer(json *j, const char *key, int64_t value);
void json_count(json *j, const char *key, uint64_t value);
void json_number(json *j, const char *key, double value); /* infinities and NaN are null */
void json_bool(json *j, const char *key, bool value);
void json_null(json *j, const char *key);

/* Ends the document. False when something could not be written. */
bool json_end(json *j);

#endif
