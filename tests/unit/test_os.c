/* SPDX-License-Identifier: MIT
 *
 * What the library has of the system: waiting and waking, the mutex, the clock and its deadlines, threads, memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "os/clock.h"
#include "os/cpu.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

#define THREADS 4
#define TURNS 2000

static void run_threads(void *(*work)(void *arg)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- Waiting ---- */

static void a_word_that_has_changed_is_not_waited_for(void **state) {
    (void)state;
    dbp_atomic_u32 word = {1};
    assert_true(dbp_wait(&word, 0, DBP_NEVER));
}

static void a_deadline_that_has_passed_ends_the_wait_at_once(void **state) {
    (void)state;
    dbp_atomic_u32 word = {0};
    assert_false(dbp_wait(&word, 0, 0));
    assert_false(dbp_wait(&word, 0, dbp_clock_now()));
    int64_t deadline_ns = dbp_clock_now() + DBP_NS_PER_MS;
    while (dbp_wait(&word, 0, deadline_ns))
        ;
    assert_true(dbp_clock_now() >= deadline_ns);
}

static void nobody_need_be_asleep_to_be_woken(void **state) {
    (void)state;
    dbp_atomic_u32 word = {0};
    dbp_wake_one(&word);
    dbp_wake_all(&word);
}

static dbp_atomic_u32 turn;

/* Each thread moves the word on when its turn has come: a wake-up that is lost hangs the test. */
static void *take_turns(void *arg) {
    uint32_t own = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < TURNS; i++) {
        for (uint32_t seen; (seen = dbp_load_acquire_u32(&turn)) % THREADS != own;)
            (void)dbp_wait(&turn, seen, DBP_NEVER);
        (void)dbp_add_relaxed_u32(&turn, 1);
        dbp_wake_all(&turn);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state) {
    (void)state;
    dbp_store_relaxed_u32(&turn, 0);
    run_threads(take_turns);
    assert_int_equal(dbp_load_relaxed_u32(&turn), THREADS * TURNS);
}

static dbp_mutex mutex;
static uint64_t guarded;

static void *count_guarded(void *arg) {
    (void)arg;
    for (int i = 0; i < TURNS; i++) {
        dbp_mutex_lock(&mutex);
        uint64_t seen = guarded;
        if (i % 64 == 0)
            dbp_thread_yield();
        guarded = seen + 1;
        dbp_mutex_unlock(&mutex);
    }
    return NULL;
}

static void the_mutex_lets_one_in(void **state) {
    (void)state;
    guarded = 0;
    run_threads(count_guarded);
    assert_int_equal(guarded, THREADS * TURNS);
    assert_int_equal(dbp_load_relaxed_u32(&mutex.word), 0);
}

/* ---- Time ---- */

static int64_t hook_time;
static int64_t tell_hook_time(void) { return hook_time; }

static void a_timeout_becomes_a_deadline_without_overflow(void **state) {
    (void)state;
    const int64_t most = INT64_MAX / DBP_NS_PER_MS;
    assert_int_equal(dbp_deadline_after_ms(5, 0), 5);
    assert_int_equal(dbp_deadline_after_ms(5, 2), 5 + 2 * DBP_NS_PER_MS);
    assert_true(dbp_deadline_after_ms(5, -1) == DBP_NEVER);
    assert_true(dbp_deadline_after_ms(5, INT64_MIN) == DBP_NEVER);
    assert_true(dbp_deadline_after_ms(5, INT64_MAX) == DBP_NEVER);
    assert_true(dbp_deadline_after_ms(0, most) == most * DBP_NS_PER_MS);
    assert_true(dbp_deadline_after_ms(0, most + 1) == DBP_NEVER);
    assert_true(dbp_deadline_after_ms(INT64_MAX - 1, 1) == DBP_NEVER);
    assert_true(dbp_deadline_after_ms(INT64_MAX - 1, 0) == INT64_MAX - 1);
    assert_true(dbp_deadline_after_ms(INT64_MAX - DBP_NS_PER_MS, 1) == DBP_NEVER);
}

static void what_is_left_of_a_deadline_is_rounded_up_without_overflow(void **state) {
    (void)state;
    dbp_clock_hook = tell_hook_time;
    hook_time = 0;
    assert_int_equal(dbp_deadline_left_ms(DBP_NEVER), -1);
    assert_int_equal(dbp_deadline_left_ms(0), 0);
    assert_int_equal(dbp_deadline_left_ms(INT64_MIN), 0);
    assert_int_equal(dbp_deadline_left_ms(1), 1);
    assert_int_equal(dbp_deadline_left_ms(DBP_NS_PER_MS), 1);
    assert_int_equal(dbp_deadline_left_ms(DBP_NS_PER_MS + 1), 2);
    assert_int_equal(dbp_deadline_left_ms(INT64_MAX - 1), INT_MAX);
    hook_time = INT64_MAX - 2;
    assert_int_equal(dbp_deadline_left_ms(INT64_MAX - 1), 1);
    assert_int_equal(dbp_deadline_left_ms(INT64_MIN), 0);
    dbp_clock_hook = NULL;
}

