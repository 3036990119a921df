/* SPDX-License-Identifier: MIT
 *
 * Targets: what a URL or keywords become, what is refused and where, and that no error ever shows a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/options.h"
#include "core/url.h"
#include "os/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Stands wherever a secret may stand. */
#define SECRET "s3cr3tW0rd"

static const dbpool_config INITIAL = DBPOOL_CONFIG_INIT;

/* Stands before dbp_memory_free in the whole program: nothing is given back with a secret in it. */
void __real_dbp_memory_free(void *memory); /* NOLINT(bugprone-reserved-identifier): the linker's names */
void __wrap_dbp_memory_free(void *memory); /* NOLINT(bugprone-reserved-identifier) */

static size_t freed;

void __wrap_dbp_memory_free(void *memory) {
    if (memory && memmem(memory, malloc_usable_size(memory), SECRET, strlen(SECRET)))
        fail_msg("memory was freed with a secret in it");
    freed += memory != NULL;
    __real_dbp_memory_free(memory);
}

/* The arguments of a target as one line: "user=app password=x". */
static const char *line_of(const dbp_target *target) {
    static char line[4096];
    size_t length = 0;
    line[0] = '\0';
    for (size_t i = 0; i < target->count; i++)
        length +=
            (size_t)snprintf(line + length, sizeof line - length, "%s%s=%s", i ? " " : "", target->params[i].key, target->params[i].value);
    return line;
}

static void expect_empty(const dbp_target *target) {
    assert_true(!target->scheme && !target->params && !target->count && !target->text && !target->text_size);
}

static void expect_initial(const dbpool_config *config) {
    assert_ptr_equal(config->name, INITIAL.name);
    assert_int_equal(config->size, INITIAL.size);
    assert_int_equal(config->max_overflow, INITIAL.max_overflow);
    assert_int_equal(config->timeout_ms, INITIAL.timeout_ms);
    assert_int_equal(config->pre_ping, INITIAL.pre_ping);
}

/* ---- What is understood ---- */

typedef struct understood {
    const char *url, *scheme, *line;
} understood;

static void expect_understood(const understood *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        dbp_target target;
        dbpool_config config = INITIAL;
        dbpool_error err = {0};
        if (dbp_target_from_url(cases[i].url, &target, &config, &err) != DBPOOL_OK)
            fail_msg("%s: %s", cases[i].url, err.message);
        assert_string_equal(target.scheme, cases[i].scheme);
        if (strcmp(line_of(&target), cases[i].line) != 0)
            fail_msg("%s gave %s", cases[i].url, line_of(&target));
        dbp_target_fini(&target);
    }
}

static void a_url_has_parts(void **state) {
    (void)state;
    static const understood cases[] = {
        {"postgresql://app:pw@db.example:5433/shop", "postgresql",                       "user=app password=pw host=db.example port=5433 path=/shop"},
        {"postgresql://db.example/shop",             "postgresql",                       "host=db.example path=/shop"                               },
        {"postgresql://app@db.example",              "postgresql",                       "user=app host=db.example"                                 },
        {"postgresql://",                            "postgresql",                       ""                                                         },
        {"postgresql:///shop",                       "postgresql",                       "path=/shop"                                               },
        {"postgresql:///",                           "postgresql",                       "path=/"                                                   },
        {"postgresql:",                              "postgresql",                       ""                                                         },
        {"PostgreSQL://h",                           "postgresql",                       "host=h"                                                   },
        {"postgresql+psycopg2://h",                  "postgresql+psycopg2",              "host=h"                                                   },
        {"x-y.z1:",                                  "x-y.z1",                           ""                                                         },
        {"abcdefghijklmnopqrstuvwxyzabcdef:",        "abcdefghijklmnopqrstuvwxyzabcdef", ""                                                         },
        {"mariadb://app:a:b:c@h/d/e",                "mariadb",                          "user=app password=a:b:c host=h path=/d/e"                 },
        {"mariadb://:pw@h",                          "mariadb",                          "password=pw host=h"                                       },
        {"mariadb://app:@h",                         "mariadb",                          "user=app host=h"                                          },
        {"mariadb://@h",                             "mariadb",                          "host=h"                                                   },
        {"mariadb://:@h:/d",                         "mariadb",                          "host=h path=/d"                                           },
        {"mariadb://:3306",                          "mariadb",                          "port=3306"                                                },
        {"mariadb://h:1",                            "mariadb",                          "host=h port=1"                                            },
        {"mariadb://h:65535",                        "mariadb",                          "host=h port=65535"                                        },
    };
    expect_understood(cases, COUNT(cases));
}

