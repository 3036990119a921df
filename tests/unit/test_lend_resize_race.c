/* SPDX-License-Identifier: MIT
 *
 * The moment in a put between reading the idle stack's head and reading how many may be idle: the test resizes there, in the place of
 * another thread.
 */
#include "os/atomic.h"

/* The core of this program is compiled with this in the place of one of its steps. */
static uint32_t look_at(const dbp_atomic_u32 *word);
#define dbp_load_relaxed_u32 look_at
#include "core/lend.c"
#undef dbp_load_relaxed_u32

#include "lend_fixture.h"

static void (*after_keep)(void);

static uint32_t look_at(const dbp_atomic_u32 *word) {
    uint32_t found = dbp_load_relaxed_u32(word);
    void (*now)(void) = after_keep;
    if (now && word == &core.keep) {
        after_keep = NULL;
        now();
    }
    return found;
}

static void keep_none(void) { assert_null(dbp_lend_resize(&core, 0, 2, false)); }

static void a_put_that_read_the_old_keep_does_not_count(void **state) {
    (void)state;
    for (int order = DBP_LEND_WARM; order <= DBP_LEND_LIFO; order++) {
        core_open((dbp_lend_order)order, 1, 2, 0);
        /* Two places and one to keep: the hot slots are shut. */
        thing *a = make(), *b = make();
        after_keep = keep_none;
        put_surplus(a);
        assert_null(after_keep);
        assert_int_equal(stats_now().idle, 0);
        put_surplus(b);
        core_shut();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_that_read_the_old_keep_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
