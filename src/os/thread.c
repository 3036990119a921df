/* SPDX-License-Identifier: MIT */
#include "os/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "os/memory.h"

bool (*dbp_thread_hook)(void) = NULL;
_Thread_local uint32_t dbp_thread_id_cached __attribute__((tls_model("initial-exec"))) = 0;
uint32_t dbp_fork_count = 0;
void (*dbp_fork_child_hook)(void) = NULL;

struct start {
    void (*run)(void *arg);
    void *arg;
    const char *name;
};

static void *begin(void *opaque) {
    struct start start = *(struct start *)opaque;
    dbp_memory_free(opaque);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), start.name);
#endif
    start.run(start.arg);
    return NULL;
}

bool dbp_thread_start(void (*run)(void *arg), void *arg, const char *name) {
    struct start *start = dbp_thread_hook && !dbp_thread_hook() ? NULL : dbp_memory_alloc(sizeof *start);
    if (!start)
        return false;
    *start = (struct start){run, arg, name};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, begin, start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        dbp_memory_free(start);
        return false;
    }
    pthread_detach(thread);
    return true;
}

void dbp_thread_yield(void) { sched_yield(); }

uint32_t dbp_thread_id_slow(void) {
#if defined(__linux__)
    dbp_thread_id_cached = (uint32_t)syscall(SYS_gettid);
#else
    static uint32_t next = 0;
    dbp_thread_id_cached = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
#endif
    return dbp_thread_id_cached;
}

/* The guarded mutexes; filled while the library is loaded. */
#define GUARDS_MAX 8
static dbp_mutex *guards[GUARDS_MAX];
static unsigned guard_count;

void dbp_fork_guard(dbp_mutex *mutex) {
    if (guard_count < GUARDS_MAX)
        guards[guard_count++] = mutex;
}

static void before_fork(void) {
    for (unsigned i = 0; i < guard_count; i++)
        dbp_mutex_lock(guards[i]);
}

static void after_fork_in_parent(void) {
    for (unsigned i = 0; i < guard_count; i++)
        dbp_mutex_unlock(guards[i]);
}

static void after_fork_in_child(void) {
    /* Only stores: this runs between fork and whatever comes next. Nobody sleeps on a mutex here: the threads that did are gone. */
    for (unsigned i = 0; i < guard_count; i++)
        dbp_store_relaxed_u32(&guards[i]->word, 0);
    dbp_fork_count++;
    dbp_thread_id_cached = 0;
    if (dbp_fork_child_hook)
        dbp_fork_child_hook();
}

static void watch(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

void dbp_fork_watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
}
