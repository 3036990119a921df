/* SPDX-License-Identifier: MIT
 *
 * See lend.h for what it does and docs/internals/lending.md for why it is right; (A0), (B0), (B1) are that page's names.
 */
#include "core/lend.h"

#include "os/clock.h"

/* ---- The head word ---- */

#define W_BIT ((uint64_t)1 << 32)
#define TAG_MASK ((uint64_t)0xFFFFFFFF)

static uint32_t top_of(uint64_t head) { return (uint32_t)(head >> 48); }
static uint32_t count_of(uint64_t head) { return (uint32_t)(head >> 33) & 0x7FFF; }

/* A new head that differs from `old` in its tag, whatever else. */
static uint64_t head_after(uint64_t old, uint32_t top, uint32_t count, uint64_t w) {
    return (uint64_t)top << 48 | (uint64_t)count << 33 | w | ((old + 1) & TAG_MASK);
}

/* Sets or clears W, and changes the tag in any case. */
static void mark_head(dbp_lend *lend, uint64_t w) {
    uint64_t head = dbp_load_relaxed_u64(&lend->head);
    while (!dbp_cas_acq_rel_u64(&lend->head, &head, head_after(head, top_of(head), count_of(head), w)))
        ;
}

/* ---- Slots ---- */

dbp_slot *dbp_lend_slot(const dbp_lend *lend, uint32_t index) {
    uint32_t position = index - 1 + 8;
    unsigned kind = 28 - (unsigned)__builtin_clz(position);
    size_t offset = position - DBP_SEGMENT_ITEMS(kind);
    return (dbp_slot *)(void *)(lend->segments[kind] + offset * lend->config.store->stride);
}

static uint32_t next_of(const dbp_slot *slot) { return dbp_load_relaxed_u32(&slot->next); }

/* In the link of a slot that was given out to be closed: it will come back empty. */
#define LEAVING ((uint32_t)1 << 31)

dbp_slot *dbp_lend_chain_next(dbp_lend *lend, dbp_slot *slot) {
    uint32_t next = next_of(slot) & ~LEAVING;
    return next ? dbp_lend_slot(lend, next) : NULL;
}

static dbp_slot *pop(dbp_lend *lend) {
    uint64_t head = dbp_load_acquire_u64(&lend->head);
    while (top_of(head) != 0) {
        dbp_slot *slot = dbp_lend_slot(lend, top_of(head));
        /* May be stale; then the tag has changed too and the CAS fails. */
        uint32_t next = next_of(slot);
        if (dbp_cas_acquire_u64(&lend->head, &head, head_after(head, next, count_of(head) - 1, head & W_BIT)))
            return slot;
    }
    return NULL;
}

/* Under the mutex: pushes whatever W says, unless `most` lie there already. The CAS proves the count, since others push without the mutex.
 * */
static bool push_locked(dbp_lend *lend, dbp_slot *slot, uint32_t most) {
    uint64_t head = dbp_load_relaxed_u64(&lend->head);
    do {
        if (count_of(head) >= most)
            return false;
        dbp_store_relaxed_u32(&slot->next, top_of(head));
    } while (!dbp_cas_release_u64(&lend->head, &head, head_after(head, slot->index, count_of(head) + 1, head & W_BIT)));
    return true;
}

static dbp_slot *steal(dbp_lend *lend) {
    for (uint32_t i = 0; i <= lend->hot_mask; i++) {
        if (!dbp_load_seq_cst_ptr(&lend->hot[i].slot))
            continue;
        dbp_slot *slot = dbp_exchange_seq_cst_ptr(&lend->hot[i].slot, NULL);
        if (slot)
            return slot;
    }
    return NULL;
}

/* ---- The ring of fifo order, under the mutex ---- */

static bool is_fifo(const dbp_lend *lend) { return lend->config.order == DBP_LEND_FIFO; }

