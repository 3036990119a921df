/* SPDX-License-Identifier: MIT
 *
 * Waiting for a word to change, and the small mutex made of it. On Linux a futex; elsewhere (or with DBP_PORTABLE) a table of mutexes and
 * condition variables found by the word's address. A waiter may be woken for no reason; a wake-up is never missing.
 */
#ifndef DBP_OS_WAIT_H
#define DBP_OS_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "os/atomic.h"

/* Sleeps while `*word == expected`, until dbp_wake or the deadline on dbp_clock_now's clock (DBP_NEVER: none). Returns false only when the
 * deadline has passed. Signals do not end it. */
bool dbp_wait(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns);

/* Wakes one thread, or all threads, asleep on this address. Only the address is used: the memory may be gone. */
void dbp_wake_one(dbp_atomic_u32 *word);
void dbp_wake_all(dbp_atomic_u32 *word);

/* When set (by a test with a clock of its own), called instead of sleeping; returns as dbp_wait does. */
extern bool (*dbp_wait_hook)(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns);

/* When set (by the same test), told of every wake-up, before the system is. */
extern void (*dbp_wake_hook)(dbp_atomic_u32 *word, bool all);

/* A mutex of one word: 0 free, 1 held, 2 held and perhaps waited for. Zero-initialised; not recursive. */
typedef struct dbp_mutex {
    dbp_atomic_u32 word;
} dbp_mutex;

void dbp_mutex_lock_slow(dbp_mutex *mutex);

static inline void dbp_mutex_lock(dbp_mutex *mutex) {
    uint32_t free_word = 0;
    if (!dbp_cas_acquire_u32(&mutex->word, &free_word, 1))
        dbp_mutex_lock_slow(mutex);
}

static inline void dbp_mutex_unlock(dbp_mutex *mutex) {
    if (dbp_exchange_acq_rel_u32(&mutex->word, 0) == 2)
        dbp_wake_one(&mutex->word);
}

#endif
