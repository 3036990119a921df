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

/* A number that is the same for callers on the same processor, mostly. */
static inline uint32_t dbp_cpu_current(void) {
#if defined(DBP_HAVE_RSEQ)
    /* glibc registers the area for each thread and the kernel keeps cpu_id current; below 0 it is not registered (valgrind, old kernels).
     * */
    const char *area = (const char *)__builtin_thread_pointer() + __rseq_offset;
    int32_t cpu = (int32_t)__atomic_load_n(&((const struct rseq *)(const void *)area)->cpu_id, __ATOMIC_RELAXED);
    if (__builtin_expect(cpu >= 0, 1))
        return (uint32_t)cpu;
#endif
    return dbp_cpu_current_slow();
}

#endif
