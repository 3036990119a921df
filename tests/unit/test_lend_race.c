/* SPDX-License-Identifier: MIT
 *
 * The moment in a put between making the slot visible and looking at the gate again, at which everything may happen: the test does it
 * there, in the place of other threads.
 */
#include "os/atomic.h"

/* The put of this file is compiled with these in the place of two of its steps. */
static uint32_t look_at_gate(const dbp_atomic_u32 *gate);
static void *take_back(dbp_atomic_ptr *hot, void *value);
#define dbp_load_seq_cst_u32 look_at_gate
#define dbp_exchange_seq_cst_ptr take_back
#include "core/lend.h"
#undef dbp_load_seq_cst_u32
#undef dbp_exchange_seq_cst_ptr

#include "lend_fixture.h"

static void (*before_look)(void);
static void (*after_take_back)(void);

static void once(void (**step)(void)) {
    void (*now)(void) = *step;
    *step = NULL;
    if (now)
        now();
}

static uint32_t look_at_gate(const dbp_atomic_u32 *gate) {
    bool closed = before_look != NULL;
    once(&before_look);
    /* A waiter was looking around just now. */
    return closed ? DBP_GATE_WAITERS : dbp_load_seq_cst_u32(gate);
}

static void *take_back(dbp_atomic_ptr *hot, void *value) {
    void *found = dbp_exchange_seq_cst_ptr(hot, value);
    if (!before_look)
        once(&after_take_back);
    return found;
}

static thing *a, *b, *taken;
static dbp_slot *chain;

static void nothing(void) {}

static void another_takes_it(void) { taken = take_now(); }

static void another_takes_it_and_a_third_returns(void) {
    taken = take_now();
    put_kept(b);
}

static void the_core_is_closed(void) { chain = dbp_lend_close(&core); }

static void open_with_two(void) {
    core_open(DBP_LEND_WARM, 2, 2, 0);
    a = make();
    b = make();
}

static void a_slot_taken_at_once_is_not_taken_back(void **state) {
    (void)state;
    open_with_two();
    before_look = another_takes_it;
    assert_null(dbp_lend_put(&core, &a->slot));
    assert_ptr_equal(taken, a);
    put_kept(a);
    put_kept(b);
    core_shut();
}

static void a_slot_still_there_is_taken_back_and_put_where_waiters_look(void **state) {
    (void)state;
    open_with_two();
    before_look = nothing;
    assert_null(dbp_lend_put(&core, &a->slot));
    assert_ptr_equal(take_now(), a);
    put_kept(a);
    put_kept(b);
    core_shut();
}

static void the_slot_found_in_its_stead_is_the_surplus(void **state) {
    (void)state;
    open_with_two();
    before_look = another_takes_it_and_a_third_returns;
    after_take_back = the_core_is_closed;
    dbp_slot *surplus = dbp_lend_put(&core, &a->slot);
    assert_ptr_equal(taken, a);
    assert_null(chain);
    assert_ptr_equal(surplus, &b->slot);
    put_empty(b);
    put_surplus(a);
    core_shut();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_taken_at_once_is_not_taken_back),
        cmocka_unit_test(a_slot_still_there_is_taken_back_and_put_where_waiters_look),
        cmocka_unit_test(the_slot_found_in_its_stead_is_the_surplus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
