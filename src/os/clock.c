/* SPDX-License-Identifier: MIT */
#include "os/clock.h"

#include <limits.h>
#include <stddef.h>

int64_t (*dbp_clock_hook)(void) = NULL;

int64_t dbp_clock_now(void) {
    struct timespec t;
    if (__builtin_expect(dbp_clock_hook != NULL, 0))
        return dbp_clock_hook();
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t dbp_deadline_after_ms(int64_t now, int64_t timeout_ms) {
    if (timeout_ms < 0 || timeout_ms > (DBP_NEVER - now) / DBP_NS_PER_MS)
        return DBP_NEVER;
    return now + timeout_ms * DBP_NS_PER_MS;
}

int dbp_deadline_left_ms(int64_t deadline_ns) {
    if (deadline_ns == DBP_NEVER)
        return -1;
    int64_t now = dbp_clock_now();
    if (deadline_ns <= now)
        return 0;
    int64_t left = deadline_ns - now, ms = left / DBP_NS_PER_MS + (left % DBP_NS_PER_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
