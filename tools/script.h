/* SPDX-License-Identifier: MIT
 *
 * Parts the text of a script into its statements, at each semicolon that stands in no quotes, comment or dollar quotes.
 */
#ifndef DBPOOL_TOOL_SCRIPT_H
#define DBPOOL_TOOL_SCRIPT_H

#include <stddef.h>

typedef struct script {
    char **statements; /* without their semicolon and the blanks around */
    size_t count;
} script;

typedef enum script_result { SCRIPT_OK, SCRIPT_UNFINISHED, SCRIPT_NO_MEMORY } script_result;

/* SCRIPT_UNFINISHED: a quote or comment has no end. On success the caller ends it with script_fini. Statements that are nothing but
 * blanks and comments are left out. */
script_result script_split(script *s, const char *text);
void script_fini(script *s);

#endif
