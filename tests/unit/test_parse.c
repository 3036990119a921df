/* SPDX-License-Identifier: MIT
 *
 * Numbers, truths and durations: what is read, and what is refused and leaves the result as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UNTOUCHED 4711

typedef struct number {
    const char *text;
    int64_t value;
} number;

typedef bool (*parse_fn)(const char *text, int64_t *out);

static void expect_numbers(parse_fn parse, const number *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int64_t value = UNTOUCHED;
        if (!parse(cases[i].text, &value) || value != cases[i].value)
            fail_msg("\"%s\" gave %lld", cases[i].text, (long long)value);
    }
}

static void expect_refusals(parse_fn parse, const char *const *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int64_t value = UNTOUCHED;
        if (parse(cases[i], &value) || value != UNTOUCHED)
            fail_msg("\"%s\" was taken, or changed the result: %lld", cases[i], (long long)value);
    }
}

static void a_whole_number_is_read(void **state) {
    (void)state;
    static const number cases[] = {
        {"0",                    0        },
        {"-0",                   0        },
        {"7",                    7        },
        {"-7",                   -7       },
        {"007",                  7        },
        {"32767",                32767    },
        {"9223372036854775807",  INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    expect_numbers(dbp_parse_int, cases, COUNT(cases));
}

static void what_is_no_whole_number_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "-",
        "+1",
        "--1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "1,000",
        "abc",
        "1a",
        "\t1",
        "1\n",
        "- 1",
        "٣",
        "1\xFF",
        "infinity",
        "99999999999999999999",
        "9223372036854775808",
        "-9223372036854775809",
    };
    expect_refusals(dbp_parse_int, cases, COUNT(cases));
}

static void a_truth_is_read_in_any_case(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool value;
    } cases[] = {
        {"true",  true },
        {"yes",   true },
        {"on",    true },
        {"1",     true },
        {"True",  true },
        {"ON",    true },
        {"false", false},
        {"no",    false},
        {"off",   false},
        {"0",     false},
        {"FALSE", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool value = !cases[i].value;
        if (!dbp_parse_bool(cases[i].text, &value) || value != cases[i].value)
            fail_msg("\"%s\"", cases[i].text);
    }
}

static void what_is_no_truth_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"",   "t",     "f",     "y",     "n",   "2",    "-1",   "00",
                                        "01", "true ", " true", "truee", "tru", "none", "null", "enabled"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool value = true;
        assert_false(dbp_parse_bool(cases[i], &value));
        assert_true(value);
    }
}

static void a_duration_is_exact(void **state) {
    (void)state;
    static const number cases[] = {
        {"0",                            0                  },
        {"30",                           30000000000        },
        {"30s",                          30000000000        },
        {"500ms",                        500000000          },
        {"250us",                        250000             },
        {"7ns",                          7                  },
        {"5min",                         300000000000       },
        {"2h",                           7200000000000      },
        {"366d",                         31622400000000000  },
        {"1.5",                          1500000000         },
        {"1.50000000000000000000000000", 1500000000         },
        {"0.1",                          100000000          },
        {"0.3s",                         300000000          },
        {"0.000000001",                  1                  },
        {"0.29ms",                       290000             },
        {"1.25h",                        4500000000000      },
        {"0.1d",                         8640000000000      },
        {"0.000000000005h",              18                 },
        {"0.0000000000000000d",          0                  },
        {"1.0ns",                        1                  },
        {"00012.5ms",                    12500000           },
        {"9223372036.854775807",         INT64_MAX          },
        {"9223372036854775807ns",        INT64_MAX          },
        {"106751d",                      9223286400000000000},
    };
    expect_numbers(dbp_parse_duration, cases, COUNT(cases));
}

static void none_is_minus_one(void **state) {
    (void)state;
    static const number cases[] = {
        {"-1",   -1},
        {"none", -1},
        {"off",  -1},
        {"None", -1}
    };
    expect_numbers(dbp_parse_duration, cases, COUNT(cases));
}

static void what_is_no_duration_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "s",
        "ms",
        ".",
        ".5",
        "5.",
        "5.s",
        "1..5",
        "1.5.5s",
        "1,5",
        "-2",
        "-1s",
        "-0",
        "-0.5",
        "+1",
        " 1",
        "1 ",
        "1 s",
        "1m",
        "1M",
        "1S",
        "1sec",
        "1w",
        "1µs",
        "1e3",
        "1e3s",
        "0x1p3",
        "inf",
        "nan",
        "1sms",
        "never",
        "-1 ",
        "no",
        /* finer than a nanosecond */
        "0.5ns",
        "1.0000000001",
        "0.0001us",
        "0.00000000000000001d",
        "0.33333333333333333333333333333333333h",
        /* too long */
        "106752d",
        "9223372036.854775808",
        "9223372036854775808ns",
        "9223372037",
        "99999999999999999999999999999999ns",
    };
    expect_refusals(dbp_parse_duration, cases, COUNT(cases));
}

