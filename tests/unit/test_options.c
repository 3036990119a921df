/* SPDX-License-Identifier: MIT
 *
 * The options of a pool: what a URL's key may be set to, whose dbpool_config is taken over and how, and which of them contradict each
 * other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const dbpool_config INITIAL = DBPOOL_CONFIG_INIT;

struct row {
    const char *kind, *field, *key, *text;
    size_t offset, size;
    int64_t least, most;
};

static const struct row ROWS[] = {
#define ROW(kind_, field_, key_, initial, least_, most_, text_) \
    {#kind_, #field_, key_, text_, offsetof(dbpool_config, field_), sizeof(((dbpool_config *)NULL)->field_), least_, most_},
    DBPOOL_OPTIONS(ROW)
#undef ROW
};

static int64_t number_of(const struct row *row, const dbpool_config *config) {
    int32_t narrow = 0;
    int64_t wide = 0;
    const char *field = (const char *)config + row->offset;
    if (row->size == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, field, sizeof wide);
    return wide;
}

static const struct row *row_of(const char *key) {
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (strcmp(ROWS[i].key, key) == 0)
            return &ROWS[i];
    fail_msg("no row %s", key);
    return NULL;
}

static void put_number(const struct row *row, dbpool_config *config, int64_t value) {
    int32_t narrow = (int32_t)value;
    memcpy((char *)config + row->offset, row->size == sizeof narrow ? (void *)&narrow : (void *)&value, row->size);
}

/* Field by field: what lies between them is nobody's. */
static void expect_same(const dbpool_config *a, const dbpool_config *b) {
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (memcmp((const char *)a + ROWS[i].offset, (const char *)b + ROWS[i].offset, ROWS[i].size) != 0)
            fail_msg("%s differs", ROWS[i].field);
    assert_int_equal(a->struct_size, b->struct_size);
    assert_ptr_equal(a->listeners, b->listeners);
    assert_int_equal(a->listener_count, b->listener_count);
    assert_true(a->log == b->log);
    assert_ptr_equal(a->log_arg, b->log_arg);
}

/* ---- Setting ---- */

static void a_key_sets_its_field_and_no_other(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
        int64_t expected;
    } cases[] = {
        {"pool_size",            "0",        0                    },
        {"pool_size",            "32767",    32767                },
        {"pool_max_overflow",    "-1",       -1                   },
        {"pool_timeout",         "30",       30000                },
        {"pool_timeout",         "0",        0                    },
        {"pool_timeout",         "-1",       -1                   },
        {"pool_timeout",         "none",     -1                   },
        {"pool_timeout",         "0.5",      500                  },
        {"pool_timeout",         "1500ms",   1500                 },
        {"pool_timeout",         "366d",     DBPOOL_MS_MAX        },
        {"pool_connect_timeout", "2min",     120000               },
        {"pool_recycle",         "1h",       3600000              },
        {"pool_recycle",         "off",      -1                   },
        {"pool_fair",            "250us",    250000               },
        {"pool_fair",            "1h",       3600000000000        },
        {"pool_fair",            "0",        0                    },
        {"pool_fair",            "7ns",      7                    },
        {"pool_pre_ping",        "true",     1                    },
        {"pool_pre_ping",        "ON",       1                    },
        {"pool_pre_ping",        "no",       0                    },
        {"pool_validate_after",  "1s",       1000                 },
        {"pool_ping_timeout",    "1ms",      1                    },
        {"pool_reset_timeout",   "0.001",    1                    },
        {"pool_reset_on_return", "rollback", DBPOOL_RESET_ROLLBACK},
        {"pool_reset_on_return", "true",     DBPOOL_RESET_ROLLBACK},
        {"pool_reset_on_return", "commit",   DBPOOL_RESET_COMMIT  },
        {"pool_reset_on_return", "none",     DBPOOL_RESET_NONE    },
        {"pool_reset_on_return", "None",     DBPOOL_RESET_NONE    },
        {"pool_reset_on_return", "false",    DBPOOL_RESET_NONE    },
        {"pool_reset_on_return", "null",     DBPOOL_RESET_NONE    },
        {"pool_reset_on_return", "full",     DBPOOL_RESET_FULL    },
        {"pool_echo",            "off",      DBPOOL_ECHO_OFF      },
        {"pool_echo",            "false",    DBPOOL_ECHO_OFF      },
        {"pool_echo",            "info",     DBPOOL_ECHO_INFO     },
        {"pool_echo",            "true",     DBPOOL_ECHO_INFO     },
        {"pool_echo",            "on",       DBPOOL_ECHO_INFO     },
        {"pool_echo",            "debug",    DBPOOL_ECHO_DEBUG    },
        {"pool_idle_order",      "warm",     DBPOOL_IDLE_WARM     },
        {"pool_idle_order",      "lifo",     DBPOOL_IDLE_LIFO     },
        {"pool_idle_order",      "fifo",     DBPOOL_IDLE_FIFO     },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        dbpool_config config = INITIAL, expected = INITIAL;
        dbpool_error err = {0};
        put_number(row_of(cases[i].key), &expected, cases[i].expected);
        if (dbp_options_set(&config, cases[i].key, cases[i].value, &err) != DBPOOL_OK)
            fail_msg("%s=%s: %s", cases[i].key, cases[i].value, err.message);
        expect_same(&config, &expected);
    }
}

