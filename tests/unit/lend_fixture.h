/* SPDX-License-Identifier: MIT
 *
 * What tests of the lending core share: one core that lends things of the test's own, and threads that wait for them in fake time.
 */
#ifndef TESTS_LEND_FIXTURE_H
#define TESTS_LEND_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lend.h"

typedef struct thing {
    _Alignas(64) dbp_slot slot;
    bool live;
} thing;

/* The core under test. Its memory serves all tests of a program, one after the other, as that of a pool does. */
extern dbp_lend core;
extern uint32_t bugs; /* how many impossible states it has told of */

void core_open(dbp_lend_order order, uint32_t keep, uint32_t limit, int64_t fair_ns);
/* Closes it. Every thing has been given back. */
void core_shut(void);

/* Of the thing that is idle, or empty, or NULL when the caller would have to wait. */
thing *take_now(void);
/* Takes an empty place and fills it. */
thing *make(void);
/* Puts a thing that must be kept or handed on; one that must be surplus, which is then closed and put back empty. */
void put_kept(thing *item);
void put_surplus(thing *item);
void put_empty(thing *item);
/* Closes and puts back empty. Returns how many there were. */
uint32_t close_chain(dbp_slot *chain);

dbp_lend_stats stats_now(void);

/* ---- One who waits on a thread of its own ---- */

typedef struct taker {
    pthread_t thread;
    dbp_waiter waiter;
    dbp_ticket ticket;
    dbp_lend_result result;
    thing *item;
} taker;

/* Starts one that waits; returns when it is asleep in the line. The second has an opening under way on its behalf. */
void taker_start(taker *self, int64_t timeout_ms);
void taker_start_with_ticket(taker *self, int64_t timeout_ms);
/* One that has been given an empty place goes on waiting, with an opening. */
void taker_resume_with_ticket(taker *self);
/* Until its answer; the thing it got, live or not, or NULL: then `result` says why. */
thing *taker_join(taker *self);

/* Whoever wakes from now on stands still before it looks around, until released. */
void hold_woken(void);
void await_held(uint32_t count);
void release_woken(void);

int install_fake_clock(void **state);
int remove_fake_clock(void **state);

#endif
