/* SPDX-License-Identifier: BSD-3-Clause */
/* Names, and those that are like them: base/names.h. */
#include "base/names.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>

static const char *name(unsigned i)
{
    static const char *const names[] = {"wtx", "slow", "mute", "wrong-edc", "wrong-tck", NULL};
    return names[i];
}

static const char *no_name(unsigned i)
{
    (void)i;
    return NULL;
}

static const struct {
    const char *text, *similar;
} rows[] = {
    {"muet", "mute"},           /* two swapped */
    {"mutee", "mute"},          /* one more */
    {"mut", "mute"},            /* one less */
    {"mate", "mute"},           /* another */
    {"Mute", "mute"},           /* a capital letter is another */
    {"mtu", NULL},              /* two mistakes are too many in a short name */
    {"wrong-tdc", "wrong-edc"}, /* one mistake: nearer than wrong-tck */
    {"rong-tkc", "wrong-tck"},  /* two mistakes */
    {"wrongtkcc", NULL},        /* three */
    {"wrong", NULL},
    {"", NULL},
    {"w", NULL}, /* as many mistakes as letters would be like anything */
    {"mute0123456789012345678901234567890123456789", NULL},
};

START_TEST(a_name_that_is_like_it)
{
    const char *similar = names_similar(name, rows[_i].text, strlen(rows[_i].text));
    ck_assert_pstr_eq(similar, rows[_i].similar);
    ck_assert_ptr_null(names_similar(no_name, rows[_i].text, strlen(rows[_i].text)));
}
END_TEST

START_TEST(a_name_is_found)
{
    unsigned number = 4711;
    ck_assert(names_find(name, "wtx:80", 3, &number));
    ck_assert_uint_eq(number, 0);
    ck_assert(names_find(name, "wrong-tck", 9, &number));
    ck_assert_uint_eq(number, 4);
    ck_assert(!names_find(name, "wrong-tck", 8, &number));
    ck_assert(!names_find(name, "wt", 2, &number));
    ck_assert(!names_find(name, "", 0, &number));
    ck_assert(!names_find(no_name, "", 0, &number));
    ck_assert_uint_eq(number, 4);
}
END_TEST

START_TEST(a_suggestion)
{
    struct error error = {"no 'muet'"};
    names_suggest(name, "muet", 4, &error);
    ck_assert_str_eq(error.text, "no 'muet': did you mean 'mute'?");
    error_set(&error, "no 'fast'");
    names_suggest(name, "fast", 4, &error);
    ck_assert_str_eq(error.text, "no 'fast': expected one of wtx, slow, mute, wrong-edc, wrong-tck");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tests = tcase_create("names");
    tcase_add_loop_test(tests, a_name_that_is_like_it, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tests, a_name_is_found);
    tcase_add_test(tests, a_suggestion);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
