/* SPDX-License-Identifier: MIT
 *
 * Bounded text: cut and never overrun, and one line stays one line of UTF-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"

static void expect_escaped(const char *raw, const char *expected) {
    char memory[64];
    dbp_buffer text = dbp_buffer_init(memory, sizeof memory);
    dbp_buffer_escape(&text, raw);
    assert_string_equal(memory, expected);
    assert_int_equal(text.length, strlen(expected));
}

static void text_that_fits_is_whole(void **state) {
    (void)state;
    char memory[6];
    dbp_buffer text = dbp_buffer_init(memory, sizeof memory);
    assert_string_equal(memory, "");
    dbp_buffer_format(&text, "%d", 12);
    dbp_buffer_format(&text, "%s", "345");
    assert_string_equal(memory, "12345");
    assert_int_equal(text.length, 5);
}

static void text_that_does_not_fit_is_cut_and_its_length_known(void **state) {
    (void)state;
    for (size_t size = 1; size < 8; size++) {
        char memory[16];
        memset(memory, '#', sizeof memory);
        dbp_buffer text = dbp_buffer_init(memory, size);
        dbp_buffer_format(&text, "abc");
        dbp_buffer_escape(&text, "defghi");
        dbp_buffer_format(&text, "%c", 'j');
        assert_int_equal(text.length, 10);
        assert_int_equal(strlen(memory), size - 1);
        assert_memory_equal(memory, "abcdefghij", size - 1);
        assert_int_equal(memory[size], '#');
    }
}

static void with_no_memory_only_the_length_is_counted(void **state) {
    (void)state;
    dbp_buffer text = dbp_buffer_init(NULL, 0);
    dbp_buffer_format(&text, "%s", "1234");
    dbp_buffer_escape(&text, "\n");
    assert_int_equal(text.length, 8);
}

static void plain_text_and_utf8_pass(void **state) {
    (void)state;
    expect_escaped("", "");
    expect_escaped("a b~", "a b~");
    expect_escaped("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98 \xC2\xA0", "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98 \xC2\xA0");
}

static void control_characters_are_escaped(void **state) {
    (void)state;
    expect_escaped("a\nb\r\tc\x1B[0m\x7F", "a\\x0Ab\\x0D\\x09c\\x1B[0m\\x7F");
    expect_escaped("\xC2\x85\xC2\x9B", "\\xC2\\x85\\xC2\\x9B");
}

static void what_is_no_utf8_is_escaped(void **state) {
    (void)state;
    expect_escaped("\xC3", "\\xC3");
    expect_escaped("\xC3(", "\\xC3(");
    expect_escaped("\xFF\xFE", "\\xFF\\xFE");
    expect_escaped("\xC0\xAF", "\\xC0\\xAF");
    expect_escaped("\xE0\x80\xAF", "\\xE0\\x80\\xAF");
    expect_escaped("\xED\xA0\x80", "\\xED\\xA0\\x80");
    expect_escaped("\xF4\x90\x80\x80", "\\xF4\\x90\\x80\\x80");
    expect_escaped("\xE2\x82", "\\xE2\\x82");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_fits_is_whole),
        cmocka_unit_test(text_that_does_not_fit_is_cut_and_its_length_known),
        cmocka_unit_test(with_no_memory_only_the_length_is_counted),
        cmocka_unit_test(plain_text_and_utf8_pass),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(what_is_no_utf8_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
