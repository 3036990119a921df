/* SPDX-License-Identifier: MIT
 *
 * Waiting in a test for what another thread does, without a sleep: the condition is looked at again and again, and the processor given
 * away in between. A condition that never comes true hangs the test, and the test runner's limit ends it.
 */
#ifndef TESTS_AWAIT_H
#define TESTS_AWAIT_H

#include <dbpool/dbpool.h>

void await_true(bool (*holds)(void *arg), void *arg);

/* Until so many callers wait for a connection of the pool; so many connections are idle, lent, being opened; the pool has lent so often
 * in all. */
void await_waiting(dbpool *pool, int32_t count);
void await_idle(dbpool *pool, int32_t count);
void await_leased(dbpool *pool, int32_t count);
void await_opening(dbpool *pool, int32_t count);
void await_checkouts(dbpool *pool, uint64_t count);

#endif
