/* SPDX-License-Identifier: MIT */
/*
 * resize.pml: keep and limit grow and shrink, again and again, while callers take, put, wait and break.
 *
 * Claims: those of overflow.pml; when nothing moves, places > limit only if all of them are lent out (then keep is 0), and at most
 * keep slots are idle. A place is never reserved beyond the limit.
 * Bound: 2 threads and one that resizes, for ever, or 3 threads, each ONCE, and one that resizes for ever; 2 slots;
 * each (keep, limit) out of 1 <= limit <= 2, 0 <= keep <= limit.
 */
#define RESIZE
#ifndef NP
#define NP (NT + 1)
#endif
#include "core.pmli"

/*
 * Moves what lies in hot slots into the stack. Not while somebody waits: then a hot slot holds at most what its putter is about
 * to take back and bring to the mutex, because it has seen the gate; moved, it would lie idle and nobody would wake the waiter.
 */
inline cool()
{
    f = NH;
    if
#ifdef BUG_COOLWAIT
    :: places > setting -> f = 0
#else
    :: places > setting && qlen == 0 -> f = 0
#endif
    :: else
    fi;
    do
    :: f < NH ->
       d_step {
           f++; s = hot[f]; hot[f] = 0;
           if
           :: s -> got(s)
           :: else
           fi };
       if
       :: s -> d_step { push_locked(s); s = 0 }
       :: else
       fi
    :: else -> f = 0; break
    od
}

/* Takes the surplus out; c counts it, out[] has it. */
inline take_surplus()
{
    do
    :: cnt > setting || places > limit + c ->
       pop_locked(s);
       if
       :: s -> skip
       :: else -> steal(s)
       fi;
       if
       :: s -> d_step { out[c] = s; c++; s = 0 }
       :: else -> break
       fi
    :: else -> break
    od
}

inline resize(k, l)
{
    lock();
    d_step { setting = k; limit = l; k = 0; l = 0 };
#ifndef BUG_KEEPLATE
    update_gate();
#endif
#ifndef BUG_NOTAGBUMP
    change();                               /* a push that read the old keep must fail */
#endif
#ifdef BUG_KEEPLATE
    update_gate();
#endif
#ifndef BUG_NOFLUSH
    cool();
#endif
    take_surplus();
    serve_and_unlock();
    do
    :: c -> d_step { c--; s = out[c]; out[c] = 0; live[s] = 0 }; put_empty(s)
    :: else -> break
    od
}

proctype thread(byte id) { LOCALS; CALLER }

proctype resizer(byte id)
{
    LOCALS;
    byte out[NS];
    byte k, l;
    do
    :: atomic { select (l : 1 .. NS); select (k : 0 .. l) }; resize(k, l)
    :: break
    od
}

init { LOCALS; start(); run_threads(); run resizer(NT); timeout -> quiet() }
