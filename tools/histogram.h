/* SPDX-License-Identifier: MIT
 *
 * A histogram of durations in nanoseconds with three significant digits: exact below 2 µs, then 1,024 steps for each doubling, up to
 * about 73 minutes; what is longer counts as that. One thread adds; others may read while it does and see it a little late.
 */
#ifndef DBPOOL_TOOL_HISTOGRAM_H
#define DBPOOL_TOOL_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_MOST ((INT64_C(1) << 42) - 1)

typedef struct histogram {
    /* written by the owner thread only */
    _Atomic uint64_t *counts;
    _Atomic uint64_t count, sum;
    _Atomic int64_t least, most; /* exact; when the count is 0, HISTOGRAM_MOST and 0 */
} histogram;

/* False when there is no memory. histogram_fini takes a zeroed one as well. */
bool histogram_init(histogram *h);
void histogram_fini(histogram *h);

/* Counts a duration; one below 0 counts as 0. */
void histogram_add(histogram *h, int64_t ns);

/* Adds what `from` holds to `into`, of which the caller is the owner. */
void histogram_merge(histogram *into, const histogram *from);

/* Takes an earlier copy of the same histogram away; `least` and `most` then have three digits only. */
void histogram_subtract(histogram *from, const histogram *earlier);

/* Empties it. */
void histogram_clear(histogram *h);

/* The smallest recorded value that `quantile` (0.99) of all values do not exceed, rounded up in its fourth digit, but never above the
 * longest; 0 when empty. */
int64_t histogram_quantile(const histogram *h, double quantile);

uint64_t histogram_count(const histogram *h);
int64_t histogram_least(const histogram *h);
int64_t histogram_most(const histogram *h);
double histogram_mean(const histogram *h);

#endif
