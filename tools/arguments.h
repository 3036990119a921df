/* SPDX-License-Identifier: MIT
 *
 * Reads a command's arguments by a table, from which its help is printed too. Messages name the option and what it takes, never the
 * value that was given: a URL in the wrong place may hold a password.
 */
#ifndef DBPOOL_TOOL_ARGUMENTS_H
#define DBPOOL_TOOL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXTS_MOST 64

typedef struct texts {
    const char *items[TEXTS_MOST];
    size_t count;
} texts;

typedef enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_COUNT,    /* int64_t, from `least` to `most` */
    OPTION_DURATION, /* int64_t, nanoseconds, from `least` to `most` */
    OPTION_RATE,     /* double, above 0 */
    OPTION_TEXT,     /* const char * */
    OPTION_TEXTS,    /* texts: may be given again */
} option_kind;

typedef struct option {
    char letter; /* 0: none */
    option_kind kind;
    const char *name;
    void *target;
    const char *value_name;
    const char *help; /* lines are parted by \n */
    int64_t least, most;
} option;

typedef struct argument_table {
    const char *command;
    const option *options;
    size_t option_count;
    const char *positional_name; /* "URL"; at most one is taken */
} argument_table;

typedef enum parse_result { PARSE_OK, PARSE_HELP, PARSE_WRONG } parse_result;

/* Reads argv[0] to argv[argc - 1]. Options may stand before and after the positional argument, which stays NULL when there is none; "--"
 * ends them. PARSE_WRONG: a message has been printed. */
parse_result parse_arguments(const argument_table *table, int argc, char **argv, const char **positional_out);

void print_options(FILE *file, const argument_table *table);

/* "30s", "500ms", "5min", "1.5h", "100us", "10ns"; a bare number is seconds. False when it is none, or too long for an int64_t. */
bool parse_duration(const char *text, int64_t *ns_out);

/* The name in `names` that `word` is most likely a slip of, or NULL. */
const char *nearest_name(const char *word, size_t length, const char *const *names, size_t count);

#endif