static void ring_push_locked(dbp_lend *lend, dbp_slot *slot) {
    dbp_store_relaxed_u32(&slot->next, 0);
    if (lend->ring_last)
        dbp_store_relaxed_u32(&dbp_lend_slot(lend, lend->ring_last)->next, slot->index);
    else
        lend->ring_first = slot->index;
    lend->ring_last = slot->index;
    lend->ring_count++;
}

static dbp_slot *ring_pop_locked(dbp_lend *lend) {
    if (!lend->ring_first)
        return NULL;
    dbp_slot *slot = dbp_lend_slot(lend, lend->ring_first);
    lend->ring_first = next_of(slot);
    if (!lend->ring_first)
        lend->ring_last = 0;
    lend->ring_count--;
    return slot;
}

/* ---- Idle slots, under the mutex ---- */

static bool idle_push_locked(dbp_lend *lend, dbp_slot *slot, uint32_t most) {
    if (!is_fifo(lend))
        return push_locked(lend, slot, most);
    if (lend->ring_count >= most)
        return false;
    ring_push_locked(lend, slot);
    return true;
}

/* Hot slots included: they may hold one as long as the gate was open a moment ago. */
static dbp_slot *idle_pop_locked(dbp_lend *lend) {
    if (is_fifo(lend))
        return ring_pop_locked(lend);
    dbp_slot *slot = pop(lend);
    return slot ? slot : steal(lend);
}

/* Those in hot slots are not counted; while they can matter (OVERFLOW) there are none. */
static uint32_t idle_count_locked(const dbp_lend *lend) {
    return is_fifo(lend) ? lend->ring_count : count_of(dbp_load_relaxed_u64(&lend->head));
}

static void free_push_locked(dbp_lend *lend, dbp_slot *slot) {
    dbp_store_relaxed_u32(&slot->next, lend->free);
    lend->free = slot->index;
}

/* ---- Gate and keep, under the mutex ---- */

static void gate_set(dbp_lend *lend, uint32_t bit) {
    if (!(dbp_load_relaxed_u32(&lend->gate) & bit))
        (void)dbp_or_seq_cst_u32(&lend->gate, bit);
}

static void gate_clear(dbp_lend *lend, uint32_t bit) {
    if (dbp_load_relaxed_u32(&lend->gate) & bit)
        (void)dbp_and_release_u32(&lend->gate, ~bit);
}

/* The places whose slots are not on their way out. */
static uint32_t staying(const dbp_lend *lend) { return lend->places - lend->leaving; }

static bool is_over_limit(const dbp_lend *lend) { return staying(lend) > lend->config.limit; }

static void update_gate_locked(dbp_lend *lend) {
    uint32_t keep = lend->closed || is_over_limit(lend) ? 0 : lend->config.keep;
    if (dbp_load_relaxed_u32(&lend->keep) != keep)
        dbp_store_relaxed_u32(&lend->keep, keep);
    if (staying(lend) > lend->config.keep)
        gate_set(lend, DBP_GATE_OVERFLOW);
    else
        gate_clear(lend, DBP_GATE_OVERFLOW);
}

/* Announces a waiter (A0) (B0): from now on every put that could be missed comes to the mutex. */
static void announce_locked(dbp_lend *lend) {
    if (!is_fifo(lend))
        mark_head(lend, W_BIT);
    gate_set(lend, DBP_GATE_WAITERS);
}

static void clear_w_if_idle_locked(dbp_lend *lend) {
    if (lend->queued > 0 || lend->closed)
        return;
    if (!is_fifo(lend))
        mark_head(lend, 0);
    gate_clear(lend, DBP_GATE_WAITERS);
}

/* ---- The line, under the mutex ---- */

static void bug(dbp_lend *lend, const char *where) { lend->config.bug(lend->config.bug_arg, where); }

/* One that comes back stands where it stood: before all who came after it. */
static dbp_waiter *before_whom_locked(const dbp_lend *lend, const dbp_waiter *waiter) {
    dbp_waiter *at = lend->newest && lend->newest->arrival > waiter->arrival ? lend->oldest : NULL;
    while (at && at->arrival < waiter->arrival)
        at = at->newer;
    return at;
}

