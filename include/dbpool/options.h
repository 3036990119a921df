/* SPDX-License-Identifier: MIT
 *
 * Every option of a pool, in one table. dbpool.h makes the fields of dbpool_config and their defaults from it; the library makes
 * the keys of a URL, the range checks and their messages; docs/options.md is printed from it.
 *
 *     X(kind, field, key, default, least, most, "what it does")
 *
 * kind      in a URL                                              in dbpool_config
 * INT       a whole number                                        int32_t
 * BOOL      true, false, yes, no, on, off, 1, 0                   int32_t, 0 or 1
 * MS        a duration: 30s, 500ms, 5min, 2h; a bare number       int64_t, milliseconds
 *           is seconds, fractions are allowed; -1: none
 * NS        the same, with us and ns as well                      int64_t, nanoseconds
 * RESET, ORDER, ECHO   one of the words named in the text          int32_t, an enum of dbpool.h
 * TEXT      the text                                              const char *, copied by open
 *
 * New rows come last, so that the struct of an older program is a beginning of the newer one, and rows of 32 bits come in pairs, so that
 * there is no padding, which no program sets.
 */
#ifndef DBPOOL_OPTIONS_H
#define DBPOOL_OPTIONS_H

/* The most connections that one pool can hold. */
#define DBPOOL_CONNECTIONS_MAX 32767

/* A day in milliseconds times 366: the longest duration that an option takes. */
#define DBPOOL_MS_MAX 31622400000

/* clang-format off */
#define DBPOOL_OPTIONS(X)                                                                                                           \
    X(TEXT, name, "pool_name", NULL, 0, 255,                                                                                        \
      "The name of the pool in log lines and metrics; by default an id in hexadecimal. It must hold no secret.")                    \
    X(INT, size, "pool_size", 5, 0, DBPOOL_CONNECTIONS_MAX,                                                                         \
      "How many connections are kept open when idle. 0: every idle one is kept and nothing limits how many are open.")              \
    X(INT, max_overflow, "pool_max_overflow", 10, -1, DBPOOL_CONNECTIONS_MAX,                                                       \
      "How many more than `size` may be open at once; they are closed when they come back. -1: no limit.")                          \
    X(MS, timeout_ms, "pool_timeout", 30000, -1, DBPOOL_MS_MAX,                                                                     \
      "How long a checkout waits, opening included. 0: it never waits for another's connection. -1: for ever.")                     \
    X(ORDER, idle_order, "pool_idle_order", DBPOOL_IDLE_WARM, DBPOOL_IDLE_WARM, DBPOOL_IDLE_FIFO,                                   \
      "Which idle connection is lent: `warm` (the one that rests at this CPU, else the most recent), `lifo` or `fifo`, both exact.")    \
    X(BOOL, pre_ping, "pool_pre_ping", 0, 0, 1,                                                                                     \
      "Ask the server, with one round trip, whether an idle connection lives before it is lent.")                                   \
    X(NS, fair_ns, "pool_fair", 500000, 0, 3600000000000,                                                                           \
      "A caller that has waited for this long is overtaken no more: each connection returned goes to it. 0: strictly in order.")    \
    X(MS, connect_timeout_ms, "pool_connect_timeout", 10000, -1, DBPOOL_MS_MAX,                                                     \
      "The most that opening one connection may take. -1: no limit but the caller's, and none on a thread of the library.")         \
    X(MS, recycle_ms, "pool_recycle", -1, -1, DBPOOL_MS_MAX,                                                                        \
      "A connection older than this is opened anew at its next checkout. 0: whenever time has passed. -1: never.")                  \
    X(MS, validate_after_ms, "pool_validate_after", 0, 0, DBPOOL_MS_MAX,                                                            \
      "An idle connection is looked at (no round trip) before it is lent, unless it was used within this time. 0: always.")         \
    X(MS, ping_timeout_ms, "pool_ping_timeout", 5000, 1, DBPOOL_MS_MAX,                                                             \
      "The most that one ping may take.")                                                                                           \
    X(RESET, reset_on_return, "pool_reset_on_return", DBPOOL_RESET_ROLLBACK, DBPOOL_RESET_NONE, DBPOOL_RESET_FULL,                  \
      "What a returned connection goes through: `rollback` (or true), `commit`, `none` (or false), or `full`, where the driver "    \
      "forgets everything that the session held.")                                                                                  \
    X(ECHO, echo, "pool_echo", DBPOOL_ECHO_UNSET, DBPOOL_ECHO_UNSET, DBPOOL_ECHO_DEBUG,                                             \
      "What is logged: `off` (or false; errors alone), `info` (or true), `debug`; unset, the process-wide level decides.")          \
    X(MS, reset_timeout_ms, "pool_reset_timeout", 5000, 1, DBPOOL_MS_MAX,                                                           \
      "The most that a reset may take; past that the connection is closed.")
/* clang-format on */

#endif
