/* SPDX-License-Identifier: MIT
 *
 * Threads, and who is who.
 */
#ifndef DBP_OS_THREAD_H
#define DBP_OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "os/wait.h"

/* Starts a detached thread with all signals blocked, so that the program's handlers never run on it. False when the system refuses.
 * `name` (15 characters at most, a constant) is what debuggers show. */
bool dbp_thread_start(void (*run)(void *arg), void *arg, const char *name);

/* When set (by a test), asked before each start; false refuses. */
extern bool (*dbp_thread_hook)(void);

/* Gives the processor away for a moment. */
void dbp_thread_yield(void);

extern _Thread_local uint32_t dbp_thread_id_cached __attribute__((tls_model("initial-exec")));
uint32_t dbp_thread_id_slow(void);

/* The system's id of the calling thread: gettid. */
static inline uint32_t dbp_thread_id(void) {
    uint32_t id = dbp_thread_id_cached;
    return __builtin_expect(id != 0, 1) ? id : dbp_thread_id_slow();
}

/* How often this process has been forked since the library was loaded, counting its ancestors: a pool made under another number is not
 * ours. */
extern uint32_t dbp_fork_count;

/* Called in a child, after dbp_fork_count has risen, when set: it may only store and close(2). */
extern void (*dbp_fork_child_hook)(void);

/* Makes dbp_fork_count rise in a child; call it before the first read. May be called often. */
void dbp_fork_watch(void);

/* Has a process-wide mutex held over every fork, so that a child finds what it guards whole and the mutex free. It is held for moments
 * only, and never while another guarded one is taken. DBP_FORK_GUARD stands at file level, once for each such mutex. */
void dbp_fork_guard(dbp_mutex *mutex);
#define DBP_FORK_GUARD(mutex) \
    __attribute__((constructor)) static void guard_##mutex(void) { dbp_fork_guard(&(mutex)); }

#endif
