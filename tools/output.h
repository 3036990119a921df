/* SPDX-License-Identifier: MIT
 *
 * What the command says: exit codes, messages, colours, durations in words. Nothing here prints a URL or an option's value, which may
 * hold a password.
 */
#ifndef DBPOOL_TOOL_OUTPUT_H
#define DBPOOL_TOOL_OUTPUT_H

#include <dbpool/dbpool.h>
#include <stdio.h>

/* The exit codes of every command. */
enum { TOOL_FINE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_INTERRUPTED = 130 };

typedef enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARNING, STYLE_BAD } style;

/* The escape sequence that begins a style (STYLE_PLAIN ends it), or "" when `file` is no terminal, TERM is "dumb" or NO_COLOR is set. */
const char *style_on(FILE *file, style which);

/* Each prints one line "dbpool: …" to standard error and returns the exit code. */
int fail(const char *format, ...) DBPOOL_PRINTF(1, 2);
int fail_with(const char *before, const dbpool_error *err); /* `before`, the message, and SQLSTATE when there is one */
int fail_usage(const char *command, const char *format, ...) DBPOOL_PRINTF(2, 3);

/* "1.23 ms", with three significant digits and the fitting unit, into `text` of DURATION_SIZE bytes, which it returns. */
#define DURATION_SIZE 32
const char *duration_text(char *text, int64_t ns);

/* The same for a duration that somebody set: "30 s", in the largest unit that needs no fraction. */
const char *setting_text(char *text, int64_t ns);

/* Text from a server, so that it cannot act on the terminal: control characters are printed as \xNN. */
void print_clean(FILE *file, const char *text);

/* Flushes standard output. `result`, or TOOL_FAILED with a message when what was printed could not be written. */
int finish_output(int result);

#endif