static void no_locale_changes_anything(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < COUNT(names); i++) {
        int64_t value = 0;
        setlocale(LC_ALL, names[i]);
        assert_true(dbp_parse_duration("1.5", &value));
        assert_int_equal(value, 1500000000);
        assert_false(dbp_parse_duration("1,5", &value));
    }
    setlocale(LC_ALL, "C");
}

/* Every number of nanoseconds, written as a fraction of each unit, comes back as it was. */
static void every_fraction_comes_back(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t ns = (int64_t)(random >> (1 + i % 50)), back = 0;
        char text[64];
        snprintf(text, sizeof text, "%lld.%09llds", (long long)(ns / 1000000000), (long long)(ns % 1000000000));
        assert_true(dbp_parse_duration(text, &back));
        assert_int_equal(back, ns);
        snprintf(text, sizeof text, "%lld.%03lldus", (long long)(ns / 1000), (long long)(ns % 1000));
        assert_true(dbp_parse_duration(text, &back));
        assert_int_equal(back, ns);
    }
}

static void words_differ_in_more_than_case(void **state) {
    (void)state;
    assert_true(dbp_parse_same_word("", ""));
    assert_true(dbp_parse_same_word("RollBack", "rollbacK"));
    assert_false(dbp_parse_same_word("roll", "rollback"));
    assert_false(dbp_parse_same_word("rollback", "roll"));
    assert_false(dbp_parse_same_word("a[", "a{"));
}

static void only_well_formed_utf8_has_a_length(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"",                 0},
        {"a",                1},
        {"\x7F",             1},
        {"é",               2},
        {"€",              3},
        {"\U0001F600",       4},
        {"\x80",             0},
        {"\xC3",             0},
        {"\xC0\x80",         0},
        {"\xC1\xBF",         0},
        {"\xE0\x9F\xBF",     0},
        {"\xE2\x82",         0},
        {"\xED\xA0\x80",     0},
        {"\xED\x9F\xBF",     3},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x8F\xBF\xBF", 4},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"\xC3(",            0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (dbp_parse_utf8(cases[i].text) != cases[i].length)
            fail_msg("case %zu", i);
}

static void plain_text_fits_on_a_line(void **state) {
    (void)state;
    assert_true(dbp_parse_is_plain(""));
    assert_true(dbp_parse_is_plain("größe €"));
    assert_false(dbp_parse_is_plain("a\n"));
    assert_false(dbp_parse_is_plain("a\x7F"));
    assert_false(dbp_parse_is_plain("\x1B[0m"));
    assert_false(dbp_parse_is_plain("a\xE4"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_number_is_read),
        cmocka_unit_test(what_is_no_whole_number_is_refused),
        cmocka_unit_test(a_truth_is_read_in_any_case),
        cmocka_unit_test(what_is_no_truth_is_refused),
        cmocka_unit_test(a_duration_is_exact),
        cmocka_unit_test(none_is_minus_one),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(no_locale_changes_anything),
        cmocka_unit_test(every_fraction_comes_back),
        cmocka_unit_test(words_differ_in_more_than_case),
        cmocka_unit_test(only_well_formed_utf8_has_a_length),
        cmocka_unit_test(plain_text_fits_on_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
