/* SPDX-License-Identifier: MIT
 *
 * Threads of the library that do slow work for waiting callers. They are started when needed, shared by all pools, and end when they have
 * had nothing to do for a while.
 */
#ifndef DBP_CORE_OPENER_H
#define DBP_CORE_OPENER_H

#include <stdbool.h>

/* Runs `work(arg)` on another thread, soon. False when none can be had: the caller does it itself. */
bool dbp_opener_run(void (*work)(void *arg), void *arg);

#endif