static void a_url_without_an_authority_is_a_path(void **state) {
    (void)state;
    static const understood cases[] = {
        {"sqlite:shop.db",             "sqlite", "path=shop.db"          },
        {"sqlite::memory:",            "sqlite", "path=:memory:"         },
        {"sqlite:/var/lib/shop.db",    "sqlite", "path=/var/lib/shop.db" },
        {"sqlite:///var/lib/shop.db",  "sqlite", "path=/var/lib/shop.db" },
        {"sqlite:////var/lib/shop.db", "sqlite", "path=//var/lib/shop.db"},
        {"sqlite:../a@b/c:d,e",        "sqlite", "path=../a@b/c:d,e"     },
        {"sqlite:shop.db?",            "sqlite", "path=shop.db"          },
        {"sqlite:shop.db?mode=ro",     "sqlite", "path=shop.db mode=ro"  },
        {"sqlite:?mode=memory",        "sqlite", "mode=memory"           },
        {"sqlite:50%25.db",            "sqlite", "path=50%.db"           },
        {"sqlite:a%3Fb%23c",           "sqlite", "path=a?b#c"            },
    };
    expect_understood(cases, COUNT(cases));
}

static void every_part_is_unescaped_once(void **state) {
    (void)state;
    static const understood cases[] = {
        {"p://a%40b:c%3A%2F%3F%40%23%5B%25@h%2Ex:%35432/%64b%20x?k%3De=v%26w%3D", "p",
         "user=a@b password=c:/?@#[% host=h.x port=5432 path=/db x k=e=v&w="                                                                      },
        {"p://%2Frun%2Fpostgresql/shop",                                          "p", "host=/run/postgresql path=/shop"                          },
        {"p://%2frun:5433/shop",                                                  "p", "host=/run port=5433 path=/shop"                           },
        {"p://h?a=%2541",                                                         "p", "host=h a=%41"                                             },
        {"p://h?a=1+2",                                                           "p", "host=h a=1+2"                                             },
        {"p://a+b@h/c+d?e+f=+",                                                   "p", "user=a+b host=h path=/c+d e+f=+"                          },
        {"p://h?password=%0A%FF%01",                                              "p", "host=h password=\n\xFF\x01"                               },
        {"p://%C3%A4:\xC3\xB6@h/\xE2\x82\xAC",                                    "p", "user=\xC3\xA4 password=\xC3\xB6 host=h path=/\xE2\x82\xAC"},
        {"p://h/%E4",                                                             "p", "host=h path=/\xE4"                                        },
    };
    expect_understood(cases, COUNT(cases));
}

static void several_hosts_stand_side_by_side_with_their_ports(void **state) {
    (void)state;
    static const understood cases[] = {
        {"p://h1:1,[::1]:2/d",                                  "p", "host=h1,::1 port=1,2 path=/d"                      },
        {"p://h1,h2",                                           "p", "host=h1,h2"                                        },
        {"p://h1,h2:2",                                         "p", "host=h1,h2 port=,2"                                },
        {"p://h1:1,h2",                                         "p", "host=h1,h2 port=1,"                                },
        {"p://u:p@h1:1,h2:2,h3:3",                              "p", "user=u password=p host=h1,h2,h3 port=1,2,3"        },
        {"p://,h2",                                             "p", "host=,h2"                                          },
        {"p://:1,:2",                                           "p", "host=, port=1,2"                                   },
        {"p://,",                                               "p", "host=,"                                            },
        {"p://%2Frun%2Fa:1,%2Frun%2Fb:2",                       "p", "host=/run/a,/run/b port=1,2"                       },
        {"p://[::1]",                                           "p", "host=::1"                                          },
        {"p://[::1]:5432",                                      "p", "host=::1 port=5432"                                },
        {"p://[::1]:",                                          "p", "host=::1"                                          },
        {"p://[2001:db8::192.0.2.1]/d",                         "p", "host=2001:db8::192.0.2.1 path=/d"                  },
        {"p://u@[fe80::1%25eth0],[::]",                         "p", "user=u host=fe80::1%eth0,::"                       },
        {"p://[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]", "p", "host=ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"},
    };
    expect_understood(cases, COUNT(cases));
}