static void a_text_stays_where_it_is(void **state) {
    (void)state;
    static const char *const texts[] = {"", "shop", "größe €", "a name with spaces"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        dbpool_config config = INITIAL;
        assert_int_equal(dbp_options_set(&config, "pool_name", texts[i], NULL), DBPOOL_OK);
        assert_ptr_equal(config.name, texts[i]);
        assert_int_equal(dbp_options_check(&config, NULL), DBPOOL_OK);
    }
}

static void a_bad_value_is_named_with_its_rule(void **state) {
    (void)state;
#define SIZE_RULE "is not a whole number from 0 to 32767"
#define MS_RULE "is not a duration from 0 to 366d in whole milliseconds (30s, 500ms, 5min)"
#define RESET_RULE "is not one of rollback, true, commit, none, false, null, full"
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"pool_size",            "abc",                                             "pool_size=abc: " SIZE_RULE                                                                       },
        {"pool_size",            "",                                                "pool_size=: " SIZE_RULE                                                                          },
        {"pool_size",            "-1",                                              "pool_size=-1: " SIZE_RULE                                                                        },
        {"pool_size",            "32768",                                           "pool_size=32768: " SIZE_RULE                                                                     },
        {"pool_size",            "4294967297",                                      "pool_size=4294967297: " SIZE_RULE                                                                },
        {"pool_size",            "5 ",                                              "pool_size=5 : " SIZE_RULE                                                                        },
        {"pool_max_overflow",    "-2",                                              "pool_max_overflow=-2: is not a whole number from -1 to 32767"                                    },
        {"pool_timeout",         "soon",                                            "pool_timeout=soon: " MS_RULE ", or -1 for none"                                                  },
        {"pool_timeout",         "-2",                                              "pool_timeout=-2: " MS_RULE ", or -1 for none"                                                    },
        {"pool_timeout",         "500us",                                           "pool_timeout=500us: " MS_RULE ", or -1 for none"                                                 },
        {"pool_timeout",         "367d",                                            "pool_timeout=367d: " MS_RULE ", or -1 for none"                                                  },
        {"pool_validate_after",  "-1",                                              "pool_validate_after=-1: " MS_RULE                                                                },
        {"pool_ping_timeout",    "0",                                               "pool_ping_timeout=0: is not a duration from 1ms to 366d in whole milliseconds (30s, 500ms, 5min)"},
        {"pool_fair",            "61min",                                           "pool_fair=61min: is not a duration from 0 to 1h (500us, 2ms, 1s)"                                },
        {"pool_pre_ping",        "maybe",                                           "pool_pre_ping=maybe: is not one of true, false, yes, no, on, off, 1, 0"                          },
        {"pool_reset_on_return", "sometimes",                                       "pool_reset_on_return=sometimes: " RESET_RULE                                                     },
        {"pool_reset_on_return", "1",                                               "pool_reset_on_return=1: " RESET_RULE                                                             },
        {"pool_idle_order",      "random",                                          "pool_idle_order=random: is not one of warm, lifo, fifo"                                          },
        {"pool_echo",            "unset",                                           "pool_echo=unset: is not one of off, false, info, true, on, debug"                                },
        {"pool_name",            "a\nb",                                            "pool_name=a\\x0Ab: is not UTF-8 text of at most 255 bytes without control characters"            },
        {"pool_name",            "a\xFF",                                           "pool_name=a\\xFF: is not UTF-8 text of at most 255 bytes without control characters"             },
        {"pool_size",            "\xE0\x80\x80",                                    "pool_size=\\xE0\\x80\\x80: " SIZE_RULE                                                           },
        {"pool_size",            "123456789012345678901234567890123456789012345",   "pool_size=1234567890123456789012345678901234567890...: " SIZE_RULE                               },
        {"pool_size",            "123456789012345678901234567890123456789\xC3\xA4",
         "pool_size=123456789012345678901234567890123456789...: " SIZE_RULE                                                                                                           },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        dbpool_config config = INITIAL;
        dbpool_error err = {0};
        assert_int_equal(dbp_options_set(&config, cases[i].key, cases[i].value, &err), DBPOOL_EOPTION);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.status, DBPOOL_EOPTION);
        expect_same(&config, &INITIAL);
    }
}

