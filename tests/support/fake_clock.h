/* SPDX-License-Identifier: MIT
 *
 * A clock that stands still until the test moves it. Threads of the library that wait (dbp_wait) sleep in fake time: they go on when
 * their word is woken or when the test has moved the clock to their deadline. Mutexes of the library are not concerned.
 *
 * Install it before the library is used, and remove it when no thread sleeps any more.
 */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void fake_clock_init(void);
void fake_clock_fini(void);

int64_t fake_clock_now(void);

/* Moves the clock and wakes every thread whose deadline it has reached. They run on by themselves. */
void fake_clock_advance_ns(int64_t ns);
void fake_clock_advance_ms(int64_t ms);

/* Moves the clock to the earliest deadline of a sleeper; false when no sleeper has one. */
bool fake_clock_advance_to_deadline(void);

/* Blocks until at least that many threads are asleep. */
void fake_clock_await_sleepers(size_t count);

/* How many threads are asleep, and the earliest of their deadlines (INT64_MAX: none). */
size_t fake_clock_sleepers(void);
int64_t fake_clock_next_deadline(void);

#endif