static void enqueue_locked(dbp_lend *lend, dbp_waiter *waiter) {
    waiter->newer = before_whom_locked(lend, waiter);
    waiter->older = waiter->newer ? waiter->newer->older : lend->newest;
    *(waiter->older ? &waiter->older->newer : &lend->oldest) = waiter;
    *(waiter->newer ? &waiter->newer->older : &lend->newest) = waiter;
    waiter->queued = true;
    lend->queued++;
}

static void cut_ticket(dbp_waiter *waiter) {
    if (waiter->ticket)
        waiter->ticket->waiter = NULL;
    waiter->ticket = NULL;
}

static void dequeue_locked(dbp_lend *lend, dbp_waiter *waiter) {
    if (lend->queued == 0) {
        bug(lend, "lend: a waiter leaves an empty line");
        return;
    }
    *(waiter->older ? &waiter->older->newer : &lend->oldest) = waiter->newer;
    *(waiter->newer ? &waiter->newer->older : &lend->newest) = waiter->older;
    waiter->queued = false;
    lend->queued--;
}

static unsigned bucket_of(int64_t wait_ns) {
    uint64_t us = wait_ns > 0 ? (uint64_t)wait_ns / 1000 : 0;
    unsigned bits = us ? 64 - (unsigned)__builtin_clzll(us) : 0;
    return bits < DBP_WAIT_BUCKETS ? bits : DBP_WAIT_BUCKETS - 1;
}

static void count_wait_locked(dbp_lend *lend, const dbp_waiter *waiter, int64_t now) {
    int64_t waited = now > waiter->joined_ns ? now - waiter->joined_ns : 0;
    lend->counters.wait_ns += (uint64_t)waited;
    lend->counters.histogram[bucket_of(waited)]++;
}

/* Whom to wake once the mutex is free. */
struct wake {
    dbp_atomic_u32 *word;
    dbp_waiter *called;
};
static const struct wake nobody = {NULL, NULL};

/* The waiter leaves the line with an answer. After this a thread's waiter must not be touched: only its address is kept. */
static struct wake answer_locked(dbp_lend *lend, dbp_waiter *waiter, dbp_waiter_state state) {
    dequeue_locked(lend, waiter);
    if (state != DBP_WAITER_WOKEN) {
        cut_ticket(waiter);
        count_wait_locked(lend, waiter, dbp_clock_now());
    }
    clear_w_if_idle_locked(lend);
    if (waiter->callback) {
        waiter->front = state == DBP_WAITER_WOKEN;
        dbp_store_relaxed_u32(&waiter->state, state);
        return (struct wake){NULL, waiter};
    }
    /* Releases `slot`; the owner may be gone from here on. */
    uint32_t old = dbp_exchange_acq_rel_u32(&waiter->state, state);
    return (struct wake){old == DBP_WAITER_SLEEP ? &waiter->state : NULL, NULL};
}

static struct wake grant_locked(dbp_lend *lend, dbp_waiter *waiter, dbp_slot *slot) {
    waiter->slot = slot;
    lend->counters.handoffs++;
    return answer_locked(lend, waiter, DBP_WAITER_GRANT);
}

static void wake(struct wake wake) {
    if (wake.word)
        dbp_wake_one(wake.word);
    if (wake.called)
        wake.called->callback(wake.called);
}

/* ---- Places, under the mutex ---- */

static dbp_waiter *oldest_without_ticket(const dbp_lend *lend) {
    dbp_waiter *waiter = lend->oldest;
    while (waiter && waiter->ticket)
        waiter = waiter->newer;
    return waiter;
}

/* Takes a place and a free slot for it. Called while WAITERS is set, so the hot slots, looked at and empty, stay empty when OVERFLOW is set
 * here. */
