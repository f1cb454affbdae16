/* SPDX-License-Identifier: BSD-3-Clause */
/* Text on one line. */
#include "base/oneline.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_oneline)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"tab\there", "tab here"},
        {"a\r\nb\x7F", "a\\r\\nb\\x7F"},
        {"\xC3\x84 \xE2\x82\xAC \xF0\x9F\x82\xA1", "\xC3\x84 \xE2\x82\xAC \xF0\x9F\x82\xA1"},
        {"\xC3", "\\xC3"},
        {"\x80\xFF", "\\x80\\xFF"},
        {"\xC2\x9B"
         "1m",
         "\\xC2\\x9B1m"},
        {"\xC0\xAF", "\\xC0\\xAF"},
        {"\xE2\x80\xA8", "\\xE2\\x80\\xA8"},
        {"\xED\xA0\x80", "\\xED\\xA0\\x80"},
        {"\xF4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
        {"\xE2\x82", "\\xE2\\x82"},
        {"a\xE2\x80\xAE" /* U+202E, right-to-left override */ "z", "a\\xE2\\x80\\xAEz"},
        {"\xE2\x81\xA6\xE2\x81\xA9" /* isolates */, "\\xE2\\x81\\xA6\\xE2\\x81\\xA9"},
        {"\xE2\x80\x8B\xEF\xBB\xBF" /* no width */, "\\xE2\\x80\\x8B\\xEF\\xBB\\xBF"},
        {"\xF3\xA0\x81\x81" /* U+E0041, a tag */, "\\xF3\\xA0\\x81\\x81"},
        {"\xD7\xA9\xE2\x80\xA7\xE2\x80\xB0", "\xD7\xA9\xE2\x80\xA7\xE2\x80\xB0"},
    };
    char out[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oneline(out, sizeof out, cases[i].in, strlen(cases[i].in));
        ck_assert_str_eq(out, cases[i].out);
    }
    for (size_t size = 8; size < 20; size++) {
        char *exact = malloc(size);
        oneline(exact, size, "12345678901234567890", 20);
        ck_assert_uint_eq(strlen(exact), size - 1);
        ck_assert_str_eq(exact + size - 4, "...");
        oneline(exact, size, "1234567", 7);
        ck_assert_str_eq(exact, "1234567");
        oneline(exact, size, "\x01\x02\x03\x04\x05\x06", 6);
        ck_assert_uint_lt(strlen(exact), size);
        ck_assert_ptr_nonnull(strstr(exact, "..."));
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oneline");
    TCase *tc = tcase_create("oneline");

    tcase_add_test(tc, test_oneline);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
