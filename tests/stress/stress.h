/* SPDX-License-Identifier: MIT
 *
 * What stress tests share: threads that do random things, a checked condition, and a driver without a lock of its own. A lock in the driver
 * would put the threads in an order, and hide races of the pool from the sanitizer.
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <dbpool/driver.h>

#include "os/atomic.h"

/* Ends the program when it does not hold. */
#define MUST(condition) ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, #condition))
_Noreturn void stress_fail(const char *file, int line, const char *what);

/* Random numbers: each thread has its own seed. */
typedef uint64_t stress_seed;
uint32_t stress_below(stress_seed *seed, uint32_t bound);
/* Once in so many times. */
bool stress_once_in(stress_seed *seed, uint32_t times);

/* Runs `work` on so many threads at once, and waits for them. */
#define STRESS_THREADS_MAX 16
void stress_run(unsigned threads, void (*work)(unsigned index, stress_seed *seed));

/* Does nothing for a while that depends on the seed, or gives the processor away. */
void stress_pause(stress_seed *seed);

/* ---- The driver ---- */

/* A connection. `uses` is written by each who may use it, without any protection but the pool's. */
typedef struct stress_native {
    dbp_atomic_u32 user;
    uint32_t uses;
    dbpool_native_state state;
} stress_native;

/* Faults: each call fails once in so many times; 0: never. */
typedef struct stress_faults {
    uint32_t open, ping, reset, look, close;
} stress_faults;
extern stress_faults stress_fault;
extern dbp_atomic_u64 stress_opened, stress_closed;
extern const dbpool_driver stress_driver;

/* As the holder: uses it, and leaves it clean, dirty or dead. Two at once end the program. */
void stress_use(void *native, stress_seed *seed);

#endif
