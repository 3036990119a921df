/* SPDX-License-Identifier: MIT
 *
 * Which pool options `dbpool check` warns of, given what a server says of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check.h"

#include <string.h>

static check_report healthy(void) {
    check_report r = {.size = 5, .max_overflow = 10, .timeout_ms = 30000, .recycle_ms = -1, .pre_ping = false, .local = true};
    check_add_fact(&r, "encryption", "none");
    check_add_fact(&r, "max_connections", "100");
    check_add_fact(&r, "reserved_connections", "3");
    check_add_fact(&r, "idle_timeout_ms", "0");
    return r;
}

static bool warns_of(check_report *r, const char *code) {
    check_warn(r);
    for (size_t i = 0; i < r->warning_count; i++)
        if (strcmp(r->warnings[i].code, code) == 0)
            return true;
    return false;
}

static void what_goes_together_warns_of_nothing(void **state) {
    (void)state;
    check_report r = healthy();
    check_warn(&r);
    assert_int_equal(r.warning_count, 0);
    memset(&r, 0, sizeof r); /* a server that says nothing */
    r.size = 5;
    check_warn(&r);
    assert_int_equal(r.warning_count, 0);
}

static void more_connections_than_the_server_takes(void **state) {
    (void)state;
    check_report r = healthy();
    r.size = 87; /* with 10 more exactly what is left of 100 */
    assert_false(warns_of(&r, "over-limit"));
    r.size = 88;
    assert_true(warns_of(&r, "over-limit"));
    r.max_overflow = -1;
    assert_true(warns_of(&r, "no-limit"));
    r.max_overflow = 0;
    r.size = 0;
    assert_true(warns_of(&r, "no-limit"));
}

static void connections_kept_longer_than_the_server_keeps_them(void **state) {
    (void)state;
    check_report r = healthy();
    strcpy(r.facts[3].value, "60000");
    assert_true(warns_of(&r, "recycle-never"));
    assert_true(warns_of(&r, "no-pre-ping"));
    r.recycle_ms = 60000;
    assert_true(warns_of(&r, "recycle-late"));
    r.recycle_ms = 59999;
    r.pre_ping = true;
    check_warn(&r);
    assert_int_equal(r.warning_count, 0);
}

static void timeouts_that_cut_each_other_off(void **state) {
    (void)state;
    check_report r = healthy();
    check_add_fact(&r, "statement_timeout_ms", "30000");
    check_add_fact(&r, "transaction_idle_timeout_ms", "29999");
    assert_false(warns_of(&r, "statement-timeout"));
    assert_true(warns_of(&r, "transaction-idle-timeout"));
    r.timeout_ms = -1;
    assert_true(warns_of(&r, "statement-timeout"));
}

static void no_encryption_to_another_machine(void **state) {
    (void)state;
    check_report r = healthy();
    r.local = false;
    assert_true(warns_of(&r, "no-encryption"));
    strcpy(r.facts[0].value, "TLSv1.3, TLS_AES_256_GCM_SHA384");
    assert_false(warns_of(&r, "no-encryption"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_together_warns_of_nothing),
        cmocka_unit_test(more_connections_than_the_server_takes),
        cmocka_unit_test(connections_kept_longer_than_the_server_keeps_them),
        cmocka_unit_test(timeouts_that_cut_each_other_off),
        cmocka_unit_test(no_encryption_to_another_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
