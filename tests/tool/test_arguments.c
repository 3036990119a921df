/* SPDX-License-Identifier: MIT
 *
 * Arguments, durations, suggestions, and the parting of a script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arguments.h"
#include "script.h"

#include <string.h>

/* ---- Arguments --------------------------------------------------------------------------------------------------------------- */

typedef struct values {
    bool flag, other;
    int64_t count, duration;
    double rate;
    const char *text, *positional;
    texts list;
} values;

static parse_result parse(values *v, int argc, char **argv) {
    *v = (values){.count = -1};
    const option options[] = {
        {'f', OPTION_FLAG,     "flag",     &v->flag,     NULL,   "", 0, 0                     },
        {'o', OPTION_FLAG,     "other",    &v->other,    NULL,   "", 0, 0                     },
        {'n', OPTION_COUNT,    "count",    &v->count,    "N",    "", 1, 100                   },
        {'d', OPTION_DURATION, "duration", &v->duration, "TIME", "", 0, INT64_C(1000000000000)},
        {'r', OPTION_RATE,     "rate",     &v->rate,     "N",    "", 0, 0                     },
        {'t', OPTION_TEXT,     "text",     &v->text,     "TEXT", "", 0, 0                     },
        {'l', OPTION_TEXTS,    "list",     &v->list,     "TEXT", "", 0, 0                     },
    };
    const argument_table table = {"test", options, sizeof options / sizeof *options, "URL"};
    return parse_arguments(&table, argc, argv, &v->positional);
}

/* Up to seven words, ended by NULL. */
static parse_result parse_words(values *v, const char *const words[8]) {
    char copies[8][32], *argv[8];
    int argc = 0;
    for (; words[argc]; argc++) {
        strncpy(copies[argc], words[argc], sizeof copies[0] - 1);
        copies[argc][sizeof copies[0] - 1] = '\0';
        argv[argc] = copies[argc];
    }
    return parse(v, argc, argv);
}

#define PARSE(v, ...) parse_words(v, (const char *const[8]){__VA_ARGS__, NULL})

static void values_stand_beside_or_behind_their_option(void **state) {
    (void)state;
    values v;
    assert_int_equal(PARSE(&v, "--count", "7"), PARSE_OK);
    assert_int_equal(v.count, 7);
    assert_int_equal(PARSE(&v, "--count=8"), PARSE_OK);
    assert_int_equal(v.count, 8);
    assert_int_equal(PARSE(&v, "-n9"), PARSE_OK);
    assert_int_equal(v.count, 9);
    assert_int_equal(PARSE(&v, "-fon", "10"), PARSE_OK);
    assert_int_equal(v.count, 10);
    assert_true(v.flag && v.other);
}

static void options_stand_on_both_sides_of_the_positional(void **state) {
    (void)state;
    values v;
    assert_int_equal(PARSE(&v, "-n", "3", "here", "-r", "2.5", "-l", "a"), PARSE_OK);
    assert_non_null(v.positional);
    assert_int_equal(v.count, 3);
    assert_true(v.rate > 2.4 && v.rate < 2.6);
    assert_int_equal(v.list.count, 1);
    assert_int_equal(PARSE(&v, "--", "--flag"), PARSE_OK);
    assert_false(v.flag);
    assert_non_null(v.positional);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    values v;
    assert_int_equal(PARSE(&v, "--cuont", "3"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "-x"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count="), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count=0"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count=101"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count=1x"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--count=-1"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--flag=yes"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--rate=0"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--rate=nan"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "--duration=soon"), PARSE_WRONG);
    assert_int_equal(PARSE(&v, "one", "two"), PARSE_WRONG);
}

static void help_is_asked_for_by_either_name(void **state) {
    (void)state;
    values v;
    assert_int_equal(PARSE(&v, "-h"), PARSE_HELP);
    assert_int_equal(PARSE(&v, "-n", "3", "--help"), PARSE_HELP);
}

