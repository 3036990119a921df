/* SPDX-License-Identifier: MIT
 *
 * The lending core alone: takers, returners, openings that fail, openings on other threads, callbacks, resizes, drains and a close in the
 * middle. Each thing knows its holder, and at the end of each round every place is accounted for.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/lend.h"
#include "os/clock.h"
#include "os/thread.h"
#include "stress.h"

#define THREADS 6
#define OPENERS 2
#define ROUNDS 60
#define STEPS 2000
#define LIMIT 12

typedef struct thing {
    _Alignas(64) dbp_slot slot;
    dbp_atomic_u32 holder;
    bool live;
    uint64_t uses; /* unprotected: only the core keeps its holders apart */
} thing;

static dbp_store store = {.stride = sizeof(thing)};
static dbp_lend core;
static dbp_atomic_u32 places; /* counted by the holders */
static dbp_atomic_u64 taken, given;
static uint64_t all_takes;
static dbp_atomic_u32 closing;

static void bug(void *arg, const char *where) {
    (void)arg;
    stress_fail(where, 0, "an impossible state");
}

/* ---- Holding ---- */

/* A slot that the caller has just been given. An empty one counts as a new place. */
static thing *hold(dbp_slot *slot) {
    thing *item = (thing *)(void *)slot;
    uint32_t nobody = 0;
    MUST(dbp_cas_acquire_u32(&item->holder, &nobody, dbp_thread_id()));
    item->uses++;
    (void)dbp_add_relaxed_u64(&taken, 1);
    if (!item->live)
        MUST(dbp_add_relaxed_u32(&places, 1) < LIMIT);
    return item;
}

static void let_go(thing *item) {
    item->uses++;
    dbp_store_relaxed_u32(&item->holder, 0);
    (void)dbp_add_relaxed_u64(&given, 1);
}

static void put_empty(thing *item) {
    item->live = false;
    (void)dbp_sub_acq_rel_u32(&places, 1);
    let_go(item);
    (void)dbp_lend_put_empty(&core, &item->slot);
}

static void put(thing *item) {
    let_go(item);
    dbp_slot *surplus = dbp_lend_put(&core, &item->slot);
    if (surplus)
        put_empty(hold(surplus));
}

static void close_chain(dbp_slot *chain) {
    for (dbp_slot *next; chain; chain = next) {
        next = dbp_lend_chain_next(&core, chain);
        thing *item = hold(chain);
        MUST(item->live);
        put_empty(item);
    }
}

/* ---- Openings on other threads ---- */

