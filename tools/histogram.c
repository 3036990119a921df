/* SPDX-License-Identifier: MIT
 *
 * The counts stand in groups of 1,024. Group 0 and 1 are the values below 2,048 themselves; each later group covers one doubling, with
 * steps twice as wide as the group before.
 */
#include "histogram.h"

#include <stdlib.h>

#define STEP_BITS 10
#define STEPS (1u << STEP_BITS)
#define VALUE_BITS 42
#define COUNTS ((VALUE_BITS - STEP_BITS + 1) * STEPS)

static size_t index_of(uint64_t value) {
    if (value < 2 * STEPS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
    return shift * STEPS + (size_t)(value >> shift);
}

/* The largest value that is counted at `index`. */
static int64_t largest_at(size_t index) {
    if (index < 2 * STEPS)
        return (int64_t)index;
    unsigned shift = (unsigned)(index / STEPS) - 1;
    uint64_t step = index - (size_t)shift * STEPS;
    return (int64_t)(((step + 1) << shift) - 1);
}

static uint64_t load(const _Atomic uint64_t *a) { return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)a, memory_order_relaxed); }

static int64_t load_signed(const _Atomic int64_t *a) { return atomic_load_explicit((_Atomic int64_t *)(uintptr_t)a, memory_order_relaxed); }

/* Only the owner writes, so that no locked instruction is needed. */
static void bump(_Atomic uint64_t *a, uint64_t by) { atomic_store_explicit(a, load(a) + by, memory_order_relaxed); }

static void widen(histogram *h, int64_t least, int64_t most) {
    if (least < load_signed(&h->least))
        atomic_store_explicit(&h->least, least, memory_order_relaxed);
    if (most > load_signed(&h->most))
        atomic_store_explicit(&h->most, most, memory_order_relaxed);
}

static void reset_bounds(histogram *h) {
    atomic_store_explicit(&h->least, HISTOGRAM_MOST, memory_order_relaxed);
    atomic_store_explicit(&h->most, 0, memory_order_relaxed);
}

bool histogram_init(histogram *h) {
    /* Most of it is never touched, so that calloc's pages cost nothing. */
    h->counts = calloc(COUNTS, sizeof *h->counts);
    atomic_init(&h->count, 0);
    atomic_init(&h->sum, 0);
    reset_bounds(h);
    return h->counts != NULL;
}

void histogram_fini(histogram *h) {
    free((void *)h->counts);
    h->counts = NULL;
}

void histogram_add(histogram *h, int64_t ns) {
    int64_t value = ns < 0 ? 0 : ns > HISTOGRAM_MOST ? HISTOGRAM_MOST : ns;
    bump(&h->counts[index_of((uint64_t)value)], 1);
    bump(&h->count, 1);
    bump(&h->sum, (uint64_t)value);
    widen(h, value, value);
}

/* The range of the counts that can hold something. */
static size_t first_used(const histogram *h) { return index_of((uint64_t)load_signed(&h->least)); }
static size_t last_used(const histogram *h) { return index_of((uint64_t)load_signed(&h->most)); }

void histogram_merge(histogram *into, const histogram *from) {
    uint64_t merged = 0, sum = load(&from->sum);
    int64_t least = load_signed(&from->least), most = load_signed(&from->most);
    for (size_t i = first_used(from); i <= last_used(from); i++) {
        uint64_t more = load(&from->counts[i]);
        merged += more;
        bump(&into->counts[i], more);
    }
    bump(&into->count, merged);
    bump(&into->sum, sum);
    widen(into, least, most);
}

void histogram_subtract(histogram *from, const histogram *earlier) {
    uint64_t left = 0, sum = load(&from->sum) - load(&earlier->sum);
    size_t first = first_used(from), last = last_used(from);
    reset_bounds(from);
    for (size_t i = first; i <= last; i++) {
        uint64_t now = load(&from->counts[i]), before = load(&earlier->counts[i]), more = now > before ? now - before : 0;
        atomic_store_explicit(&from->counts[i], more, memory_order_relaxed);
        left += more;
        if (more)
            widen(from, largest_at(i), largest_at(i));
    }
    atomic_store_explicit(&from->count, left, memory_order_relaxed);
    atomic_store_explicit(&from->sum, sum, memory_order_relaxed);
}

void histogram_clear(histogram *h) {
    for (size_t i = first_used(h); i <= last_used(h); i++)
        atomic_store_explicit(&h->counts[i], 0, memory_order_relaxed);
    atomic_store_explicit(&h->count, 0, memory_order_relaxed);
    atomic_store_explicit(&h->sum, 0, memory_order_relaxed);
    reset_bounds(h);
}

/* How many values must be seen until `quantile` of `count` have been: at least 1, at most all. */
static uint64_t rank_of(double quantile, uint64_t count) {
    double exact = quantile * (double)count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    return rank < 1 ? 1 : rank > count ? count : rank;
}

int64_t histogram_quantile(const histogram *h, double quantile) {
    uint64_t count = histogram_count(h), seen = 0;
    if (count == 0)
        return 0;
    uint64_t rank = rank_of(quantile, count);
    int64_t most = load_signed(&h->most);
    for (size_t i = first_used(h); i <= last_used(h); i++) {
        seen += load(&h->counts[i]);
        if (seen >= rank)
            return largest_at(i) < most ? largest_at(i) : most;
    }
    return most;
}

uint64_t histogram_count(const histogram *h) { return load(&h->count); }

int64_t histogram_least(const histogram *h) { return histogram_count(h) ? load_signed(&h->least) : 0; }

int64_t histogram_most(const histogram *h) { return load_signed(&h->most); }

double histogram_mean(const histogram *h) { return histogram_count(h) ? (double)load(&h->sum) / (double)histogram_count(h) : 0; }