static void a_query_keeps_its_order(void **state) {
    (void)state;
    static const understood cases[] = {
        {"p://h?b=1&a=2&c=3",                   "p", "host=h b=1 a=2 c=3"                  },
        {"p://h?",                              "p", "host=h"                              },
        {"p://h/d?a=",                          "p", "host=h path=/d a="                   },
        {"p://h?options=-c%20geqo=off",         "p", "host=h options=-c geqo=off"          },
        {"p://?host=/run&user=u",               "p", "host=/run user=u"                    },
        {"p://h?a=x?y/z@:[]",                   "p", "host=h a=x?y/z@:[]"                  },
        {"p://h?A=1&a=2",                       "p", "host=h A=1 a=2"                      },
        {"p://h?POOL_SIZE=1&poolsize=2&pool=3", "p", "host=h POOL_SIZE=1 poolsize=2 pool=3"},
    };
    expect_understood(cases, COUNT(cases));
}

static void options_go_to_the_configuration(void **state) {
    (void)state;
    dbp_target target;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    const char *url = "p://h/d?pool_size=8&a=1&pool_name=the%20shop&%70ool_timeout=250ms&b=2&pool_pre_ping=true";
    config.max_overflow = 3;
    assert_int_equal(dbp_target_from_url(url, &target, &config, &err), DBPOOL_OK);
    assert_string_equal(line_of(&target), "host=h path=/d a=1 b=2");
    assert_int_equal(config.size, 8);
    assert_int_equal(config.max_overflow, 3);
    assert_int_equal(config.timeout_ms, 250);
    assert_int_equal(config.pre_ping, 1);
    assert_string_equal(config.name, "the shop");
    assert_in_range((uintptr_t)config.name, (uintptr_t)target.text, (uintptr_t)target.text + target.text_size - 1);
    dbp_target_fini(&target);
}

/* ---- What is refused ---- */

typedef struct refused {
    const char *url, *message;
} refused;

static void expect_refused(const char *url, const char *message) {
    dbp_target target;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    memset(&target, 0xAA, sizeof target);
    if (dbp_target_from_url(url, &target, &config, &err) != DBPOOL_EOPTION)
        fail_msg("%s was taken", url);
    assert_string_equal(err.message, message);
    assert_int_equal(err.status, DBPOOL_EOPTION);
    assert_null(strstr(err.message, SECRET));
    expect_empty(&target);
    expect_initial(&config);
    assert_int_equal(dbp_target_from_url(url, &target, &config, NULL), DBPOOL_EOPTION);
}

static void expect_all_refused(const refused *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char message[302];
        const char *prefix = strncmp(cases[i].message, "pool_", 5) == 0 ? "" : "parse URL: at byte ";
        snprintf(message, sizeof message, "%s%s", prefix, cases[i].message);
        expect_refused(cases[i].url, message);
    }
}

static void a_bad_scheme_is_refused(void **state) {
    (void)state;
#define NO_SCHEME "0: a URL begins with a scheme, such as \"postgresql:\""
#define BAD_SCHEME ": the scheme ends in ':' and holds letters, digits, '+', '-' and '.' only"
    static const refused cases[] = {
        {"",                                            NO_SCHEME                   },
        {":",                                           NO_SCHEME                   },
        {"//u:" SECRET "@h",                            NO_SCHEME                   },
        {"1p://h",                                      NO_SCHEME                   },
        {"+p://h",                                      NO_SCHEME                   },
        {"%70://h",                                     NO_SCHEME                   },
        {"/" SECRET,                                    NO_SCHEME                   },
        {SECRET,                                        "10" BAD_SCHEME             },
        {"p",                                           "1" BAD_SCHEME              },
        {"p/" SECRET ":",                               "1" BAD_SCHEME              },
        {"p_q://" SECRET,                               "1" BAD_SCHEME              },
        {"host=" SECRET,                                "4" BAD_SCHEME              },
        {"abcdefghijklmnopqrstuvwxyzabcdefg://" SECRET, "32: the scheme is too long"},
    };
    expect_all_refused(cases, COUNT(cases));
}