/* The worst text for each option: a rule that is cut off helps nobody. */
static void no_message_is_cut(void **state) {
    (void)state;
    char worst[400];
    memset(worst, '\x01', sizeof worst - 1);
    worst[sizeof worst - 1] = '\0';
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        dbpool_config config = INITIAL;
        dbpool_error err = {0};
        assert_int_equal(dbp_options_set(&config, ROWS[i].key, worst, &err), DBPOOL_EOPTION);
        assert_in_range(strlen(err.message), 1, sizeof err.message - 2);
    }
}

static void an_unknown_key_is_named_with_the_nearest(void **state) {
    (void)state;
    static const struct {
        const char *key, *message;
    } cases[] = {
        {"pool_siz",                                                          "pool_siz: is not an option of a pool; the nearest is pool_size"                       },
        {"pool_SIZE",                                                         "pool_SIZE: is not an option of a pool; the nearest is pool_size"                      },
        {"pool_overflow",                                                     "pool_overflow: is not an option of a pool; the nearest is pool_max_overflow"          },
        {"pool_preping",                                                      "pool_preping: is not an option of a pool; the nearest is pool_pre_ping"               },
        {"pool_time_out",                                                     "pool_time_out: is not an option of a pool; the nearest is pool_timeout"               },
        {"pool_reset_on_retrun",                                              "pool_reset_on_retrun: is not an option of a pool; the nearest is pool_reset_on_return"},
        {"pool_conect_timeout",                                               "pool_conect_timeout: is not an option of a pool; the nearest is pool_connect_timeout" },
        {"pool_",                                                             "pool_: is not an option of a pool; the nearest is pool_name"                          },
        {"pool_siz\x1B[0m",                                                   "pool_siz\\x1B[0m: is not an option of a pool; the nearest is pool_size"               },
        {"pool_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "pool_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...: is not an option of a pool; the nearest is pool_validate_after"                                               },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        dbpool_config config = INITIAL;
        dbpool_error err = {0};
        assert_int_equal(dbp_options_set(&config, cases[i].key, "s3cr3t", &err), DBPOOL_EOPTION);
        assert_string_equal(err.message, cases[i].message);
        expect_same(&config, &INITIAL);
    }
}

/* What options.h tells users between backquotes, of the options with words, is taken. */
static void every_documented_word_is_taken(void **state) {
    (void)state;
    size_t words = 0;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        if (ROWS[i].kind[0] == 'I' || ROWS[i].kind[0] == 'M' || ROWS[i].kind[0] == 'B' || ROWS[i].kind[0] == 'N' || ROWS[i].kind[0] == 'T')
            continue;
        for (const char *at = strchr(ROWS[i].text, '`'); at; at = strchr(strchr(at + 1, '`') + 1, '`')) {
            dbpool_config config = INITIAL;
            char word[32];
            snprintf(word, sizeof word, "%.*s", (int)strcspn(at + 1, "`"), at + 1);
            assert_int_equal(dbp_options_set(&config, ROWS[i].key, word, NULL), DBPOOL_OK);
            words++;
        }
    }
    assert_int_equal(words, 10);
}

