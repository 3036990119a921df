/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_colour(FILE *file) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0 && isatty(fileno(file));
}

const char *style_on(FILE *file, style which) {
    static const char *const sequences[] = {"\033[0m", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};
    return wants_colour(file) ? sequences[which] : "";
}

static void begin(void) {
    fflush(stdout);
    fprintf(stderr, "%sdbpool:%s ", style_on(stderr, STYLE_BAD), style_on(stderr, STYLE_PLAIN));
}

int fail(const char *format, ...) {
    va_list args;
    begin();
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return TOOL_FAILED;
}

int fail_with(const char *before, const dbpool_error *err) {
    begin();
    fputs(before, stderr);
    print_clean(stderr, err->message[0] ? err->message : dbpool_status_meaning(err->status));
    if (err->sqlstate[0])
        fprintf(stderr, " (SQLSTATE %s)", err->sqlstate);
    fputc('\n', stderr);
    return TOOL_FAILED;
}

int fail_usage(const char *command, const char *format, ...) {
    va_list args;
    begin();
    if (command)
        fprintf(stderr, "%s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'dbpool %s%s--help'.\n", command ? command : "", command ? " " : "");
    return TOOL_USAGE;
}

const char *duration_text(char *text, int64_t ns) {
    static const struct {
        double most;
        double unit;
        const char *name;
    } units[] = {
        {1e3,   1,   "ns"},
        {1e6,   1e3, "us"},
        {1e9,   1e6, "ms"},
        {1e300, 1e9, "s" }
    };
    size_t i = 0;
    while ((double)ns >= units[i].most * 0.9995 && i < 3)
        i++;
    double value = (double)ns / units[i].unit;
    int decimals = i == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, DURATION_SIZE, "%.*f %s", decimals, value, units[i].name);
    return text;
}

const char *setting_text(char *text, int64_t ns) {
    static const struct {
        int64_t unit;
        const char *name;
    } units[] = {
        {3600000000000, "h"  },
        {60000000000,   "min"},
        {1000000000,    "s"  },
        {1000000,       "ms" },
        {1000,          "us" },
        {1,             "ns" }
    };
    size_t i = ns == 0 ? 2 : 0;
    while (ns % units[i].unit != 0)
        i++;
    snprintf(text, DURATION_SIZE, "%" PRId64 " %s", ns / units[i].unit, units[i].name);
    return text;
}

void print_clean(FILE *file, const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        /* C1 controls in UTF-8 are 0xC2 0x80 to 0xC2 0x9F. */
        bool wide_control = c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F;
        if (*c < 0x20 || *c == 0x7F)
            fprintf(file, "\\x%02X", *c);
        else if (wide_control)
            fprintf(file, "\\x%02X", *++c);
        else
            fputc(*c, file);
    }
}

int finish_output(int result) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    int failed = fail("write the result: %s", strerror(errno));
    return result == TOOL_FINE ? failed : result;
}