static void bytes_that_must_be_escaped_are_refused(void **state) {
    (void)state;
#define HEX ": '%' must be followed by two hexadecimal digits"
#define NOT_UTF8 ": a byte that is not UTF-8 must be written %XX"
#define INVISIBLE ": a space or control character must be written %XX"
    static const refused cases[] = {
        {"p://u:" SECRET "%@h",            "16" HEX                                                          },
        {"p://u:" SECRET "%4@h",           "16" HEX                                                          },
        {"p://u:" SECRET "%g0@h",          "16" HEX                                                          },
        {"p://u:" SECRET "%%20@h",         "16" HEX                                                          },
        {"p://h/" SECRET "%",              "16" HEX                                                          },
        {"p://h/" SECRET "%2",             "16" HEX                                                          },
        {"p://h?a=" SECRET "%2",           "18" HEX                                                          },
        {"p://h?%z=" SECRET,               "6" HEX                                                           },
        {"p%://" SECRET,                   "1" HEX                                                           },
        {"p://u:" SECRET "%00@h",          "16: %00 cannot be part of a value"                               },
        {"p://h?a=%00" SECRET,             "8: %00 cannot be part of a value"                                },
        {"p://u:" SECRET "@h/#frag",       "19: '#' must be written %23; a URL of a database has no fragment"},
        {"p://u:" SECRET "#@h",            "16: '#' must be written %23; a URL of a database has no fragment"},
        {"p://u:" SECRET " @h",            "16" INVISIBLE                                                    },
        {" p://u:" SECRET "@h",            "0" INVISIBLE                                                     },
        {"p://u:" SECRET "@h\n",           "18" INVISIBLE                                                    },
        {"p://u:" SECRET "\t@h",           "16" INVISIBLE                                                    },
        {"p://u:" SECRET "\x7F@h",         "16" INVISIBLE                                                    },
        {"p://u:" SECRET "\x01@h",         "16" INVISIBLE                                                    },
        {"p://u:" SECRET "\xFF@h",         "16" NOT_UTF8                                                     },
        {"p://u:" SECRET "\xC3@h",         "16" NOT_UTF8                                                     },
        {"p://u:" SECRET "\xC0\x80@h",     "16" NOT_UTF8                                                     },
        {"p://u:" SECRET "\xED\xA0\x80@h", "16" NOT_UTF8                                                     },
        {"p://u:" SECRET "@h\xE2\x82",     "18" NOT_UTF8                                                     },
    };
    expect_all_refused(cases, COUNT(cases));
}

static void a_bad_authority_is_refused(void **state) {
    (void)state;
#define SECOND_AT ": a second '@': inside a user or password it must be written %40"
#define PORT ": a port is a number from 1 to 65535"
#define BRACKETS ": an IPv6 address must stand in brackets"
#define ADDRESS ": brackets hold an IPv6 address"
#define STRAY ": '[' and ']' stand around an IPv6 address only"
    static const refused cases[] = {
        {"p://u:" SECRET "@x@h",                                         "18" SECOND_AT                                       },
        {"p://u@" SECRET "@h",                                           "16" SECOND_AT                                       },
        {"p://h:0",                                                      "6" PORT                                             },
        {"p://h:65536",                                                  "6" PORT                                             },
        {"p://h:" SECRET,                                                "6" PORT                                             },
        {"p://h:-1",                                                     "6" PORT                                             },
        {"p://h:+1",                                                     "6" PORT                                             },
        {"p://h:1x/d",                                                   "6" PORT                                             },
        {"p://h:99999999999999999999",                                   "6" PORT                                             },
        {"p://h1:1,h2:" SECRET ",h3:3",                                  "12" PORT                                            },
        {"p://u:" SECRET "@h:x",                                         "19" PORT                                            },
 /* A '/' in a password that is not escaped ends the authority: what stands before it must not be shown as a port. */
        {"p://u:" SECRET "/x@h/d",                                       "6" PORT                                             },
        {"p://::1",                                                      "5" BRACKETS                                         },
        {"p://fe80::1:5432/d",                                           "9" BRACKETS                                         },
        {"p://u:" SECRET "@h:1:2",                                       "19" BRACKETS                                        },
        {"p://[]",                                                       "4" ADDRESS                                          },
        {"p://[" SECRET "]",                                             "4" ADDRESS                                          },
        {"p://[127.0.0.1]",                                              "4" ADDRESS                                          },
        {"p://[::1%25]",                                                 "4" ADDRESS                                          },
        {"p://[:::1]:5",                                                 "4" ADDRESS                                          },
        {"p://[1111:2222:3333:4444:5555:6666:7777:8888:9999]",           "4" ADDRESS                                          },
        {"p://[::0000000000000000000000000000000000000000000000000001]", "4" ADDRESS                                          },
        {"p://h,[g::]:1",                                                "6" ADDRESS                                          },
        {"p://[::1",                                                     "4: '[' has no ']'"                                  },
        {"p://" SECRET "@[::1/d",                                        "15: '[' has no ']'"                                 },
        {"p://[::1]x:1",                                                 "9: after ']' comes a port, another host or the path"},
        {"p://[::1][::2]",                                               "9: after ']' comes a port, another host or the path"},
        {"p://h]",                                                       "5" STRAY                                            },
        {"p://" SECRET "[::1",                                           "14" STRAY                                           },
        {"p://" SECRET "%2Ch",                                           "4: a host cannot hold a comma"                      },
        {"p://a," SECRET "%2Ch",                                         "6: a host cannot hold a comma"                      },
    };
    expect_all_refused(cases, COUNT(cases));
}

