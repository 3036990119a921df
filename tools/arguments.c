/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define NAMES_MOST 64

/* ---- Values ------------------------------------------------------------------------------------------------------------------ */

/* strtod also takes hexadecimal, "inf" and blanks. */
static bool parse_number(const char *text, double *value_out, const char **end_out) {
    size_t digits = strspn(text, "0123456789.");
    char *end;
    if (digits == 0)
        return false;
    *value_out = strtod(text, &end);
    *end_out = end;
    return (size_t)(end - text) == digits;
}

bool parse_duration(const char *text, int64_t *ns_out) {
    static const struct {
        const char *name;
        double ns;
    } units[] = {
        {"",    1e9   },
        {"s",   1e9   },
        {"ms",  1e6   },
        {"us",  1e3   },
        {"ns",  1     },
        {"min", 60e9  },
        {"h",   3600e9}
    };
    const char *unit;
    double value;
    if (!parse_number(text, &value, &unit))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0 && value * units[i].ns < 9.2e18) {
            *ns_out = (int64_t)(value * units[i].ns + 0.5);
            return true;
        }
    return false;
}

static bool parse_count(const char *text, int64_t *value_out) {
    char *end;
    errno = 0;
    *value_out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] >= '0' && text[0] <= '9';
}

static int wrong_count(const char *command, const option *o) {
    return fail_usage(command, "--%s: a whole number from %lld to %lld is needed", o->name, (long long)o->least, (long long)o->most);
}

static int wrong_duration(const char *command, const option *o) {
    char least[DURATION_SIZE], most[DURATION_SIZE];
    return fail_usage(command, "--%s: a duration such as 500ms, 10s or 5min is needed, from %s to %s", o->name,
                      setting_text(least, o->least), setting_text(most, o->most));
}

static bool within(const option *o, int64_t value) { return value >= o->least && value <= o->most; }

static int set_rate(const char *command, const option *o, const char *text) {
    const char *end;
    double value;
    if (!parse_number(text, &value, &end) || *end || !(value > 0) || value > 1e9)
        return fail_usage(command, "--%s: a number above 0, at most 1000000000, is needed", o->name);
    *(double *)o->target = value;
    return TOOL_FINE;
}

static int add_text(const char *command, const option *o, const char *text) {
    texts *list = o->target;
    if (list->count == TEXTS_MOST)
        return fail_usage(command, "--%s: may be given %d times at most", o->name, TEXTS_MOST);
    list->items[list->count++] = text;
    return TOOL_FINE;
}

static int set_value(const char *command, const option *o, const char *text) {
    int64_t value = 0;
    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->target = true; return TOOL_FINE;
    case OPTION_TEXT: *(const char **)o->target = text; return TOOL_FINE;
    case OPTION_TEXTS: return add_text(command, o, text);
    case OPTION_RATE: return set_rate(command, o, text);
    case OPTION_COUNT:
        if (!parse_count(text, &value) || !within(o, value))
            return wrong_count(command, o);
        break;
    case OPTION_DURATION:
        if (!parse_duration(text, &value) || !within(o, value))
            return wrong_duration(command, o);
        break;
    }
    *(int64_t *)o->target = value;
    return TOOL_FINE;
}

/* ---- Suggestions ------------------------------------------------------------------------------------------------------------- */

#define WORD_MOST 32

static size_t least_of(size_t a, size_t b) { return a < b ? a : b; }

/* How many letters must be put in, taken out, changed or swapped with their neighbour to make one word of the other. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[WORD_MOST + 1][WORD_MOST + 1];
    for (size_t i = 0; i <= a_length; i++)
        for (size_t k = 0; k <= b_length; k++) {
            if (i == 0 || k == 0) {
                rows[i][k] = i + k;
                continue;
            }
            size_t changed = rows[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
            rows[i][k] = least_of(changed, least_of(rows[i - 1][k], rows[i][k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                rows[i][k] = least_of(rows[i][k], rows[i - 2][k - 2] + 1);
        }
    return rows[a_length][b_length];
}

const char *nearest_name(const char *word, size_t length, const char *const *names, size_t count) {
    const char *best = NULL;
    size_t least = length < 4 ? 2 : 4; /* three slips in a long word, one in a short one */
    if (length == 0 || length > WORD_MOST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_length = strlen(names[i]);
        bool begins = length >= 3 && name_length > length && strncmp(names[i], word, length) == 0;
        size_t far = begins ? 1 : name_length > WORD_MOST ? least : distance(word, length, names[i], name_length);
        if (far < least && far < length) {
            least = far;
            best = names[i];
        }
    }
    return best;
}

