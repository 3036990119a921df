/* SPDX-License-Identifier: MIT
 *
 * The fake clock and the fake driver do what their headers say: other tests rest on them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "fake_clock.h"
#include "fake_driver.h"
#include "os/clock.h"
#include "os/wait.h"

/* ---- The clock ------------------------------------------------------------------------------------------------------------------- */

static dbp_atomic_u32 word;

/* Waits on `word` until a deadline in fake time; the thread's result is whether it was woken. */
static void *wait_until(void *deadline_ns) { return dbp_wait(&word, 0, *(int64_t *)deadline_ns) ? deadline_ns : NULL; }

static bool was_woken(pthread_t thread) {
    void *result = NULL;
    pthread_join(thread, &result);
    return result != NULL;
}

static void time_moves_only_by_hand(void **state) {
    (void)state;
    int64_t now = dbp_clock_now();
    assert_int_equal(dbp_clock_coarse(), now);
    fake_clock_advance_ms(3);
    assert_int_equal(dbp_clock_now(), now + 3 * DBP_NS_PER_MS);
}

static void a_sleeper_ends_at_its_deadline(void **state) {
    (void)state;
    int64_t early = dbp_clock_now() + 10, late = early + 10, never = DBP_NEVER;
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, wait_until, &early);
    pthread_create(&threads[1], NULL, wait_until, &late);
    pthread_create(&threads[2], NULL, wait_until, &never);
    fake_clock_await_sleepers(3);
    assert_int_equal(fake_clock_next_deadline(), early);
    fake_clock_advance_ns(10);
    assert_false(was_woken(threads[0]));
    assert_int_equal(fake_clock_sleepers(), 2);
    assert_true(fake_clock_advance_to_deadline());
    assert_false(was_woken(threads[1]));
    assert_false(fake_clock_advance_to_deadline());
    dbp_wake_all(&word);
    assert_true(was_woken(threads[2]));
}

static void one_is_woken_or_all(void **state) {
    (void)state;
    int64_t never = DBP_NEVER;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, wait_until, &never);
        fake_clock_await_sleepers(i + 1);
    }
    dbp_wake_one(&word);
    assert_true(was_woken(threads[0]));
    assert_int_equal(fake_clock_sleepers(), 2);
    dbp_wake_all(&word);
    assert_true(was_woken(threads[1]));
    assert_true(was_woken(threads[2]));
}

static void nobody_sleeps_on_a_word_that_has_changed(void **state) {
    (void)state;
    assert_true(dbp_wait(&word, 1, DBP_NEVER));
    assert_false(dbp_wait(&word, 0, dbp_clock_now()));
}

/* ---- The driver ------------------------------------------------------------------------------------------------------------------ */

static void a_planned_call_fails_and_the_next_does_not(void **state) {
    (void)state;
    fake_driver *fake = fake_driver_create();
    dbpool_driver *table = fake_driver_table(fake);
    void *native = NULL;
    dbpool_error err = {0};
    fake_driver_plan(fake, FAKE_OPEN, 2, 1, (fake_answer){.status = DBPOOL_ECONNECT, .flags = DBPOOL_ERROR_RETRYABLE});
    assert_int_equal(table->open(fake, 5, &native, &err), DBPOOL_OK);
    assert_int_equal(fake_driver_deadline(fake, FAKE_OPEN), 5);
    void *other = NULL;
    assert_int_equal(table->open(fake, 6, &other, &err), DBPOOL_ECONNECT);
    assert_string_equal(err.message, "opening: planned failure");
    assert_int_equal(err.flags, DBPOOL_ERROR_RETRYABLE);
    assert_int_equal(table->open(fake, 7, &other, &err), DBPOOL_OK);
    assert_int_equal(fake_driver_open_natives(fake), 2);
    fake_native_set_state(native, DBPOOL_NATIVE_DIRTY);
    assert_int_equal(table->state(fake, native), DBPOOL_NATIVE_DIRTY);
    assert_int_equal(table->reset(fake, native, DBPOOL_RESET_COMMIT, 8, &err), DBPOOL_OK);
    assert_int_equal(fake_driver_last_reset(fake), DBPOOL_RESET_COMMIT);
    assert_int_equal(table->state(fake, native), DBPOOL_NATIVE_CLEAN);
    fake_native_kill(other);
    assert_false(table->look(fake, other));
    assert_int_equal(table->ping(fake, other, 9, &err), DBPOOL_EDISCONNECT);
    assert_int_equal(table->close(fake, native, &err), DBPOOL_OK);
    assert_int_equal(table->close(fake, other, &err), DBPOOL_OK);
    char history[128];
    assert_string_equal(fake_driver_history(fake, history, sizeof history),
                        "open1 open2 open2 state1 reset1 state1 look2 ping2 close1 close2");
    assert_int_equal(fake_driver_most_open(fake), 2);
    fake_driver_destroy(fake);
}

static void *open_one(void *fake) {
    void *native = NULL;
    return fake_driver_table(fake)->open(fake, INT64_MAX, &native, NULL) == DBPOOL_OK ? native : NULL;
}

static void a_planned_call_hangs_until_it_is_released(void **state) {
    (void)state;
    fake_driver *fake = fake_driver_create();
    fake_driver_plan(fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true});
    pthread_t thread;
    pthread_create(&thread, NULL, open_one, fake);
    fake_driver_await_hanging(fake, FAKE_OPEN, 1);
    assert_int_equal(fake_driver_open_natives(fake), 0);
    void *first = open_one(fake), *second = NULL;
    fake_driver_release(fake, FAKE_OPEN);
    pthread_join(thread, &second);
    assert_int_equal(fake_driver_calls(fake, FAKE_OPEN), 2);
    assert_int_equal(fake_driver_table(fake)->close(fake, first, NULL), DBPOOL_OK);
    assert_int_equal(fake_driver_table(fake)->close(fake, second, NULL), DBPOOL_OK);
    fake_driver_destroy(fake);
}

static int init_clock(void **state) {
    (void)state;
    fake_clock_init();
    return 0;
}

static int fini_clock(void **state) {
    (void)state;
    fake_clock_fini();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_moves_only_by_hand),
        cmocka_unit_test(a_sleeper_ends_at_its_deadline),
        cmocka_unit_test(one_is_woken_or_all),
        cmocka_unit_test(nobody_sleeps_on_a_word_that_has_changed),
        cmocka_unit_test(a_planned_call_fails_and_the_next_does_not),
        cmocka_unit_test(a_planned_call_hangs_until_it_is_released),
    };
    return cmocka_run_group_tests(tests, init_clock, fini_clock);
}