static dbp_slot *reserve_locked(dbp_lend *lend) {
    if (lend->closed || lend->places >= lend->config.limit || !lend->free)
        return NULL;
    dbp_slot *slot = dbp_lend_slot(lend, lend->free);
    lend->free = next_of(slot);
    lend->places++;
    update_gate_locked(lend);
    return slot;
}

/* One step of keeping invariant (E): a free place goes to the oldest who wants one. True when somebody was served: unlock, wake, and ask
 * again. */
static bool serve_locked(dbp_lend *lend, struct wake *wake_out) {
    dbp_waiter *waiter = oldest_without_ticket(lend);
    if (!waiter || lend->closed || lend->places >= lend->config.limit)
        return false;
    dbp_slot *slot = reserve_locked(lend);
    /* With no slot made yet the waiter looks for itself: only it may allocate. */
    *wake_out = slot ? grant_locked(lend, waiter, slot) : answer_locked(lend, waiter, DBP_WAITER_WOKEN);
    return true;
}

static void serve_and_unlock(dbp_lend *lend) {
    struct wake served = nobody;
    while (serve_locked(lend, &served)) {
        dbp_mutex_unlock(&lend->mutex);
        wake(served);
        dbp_mutex_lock(&lend->mutex);
    }
    dbp_mutex_unlock(&lend->mutex);
}

static void give_place_locked(dbp_lend *lend, dbp_slot *slot) {
    if (lend->places == 0)
        bug(lend, "lend: more places given back than taken");
    else
        lend->places--;
    if (next_of(slot) & LEAVING)
        lend->leaving--;
    free_push_locked(lend, slot);
    update_gate_locked(lend);
}

/* Makes the slots of the next segment. Leaves the mutex while it allocates. False when there is no memory. */
static bool grow_locked(dbp_lend *lend) {
    unsigned kind = 28 - (unsigned)__builtin_clz(lend->created + 8);
    dbp_mutex_unlock(&lend->mutex);
    char *items = dbp_store_take(lend->config.store, kind);
    dbp_mutex_lock(&lend->mutex);
    if (!items)
        return lend->free != 0;
    if (lend->segments[kind]) {
        dbp_store_give(lend->config.store, kind, items);
        return true;
    }
    lend->segments[kind] = items;
    uint32_t before = lend->created;
    for (size_t i = 0; i < DBP_SEGMENT_ITEMS(kind) && lend->created < DBP_LEND_MAX; i++) {
        dbp_slot *slot = (dbp_slot *)(void *)(items + i * lend->config.store->stride);
        slot->index = ++lend->created;
    }
    for (uint32_t index = lend->created; index > before; index--)
        free_push_locked(lend, dbp_lend_slot(lend, index));
    return true;
}

/* ---- Taking ---- */

dbp_slot *dbp_lend_take_other(dbp_lend *lend) {
    dbp_slot *slot = dbp_hot_take(&lend->hot[dbp_cpu_current() & lend->hot_mask]);
    if (!slot)
        slot = pop(lend);
    return slot ? slot : steal(lend);
}

int64_t dbp_waiter_deadline(dbp_waiter *waiter) {
    if (waiter->since_ns == 0) {
        waiter->since_ns = dbp_clock_now();
        waiter->deadline_ns = dbp_deadline_after_ms(waiter->since_ns, waiter->timeout_ms);
    }
    return waiter->deadline_ns;
}

/* Announces, then looks everywhere once more. DBP_LEND_WOULD_WAIT: there is nothing, and W stands. */
static dbp_lend_result look_locked(dbp_lend *lend, dbp_waiter *waiter) {
    if (waiter->failed)
        return DBP_LEND_FAILED;
    if (lend->closed)
        return DBP_LEND_CLOSED;
    announce_locked(lend);
    waiter->slot = idle_pop_locked(lend);
    while (!waiter->slot && !waiter->ticket && lend->places < lend->config.limit) {
        if (!lend->free && !grow_locked(lend))
            return DBP_LEND_NOMEM;
        /* Growing left the mutex: somebody may have closed the core, cleared W, or put a slot. */
        if (lend->closed)
            return DBP_LEND_CLOSED;
        announce_locked(lend);
        waiter->slot = idle_pop_locked(lend);
        if (!waiter->slot)
            waiter->slot = reserve_locked(lend);
    }
    if (waiter->slot)
        return DBP_LEND_SLOT;
    return lend->config.unlimited && !waiter->ticket ? DBP_LEND_LIMIT : DBP_LEND_WOULD_WAIT;
}

