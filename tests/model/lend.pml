/* SPDX-License-Identifier: MIT */
/*
 * lend.pml: the idle stack, the W bit, the hot slots, the waiters, time-outs, openings that fail, connections that break.
 *
 * Claims: a slot is held by one, or idle in one place, or free; places <= limit at every step; no lost wake-up: when nothing moves,
 * nobody waits beside an idle slot or a free place; W and the gate are set exactly while somebody waits.
 * Bound: 3 threads for ever, 2 slots, 1 or 2 hot slots. Thread 0 never times out.
 */
#include "core.pmli"

proctype thread(byte id) { LOCALS; CALLER }

init { LOCALS; start(); run_threads(); timeout -> quiet() }