static void the_clock_runs_forwards_and_the_coarse_one_behind_it(void **state) {
    (void)state;
    int64_t before = dbp_clock_now();
    for (int i = 0; i < TURNS; i++) {
        int64_t coarse = dbp_clock_coarse(), now = dbp_clock_now();
        assert_true(coarse <= now);
        assert_true(now >= before);
        before = now;
    }
    dbp_clock_hook = tell_hook_time;
    hook_time = 42;
    assert_int_equal(dbp_clock_now(), 42);
    assert_int_equal(dbp_clock_coarse(), 42);
    dbp_clock_hook = NULL;
}

/* ---- Threads ---- */

static dbp_atomic_u32 started_id, signals_open;

static void report(void *arg) {
    sigset_t blocked;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    dbp_store_relaxed_u32(&signals_open, !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGALRM));
    dbp_store_release_u32(&started_id, dbp_thread_id());
    dbp_wake_all(&started_id);
}

static void a_started_thread_is_another_with_signals_blocked(void **state) {
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    dbp_store_relaxed_u32(&started_id, 0);
    assert_true(dbp_thread_start(report, NULL, "dbpool-test"));
    while (!dbp_load_acquire_u32(&started_id))
        (void)dbp_wait(&started_id, 0, DBP_NEVER);
    assert_int_not_equal(dbp_load_relaxed_u32(&started_id), dbp_thread_id());
    assert_false(dbp_load_relaxed_u32(&signals_open));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

static bool refuse_thread(void) { return false; }
static bool refuse_memory(size_t size) {
    (void)size;
    return false;
}

static void a_refused_start_runs_nothing(void **state) {
    (void)state;
    dbp_store_relaxed_u32(&started_id, 0);
    dbp_thread_hook = refuse_thread;
    assert_false(dbp_thread_start(report, NULL, "dbpool-test"));
    dbp_thread_hook = NULL;
    dbp_memory_hook = refuse_memory;
    assert_false(dbp_thread_start(report, NULL, "dbpool-test"));
    dbp_memory_hook = NULL;
    assert_int_equal(dbp_load_relaxed_u32(&started_id), 0);
}

static void there_is_a_processor(void **state) {
    (void)state;
    assert_true(dbp_cpu_count() >= 1);
    (void)dbp_cpu_current();
    (void)dbp_cpu_current_slow();
}

/* ---- Memory ---- */

static void memory_is_zeroed_and_aligned(void **state) {
    (void)state;
    static const char zeros[130];
    char *memory = dbp_memory_alloc(sizeof zeros), *lines = dbp_memory_alloc_lines(sizeof zeros);
    assert_memory_equal(memory, zeros, sizeof zeros);
    assert_memory_equal(lines, zeros, sizeof zeros);
    assert_int_equal((uintptr_t)lines % 64, 0);
    memory = dbp_memory_resize(memory, 2 * sizeof zeros);
    assert_memory_equal(memory, zeros, sizeof zeros);
    dbp_memory_free(memory);
    dbp_memory_free(lines);
    dbp_memory_free(NULL);
    dbp_memory_free_secret(NULL);
    char *copy = dbp_memory_copy_text("secret");
    assert_string_equal(copy, "secret");
    dbp_memory_free_secret(copy);
}

static void every_allocation_asks_the_hook(void **state) {
    (void)state;
    char *memory = dbp_memory_alloc(8);
    dbp_memory_hook = refuse_memory;
    assert_null(dbp_memory_alloc(8));
    assert_null(dbp_memory_alloc_lines(8));
    assert_null(dbp_memory_resize(memory, 16));
    assert_null(dbp_memory_copy_text("text"));
    dbp_memory_hook = NULL;
    dbp_memory_free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_that_has_changed_is_not_waited_for),
        cmocka_unit_test(a_deadline_that_has_passed_ends_the_wait_at_once),
        cmocka_unit_test(nobody_need_be_asleep_to_be_woken),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(the_mutex_lets_one_in),
        cmocka_unit_test(a_timeout_becomes_a_deadline_without_overflow),
        cmocka_unit_test(what_is_left_of_a_deadline_is_rounded_up_without_overflow),
        cmocka_unit_test(the_clock_runs_forwards_and_the_coarse_one_behind_it),
        cmocka_unit_test(a_started_thread_is_another_with_signals_blocked),
        cmocka_unit_test(a_refused_start_runs_nothing),
        cmocka_unit_test(there_is_a_processor),
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(every_allocation_asks_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