static void a_bad_query_is_refused(void **state) {
    (void)state;
#define TWICE ": this key is given twice"
#define REPEATS ": this key repeats a part that stands before the '?'"
    static const refused cases[] = {
        {"p://h?" SECRET,                              "6: this key has no '=' and value"                 },
        {"p://h?a=1&" SECRET,                          "10: this key has no '=' and value"                },
        {"p://h?=" SECRET,                             "6: a key is missing before '='"                   },
        {"p://h?&",                                    "6: a key is missing"                              },
        {"p://h?a=1&",                                 "10: a key is missing"                             },
        {"p://h?a=1&&b=" SECRET,                       "10: a key is missing"                             },
        {"p://h?" SECRET "%0A=1",                      "6: a key is UTF-8 text without control characters"},
        {"p://h?" SECRET "%FF=1",                      "6: a key is UTF-8 text without control characters"},
        {"p://h?" SECRET "=1&" SECRET "=2",            "19" TWICE                                         },
        {"p://h?a=" SECRET "&b=1&%61=" SECRET,         "23" TWICE                                         },
        {"p://h?pool_size=1&pool_size=1",              "18" TWICE                                         },
        {"p://h?pool_bad=" SECRET "&pool_bad=" SECRET, "26" TWICE                                         },
        {"p://u:" SECRET "@h?password=" SECRET,        "19" REPEATS                                       },
        {"p://u:" SECRET "@h?user=" SECRET,            "19" REPEATS                                       },
        {"p://h:1?a=1&port=2",                         "12" REPEATS                                       },
        {"p://h?host=" SECRET,                         "6" REPEATS                                        },
        {"p://h/d?path=" SECRET,                       "8" REPEATS                                        },
        {"sqlite:a?path=" SECRET,                      "9" REPEATS                                        },
    };
    expect_all_refused(cases, COUNT(cases));
}

static void a_bad_option_is_named_and_nothing_else(void **state) {
    (void)state;
    static const refused cases[] = {
        {"p://u:" SECRET "@h/d?pool_size=abc",                                    "pool_size=abc: is not a whole number from 0 to 32767"          },
        {"p://u:" SECRET "@h/d?a=" SECRET "&pool_siz=" SECRET,                    "pool_siz: is not an option of a pool; the nearest is pool_size"},
        {"p://u:" SECRET "@h/d?pool_size=8&pool_name=x&pool_echo=x%0A&b=" SECRET,
         "pool_echo=x\\x0A: is not one of off, false, info, true, on, debug"                                                                      },
    };
    expect_all_refused(cases, COUNT(cases));
}

static void a_null_url_is_refused(void **state) {
    (void)state;
    dbp_target target;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    assert_int_equal(dbp_target_from_url(NULL, &target, &config, &err), DBPOOL_EINVAL);
    assert_string_equal(err.message, "parse URL: it is NULL");
    expect_empty(&target);
}