/* ---- Taking over ---- */

static void nothing_given_is_the_defaults(void **state) {
    (void)state;
    dbpool_config config;
    memset(&config, 0xAA, sizeof config);
    assert_int_equal(dbp_options_adopt(NULL, &config, NULL), DBPOOL_OK);
    expect_same(&config, &INITIAL);
    assert_int_equal(dbp_options_check(&config, NULL), DBPOOL_OK);
}

static dbpool_status accept(const dbpool_event *event, void *arg, dbpool_error *err) {
    (void)event;
    (void)arg;
    (void)err;
    return DBPOOL_OK;
}

static void log_nothing(void *arg, dbpool_log_level level, const char *pool_name, const char *line) {
    (void)arg;
    (void)level;
    (void)pool_name;
    (void)line;
}

/* A configuration in which no field has its default. */
static dbpool_config unusual(void) {
    static const dbpool_listener listener = {DBPOOL_ON_CONNECT, accept, NULL};
    static int arg;
    dbpool_config config = INITIAL;
    for (size_t i = 0; i < COUNT(ROWS); i++)
        if (strcmp(ROWS[i].kind, "TEXT") != 0)
            put_number(&ROWS[i], &config, number_of(&ROWS[i], &INITIAL) == ROWS[i].most ? ROWS[i].least : ROWS[i].most);
    config.name = "shop";
    config.size = 7;
    config.max_overflow = 3;
    config.listeners = &listener;
    config.listener_count = 1;
    config.log = log_nothing;
    config.log_arg = &arg;
    return config;
}

static void everything_given_is_taken_over(void **state) {
    (void)state;
    dbpool_config given = unusual(), config;
    assert_int_equal(dbp_options_adopt(&given, &config, NULL), DBPOOL_OK);
    expect_same(&config, &given);
    assert_int_equal(dbp_options_check(&config, NULL), DBPOOL_OK);
}

/* The memory of an older program's struct ends where it says, so a sanitizer sees a read past it. */
static void an_older_struct_keeps_its_fields_and_gets_defaults(void **state) {
    (void)state;
    dbpool_config whole = unusual();
    for (size_t size = offsetof(dbpool_config, size); size < sizeof whole; size += _Alignof(dbpool_config)) {
        dbpool_config *given = malloc(size), config;
        assert_non_null(given);
        whole.struct_size = size;
        memcpy(given, &whole, size);
        assert_int_equal(dbp_options_adopt(given, &config, NULL), DBPOOL_OK);
        assert_int_equal(config.struct_size, sizeof config);
        for (size_t i = 0; i < COUNT(ROWS); i++) {
            const dbpool_config *source = ROWS[i].offset + ROWS[i].size <= size ? &whole : &INITIAL;
            assert_memory_equal((char *)&config + ROWS[i].offset, (const char *)source + ROWS[i].offset, ROWS[i].size);
        }
        if (size <= offsetof(dbpool_config, listeners))
            assert_true(!config.listeners && !config.listener_count && !config.log && !config.log_arg);
        free(given);
    }
}

