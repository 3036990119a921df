/* SPDX-License-Identifier: MIT
 *
 * Which processor runs the caller: a hint for choosing a cache line that is near. Any answer is right.
 */
#ifndef DBP_OS_CPU_H
#define DBP_OS_CPU_H

#include <stdint.h>

#if defined(__linux__) && defined(__has_include) && !DBP_PORTABLE
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define DBP_HAVE_RSEQ 1
#endif
#endif

/* How many processors there are, at least 1. */
uint32_t dbp_cpu_count(void);

/* The slow way: sched_getcpu, or a hash of the thread. */
uint32_t dbp_cpu_current_slow(void);

/* The processor if that is to be had at once, without a call; else below 0. */
static inline int32_t dbp_cpu_current_fast(void) {
#if defined(DBP_HAVE_RSEQ)
    /* glibc gives every thread the area, and the kernel keeps cpu_id current; below 0 it is not registered (valgrind, old kernels, by tunable). */
    const char *area = (const char *)__builtin_thread_pointer() + __rseq_offset;
    return (int32_t)__atomic_load_n(&((const struct rseq *)(const void *)area)->cpu_id, __ATOMIC_RELAXED);
#else
    return -1;
#endif
}

/* A number that is the same for callers on the same processor, mostly. */
static inline uint32_t dbp_cpu_current(void) {
    int32_t cpu = dbp_cpu_current_fast();
    return __builtin_expect(cpu >= 0, 1) ? (uint32_t)cpu : dbp_cpu_current_slow();
}

#endif
