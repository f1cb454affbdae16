/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal numbers in text: base/number.h. */
#include "base/number.h"

#include "run_suite.h"

#include <check.h>

static const struct {
    const char *text;
    unsigned low, high;
    bool is_one;
    unsigned number;
} rows[] = {
    {"0", 0, 9, true, 0},
    {"9", 0, 9, true, 9},
    {"10", 0, 9, false, 0},
    {"4", 5, 9, false, 0},
    {"007", 0, 9, true, 7},
    {"4294967295", 0, 4294967295u, true, 4294967295u},
    {"4294967296", 0, 4294967295u, false, 0},
    {"4294967297", 0, 9, false, 0},
    {"99999999999999999999999999999999", 0, 4294967295u, false, 0},
    {"", 0, 9, false, 0},
    {" 1", 0, 9, false, 0},
    {"1 ", 0, 9, false, 0},
    {"+1", 0, 9, false, 0},
    {"-1", 0, 9, false, 0},
    {"0x1", 0, 9, false, 0},
    {"1.0", 0, 9, false, 0},
    {"\xD9\xA1", 0, 9, false, 0}, /* the Arabic digit one */
};

START_TEST(a_text)
{
    unsigned number = 4711;
    ck_assert_int_eq(number_parse(rows[_i].text, rows[_i].low, rows[_i].high, &number), rows[_i].is_one);
    ck_assert_uint_eq(number, rows[_i].is_one ? rows[_i].number : 4711);
}
END_TEST

START_TEST(the_rest_of_a_text)
{
    const char *text = "12*34", *rest = text;
    unsigned number = 0;
    ck_assert(number_take(&rest, 0, 99, &number));
    ck_assert_uint_eq(number, 12);
    ck_assert_ptr_eq(rest, text + 2);
    ck_assert(!number_take(&rest, 0, 99, &number));
    ck_assert_ptr_eq(rest, text + 2);
    ck_assert_uint_eq(number, 12);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("number");
    tcase_add_loop_test(tcase, a_text, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tcase, the_rest_of_a_text);
    Suite *suite = suite_create("number");
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