static void a_newer_struct_is_taken_if_it_asks_for_nothing_new(void **state) {
    (void)state;
    struct {
        dbpool_config known;
        uint64_t more[4];
    } given = {.known = unusual()};
    dbpool_config config;
    dbpool_error err = {0};
    given.known.struct_size = sizeof given;
    assert_int_equal(dbp_options_adopt(&given.known, &config, &err), DBPOOL_OK);
    assert_string_equal(config.name, "shop");
    assert_int_equal(config.struct_size, sizeof config);
    given.more[3] = (uint64_t)1 << 63;
    assert_int_equal(dbp_options_adopt(&given.known, &config, &err), DBPOOL_EOPTION);
    assert_non_null(strstr(err.message, "read dbpool_config: the program was built for a newer dbpool ("));
    assert_non_null(strstr(err.message, "sets an option that this one does not know"));
}

static void a_struct_of_no_size_is_refused(void **state) {
    (void)state;
    static const size_t sizes[] = {0,    1,        sizeof(size_t), sizeof(dbpool_config) - 1, sizeof(dbpool_config) + 1,
                                   4104, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        dbpool_config given = unusual(), config;
        dbpool_error err = {0};
        given.struct_size = sizes[i];
        assert_int_equal(dbp_options_adopt(&given, &config, &err), DBPOOL_EOPTION);
        char expected[200];
        snprintf(expected, sizeof expected, "read dbpool_config: its struct_size is %zu, which is none; use DBPOOL_CONFIG_INIT", sizes[i]);
        assert_string_equal(err.message, expected);
    }
}

/* ---- Checking ---- */

static void each_end_of_each_range_holds(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        dbpool_config config = INITIAL;
        if (strcmp(ROWS[i].kind, "TEXT") == 0)
            continue;
        config.max_overflow = config.size = 0; /* so that the sum stays in its own range */
        config.max_overflow = -1;
        put_number(&ROWS[i], &config, ROWS[i].least);
        assert_int_equal(dbp_options_check(&config, NULL), DBPOOL_OK);
        if (ROWS[i].offset == offsetof(dbpool_config, max_overflow))
            continue;
        put_number(&ROWS[i], &config, ROWS[i].most);
        assert_int_equal(dbp_options_check(&config, NULL), DBPOOL_OK);
    }
}

static void a_field_out_of_its_range_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        if (strcmp(ROWS[i].kind, "TEXT") == 0)
            continue;
        const int64_t values[] = {ROWS[i].least - 1, ROWS[i].most + 1};
        for (size_t j = 0; j < COUNT(values); j++) {
            dbpool_config config = INITIAL;
            dbpool_error err = {0};
            char expected[120];
            put_number(&ROWS[i], &config, values[j]);
            assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EOPTION);
            snprintf(expected, sizeof expected, "%s=%lld: is not from %lld to %lld", ROWS[i].field, (long long)values[j],
                     (long long)ROWS[i].least, (long long)ROWS[i].most);
            assert_memory_equal(err.message, expected, strlen(expected));
        }
    }
}

static void a_duration_out_of_its_range_is_told_its_unit(void **state) {
    (void)state;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    config.timeout_ms = -7;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EOPTION);
    assert_string_equal(err.message, "timeout_ms=-7: is not from -1 to 31622400000 milliseconds, where -1 is none");
    config.timeout_ms = 0;
    config.fair_ns = -1;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EOPTION);
    assert_string_equal(err.message, "fair_ns=-1: is not from 0 to 3600000000000 nanoseconds");
}

