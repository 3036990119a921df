/* SPDX-License-Identifier: MIT */
#include "core/opener.h"

#include <stddef.h>

#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/wait.h"

/* Openings that hang keep their threads until connect_timeout; past this number the next ones run on their callers' threads. */
#define THREADS_MAX 64
#define IDLE_NS ((int64_t)2000 * DBP_NS_PER_MS)

struct job {
    struct job *next;
    void (*work)(void *arg);
    void *arg;
};

static dbp_mutex mutex;
static struct job *first, **last = &first; /* guarded by mutex, like the next ones */
static uint32_t queued, idle, threads, owner_fork;
static dbp_atomic_u32 calls; /* rises with every job; idle threads sleep on it */

DBP_FORK_GUARD(mutex)

static struct job *next_job_locked(void) {
    struct job *job = first;
    if (!job)
        return NULL;
    first = job->next;
    if (!first)
        last = &first;
    queued--;
    return job;
}

/* The next job, or NULL when there was none for a while: then the thread is no longer counted. */
static struct job *await_job(void) {
    dbp_mutex_lock(&mutex);
    struct job *job = next_job_locked();
    bool in_time = true;
    while (!job && in_time) {
        uint32_t seen = dbp_load_relaxed_u32(&calls);
        idle++;
        dbp_mutex_unlock(&mutex);
        in_time = dbp_wait(&calls, seen, dbp_clock_now() + IDLE_NS);
        dbp_mutex_lock(&mutex);
        idle--;
        job = next_job_locked();
    }
    if (!job)
        threads--;
    dbp_mutex_unlock(&mutex);
    return job;
}

static void serve(void *arg) {
    for (struct job *job = arg; job; job = await_job()) {
        job->work(job->arg);
        dbp_memory_free(job);
    }
}

/* A forked child has none of its parent's threads. */
static void forget_after_fork_locked(void) {
    if (owner_fork == dbp_fork_count)
        return;
    owner_fork = dbp_fork_count;
    first = NULL;
    last = &first;
    queued = idle = threads = 0;
}

static bool enqueue(struct job *job) {
    dbp_mutex_lock(&mutex);
    forget_after_fork_locked();
    bool taken = idle > queued;
    if (taken) {
        *last = job;
        last = &job->next;
        queued++;
        dbp_bump_u32(&calls);
    } else if (threads >= THREADS_MAX) {
        dbp_mutex_unlock(&mutex);
        return false;
    } else {
        threads++;
    }
    dbp_mutex_unlock(&mutex);
    if (taken)
        dbp_wake_one(&calls);
    else if (!dbp_thread_start(serve, job, "dbpool-open")) {
        dbp_mutex_lock(&mutex);
        threads--;
        dbp_mutex_unlock(&mutex);
        return false;
    }
    return true;
}

bool dbp_opener_run(void (*work)(void *arg), void *arg) {
    struct job *job = dbp_memory_alloc(sizeof *job);
    if (!job)
        return false;
    *job = (struct job){NULL, work, arg};
    if (enqueue(job))
        return true;
    dbp_memory_free(job);
    return false;
}