static void begin_wait_locked(dbp_lend *lend, dbp_waiter *waiter) {
    bool first = waiter->since_ns == 0;
    (void)dbp_waiter_deadline(waiter);
    waiter->joined_ns = first ? waiter->since_ns : dbp_clock_now();
    lend->counters.waits++;
    if (waiter->arrival == 0)
        waiter->arrival = lend->counters.waits;
}

static void join_line_locked(dbp_lend *lend, dbp_waiter *waiter) {
    if (!waiter->front)
        begin_wait_locked(lend, waiter);
    dbp_store_relaxed_u32(&waiter->state, DBP_WAITER_WAIT);
    enqueue_locked(lend, waiter);
}

/* Sleeps until there is an answer or the deadline has passed. Returns the state seen. */
static uint32_t sleep_in_line(dbp_waiter *waiter, bool *in_time) {
    uint32_t awake = DBP_WAITER_WAIT;
    *in_time = true;
    if (dbp_cas_acq_rel_u32(&waiter->state, &awake, DBP_WAITER_SLEEP))
        while (*in_time && dbp_load_acquire_u32(&waiter->state) == DBP_WAITER_SLEEP)
            *in_time = dbp_wait(&waiter->state, DBP_WAITER_SLEEP, waiter->deadline_ns);
    return dbp_load_acquire_u32(&waiter->state);
}

/* Under the mutex, after a wake-up or the deadline: the state is authoritative now. DBP_LEND_WOULD_WAIT: go on. */
static dbp_lend_result settle_locked(dbp_lend *lend, dbp_waiter *waiter, bool in_time) {
    switch ((dbp_waiter_state)dbp_load_acquire_u32(&waiter->state)) {
    case DBP_WAITER_GRANT: /* a grant that met the time-out is taken, never dropped */ return DBP_LEND_SLOT;
    case DBP_WAITER_FAILED: return DBP_LEND_FAILED;
    case DBP_WAITER_CLOSED: return DBP_LEND_CLOSED;
    case DBP_WAITER_WOKEN:
        waiter->front = true;
        if (waiter->failed || (in_time && dbp_clock_now() < waiter->deadline_ns))
            return DBP_LEND_WOULD_WAIT;
        /* The slot it was woken for must not lie beside other waiters. */
        waiter->slot = idle_pop_locked(lend);
        break;
    default: dequeue_locked(lend, waiter); waiter->slot = NULL;
    }
    cut_ticket(waiter);
    clear_w_if_idle_locked(lend);
    count_wait_locked(lend, waiter, dbp_clock_now());
    if (waiter->slot)
        return DBP_LEND_SLOT;
    lend->counters.timeouts++;
    return DBP_LEND_TIMEOUT;
}

/* The slot that somebody was woken for and leaves behind must not lie idle beside others who wait. */
static struct wake pass_on_locked(dbp_lend *lend) {
    dbp_slot *slot = lend->oldest ? idle_pop_locked(lend) : NULL;
    return slot ? grant_locked(lend, lend->oldest, slot) : nobody;
}