static void the_longest_url_is_64_kib(void **state) {
    (void)state;
    char *url = malloc(DBP_URL_LENGTH_MAX + 2);
    dbp_target target;
    dbpool_config config = INITIAL;
    assert_non_null(url);
    memset(url, 'x', DBP_URL_LENGTH_MAX + 1);
    memcpy(url, "p:", 2);
    url[DBP_URL_LENGTH_MAX] = '\0';
    assert_int_equal(dbp_target_from_url(url, &target, &config, NULL), DBPOOL_OK);
    assert_int_equal(strlen(target.params[0].value), DBP_URL_LENGTH_MAX - 2);
    dbp_target_fini(&target);
    memcpy(url + DBP_URL_LENGTH_MAX, "x", 2);
    expect_refused(url, "parse URL: it is longer than 65536 bytes");
    /* The most that hosts can take: each comma is written twice. */
    memset(url, ',', DBP_URL_LENGTH_MAX + 1);
    memcpy(url, "p://:1", 6);
    url[DBP_URL_LENGTH_MAX] = '\0';
    assert_int_equal(dbp_target_from_url(url, &target, &config, NULL), DBPOOL_OK);
    assert_int_equal(target.count, 2);
    assert_int_equal(strlen(target.params[1].value), DBP_URL_LENGTH_MAX - 5);
    dbp_target_fini(&target);
    free(url);
}

/* "p://h?k0=&k1=&…" with so many keys. */
static void write_keys(char *url, size_t size, int count) {
    size_t length = (size_t)snprintf(url, size, "p://h");
    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(url + length, size - length, "%ck%d=", i ? '&' : '?', i);
}

static void a_query_has_at_most_256_keys(void **state) {
    (void)state;
    char url[4096];
    dbp_target target;
    dbpool_config config = INITIAL;
    write_keys(url, sizeof url, 256);
    assert_int_equal(dbp_target_from_url(url, &target, &config, NULL), DBPOOL_OK);
    assert_int_equal(target.count, 257);
    dbp_target_fini(&target);
    write_keys(url, sizeof url, 257);
    char message[80];
    snprintf(message, sizeof message, "parse URL: at byte %d: there are too many keys", (int)strlen(url) - (int)strlen("k256="));
    expect_refused(url, message);
}

/* ---- Keywords ---- */

static void keywords_are_taken_as_they_are(void **state) {
    (void)state;
    static const char *const keywords[] = {"host", "password", "pool_size", "dbname", "sslmode", "pool_name", "options", NULL};
    static const char *const values[] = {"h1,h2", "%41+ \n", "8", "", NULL, "shop", "x=y"};
    dbp_target target;
    dbpool_config config = INITIAL;
    assert_int_equal(dbp_target_from_arrays("PostgreSQL", keywords, values, &target, &config, NULL), DBPOOL_OK);
    assert_string_equal(target.scheme, "postgresql");
    assert_string_equal(line_of(&target), "host=h1,h2 password=%41+ \n dbname= options=x=y");
    assert_int_equal(config.size, 8);
    assert_string_equal(config.name, "shop");
    assert_ptr_not_equal(config.name, values[5]);
    assert_ptr_not_equal(target.params[0].key, keywords[0]);
    dbp_target_fini(&target);
}

static void no_keywords_are_no_arguments(void **state) {
    (void)state;
    static const char *const none[] = {NULL};
    dbp_target target;
    dbpool_config config = INITIAL;
    assert_int_equal(dbp_target_from_arrays("sqlite", NULL, NULL, &target, &config, NULL), DBPOOL_OK);
    assert_int_equal(target.count, 0);
    dbp_target_fini(&target);
    assert_int_equal(dbp_target_from_arrays("sqlite", none, NULL, &target, &config, NULL), DBPOOL_OK);
    assert_int_equal(target.count, 0);
    dbp_target_fini(&target);
}

static void expect_refused_keywords(const char *scheme, const char *const *keywords, const char *const *values, dbpool_status status,
                                    const char *message) {
    dbp_target target;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    memset(&target, 0xAA, sizeof target);
    assert_int_equal(dbp_target_from_arrays(scheme, keywords, values, &target, &config, &err), status);
    assert_string_equal(err.message, message);
    expect_empty(&target);
    expect_initial(&config);
}

