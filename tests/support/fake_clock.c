/* SPDX-License-Identifier: MIT
 *
 * One mutex guards everything here; one condition tells of every change: the time, a sleeper more or less, a wake-up.
 */
#include "fake_clock.h"

#include <pthread.h>

#include "os/clock.h"
#include "os/wait.h"

/* A thread asleep; it lives on that thread's stack. */
struct sleeper {
    struct sleeper *next;
    dbp_atomic_u32 *word;
    int64_t deadline_ns;
    bool woken;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int64_t now_ns;
static struct sleeper *sleepers; /* the one that has slept longest first */

static bool due(const struct sleeper *sleeper) { return sleeper->deadline_ns != DBP_NEVER && sleeper->deadline_ns <= now_ns; }

static void append_locked(struct sleeper *sleeper) {
    struct sleeper **end = &sleepers;
    while (*end)
        end = &(*end)->next;
    *end = sleeper;
    pthread_cond_broadcast(&changed);
}

static void remove_locked(struct sleeper *sleeper) {
    struct sleeper **at = &sleepers;
    while (*at != sleeper)
        at = &(*at)->next;
    *at = sleeper->next;
    pthread_cond_broadcast(&changed);
}

static bool sleep_in_fake_time(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    struct sleeper self = {.word = word, .deadline_ns = deadline_ns};
    pthread_mutex_lock(&mutex);
    /* A waker takes the mutex after it has changed the word: the change is seen here, or the sleeper is seen there. */
    self.woken = dbp_load_acquire_u32(word) != expected;
    if (!self.woken && !due(&self)) {
        append_locked(&self);
        while (!self.woken && !due(&self))
            pthread_cond_wait(&changed, &mutex);
        remove_locked(&self);
    }
    pthread_mutex_unlock(&mutex);
    return self.woken;
}

static void wake(dbp_atomic_u32 *word, bool all) {
    pthread_mutex_lock(&mutex);
    bool more = true;
    for (struct sleeper *sleeper = sleepers; sleeper && more; sleeper = sleeper->next)
        if (sleeper->word == word && !sleeper->woken) {
            sleeper->woken = true;
            more = all;
        }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

void fake_clock_init(void) {
    now_ns = (int64_t)1000 * 1000000000;
    dbp_clock_hook = fake_clock_now;
    dbp_wait_hook = sleep_in_fake_time;
    dbp_wake_hook = wake;
}

void fake_clock_fini(void) {
    dbp_clock_hook = NULL;
    dbp_wait_hook = NULL;
    dbp_wake_hook = NULL;
}

int64_t fake_clock_now(void) {
    pthread_mutex_lock(&mutex);
    int64_t now = now_ns;
    pthread_mutex_unlock(&mutex);
    return now;
}

void fake_clock_advance_ns(int64_t ns) {
    pthread_mutex_lock(&mutex);
    now_ns += ns;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

void fake_clock_advance_ms(int64_t ms) { fake_clock_advance_ns(ms * DBP_NS_PER_MS); }

static int64_t next_deadline_locked(void) {
    int64_t next = DBP_NEVER;
    for (const struct sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next)
        if (!sleeper->woken && !due(sleeper) && sleeper->deadline_ns < next)
            next = sleeper->deadline_ns;
    return next;
}

bool fake_clock_advance_to_deadline(void) {
    pthread_mutex_lock(&mutex);
    int64_t next = next_deadline_locked();
    if (next != DBP_NEVER)
        now_ns = next;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return next != DBP_NEVER;
}

static size_t count_locked(void) {
    size_t count = 0;
    for (const struct sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next)
        count += !sleeper->woken && !due(sleeper);
    return count;
}

void fake_clock_await_sleepers(size_t count) {
    pthread_mutex_lock(&mutex);
    while (count_locked() < count)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

size_t fake_clock_sleepers(void) {
    pthread_mutex_lock(&mutex);
    size_t count = count_locked();
    pthread_mutex_unlock(&mutex);
    return count;
}

int64_t fake_clock_next_deadline(void) {
    pthread_mutex_lock(&mutex);
    int64_t next = next_deadline_locked();
    pthread_mutex_unlock(&mutex);
    return next;
}
