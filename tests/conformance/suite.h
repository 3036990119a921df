/* SPDX-License-Identifier: MIT
 *
 * What the two halves of the suite share: conformance.c asks the driver's table, conformance_pool.c a pool over it.
 */
#ifndef TESTS_CONFORMANCE_SUITE_H
#define TESTS_CONFORMANCE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conformance.h"

/* The adapter of the run. */
extern const conformance_adapter *suite_adapter;

/* The cases so far; suite_add copies the name. A case gets `state` as its *state. */
void suite_add(const char *name, CMUnitTestFunction function, const void *state);
/* Counts a case that this database has no use for, if `needed` is false. */
bool suite_has(bool needed);

/* A failure's detail must be told as "action: cause", agree with the status that was returned, and hold no secret. */
void suite_check_error(dbpool_status status, const dbpool_error *err);
void suite_check_no_secret(const char *text);
/* Success; else the case fails and shows the message. */
void suite_check_ok(dbpool_status status, const dbpool_error *err);

bool suite_run(void *native, const char *format, ...) DBPOOL_PRINTF(2, 3);
int64_t suite_number(void *native, const char *format, ...) DBPOOL_PRINTF(2, 3);
bool suite_make(const conformance_leftover *leftover, void *native);
bool suite_probe(const conformance_leftover *leftover, void *native);
void suite_clean_up(const conformance_leftover *leftover, void *native);

void suite_add_pool_cases(void);

#endif
