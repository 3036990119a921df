/* SPDX-License-Identifier: MIT */
#include "stress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/thread.h"

void stress_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* splitmix64 */
static uint64_t next(stress_seed *seed) {
    uint64_t z = (*seed += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint32_t stress_below(stress_seed *seed, uint32_t bound) { return (uint32_t)((next(seed) >> 32) * bound >> 32); }

bool stress_once_in(stress_seed *seed, uint32_t times) { return times > 0 && stress_below(seed, times) == 0; }

struct runner {
    pthread_t thread;
    unsigned index;
    stress_seed seed;
    void (*work)(unsigned index, stress_seed *seed);
};

static void *run(void *arg) {
    struct runner *self = arg;
    self->work(self->index, &self->seed);
    return NULL;
}

void stress_run(unsigned threads, void (*work)(unsigned index, stress_seed *seed)) {
    static stress_seed base = 1;
    struct runner runners[STRESS_THREADS_MAX];
    for (unsigned i = 0; i < threads; i++) {
        runners[i] = (struct runner){.index = i, .seed = next(&base), .work = work};
        MUST(pthread_create(&runners[i].thread, NULL, run, &runners[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++)
        MUST(pthread_join(runners[i].thread, NULL) == 0);
}

void stress_pause(stress_seed *seed) {
    uint32_t kind = stress_below(seed, 8);
    if (kind == 0)
        dbp_thread_yield();
    for (uint32_t i = kind < 4 ? 0 : stress_below(seed, 200); i > 0; i--)
        __asm__ volatile("" ::: "memory");
}

/* ---- The driver ---- */

stress_faults stress_fault;
dbp_atomic_u64 stress_opened, stress_closed;

static stress_seed *own_seed(void) {
    static _Thread_local stress_seed seed;
    if (seed == 0)
        seed = dbp_thread_id();
    return &seed;
}

static void enter(stress_native *native) {
    uint32_t nobody = 0;
    MUST(dbp_cas_acquire_u32(&native->user, &nobody, dbp_thread_id()));
    native->uses++;
}

static void leave(stress_native *native) {
    native->uses++;
    dbp_store_relaxed_u32(&native->user, 0);
}

void stress_use(void *opaque, stress_seed *seed) {
    stress_native *native = opaque;
    enter(native);
    stress_pause(seed);
    if (stress_once_in(seed, 8))
        native->state = DBPOOL_NATIVE_DIRTY;
    if (stress_once_in(seed, 64))
        native->state = DBPOOL_NATIVE_UNCLEAN;
    leave(native);
}

static dbpool_status open_native(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)arg;
    (void)deadline_ns;
    stress_pause(own_seed());
    if (stress_once_in(own_seed(), stress_fault.open))
        return dbpool_error_set(err, DBPOOL_ECONNECT, "open connection: planned failure");
    *native_out = calloc(1, sizeof(stress_native));
    (void)dbp_add_relaxed_u64(&stress_opened, 1);
    return DBPOOL_OK;
}

static dbpool_status close_native(void *arg, void *native, dbpool_error *err) {
    (void)arg;
    enter(native);
    stress_pause(own_seed());
    free(native);
    (void)dbp_add_relaxed_u64(&stress_closed, 1);
    return stress_once_in(own_seed(), stress_fault.close) ? dbpool_error_set(err, DBPOOL_EDRIVER, "close connection: planned failure")
                                                          : DBPOOL_OK;
}

static bool look(void *arg, void *native) {
    (void)arg;
    enter(native);
    bool alive = !stress_once_in(own_seed(), stress_fault.look);
    leave(native);
    return alive;
}

static dbpool_native_state tell_state(void *arg, void *native) {
    (void)arg;
    enter(native);
    dbpool_native_state state = ((stress_native *)native)->state;
    leave(native);
    return state;
}

static dbpool_status ping(void *arg, void *native, int64_t deadline_ns, dbpool_error *err) {
    (void)arg;
    (void)deadline_ns;
    enter(native);
    bool fails = stress_once_in(own_seed(), stress_fault.ping);
    leave(native);
    if (!fails)
        return DBPOOL_OK;
    (void)dbpool_error_set(err, DBPOOL_EDISCONNECT, "ping: planned failure");
    err->flags = stress_once_in(own_seed(), 4) ? DBPOOL_ERROR_POOL_STALE : 0;
    return DBPOOL_EDISCONNECT;
}

static dbpool_status reset(void *arg, void *opaque, int32_t kind, int64_t deadline_ns, dbpool_error *err) {
    (void)arg;
    (void)kind;
    (void)deadline_ns;
    stress_native *native = opaque;
    enter(native);
    native->state = DBPOOL_NATIVE_CLEAN;
    leave(native);
    return stress_once_in(own_seed(), stress_fault.reset) ? dbpool_error_set(err, DBPOOL_EDRIVER, "reset: planned failure") : DBPOOL_OK;
}

const dbpool_driver stress_driver = {
    .struct_size = sizeof(dbpool_driver),
    .name = "stress",
    .schemes = "stress",
    .flags = DBPOOL_DRIVER_RESETS_FULLY,
    .open = open_native,
    .close = close_native,
    .look = look,
    .state = tell_state,
    .ping = ping,
    .reset = reset,
};