static void bad_keywords_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *keywords[4], *values[3], *message;
    } cases[] = {
        {{"a", "", NULL},                  {SECRET, SECRET},   "read connect arguments: keyword 1 is empty"                                    },
        {{"a", SECRET, SECRET, NULL},      {SECRET, "1", "2"}, "read connect arguments: keyword 2 is given twice"                              },
        {{SECRET "\n", NULL},              {SECRET},           "read connect arguments: keyword 0 is not UTF-8 text without control characters"},
        {{"a", SECRET "\xFF", NULL},       {SECRET, ""},       "read connect arguments: keyword 1 is not UTF-8 text without control characters"},
        {{"pool_name", "pool_size", NULL}, {"x", "abc"},       "pool_size=abc: is not a whole number from 0 to 32767"                          },
        {{"pool_size", "pool_siz", NULL},  {"1", SECRET},      "pool_siz: is not an option of a pool; the nearest is pool_size"                },
        {{"pool_size", "pool_size", NULL}, {"1", "2"},         "read connect arguments: keyword 1 is given twice"                              },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_refused_keywords("p", cases[i].keywords, cases[i].values, DBPOOL_EOPTION, cases[i].message);
}

static void a_bad_scheme_beside_keywords_is_refused(void **state) {
    (void)state;
    static const char *const schemes[] = {"", "p:", "p://u:" SECRET "@h", "1p", "p ", "p\xC3\xA4", "abcdefghijklmnopqrstuvwxyzabcdefg"};
    for (size_t i = 0; i < COUNT(schemes); i++)
        expect_refused_keywords(schemes[i], NULL, NULL, DBPOOL_EOPTION,
                                "read connect arguments: the scheme is not a letter and up to 31 letters, digits, '+', '-' or '.'");
    expect_refused_keywords(NULL, NULL, NULL, DBPOOL_EINVAL, "read connect arguments: the scheme is NULL");
    static const char *const keywords[] = {"a", NULL};
    expect_refused_keywords("p", keywords, NULL, DBPOOL_EINVAL, "read connect arguments: the values are NULL");
}

static void too_many_or_too_long_keywords_are_refused(void **state) {
    (void)state;
    const char *keywords[258], *values[257];
    char *big = calloc(1, DBP_URL_LENGTH_MAX + 1);
    const char *message = "read connect arguments: there are more than 256 keywords or 65536 bytes";
    assert_non_null(big);
    memset(big, 'x', DBP_URL_LENGTH_MAX);
    for (size_t i = 0; i < 257; i++)
        keywords[i] = values[i] = "a";
    keywords[257] = NULL;
    expect_refused_keywords("p", keywords, values, DBPOOL_EOPTION, message);
    keywords[1] = NULL;
    values[0] = big;
    expect_refused_keywords("p", keywords, values, DBPOOL_EOPTION, message);
    free(big);
}

/* ---- What users are told ---- */

/* "| `URL` | the rest |" of a table: cuts the line into both, backquotes left in the rest. */
static bool split_row(char *line, char **url_out, char **rest_out) {
    char *middle = strstr(line, "` | "), *last = strstr(line, " |\n");
    if (strncmp(line, "| `", 3) != 0 || !middle || !last)
        return false;
    *middle = *last = '\0';
    *url_out = line + 3;
    *rest_out = middle + 4;
    return true;
}

/* "`a=1` `b=2`" as line_of writes it; no value in the page has a backquote. */
static void strip_backquotes(char *text) {
    char *to = text;
    for (char *from = text; *from; from++)
        if (*from != '`')
            *to++ = *from;
    *to = '\0';
}

static void expect_documented(const char *url, char *rest) {
    dbp_target target;
    dbpool_config config = INITIAL;
    dbpool_error err = {0};
    bool taken = rest[0] == '`';
    strip_backquotes(rest);
    assert_int_equal(dbp_target_from_url(url, &target, &config, &err), taken ? DBPOOL_OK : DBPOOL_EOPTION);
    assert_string_equal(taken ? line_of(&target) : err.message, rest);
    dbp_target_fini(&target);
}

