/* SPDX-License-Identifier: MIT */
/*
 * fifo.pml: idle_order=fifo. COLD and W are set for good: no checkin goes to a hot slot or the stack, all idle slots stand in the
 * ring, under the mutex.
 *
 * Claims: those of overflow.pml; a caller gets the slot that has been idle longest (`order` notes each slot as it becomes idle, in
 * whatever place, and asserts that the first of them is the first to leave); the stack stays empty and W set.
 * Bound: 3 threads for ever, 2 slots, keep 1 or 2; 4 threads, each ONCE, 3 slots. Thread 0 never times out.
 */
#define FIFO
#ifndef NS
#define NS 2
#endif
#ifndef NT
#define NT 3
#endif

byte order[NS], idles;
#define entered(x) order[idles] = x; idles++
#define left(x) \
    assert(order[0] == x); i = 0; \
    do \
    :: i + 1 < idles -> order[i] = order[i + 1]; i++ \
    :: else -> break \
    od; \
    i = 0; idles--; order[idles] = 0

#include "core.pmli"

proctype thread(byte id) { LOCALS; CALLER }

init { LOCALS; start(); run_threads(); timeout -> quiet() }
