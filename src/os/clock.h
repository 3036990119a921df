/* SPDX-License-Identifier: MIT
 *
 * Time, in nanoseconds on a clock that never runs backwards. Tests put a clock of their own in its place.
 */
#ifndef DBP_OS_CLOCK_H
#define DBP_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define DBP_NEVER INT64_MAX
#define DBP_NS_PER_MS 1000000

/* When set (before the first use of the library, by a test), tells the time instead of the system. */
extern int64_t (*dbp_clock_hook)(void);

/* The time, exact: about 20 ns a call. */
int64_t dbp_clock_now(void);

/* The same clock as of the last timer tick, 1 to 4 ms ago at most and never ahead: about 3 ns a call. */
static inline int64_t dbp_clock_coarse(void) {
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec t;
    if (__builtin_expect(dbp_clock_hook != NULL, 0))
        return dbp_clock_hook();
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
#else
    return dbp_clock_now();
#endif
}

/* now + timeout_ms, where a negative timeout is none; never overflows. */
int64_t dbp_deadline_after_ms(int64_t now, int64_t timeout_ms);

/* The milliseconds until a deadline, rounded up, as poll takes them: 0 when it has passed, -1 when it is DBP_NEVER. */
int dbp_deadline_left_ms(int64_t deadline_ns);

#endif
