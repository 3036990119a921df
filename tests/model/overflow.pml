/* SPDX-License-Identifier: MIT */
/*
 * overflow.pml: more slots than may be idle (keep < limit): the OVERFLOW gate before the hot slots, the decision of count against
 * keep, SURPLUS, close, then put_empty.
 *
 * Claims: those of lend.pml, and: at most keep slots are idle when nothing moves, hot slots included; OVERFLOW is set exactly
 * while places > keep; each slot is idle, lent or free.
 * Bound: 3 threads for ever, 2 slots, limit 2, keep 0 or 1, 1 or 2 hot slots; 3 slots, keep 1 or 2. Thread 0 never times out.
 */
#ifndef KEEP
#define KEEP 1
#endif
#include "core.pmli"

proctype thread(byte id) { LOCALS; CALLER }

init { LOCALS; start(); run_threads(); timeout -> quiet() }
