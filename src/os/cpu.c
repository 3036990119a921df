/* SPDX-License-Identifier: MIT */
#include "os/cpu.h"

#include <sched.h>
#include <unistd.h>

uint32_t dbp_cpu_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

uint32_t dbp_cpu_current_slow(void) {
#if defined(__linux__) && !DBP_PORTABLE
    int cpu = sched_getcpu();
    if (cpu >= 0)
        return (uint32_t)cpu;
#endif
    /* The address of a thread's own variable tells threads apart; its low bits are the same for all. */
    static _Thread_local char here;
    return (uint32_t)((uintptr_t)&here >> 12);
}
