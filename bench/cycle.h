/* SPDX-License-Identifier: MIT
 *
 * What every pool under measurement offers, and the loop that all share. A pool's file defines TAKE and GIVE and includes cycle_loop.h, so
 * that the loop calls them directly: no pool pays for a function pointer that its users would not.
 */
#ifndef BENCH_CYCLE_H
#define BENCH_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

/* One thread's part of a run. */
typedef struct cycle_thread {
    const volatile bool *stop;
    uint64_t cycles_wanted; /* 0: until *stop */
    int64_t hold_ns;        /* 0: none; else a sleep while the connection is held */
    uint64_t cycles;
    int64_t held_ns;    /* the sum of all holds, as they came out */
    uint32_t *waits_ns; /* one sample for each cycle, or NULL */
    uint64_t waits_capacity;
} cycle_thread;

extern const char *const cycle_pool_name;

/* Opens a pool of `size` connections, all open and idle. `order`: warm, lifo, fifo; a pool without orders takes none. False when it cannot.
 * */
bool cycle_open(int size, const char *order);
void cycle_close(void);

/* Runs the loop on the calling thread. */
void cycle_run(cycle_thread *thread);

/* Bytes of the pool's own memory for each connection; 0: not told. */
double cycle_bytes_per_connection(void);

int64_t cycle_now_ns(void);
void cycle_sleep_ns(int64_t ns);

#endif