/* The waiter got its answer by looking: it is in no line. */
static dbp_lend_result leave_and_unlock(dbp_lend *lend, dbp_waiter *waiter, dbp_lend_result result) {
    struct wake passed = result == DBP_LEND_FAILED && waiter->front ? pass_on_locked(lend) : nobody;
    cut_ticket(waiter);
    if (waiter->front)
        count_wait_locked(lend, waiter, dbp_clock_now());
    if (result == DBP_LEND_WOULD_WAIT)
        lend->counters.timeouts++;
    clear_w_if_idle_locked(lend);
    /* Looking may have left a place that somebody else in the line can use: it had no memory, or no right to wait. */
    if (result == DBP_LEND_SLOT)
        dbp_mutex_unlock(&lend->mutex);
    else
        serve_and_unlock(lend);
    wake(passed);
    return result;
}

dbp_lend_result dbp_lend_wait(dbp_lend *lend, dbp_waiter *waiter) {
    /* A callback's was set when it was called. */
    waiter->front = waiter->callback && waiter->front;
    for (;;) {
        dbp_mutex_lock(&lend->mutex);
        dbp_lend_result result = look_locked(lend, waiter);
        if (result != DBP_LEND_WOULD_WAIT || waiter->no_wait)
            return leave_and_unlock(lend, waiter, result);
        join_line_locked(lend, waiter);
        dbp_mutex_unlock(&lend->mutex);
        if (waiter->callback)
            return DBP_LEND_WOULD_WAIT;

        bool in_time;
        if (sleep_in_line(waiter, &in_time) == DBP_WAITER_GRANT)
            return DBP_LEND_SLOT;
        dbp_mutex_lock(&lend->mutex);
        result = settle_locked(lend, waiter, in_time);
        dbp_mutex_unlock(&lend->mutex);
        if (result != DBP_LEND_WOULD_WAIT)
            return result;
    }
}

bool dbp_lend_cancel(dbp_lend *lend, dbp_waiter *waiter) {
    dbp_mutex_lock(&lend->mutex);
    bool queued = waiter->queued;
    if (queued) {
        dequeue_locked(lend, waiter);
        cut_ticket(waiter);
        clear_w_if_idle_locked(lend);
    }
    dbp_mutex_unlock(&lend->mutex);
    return queued;
}

/* ---- Putting ---- */

static bool hands_off_locked(const dbp_lend *lend, const dbp_waiter *waiter) {
    if (waiter->callback || lend->config.fair_ns == 0 || idle_count_locked(lend) >= lend->config.keep)
        return true;
    return dbp_clock_now() - waiter->since_ns >= lend->config.fair_ns;
}

/* Notes that a slot was given out to be closed. */
static dbp_slot *send_away_locked(dbp_lend *lend, dbp_slot *slot, const dbp_slot *next) {
    dbp_store_relaxed_u32(&slot->next, LEAVING | (next ? next->index : 0));
    lend->leaving++;
    return slot;
}

static dbp_slot *put_slow(dbp_lend *lend, dbp_slot *slot) {
    struct wake woken = nobody;
    dbp_slot *surplus = NULL;
    dbp_mutex_lock(&lend->mutex);
    dbp_waiter *oldest = lend->oldest;
    if (lend->closed || is_over_limit(lend) || (!oldest && !idle_push_locked(lend, slot, lend->config.keep))) {
        surplus = send_away_locked(lend, slot, NULL);
        update_gate_locked(lend);
    } else if (oldest && hands_off_locked(lend, oldest)) {
        woken = grant_locked(lend, oldest, slot);
    } else if (oldest) {
        /* The slot lies open to whoever comes first; the waiter looks, and if it finds nothing it is first in the line again, older. */
        (void)idle_push_locked(lend, slot, DBP_LEND_MAX);
        lend->counters.barged++;
        woken = answer_locked(lend, oldest, DBP_WAITER_WOKEN);
    }
    dbp_mutex_unlock(&lend->mutex);
    wake(woken);
    return surplus;
}