static void a_name_has_a_length(void **state) {
    (void)state;
    char name[257];
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    config.name = name;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_OK);
    name[255] = 'n';
    name[256] = '\0';
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EOPTION);
    assert_non_null(strstr(err.message, "pool_name=nnnn"));
    assert_non_null(strstr(err.message, "...: is not UTF-8 text of at most 255 bytes"));
}

static void size_and_overflow_must_agree(void **state) {
    (void)state;
#define TOO_MANY "are together more than the 32767 connections of a pool"
#define NO_LIMIT "contradict each other; size 0 is no limit, which nothing can overflow"
    static const struct {
        int32_t size, max_overflow;
        const char *message; /* NULL: they agree */
    } cases[] = {
        {5,     10,    NULL                                                 },
        {5,     0,     NULL                                                 },
        {32767, 0,     NULL                                                 },
        {32757, 10,    NULL                                                 },
        {1,     32766, NULL                                                 },
        {32767, -1,    NULL                                                 },
        {0,     -1,    NULL                                                 },
        {0,     10,    NULL                                                 },
        {32767, 10,    "pool_size=32767 and pool_max_overflow=10: " TOO_MANY},
        {1,     32767, "pool_size=1 and pool_max_overflow=32767: " TOO_MANY },
        {0,     0,     "pool_size=0 and pool_max_overflow=0: " NO_LIMIT     },
        {0,     11,    "pool_size=0 and pool_max_overflow=11: " NO_LIMIT    },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        dbpool_config config = INITIAL;
        dbpool_error err = {0};
        config.size = cases[i].size;
        config.max_overflow = cases[i].max_overflow;
        assert_int_equal(dbp_options_check(&config, &err), cases[i].message ? DBPOOL_EOPTION : DBPOOL_OK);
        assert_string_equal(err.message, cases[i].message ? cases[i].message : "");
    }
}

static void listeners_must_be_there(void **state) {
    (void)state;
    dbpool_listener listeners[] = {
        {DBPOOL_ON_CONNECT,        accept, NULL},
        {DBPOOL_ON_CLOSE_DETACHED, accept, NULL}
    };
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    config.listener_count = 2;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EINVAL);
    assert_string_equal(err.message, "listeners and listener_count: contradict each other; there are 2 listeners at NULL");
    config.listeners = listeners;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_OK);
    listeners[1].kind = DBPOOL_EVENT_COUNT;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EINVAL);
    assert_string_equal(err.message, "listeners[1]: 10 is not an event");
    listeners[1].kind = (dbpool_event_kind)-1;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EINVAL);
    assert_string_equal(err.message, "listeners[1]: -1 is not an event");
    listeners[0].fn = NULL;
    assert_int_equal(dbp_options_check(&config, &err), DBPOOL_EINVAL);
    assert_string_equal(err.message, "listeners[0]: has no function");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_sets_its_field_and_no_other),
        cmocka_unit_test(a_text_stays_where_it_is),
        cmocka_unit_test(a_bad_value_is_named_with_its_rule),
        cmocka_unit_test(no_message_is_cut),
        cmocka_unit_test(an_unknown_key_is_named_with_the_nearest),
        cmocka_unit_test(every_documented_word_is_taken),
        cmocka_unit_test(nothing_given_is_the_defaults),
        cmocka_unit_test(everything_given_is_taken_over),
        cmocka_unit_test(an_older_struct_keeps_its_fields_and_gets_defaults),
        cmocka_unit_test(a_newer_struct_is_taken_if_it_asks_for_nothing_new),
        cmocka_unit_test(a_struct_of_no_size_is_refused),
        cmocka_unit_test(each_end_of_each_range_holds),
        cmocka_unit_test(a_field_out_of_its_range_is_named),
        cmocka_unit_test(a_duration_out_of_its_range_is_told_its_unit),
        cmocka_unit_test(a_name_has_a_length),
        cmocka_unit_test(size_and_overflow_must_agree),
        cmocka_unit_test(listeners_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