static void every_url_in_the_documentation_does_what_it_says(void **state) {
    (void)state;
    const char *root = getenv("SOURCE_ROOT");
    char path[4096], line[1024], *url = NULL, *rest = NULL;
    if (!root)
        skip();
    snprintf(path, sizeof path, "%s/docs/urls.md", root);
    FILE *page = fopen(path, "r");
    assert_non_null(page);
    size_t rows = 0;
    while (fgets(line, sizeof line, page))
        if (split_row(line, &url, &rest)) {
            expect_documented(url, rest);
            rows++;
        }
    fclose(page);
    assert_int_equal(rows, 18);
}

/* ---- Memory ---- */

static int allocations, failing_allocation;

static bool fail_one(size_t size) {
    (void)size;
    return allocations++ != failing_allocation;
}

static dbpool_status build(bool arrays, dbp_target *target, dbpool_config *config, dbpool_error *err) {
    static const char *const keywords[] = {"password", "pool_name", "pool_size", NULL}, *const values[] = {SECRET, "shop", "8"};
    return arrays ? dbp_target_from_arrays("p", keywords, values, target, config, err)
                  : dbp_target_from_url("p://u:" SECRET "@h/d?pool_name=shop&pool_size=8", target, config, err);
}

static void every_failed_allocation_is_an_error_and_leaves_nothing(void **state) {
    const char *const messages[] = {"parse URL: out of memory", "read connect arguments: out of memory"};
    (void)state;
    dbp_memory_hook = fail_one;
    for (int arrays = 0; arrays < 2; arrays++) {
        dbpool_status status = DBPOOL_ENOMEM;
        for (failing_allocation = 0; status == DBPOOL_ENOMEM; failing_allocation++) {
            dbp_target target;
            dbpool_config config = INITIAL;
            dbpool_error err = {0};
            allocations = 0;
            status = build(arrays, &target, &config, &err);
            if (status == DBPOOL_ENOMEM) {
                assert_string_equal(err.message, messages[arrays]);
                expect_empty(&target);
                expect_initial(&config);
            }
            dbp_target_fini(&target);
        }
        assert_int_equal(status, DBPOOL_OK);
        assert_int_equal(failing_allocation, 3);
    }
    dbp_memory_hook = NULL;
}

static void ending_an_empty_target_does_nothing(void **state) {
    (void)state;
    dbp_target target = {0};
    dbp_target_fini(&target);
    expect_empty(&target);
    dbpool_config config = INITIAL;
    assert_int_equal(dbp_target_from_url("p://u:" SECRET "@h?x=" SECRET, &target, &config, NULL), DBPOOL_OK);
    size_t before = freed;
    dbp_target_fini(&target);
    assert_int_equal(freed, before + 2);
    expect_empty(&target);
    dbp_target_fini(&target);
    assert_int_equal(freed, before + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_parts),
        cmocka_unit_test(a_url_without_an_authority_is_a_path),
        cmocka_unit_test(every_part_is_unescaped_once),
        cmocka_unit_test(several_hosts_stand_side_by_side_with_their_ports),
        cmocka_unit_test(a_query_keeps_its_order),
        cmocka_unit_test(options_go_to_the_configuration),
        cmocka_unit_test(a_bad_scheme_is_refused),
        cmocka_unit_test(bytes_that_must_be_escaped_are_refused),
        cmocka_unit_test(a_bad_authority_is_refused),
        cmocka_unit_test(a_bad_query_is_refused),
        cmocka_unit_test(a_bad_option_is_named_and_nothing_else),
        cmocka_unit_test(a_null_url_is_refused),
        cmocka_unit_test(the_longest_url_is_64_kib),
        cmocka_unit_test(a_query_has_at_most_256_keys),
        cmocka_unit_test(keywords_are_taken_as_they_are),
        cmocka_unit_test(no_keywords_are_no_arguments),
        cmocka_unit_test(bad_keywords_are_refused),
        cmocka_unit_test(a_bad_scheme_beside_keywords_is_refused),
        cmocka_unit_test(too_many_or_too_long_keywords_are_refused),
        cmocka_unit_test(every_url_in_the_documentation_does_what_it_says),
        cmocka_unit_test(every_failed_allocation_is_an_error_and_leaves_nothing),
        cmocka_unit_test(ending_an_empty_target_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