static parse_result unknown_option(const argument_table *table, const char *word, size_t length) {
    const char *names[NAMES_MOST] = {"help"};
    size_t count = 1;
    for (size_t i = 0; i < table->option_count && count < NAMES_MOST; i++)
        names[count++] = table->options[i].name;
    const char *nearest = nearest_name(word, length, names, count);
    /* What does not look like a name may be anything. */
    bool is_name = length <= WORD_MOST && strspn(word, "abcdefghijklmnopqrstuvwxyz-") >= length;
    fail_usage(table->command, "unknown option --%.*s%s%s%s", is_name ? (int)length : 0, word, nearest ? "; did you mean --" : "",
               nearest ? nearest : "", nearest ? "?" : "");
    return PARSE_WRONG;
}

/* ---- The walk ---------------------------------------------------------------------------------------------------------------- */

typedef struct walk {
    const argument_table *table;
    char **argv;
    int argc, at;
} walk;

/* Gives an option its value: `attached`, or the next argument. */
static parse_result take(walk *w, const option *o, const char *attached) {
    if (o->kind == OPTION_FLAG && attached) {
        fail_usage(w->table->command, "--%s: takes no value", o->name);
        return PARSE_WRONG;
    }
    const char *text = attached;
    if (o->kind != OPTION_FLAG && !text && w->at < w->argc)
        text = w->argv[w->at++];
    if (o->kind != OPTION_FLAG && !text) {
        fail_usage(w->table->command, "--%s: %s is missing", o->name, o->value_name);
        return PARSE_WRONG;
    }
    return set_value(w->table->command, o, text) == TOOL_FINE ? PARSE_OK : PARSE_WRONG;
}

static parse_result take_long(walk *w, const char *word) {
    size_t length = strcspn(word, "=");
    if (strcmp(word, "help") == 0)
        return PARSE_HELP;
    for (size_t i = 0; i < w->table->option_count; i++) {
        const option *o = &w->table->options[i];
        if (strlen(o->name) == length && strncmp(o->name, word, length) == 0)
            return take(w, o, word[length] ? word + length + 1 : NULL);
    }
    return unknown_option(w->table, word, length);
}

/* "-t8", "-t 8", and flags in a row. */
static parse_result take_letters(walk *w, const char *word) {
    for (; *word; word++) {
        const option *o = NULL;
        for (size_t i = 0; i < w->table->option_count; i++)
            if (w->table->options[i].letter == *word)
                o = &w->table->options[i];
        if (*word == 'h' && !o)
            return PARSE_HELP;
        if (!o) {
            bool printable = *word > ' ' && *word < 0x7F;
            fail_usage(w->table->command, "unknown option -%c", printable ? *word : '?');
            return PARSE_WRONG;
        }
        if (o->kind != OPTION_FLAG)
            return take(w, o, word[1] ? word + 1 : NULL);
        if (take(w, o, NULL) != PARSE_OK)
            return PARSE_WRONG;
    }
    return PARSE_OK;
}

static parse_result take_positional(walk *w, const char *word, const char **positional_out) {
    if (*positional_out) {
        fail_usage(w->table->command, "more than one %s is given", w->table->positional_name);
        return PARSE_WRONG;
    }
    *positional_out = word;
    return PARSE_OK;
}

parse_result parse_arguments(const argument_table *table, int argc, char **argv, const char **positional_out) {
    walk w = {table, argv, argc, 0};
    bool options_ended = false;
    parse_result result = PARSE_OK;
    *positional_out = NULL;
    while (result == PARSE_OK && w.at < w.argc) {
        const char *word = argv[w.at++];
        if (options_ended || word[0] != '-' || word[1] == '\0')
            result = take_positional(&w, word, positional_out);
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else
            result = word[1] == '-' ? take_long(&w, word + 2) : take_letters(&w, word + 1);
    }
    return result;
}

/* ---- Help -------------------------------------------------------------------------------------------------------------------- */

#define HELP_COLUMN 28

static void print_option(FILE *file, const option *o) {
    char head[64];
    char letter[] = "-x, ";
    letter[1] = o->letter;
    int width = snprintf(head, sizeof head, "  %s--%s%s%s", o->letter ? letter : "    ", o->name, o->value_name ? " " : "",
                         o->value_name ? o->value_name : "");
    fprintf(file, "%s%s%s", style_on(file, STYLE_BOLD), head, style_on(file, STYLE_PLAIN));
    for (const char *line = o->help; *line;) {
        size_t length = strcspn(line, "\n");
        if (width >= HELP_COLUMN)
            width = fprintf(file, "\n") - 1;
        fprintf(file, "%*s%.*s\n", HELP_COLUMN - width, "", (int)length, line);
        width = 0;
        line += length + (line[length] == '\n');
    }
}

void print_options(FILE *file, const argument_table *table) {
    static const option help = {.letter = 'h', .name = "help", .help = "print this text"};
    for (size_t i = 0; i < table->option_count; i++)
        print_option(file, &table->options[i]);
    print_option(file, &help);
}
