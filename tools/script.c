/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

/* Each of the next four is given the first character of what it names and returns what follows it, or NULL when it has no end. */

/* Quotes; a doubled quote stands for itself, and so does one after a backslash when `escapes`. */
static const char *after_quotes(const char *at, bool escapes) {
    char quote = *at++;
    for (; *at; at++) {
        if (escapes && *at == '\\' && at[1])
            at++;
        else if (*at == quote && at[1] == quote)
            at++;
        else if (*at == quote)
            return at + 1;
    }
    return NULL;
}

static const char *after_line(const char *at) {
    size_t length = strcspn(at, "\n");
    return at + length + (at[length] == '\n');
}

/* A comment between slashes and asterisks. PostgreSQL lets them stand in each other, SQLite does not: only balanced ones mean the same
 * to both. */
static const char *after_comment(const char *at) {
    int depth = 0;
    for (; *at; at++) {
        if (at[0] == '/' && at[1] == '*')
            depth++;
        else if (at[0] == '*' && at[1] == '/')
            depth--;
        else
            continue;
        at++;
        if (depth == 0)
            return at + 1;
    }
    return NULL;
}

/* $tag$ … $tag$; a dollar sign that begins none is passed over. */
static const char *after_dollars(const char *at) {
    size_t tag = 1;
    if (isdigit((unsigned char)at[1]))
        return at + 1;
    while (is_word(at[tag]))
        tag++;
    if (at[tag] != '$')
        return at + 1;
    tag++;
    for (const char *end = at + tag; (end = strchr(end, '$')) != NULL; end++)
        if (strncmp(end, at, tag) == 0)
            return end + tag;
    return NULL;
}

/* What follows the next token. `text` is where the script begins. */
static const char *after_token(const char *text, const char *at, bool *blank_out) {
    bool in_word = at > text && is_word(at[-1]);
    bool escapes = at > text && (at[-1] == 'e' || at[-1] == 'E') && !(at > text + 1 && is_word(at[-2]));
    *blank_out = isspace((unsigned char)*at) || (at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*');
    if (*at == '\'' || *at == '"' || *at == '`')
        return after_quotes(at, *at == '\'' && escapes);
    if (at[0] == '-' && at[1] == '-')
        return after_line(at);
    if (at[0] == '/' && at[1] == '*')
        return after_comment(at);
    return *at == '$' && !in_word ? after_dollars(at) : at + 1;
}

static bool keep(script *s, const char *from, const char *end) {
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    char **grown = realloc(s->statements, (s->count + 1) * sizeof *grown);
    if (grown)
        s->statements = grown;
    char *copy = grown ? strndup(from, (size_t)(end - from)) : NULL;
    if (!copy)
        return false;
    s->statements[s->count++] = copy;
    return true;
}

/* Takes one statement and moves `*at` behind its semicolon. */
static script_result take_statement(script *s, const char *text, const char **at) {
    const char *begin = NULL, *here = *at;
    while (*here && *here != ';') {
        bool blank;
        const char *next = after_token(text, here, &blank);
        if (!next)
            return SCRIPT_UNFINISHED;
        if (!blank && !begin)
            begin = here;
        here = next;
    }
    *at = here + (*here == ';');
    return begin && !keep(s, begin, here) ? SCRIPT_NO_MEMORY : SCRIPT_OK;
}

script_result script_split(script *s, const char *text) {
    script_result result = SCRIPT_OK;
    *s = (script){NULL, 0};
    for (const char *at = text; *at && result == SCRIPT_OK;)
        result = take_statement(s, text, &at);
    if (result != SCRIPT_OK)
        script_fini(s);
    return result;
}

void script_fini(script *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->statements[i]);
    free(s->statements);
    *s = (script){NULL, 0};
}
