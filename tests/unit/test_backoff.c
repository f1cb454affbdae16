/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/backoff.h"
#include "run_suite.h"

#include <check.h>
#include <limits.h>

static void assert_waits(struct backoff *backoff, unsigned first, unsigned last, const unsigned *expected)
{
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(backoff_next(backoff, first, last), expected[i]);
}

START_TEST(each_wait_is_twice_the_one_before)
{
    struct backoff backoff = {0};
    assert_waits(&backoff, 10, 100, (unsigned[]){10, 20, 40, 80, 100});
    ck_assert_uint_eq(backoff_next(&backoff, 10, 100), 100);
    backoff_reset(&backoff);
    assert_waits(&backoff, 1, 7, (unsigned[]){1, 2, 4, 7, 7});
}
END_TEST

START_TEST(the_longest_waits_do_not_overflow)
{
    struct backoff backoff = {0};
    assert_waits(&backoff, UINT_MAX / 4, UINT_MAX,
                 (unsigned[]){UINT_MAX / 4, UINT_MAX / 4 * 2, UINT_MAX / 4 * 4, UINT_MAX, UINT_MAX});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, each_wait_is_twice_the_one_before);
    tcase_add_test(tcase, the_longest_waits_do_not_overflow);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
