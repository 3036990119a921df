/* SPDX-License-Identifier: MIT */
/*
 * resize.pml: keep and limit grow and shrink, again and again, while callers take, put, wait and break.
 *
 * Claims: those of overflow.pml; when nothing moves, places > limit only if all of them are lent out (then keep is 0), and at most
 * keep slots are idle. A place is never reserved beyond the limit.
 * Bound: 2 or 3 threads and one that resizes, for ever; 2 slots; each (keep, limit) out of 1 <= limit <= 2, 0 <= keep <= limit.
 */
#define RESIZE
#ifndef NP
#define NP (NT + 1)
#endif
#include "core.pmli"

/* Each hot slot's goes into the stack, W is kept. */
inline flush()
{
#ifndef BUG_NOFLUSH
    f = 0;
    do
    :: f < NH ->
       d_step { f++; s = hot[f]; hot[f] = 0 };
       if
       :: s -> d_step { got(s); push_locked(s); s = 0 }
       :: else
       fi
    :: else -> f = 0; break
    od
#else
    skip
#endif
}

/*
 * The putter of a slot that was flushed may have been about to take it back, because somebody waits: it is the flush that must
 * see to the waiter now. So what is left idle goes to the line.
 */
inline serve_idle()
{
#ifndef BUG_FLUSHIDLE
    do
    :: qlen ->
       idle_pop(s);
       if
       :: s ->
          d_step { f = queue[0]; dequeue(f) };
          clear_if_empty();
          d_step { wslot[f] = s; state[f] = GRANT; f = 0; s = 0 }
       :: else -> break
       fi
    :: else -> break
    od
#else
    skip
#endif
}

/* Takes the surplus out; c counts it, out[] has it. */
inline take_surplus()
{
    do
    :: cnt > setting || places > limit + c ->
       pop_locked(s);
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
#ifdef BUG_KEEPLATE
    d_step { over_gate() };
    flush();
    change();
    update_gate();
#else
    update_gate();
    flush();
#ifndef BUG_NOTAGBUMP
    change();                   /* a push that read the old keep must fail */
#endif
#endif
    take_surplus();
    serve_idle();
    serve_empties();
    unlock();
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