dbp_slot *dbp_lend_put_other(dbp_lend *lend, dbp_slot *slot) {
    uint64_t head = dbp_load_acquire_u64(&lend->head);
    for (;;) {
        /* keep is read after head: if a resize came between, the CAS fails on its tag. */
        if ((head & W_BIT) || count_of(head) >= dbp_load_relaxed_u32(&lend->keep))
            return put_slow(lend, slot);
        dbp_store_relaxed_u32(&slot->next, top_of(head));
        if (dbp_cas_acq_rel_u64(&lend->head, &head, head_after(head, slot->index, count_of(head) + 1, 0)))
            return NULL;
    }
}

bool dbp_lend_put_empty(dbp_lend *lend, dbp_slot *slot) {
    dbp_mutex_lock(&lend->mutex);
    give_place_locked(lend, slot);
    bool last = lend->closed && lend->places == 0;
    serve_and_unlock(lend);
    return last;
}

/* ---- Openings on other threads ---- */

void dbp_lend_ticket(dbp_lend *lend, dbp_waiter *waiter, dbp_ticket *ticket) {
    dbp_mutex_lock(&lend->mutex);
    waiter->ticket = ticket;
    ticket->waiter = waiter;
    dbp_mutex_unlock(&lend->mutex);
}

void dbp_lend_open_done(dbp_lend *lend, dbp_ticket *ticket) {
    dbp_mutex_lock(&lend->mutex);
    if (ticket->waiter)
        cut_ticket(ticket->waiter);
    serve_and_unlock(lend);
}

bool dbp_lend_open_failed(dbp_lend *lend, dbp_ticket *ticket) {
    struct wake woken = nobody;
    dbp_mutex_lock(&lend->mutex);
    dbp_waiter *waiter = ticket->waiter;
    if (waiter) {
        /* One that is not queued, because it has been woken or has yet to wait, finds it when it looks. */
        waiter->failed = ticket;
        if (waiter->queued)
            woken = answer_locked(lend, waiter, DBP_WAITER_FAILED);
        else
            cut_ticket(waiter);
    }
    dbp_mutex_unlock(&lend->mutex);
    wake(woken);
    return waiter != NULL;
}

/* ---- The whole ---- */

/* Takes idle slots out while `surplus` says so; the places stay taken until each is put back empty. */
static dbp_slot *take_out_locked(dbp_lend *lend, bool (*surplus)(const dbp_lend *lend)) {
    dbp_slot *chain = NULL, *slot = NULL;
    while (surplus(lend) && (slot = idle_pop_locked(lend)))
        chain = send_away_locked(lend, slot, chain);
    update_gate_locked(lend);
    return chain;
}

static bool everything(const dbp_lend *lend) {
    (void)lend;
    return true;
}

static bool beyond_limits(const dbp_lend *lend) { return idle_count_locked(lend) > lend->config.keep || is_over_limit(lend); }

static void cool_locked(dbp_lend *lend) {
    for (dbp_slot *slot; (slot = steal(lend));)
        (void)push_locked(lend, slot, DBP_LEND_MAX);
}

/* Makes the slots that the line can use now, so that it is served in order; what memory does not allow its members make for themselves. */
static void grow_for_line_locked(dbp_lend *lend) {
    for (uint32_t before = UINT32_MAX; lend->created != before;) {
        uint32_t room = lend->config.limit > lend->places ? lend->config.limit - lend->places : 0;
        before = lend->created;
        if (lend->created - lend->places < (lend->queued < room ? lend->queued : room))
            (void)grow_locked(lend);
    }
}

dbp_slot *dbp_lend_resize(dbp_lend *lend, uint32_t keep, uint32_t limit, bool unlimited) {
    dbp_mutex_lock(&lend->mutex);
    lend->config.keep = keep;
    lend->config.limit = limit;
    lend->config.unlimited = unlimited;
    update_gate_locked(lend);
    if (!is_fifo(lend)) {
        /* Pushes that read the old keep before this fail; what they pushed before is in the stack and counted. */
        mark_head(lend, dbp_load_relaxed_u64(&lend->head) & W_BIT);
        /* While somebody is queued a hot slot holds at most what its putter is about to take back to the mutex: moving that would hide it
         * from both. */
        if (staying(lend) > keep && !lend->oldest)
            cool_locked(lend);
    }
    dbp_slot *chain = take_out_locked(lend, beyond_limits);
    grow_for_line_locked(lend);
    serve_and_unlock(lend);
    return chain;
}

