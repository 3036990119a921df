/* SPDX-License-Identifier: MIT
 *
 * Quantiles of the histogram against those of the sorted values themselves: within three digits, for shapes that load has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"

#include <stdlib.h>

#define VALUES 100000

static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

static uint64_t next_random(uint64_t *seed) {
    *seed += 0x9E3779B97F4A7C15u;
    uint64_t x = *seed;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static int by_value(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* As defined: the smallest value that the share of values does not exceed. */
static int64_t exact_quantile(const int64_t *sorted, size_t count, double quantile) {
    for (size_t i = 0; i < count; i++)
        if ((double)(i + 1) >= quantile * (double)count)
            return sorted[i];
    return sorted[count - 1];
}

static void expect_near(int64_t found, int64_t exact) {
    if (found < exact || (double)(found - exact) > (double)exact / 1000)
        fail_msg("found %lld, exact %lld", (long long)found, (long long)exact);
}

static void expect_quantiles(const histogram *h, int64_t *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        expect_near(histogram_quantile(h, quantiles[i]), exact_quantile(values, count, quantiles[i]));
    assert_int_equal(histogram_least(h), values[0]);
    assert_int_equal(histogram_most(h), values[count - 1]);
    assert_int_equal(histogram_count(h), count);
}

static void try_shape(int64_t (*shape)(uint64_t random)) {
    int64_t *values = malloc(VALUES * sizeof *values);
    uint64_t seed = 4711;
    uint64_t sum = 0;
    histogram h;
    assert_true(values && histogram_init(&h));
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = shape(next_random(&seed));
        histogram_add(&h, values[i]);
        sum += (uint64_t)values[i];
    }
    expect_quantiles(&h, values, VALUES);
    assert_true(histogram_mean(&h) == (double)sum / VALUES);
    histogram_fini(&h);
    free(values);
}

static int64_t short_times(uint64_t random) { return (int64_t)(random % 2048); }
static int64_t even_times(uint64_t random) { return (int64_t)(random % 10000000); }
static int64_t all_lengths(uint64_t random) { return (int64_t)((random >> 8) >> (14 + random % 40)); }
static int64_t two_peaks(uint64_t random) { return (int64_t)(random % 50 == 0 ? 1000000000 + random % 1000 : 20000 + random % 5000); }

static void short_durations_are_exact(void **state) {
    (void)state;
    try_shape(short_times);
    histogram h;
    assert_true(histogram_init(&h));
    for (int64_t ns = 0; ns < 2048; ns++)
        histogram_add(&h, ns);
    for (int64_t ns = 0; ns < 2048; ns++)
        assert_int_equal(histogram_quantile(&h, (double)(ns + 1) / 2048), ns);
    histogram_fini(&h);
}

static void quantiles_have_three_digits(void **state) {
    (void)state;
    try_shape(even_times);
    try_shape(all_lengths);
    try_shape(two_peaks);
}

/* At each border between two steps and two groups, a value is found again alone, and never as less than it was. */
static void borders_are_counted_once(void **state) {
    (void)state;
    histogram h;
    assert_true(histogram_init(&h));
    for (int bit = 0; bit < 42; bit++)
        for (int64_t off = -1; off <= 1; off++) {
            int64_t ns = (INT64_C(1) << bit) + off;
            histogram_add(&h, ns);
            histogram_add(&h, HISTOGRAM_MOST);
            expect_near(histogram_quantile(&h, 0.5), ns);
            assert_int_equal(histogram_count(&h), 2);
            histogram_clear(&h);
            assert_int_equal(histogram_count(&h), 0);
        }
    histogram_fini(&h);
}

static void what_is_out_of_range_counts_at_the_end(void **state) {
    (void)state;
    histogram h;
    assert_true(histogram_init(&h));
    histogram_add(&h, -5);
    histogram_add(&h, INT64_MAX);
    assert_int_equal(histogram_least(&h), 0);
    assert_int_equal(histogram_most(&h), HISTOGRAM_MOST);
    assert_int_equal(histogram_quantile(&h, 1), HISTOGRAM_MOST);
    histogram_fini(&h);
}

static void an_empty_one_answers_zero(void **state) {
    (void)state;
    histogram h;
    assert_true(histogram_init(&h));
    assert_int_equal(histogram_quantile(&h, 0.99), 0);
    assert_int_equal(histogram_least(&h), 0);
    assert_int_equal(histogram_most(&h), 0);
    assert_true(histogram_mean(&h) == 0);
    histogram_fini(&h);
}

static void merged_ones_are_as_one(void **state) {
    (void)state;
    int64_t values[2000];
    uint64_t seed = 1;
    histogram parts[2], whole;
    assert_true(histogram_init(&parts[0]) && histogram_init(&parts[1]) && histogram_init(&whole));
    for (size_t i = 0; i < 2000; i++) {
        values[i] = all_lengths(next_random(&seed));
        histogram_add(&parts[i % 2], values[i]);
    }
    histogram_merge(&whole, &parts[0]);
    histogram_merge(&whole, &parts[1]);
    expect_quantiles(&whole, values, 2000);
    histogram_fini(&parts[0]);
    histogram_fini(&parts[1]);
    histogram_fini(&whole);
}

static void what_came_since_is_the_difference(void **state) {
    (void)state;
    histogram now, before;
    assert_true(histogram_init(&now) && histogram_init(&before));
    for (int i = 0; i < 1000; i++)
        histogram_add(&now, 1000000);
    histogram_merge(&before, &now);
    for (int i = 0; i < 10; i++)
        histogram_add(&now, 5000);
    histogram_subtract(&now, &before);
    assert_int_equal(histogram_count(&now), 10);
    expect_near(histogram_quantile(&now, 0.99), 5000);
    expect_near(histogram_most(&now), 5000);
    assert_true(histogram_mean(&now) == 5000);
    histogram_fini(&now);
    histogram_fini(&before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_durations_are_exact),         cmocka_unit_test(quantiles_have_three_digits),
        cmocka_unit_test(borders_are_counted_once),          cmocka_unit_test(what_is_out_of_range_counts_at_the_end),
        cmocka_unit_test(an_empty_one_answers_zero),         cmocka_unit_test(merged_ones_are_as_one),
        cmocka_unit_test(what_came_since_is_the_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
