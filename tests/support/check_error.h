/* SPDX-License-Identifier: MIT
 *
 * What must hold of every error: it is the expected one, told as "action: cause" in one line, and shows no password. Each password of a
 * test has "marker" in it.
 */
#ifndef TESTS_CHECK_ERROR_H
#define TESTS_CHECK_ERROR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dbpool/dbpool.h>
#include <string.h>

static inline void check_error(dbpool_status status, const dbpool_error *err, dbpool_status expected) {
    if (status != expected)
        fail_msg("status %d instead of %d: %s", (int)status, (int)expected, err->message);
    assert_int_equal(err->status, expected);
    assert_true(strlen(err->message) > 10);
    assert_non_null(strstr(err->message, ": "));
    assert_null(strpbrk(err->message, "\n\t"));
    assert_null(strstr(err->message, "marker"));
}

#endif