dbp_slot *dbp_lend_drain(dbp_lend *lend) {
    dbp_mutex_lock(&lend->mutex);
    dbp_slot *chain = take_out_locked(lend, everything);
    dbp_mutex_unlock(&lend->mutex);
    return chain;
}

dbp_slot *dbp_lend_close(dbp_lend *lend) {
    dbp_mutex_lock(&lend->mutex);
    lend->closed = true;
    gate_set(lend, DBP_GATE_CLOSED);
    update_gate_locked(lend);
    mark_head(lend, W_BIT);
    dbp_slot *chain = take_out_locked(lend, everything);
    while (lend->oldest) {
        struct wake woken = answer_locked(lend, lend->oldest, DBP_WAITER_CLOSED);
        dbp_mutex_unlock(&lend->mutex);
        wake(woken);
        dbp_mutex_lock(&lend->mutex);
    }
    dbp_mutex_unlock(&lend->mutex);
    return chain;
}

uint32_t dbp_lend_places(dbp_lend *lend) {
    dbp_mutex_lock(&lend->mutex);
    uint32_t places = lend->places;
    dbp_mutex_unlock(&lend->mutex);
    return places;
}

bool dbp_lend_is_drained(dbp_lend *lend) {
    dbp_mutex_lock(&lend->mutex);
    bool drained = lend->closed && lend->places == 0;
    dbp_mutex_unlock(&lend->mutex);
    return drained;
}

uint32_t dbp_lend_created(dbp_lend *lend) {
    dbp_mutex_lock(&lend->mutex);
    uint32_t created = lend->created;
    dbp_mutex_unlock(&lend->mutex);
    return created;
}

void dbp_lend_get_stats(dbp_lend *lend, dbp_lend_stats *out) {
    uint32_t hot = 0;
    for (uint32_t i = 0; i <= lend->hot_mask; i++)
        hot += dbp_load_relaxed_ptr(&lend->hot[i].slot) != NULL;
    dbp_mutex_lock(&lend->mutex);
    *out = lend->counters;
    out->places = lend->places;
    out->idle = idle_count_locked(lend) + hot;
    out->waiting = lend->queued;
    dbp_mutex_unlock(&lend->mutex);
}

static uint32_t hot_count_for(dbp_lend_order order) {
    uint32_t wanted = order == DBP_LEND_WARM ? dbp_cpu_count() : 1, count = 1;
    while (count < wanted && count < DBP_LEND_HOT_MAX)
        count *= 2;
    return count;
}

void dbp_lend_init(dbp_lend *lend, const dbp_lend_config *config) {
    /* The gate stays shut, as fini left it or shut here, until all else stands; the head's tag goes on from where it was. */
    dbp_store_seq_cst_u32(&lend->gate, DBP_GATE_CLOSED);
    lend->hot_mask = hot_count_for(config->order) - 1;
    lend->config = *config;
    lend->closed = false;
    lend->places = lend->leaving = lend->created = lend->free = 0;
    lend->ring_first = lend->ring_last = lend->ring_count = 0;
    lend->counters = (dbp_lend_stats){0};
    dbp_store_relaxed_u32(&lend->keep, config->keep);
    mark_head(lend, config->order == DBP_LEND_FIFO ? W_BIT : 0);
    dbp_store_seq_cst_u32(&lend->gate, config->order == DBP_LEND_WARM ? 0 : DBP_GATE_COLD);
}

void dbp_lend_fini(dbp_lend *lend) {
    for (unsigned kind = 0; kind < DBP_SEGMENT_KINDS; kind++)
        if (lend->segments[kind]) {
            dbp_store_give(lend->config.store, kind, lend->segments[kind]);
            lend->segments[kind] = NULL;
        }
}
