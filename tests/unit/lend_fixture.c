/* SPDX-License-Identifier: MIT */
#include "lend_fixture.h"

#include "fake_clock.h"
#include "os/thread.h"

static dbp_store store = {.stride = sizeof(thing)};
dbp_lend core;
uint32_t bugs;

static void count_bug(void *arg, const char *where) {
    (void)arg;
    (void)where;
    bugs++;
}

void core_open(dbp_lend_order order, uint32_t keep, uint32_t limit, int64_t fair_ns) {
    dbp_lend_config config = {.store = &store, .keep = keep, .limit = limit, .order = order, .fair_ns = fair_ns, .bug = count_bug};
    bugs = 0;
    dbp_lend_init(&core, &config);
}

void core_shut(void) {
    (void)close_chain(dbp_lend_close(&core));
    assert_true(dbp_lend_is_drained(&core));
    dbp_lend_stats stats = stats_now();
    assert_int_equal(stats.places, 0);
    assert_int_equal(stats.idle, 0);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(bugs, 0);
    dbp_lend_fini(&core);
}

static thing *thing_of(dbp_slot *slot) { return (thing *)(void *)slot; }

thing *take_now(void) {
    dbp_slot *slot = dbp_lend_take(&core);
    if (slot)
        return thing_of(slot);
    dbp_waiter waiter = {.no_wait = true};
    return dbp_lend_wait(&core, &waiter) == DBP_LEND_SLOT ? thing_of(waiter.slot) : NULL;
}

thing *make(void) {
    thing *item = take_now();
    assert_non_null(item);
    assert_false(item->live);
    item->live = true;
    return item;
}

void put_kept(thing *item) {
    assert_true(item->live);
    assert_null(dbp_lend_put(&core, &item->slot));
}

void put_empty(thing *item) {
    item->live = false;
    (void)dbp_lend_put_empty(&core, &item->slot);
}

void put_surplus(thing *item) {
    assert_ptr_equal(dbp_lend_put(&core, &item->slot), &item->slot);
    put_empty(item);
}

uint32_t close_chain(dbp_slot *chain) {
    uint32_t count = 0;
    for (dbp_slot *next; chain; chain = next, count++) {
        next = dbp_lend_chain_next(&core, chain);
        assert_true(thing_of(chain)->live);
        put_empty(thing_of(chain));
    }
    return count;
}

dbp_lend_stats stats_now(void) {
    dbp_lend_stats stats;
    dbp_lend_get_stats(&core, &stats);
    return stats;
}

/* ---- Takers ---- */

static void *take(void *arg) {
    taker *self = arg;
    self->result = dbp_lend_wait(&core, &self->waiter);
    self->item = self->result == DBP_LEND_SLOT ? thing_of(self->waiter.slot) : NULL;
    return NULL;
}

static void start(taker *self) {
    size_t asleep = fake_clock_sleepers();
    assert_int_equal(pthread_create(&self->thread, NULL, take, self), 0);
    fake_clock_await_sleepers(asleep + 1);
}

void taker_start(taker *self, int64_t timeout_ms) {
    *self = (taker){.waiter = {.timeout_ms = timeout_ms}};
    start(self);
}

void taker_start_with_ticket(taker *self, int64_t timeout_ms) {
    *self = (taker){.waiter = {.timeout_ms = timeout_ms}};
    dbp_lend_ticket(&core, &self->waiter, &self->ticket);
    start(self);
}

void taker_resume_with_ticket(taker *self) {
    dbp_lend_ticket(&core, &self->waiter, &self->ticket);
    start(self);
}

thing *taker_join(taker *self) {
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    return self->item;
}

/* ---- Holding ---- */

static bool (*fake_wait)(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns);
static dbp_atomic_u32 holding, held;

static bool wait_and_be_held(dbp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns) {
    bool in_time = fake_wait(word, expected, deadline_ns);
    if (dbp_load_acquire_u32(&holding)) {
        (void)dbp_add_relaxed_u32(&held, 1);
        while (dbp_load_acquire_u32(&holding))
            dbp_thread_yield();
        (void)dbp_sub_acq_rel_u32(&held, 1);
    }
    return in_time;
}

void hold_woken(void) { dbp_store_release_u32(&holding, 1); }

void await_held(uint32_t count) {
    while (dbp_load_acquire_u32(&held) < count)
        dbp_thread_yield();
}

void release_woken(void) {
    dbp_store_release_u32(&holding, 0);
    while (dbp_load_acquire_u32(&held))
        dbp_thread_yield();
}

int install_fake_clock(void **state) {
    (void)state;
    fake_clock_init();
    fake_wait = dbp_wait_hook;
    dbp_wait_hook = wait_and_be_held;
    return 0;
}

int remove_fake_clock(void **state) {
    (void)state;
    fake_clock_fini();
    return 0;
}