struct opening {
    dbp_ticket ticket; /* first */
    struct opening *next;
    thing *item;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct opening *openings; /* guarded by mutex, like the next one */
static unsigned takers;

static void order_opening(struct opening *opening) {
    pthread_mutex_lock(&mutex);
    opening->next = openings;
    openings = opening;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

/* NULL once nobody can order another. */
static struct opening *next_opening(void) {
    pthread_mutex_lock(&mutex);
    while (!openings && takers > 0)
        pthread_cond_wait(&changed, &mutex);
    struct opening *opening = openings;
    if (opening)
        openings = opening->next;
    pthread_mutex_unlock(&mutex);
    return opening;
}

static void one_taker_less(void) {
    pthread_mutex_lock(&mutex);
    takers--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void end_opening(struct opening *opening, stress_seed *seed) {
    thing *item = opening->item;
    stress_pause(seed);
    dbp_store_relaxed_u32(&item->holder, dbp_thread_id());
    if (stress_once_in(seed, 3)) {
        if (!dbp_lend_open_failed(&core, &opening->ticket))
            free(opening);
        put_empty(item);
        return;
    }
    item->live = true;
    put(item);
    dbp_lend_open_done(&core, &opening->ticket);
    free(opening);
}

static void open_things(stress_seed *seed) {
    for (struct opening *opening; (opening = next_opening());)
        end_opening(opening, seed);
}

/* ---- Taking ---- */

static void use_and_put(thing *item, stress_seed *seed) {
    stress_pause(seed);
    if (stress_once_in(seed, 10))
        put_empty(item);
    else
        put(item);
}

/* Has the empty place filled elsewhere and waits on. */
static void take_by_opening(dbp_waiter *waiter, thing *item, stress_seed *seed) {
    struct opening *opening = calloc(1, sizeof *opening);
    opening->item = item;
    dbp_lend_ticket(&core, waiter, &opening->ticket);
    order_opening(opening);
    switch (dbp_lend_wait(&core, waiter)) {
    case DBP_LEND_SLOT: {
        thing *got = hold(waiter->slot);
        /* Its own opening may have served another; then it has an empty place to fill here. */
        got->live = true;
        use_and_put(got, seed);
        break;
    }
    case DBP_LEND_FAILED:
        MUST(waiter->failed == &opening->ticket);
        free(waiter->failed);
        break;
    case DBP_LEND_TIMEOUT: MUST(dbp_clock_now() >= waiter->deadline_ns); break;
    case DBP_LEND_CLOSED: break;
    default: MUST(false);
    }
}

static void fill_and_use(dbp_waiter *waiter, thing *item, stress_seed *seed) {
    uint32_t kind = item->live || waiter->no_wait ? 9 : stress_below(seed, 10);
    if (kind == 0) { /* the opening fails here */
        put_empty(item);
    } else if (kind < 5) {
        take_by_opening(waiter, item, seed);
    } else {
        item->live = true;
        use_and_put(item, seed);
    }
}

static void take(stress_seed *seed) {
    dbp_slot *slot = dbp_lend_take(&core);
    if (slot) {
        thing *item = hold(slot);
        MUST(item->live);
        use_and_put(item, seed);
        return;
    }
    dbp_waiter waiter = {.timeout_ms = (int64_t)stress_below(seed, 4) - 1, .no_wait = stress_once_in(seed, 4)};
    dbp_lend_result result = dbp_lend_wait(&core, &waiter);
    if (result == DBP_LEND_SLOT) {
        fill_and_use(&waiter, hold(waiter.slot), seed);
        return;
    }
    MUST(result != DBP_LEND_TIMEOUT || dbp_clock_now() >= waiter.deadline_ns);
    MUST(result == DBP_LEND_TIMEOUT || (result == DBP_LEND_WOULD_WAIT && waiter.no_wait) ||
         (result == DBP_LEND_CLOSED && dbp_load_acquire_u32(&closing)));
}

/* ---- Callbacks ---- */

struct caller {
    dbp_waiter waiter; /* first */
    dbp_atomic_u32 called;
};

static void called(dbp_waiter *waiter) {
    struct caller *self = (struct caller *)(void *)waiter;
    dbp_store_release_u32(&self->called, 1);
    dbp_wake_one(&self->called);
}

static void answer(struct caller *self, stress_seed *seed) {
    if (dbp_load_relaxed_u32(&self->waiter.state) == DBP_WAITER_GRANT) {
        thing *item = hold(self->waiter.slot);
        item->live = true;
        use_and_put(item, seed);
    }
}

/* Stands in the line without a thread; then cancels, or waits to be called: exactly one of both succeeds. */
static void call_me(stress_seed *seed) {
    struct caller self = {
        .waiter = {.timeout_ms = -1, .callback = called}
    };
    dbp_lend_result result = dbp_lend_wait(&core, &self.waiter);
    if (result == DBP_LEND_SLOT) {
        dbp_store_relaxed_u32(&self.waiter.state, DBP_WAITER_GRANT);
        answer(&self, seed);
    }
    if (result != DBP_LEND_WOULD_WAIT)
        return;
    stress_pause(seed);
    if (stress_once_in(seed, 2) && dbp_lend_cancel(&core, &self.waiter)) {
        MUST(!dbp_load_acquire_u32(&self.called));
        return;
    }
    while (!dbp_load_acquire_u32(&self.called))
        (void)dbp_wait(&self.called, 0, DBP_NEVER);
    answer(&self, seed);
}

/* ---- A round ---- */

static void govern(stress_seed *seed) {
    uint32_t limit = stress_below(seed, LIMIT) + 1;
    if (stress_once_in(seed, 3))
        close_chain(dbp_lend_drain(&core));
    else
        close_chain(dbp_lend_resize(&core, stress_below(seed, limit + 1), limit, false));
}

static void shut(void) {
    dbp_store_release_u32(&closing, 1);
    close_chain(dbp_lend_close(&core));
}

static bool closes_midway;

static void work(unsigned index, stress_seed *seed) {
    if (index < OPENERS) {
        open_things(seed);
        return;
    }
    for (int i = 0; i < STEPS; i++) {
        if (stress_once_in(seed, 16))
            call_me(seed);
        else
            take(seed);
        if (index == OPENERS && stress_once_in(seed, 32))
            govern(seed);
        if (index == OPENERS + 1 && closes_midway && i == STEPS / 2)
            shut();
    }
    one_taker_less();
}

static void settle_accounts(void) {
    dbp_lend_stats stats;
    uint64_t waited = 0;
    dbp_lend_get_stats(&core, &stats);
    MUST(stats.waiting == 0 && stats.places == stats.idle);
    MUST(stats.places == dbp_load_relaxed_u32(&places));
    shut();
    MUST(dbp_lend_is_drained(&core));
    dbp_lend_get_stats(&core, &stats);
    MUST(stats.places == 0 && stats.idle == 0);
    MUST(dbp_load_relaxed_u32(&places) == 0);
    MUST(dbp_load_relaxed_u64(&taken) == dbp_load_relaxed_u64(&given));
    for (int i = 0; i < DBP_WAIT_BUCKETS; i++)
        waited += stats.histogram[i];
    MUST(waited <= stats.waits);
    all_takes += dbp_load_relaxed_u64(&taken);
}

static void run_round(int round) {
    dbp_lend_config config = {
        .store = &store, .keep = 2, .limit = 3, .order = (dbp_lend_order)(round % 3), .fair_ns = round % 2 ? 0 : 200000, .bug = bug};
    dbp_store_relaxed_u32(&places, 0);
    dbp_store_relaxed_u64(&taken, 0);
    dbp_store_relaxed_u64(&given, 0);
    dbp_store_relaxed_u32(&closing, 0);
    closes_midway = round % 4 == 3;
    takers = THREADS;
    dbp_lend_init(&core, &config);
    stress_run(OPENERS + THREADS, work);
    settle_accounts();
    dbp_lend_fini(&core);
}

int main(void) {
    for (int round = 0; round < ROUNDS; round++)
        run_round(round);
    printf("%lu slots taken and put back\n", (unsigned long)all_takes);
    return 0;
}
