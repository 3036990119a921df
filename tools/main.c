/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>

#include "arguments.h"
#include "bench.h"
#include "check.h"
#include "output.h"

static const char usage[] =
    "usage: dbpool COMMAND …\n"
    "\n"
    "Commands:\n"
    "  check URL     can I connect, how fast, to what; do the pool's options fit the server?\n"
    "  bench URL     load a pool with many threads, and measure it\n"
    "  bench --demo  the same on an SQLite file of its own, with a proof that no row is lost\n"
    "\n"
    "  dbpool COMMAND --help tells more; dbpool --version prints the version.\n"
    "\n"
    "A URL is scheme://user@host:port/database?key=value&…, its scheme postgresql or sqlite. Keys that begin with pool_ are the\n"
    "pool's options, all others the driver's:\n"
    "  postgresql://app@db.example/shop?sslmode=verify-full&pool_size=8\n"
    "  sqlite:/var/lib/app/shop.db?journal_mode=wal\n"
    "\n"
    "Exit codes: 0 fine; 1 what was asked for failed; 2 wrong usage; 130 interrupted before anything was measured.\n"
    "Colours are used on a terminal only, and not when NO_COLOR is set.\n";

static int print_usage(void) {
    fputs(usage, stdout);
    return TOOL_FINE;
}

static int print_version(void) {
    printf("dbpool %s\n", dbpool_version());
    return TOOL_FINE;
}

/* What was typed is not repeated when it may be a URL with a password. */
static int unknown(const char *word) {
    static const char *const options[] = {"help", "version"};
    static const char *const commands[] = {"check", "bench", "help"};
    size_t length = strcspn(word, "=");
    bool is_option = word[0] == '-';
    if (strpbrk(word, ":@/"))
        return fail_usage(NULL, "a command is missing before the URL: dbpool check URL, or dbpool bench URL");
    const char *nearest = is_option ? nearest_name(word + strspn(word, "-"), length - strspn(word, "-"), options, 2)
                                    : nearest_name(word, length, commands, 3);
    return fail_usage(NULL, "unknown %s %.*s%s%s%s%s", is_option ? "option" : "command", length > 32 ? 32 : (int)length, word,
                      nearest ? "; did you mean " : "", nearest && is_option ? "--" : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int dispatch(int argc, char **argv) {
    const char *word = argv[1];
    if (strcmp(word, "check") == 0)
        return check_command(argc - 2, argv + 2);
    if (strcmp(word, "bench") == 0)
        return bench_command(argc - 2, argv + 2);
    if (strcmp(word, "help") == 0 && argc > 2) {
        char help[] = "--help", *swapped[] = {argv[0], argv[2], help, NULL};
        return strcmp(argv[2], "help") == 0 ? print_usage() : dispatch(3, swapped);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return print_usage();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return print_version();
    return unknown(word);
}

int main(int argc, char **argv) {
    /* A server that goes away must be an error of its connection, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fputs(usage, stderr);
        return TOOL_USAGE;
    }
    return finish_output(dispatch(argc, argv));
}
