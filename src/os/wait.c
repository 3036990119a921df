/* SPDX-License-Identifier: MIT */
#include "os/wait.h"

#include <errno.h>
#include <stddef.h>

#include "os/clock.h"

bool (*dbp_wait_hook)(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) = NULL;
void (*dbp_wake_hook)(dbp_atomic_u32 *word, bool all) = NULL;

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

#if defined(__linux__) && !DBP_PORTABLE

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool sleep_on(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    struct timespec until = timespec_of(deadline_ns);
    for (;;) {
        /* BITSET, because its deadline is absolute and on CLOCK_MONOTONIC. */
        long result = syscall(SYS_futex, &word->raw, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline_ns == DBP_NEVER ? NULL : &until, NULL,
                              FUTEX_BITSET_MATCH_ANY);
        if (result == 0 || errno == EAGAIN)
            return true;
        if (errno == ETIMEDOUT)
            return false;
    }
}

static void wake_on(dbp_atomic_u32 *word, bool all) {
    syscall(SYS_futex, &word->raw, FUTEX_WAKE_PRIVATE, all ? INT_MAX : 1, NULL, NULL, 0);
}

#else

#include <pthread.h>

/* Threads asleep on words that share a bucket are all woken; each looks at its own word again. The condition variables wait on
 * CLOCK_MONOTONIC. */
#define BUCKETS 64
static struct bucket {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} buckets[BUCKETS];
static pthread_once_t buckets_made = PTHREAD_ONCE_INIT;

static void make_buckets(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    for (size_t i = 0; i < BUCKETS; i++) {
        pthread_mutex_init(&buckets[i].mutex, NULL);
        pthread_cond_init(&buckets[i].changed, &attributes);
    }
    pthread_condattr_destroy(&attributes);
}

static struct bucket *bucket_of(const dbp_atomic_u32 *word) {
    pthread_once(&buckets_made, make_buckets);
    return &buckets[((uintptr_t)word >> 4) % BUCKETS];
}

static bool sleep_on(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    struct bucket *bucket = bucket_of(word);
    struct timespec until = timespec_of(deadline_ns);
    bool in_time = true;
    pthread_mutex_lock(&bucket->mutex);
    /* A waker takes the mutex after it has changed the word: the change is seen here, or the broadcast comes after the wait began. */
    if (dbp_load_acquire_u32(word) == expected) {
        if (deadline_ns == DBP_NEVER)
            pthread_cond_wait(&bucket->changed, &bucket->mutex);
        else
            in_time = pthread_cond_timedwait(&bucket->changed, &bucket->mutex, &until) != ETIMEDOUT;
    }
    pthread_mutex_unlock(&bucket->mutex);
    return in_time;
}

static void wake_on(dbp_atomic_u32 *word, bool all) {
    (void)all;
    struct bucket *bucket = bucket_of(word);
    pthread_mutex_lock(&bucket->mutex);
    pthread_cond_broadcast(&bucket->changed);
    pthread_mutex_unlock(&bucket->mutex);
}

#endif

bool dbp_wait(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    if (dbp_wait_hook)
        return dbp_wait_hook(word, expected, deadline_ns);
    return sleep_on(word, expected, deadline_ns);
}

/* Under the hooks too the system is told: mutexes sleep there. */
void dbp_wake_one(dbp_atomic_u32 *word) {
    if (dbp_wake_hook)
        dbp_wake_hook(word, false);
    wake_on(word, false);
}

void dbp_wake_all(dbp_atomic_u32 *word) {
    if (dbp_wake_hook)
        dbp_wake_hook(word, true);
    wake_on(word, true);
}

void dbp_mutex_lock_slow(dbp_mutex *mutex) {
    /* Once contended the word stays 2 until it is free: each unlock then wakes one. The hook is not asked: a mutex is held for moments
     * only. */
    while (dbp_exchange_acq_rel_u32(&mutex->word, 2) != 0)
        sleep_on(&mutex->word, 2, DBP_NEVER);
}