static void durations_have_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } right[] = {
        {"0",     0            },
        {"30",    30000000000  },
        {"30s",   30000000000  },
        {"1.5",   1500000000   },
        {".5s",   500000000    },
        {"500ms", 500000000    },
        {"2us",   2000         },
        {"3ns",   3            },
        {"5min",  300000000000 },
        {"2h",    7200000000000},
    };
    static const char *const wrong[] = {"", "s", "-1", "1 s", "1m", "1e3", "0x10", "inf", "1.2.3", "9999999999999h", "1ss"};
    int64_t ns;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_true(parse_duration(right[i].text, &ns));
        assert_int_equal(ns, right[i].ns);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parse_duration(wrong[i], &ns))
            fail_msg("\"%s\" was taken as %lld", wrong[i], (long long)ns);
}

static void a_slip_finds_its_name(void **state) {
    (void)state;
    static const char *const names[] = {"threads", "duration", "rate", "raw", "json"};
    static const struct {
        const char *word, *name;
    } cases[] = {
        {"thraeds", "threads" },
        {"thread",  "threads" },
        {"dur",     "duration"},
        {"rat",     "rate"    },
        {"jsn",     "json"    },
        {"zzzzzz",  NULL      },
        {"x",       NULL      },
        {"",        NULL      },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = nearest_name(cases[i].word, strlen(cases[i].word), names, sizeof names / sizeof *names);
        if (cases[i].name ? !found || strcmp(found, cases[i].name) != 0 : found != NULL)
            fail_msg("\"%s\" found %s", cases[i].word, found ? found : "nothing");
    }
}

/* ---- Scripts ----------------------------------------------------------------------------------------------------------------- */

static void expect_parts(const char *text, size_t count, const char *const *parts) {
    script s;
    assert_int_equal(script_split(&s, text), SCRIPT_OK);
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(s.statements[i], parts[i]);
    script_fini(&s);
}

#define PARTS(text, ...) expect_parts(text, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void statements_end_at_semicolons(void **state) {
    (void)state;
    PARTS("select 1", "select 1");
    PARTS(" begin;\n update t set x = 1 ;commit; ", "begin", "update t set x = 1", "commit");
    PARTS(";;select 1;; ;", "select 1");
}

static void a_semicolon_in_quotes_ends_nothing(void **state) {
    (void)state;
    PARTS("select ';', 'it''s;'; select 2", "select ';', 'it''s;'", "select 2");
    PARTS("select \"a;\"\"b\"; x", "select \"a;\"\"b\"", "x");
    PARTS("select E'\\';'; x", "select E'\\';'", "x");
    PARTS("select '\\'; x", "select '\\'", "x");
    PARTS("do $$ begin; end $$; x", "do $$ begin; end $$", "x");
    PARTS("do $a$ ; $b$ ; $a$; x", "do $a$ ; $b$ ; $a$", "x");
    PARTS("select a$b; x", "select a$b", "x");
    PARTS("select $1; x", "select $1", "x");
}

static void a_comment_is_no_statement(void **state) {
    (void)state;
    PARTS("-- first; line\nselect 1; -- last;\n", "select 1");
    PARTS("/* a; /* b; */ c; */ select 1; /**/", "select 1");
    PARTS("select 1 - - 1; select 4 / 2 * 1", "select 1 - - 1", "select 4 / 2 * 1");
    script s;
    assert_int_equal(script_split(&s, " -- nothing\n /* at all */ ; "), SCRIPT_OK);
    assert_int_equal(s.count, 0);
    script_fini(&s);
}

static void what_has_no_end_is_refused(void **state) {
    (void)state;
    static const char *const texts_without_end[] = {"select 'a;", "x; select \"a;", "/* a /* b */ ;", "$$ ; $", "$a$ ; $b$", "E'\\'"};
    for (size_t i = 0; i < sizeof texts_without_end / sizeof *texts_without_end; i++) {
        script s;
        assert_int_equal(script_split(&s, texts_without_end[i]), SCRIPT_UNFINISHED);
        assert_int_equal(s.count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_beside_or_behind_their_option),
        cmocka_unit_test(options_stand_on_both_sides_of_the_positional),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(help_is_asked_for_by_either_name),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(a_slip_finds_its_name),
        cmocka_unit_test(statements_end_at_semicolons),
        cmocka_unit_test(a_semicolon_in_quotes_ends_nothing),
        cmocka_unit_test(a_comment_is_no_statement),
        cmocka_unit_test(what_has_no_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
