/* SPDX-License-Identifier: MIT */
/*
 * opening.pml: a caller that got an empty slot may let another thread open it, and wait meanwhile with a ticket; the opening races
 * with checkins, time-outs and failures.
 *
 * Claims: those of lend.pml, with (E) of the page: when nothing moves, nobody without a ticket waits beside a free place, and
 * who waits with one has an opening under way. A waiter ends exactly once: it leaves the queue once, and only then gets its state.
 * Bound: 2 threads and 1 or 2 openers, or 3 and 1, for ever; 4 threads and 1 opener, each thread ONCE; 2 slots, 1 hot slot or
 * none. Thread 0 never times out; an opener may never come back.
 */
#define TICKETS
#define SLOWLY asked
#ifndef OPENERS
#define OPENERS 1
#endif
#ifndef DELEGATE
#define DELEGATE 255    /* who has others open for it: a mask of threads */
#endif
#define NP (NT + OPENERS)
#include "core.pmli"

bit  busy[OPENERS];
byte job[OPENERS];      /* the slot to open */

#if OPENERS == 1
#define ALLBUSY busy[0]
#else
#define ALLBUSY (busy[0] && busy[1])
#endif

/* Gives x to an opener. There is a moment before take_slow in which the opening may end. */
inline delegate(x)
{
    d_step {
        i = 0;
        do
        :: busy[i] -> i++
        :: else -> break
        od;
        busy[i] = 1; give(x); job[i] = x; x = 0; ticket[id] = NT + i + 1; i = 0; asked = 1 }
}

proctype thread(byte id)
{
    LOCALS;
    bit asked = 0;
    do
    :: take(s);
       asked = 0;
       if
       :: atomic { s && !live[s] && (DELEGATE & ME) && !ALLBUSY -> delegate(s) }
       :: use(s); AGAIN
       fi
    :: !asked -> break
    od
}

/* Inside a step: w is the waiter of this opener's ticket, or NT. */
inline ticket_waiter(w)
{
    w = 0;
    do
    :: w < NT && ticket[w] != id + 1 -> w++
    :: else -> break
    od
}

inline open_done()
{
    lock();
    d_step {
        ticket_waiter(f);
        if
#ifdef BUG_EARLY                            /* only a waiter that is in the queue already loses its tie */
        :: f < NT && state[f] == WAIT -> ticket[f] = 0
#else
        :: f < NT -> ticket[f] = 0
#endif
        :: else
        fi;
        f = 0 };
#ifdef BUG_NOSERVE
    unlock()
#else
    serve_and_unlock()
#endif
}

/* The empty slot is put afterwards. */
inline open_failed()
{
    lock();
    d_step {
        ticket_waiter(f);
        if
        :: f < NT && state[f] == WAIT -> dequeue(f); cut(f)
#ifdef BUG_EARLY
        :: f < NT && state[f] != WAIT -> f = NT
#else
        :: f < NT && state[f] != WAIT -> ticket[f] = NOTOPENED; f = NT      /* woken, or not queued yet: it will see */
#endif
        :: else
        fi };
    if
    :: f < NT -> clear_if_empty(); d_step { state[f] = FAILED; f = 0 }
    :: else -> f = 0
    fi;
    unlock()
}

proctype opener(byte id)
{
    LOCALS;
end_idle:
    do
    :: d_step { job[id - NT] -> s = job[id - NT]; job[id - NT] = 0; got(s) };
       if
       :: live[s] = 1; put(s); v = 1
       :: open_failed()
       :: break                             /* never comes back */
       fi;
       if
       :: s -> put_empty(s)                 /* not opened, or surplus */
       :: else
       fi;
       if
       :: v -> v = 0; open_done()
       :: else
       fi;
       busy[id - NT] = 0
    od
}

init
{
    LOCALS;
    start();
    run_threads();
    atomic {
        i = 0;
        do
        :: i < OPENERS -> run opener(NT + i); i++
        :: else -> break
        od;
        i = 0 };
    timeout;
    quiet();
    d_step {
        i = 0;
        do
        :: i < NT ->
           assert(ticket[i] == 0 || (ticket[i] > NT && ticket[i] <= NT + OPENERS && busy[ticket[i] - NT - 1] && state[i] == WAIT));
           i++
        :: else -> break
        od }
}
