/* Faults: how they are asked for, and when they happen. */
#include "icc/fault.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>

static struct faults faults;
static char error[1024];

static void set_up(void)
{
    faults = (struct faults){0};
}

static const char *pattern(const char *text, unsigned count)
{
    static char fired[32];
    ck_assert_msg(faults_set(&faults, text, error, sizeof error), "%s", error);
    for (unsigned i = 0; i < count; i++)
        fired[i] = faults_fire(&faults, FAULT_MUTE) ? 'x' : '.';
    fired[count] = '\0';
    return fired;
}

START_TEST(once_times_and_from)
{
    ck_assert_str_eq(pattern("mute", 4), "x...");
    ck_assert_str_eq(pattern("mute*3", 5), "xxx..");
    ck_assert_str_eq(pattern("mute@3", 6), "..xxxx");
    ck_assert_str_eq(pattern("mute@2*2", 6), ".xx...");
    ck_assert_str_eq(pattern("mute@1", 4), "xxxx");
    ck_assert_str_eq(pattern("mute*0", 3), "...");
}
END_TEST

START_TEST(one_does_not_touch_another)
{
    ck_assert(faults_set(&faults, "slow*2", error, sizeof error));
    ck_assert(!faults_fire(&faults, FAULT_MUTE));
    ck_assert(faults_fire(&faults, FAULT_SLOW));
    ck_assert(faults_set(&faults, "mute", error, sizeof error));
    ck_assert(faults_fire(&faults, FAULT_SLOW));
    ck_assert(!faults_fire(&faults, FAULT_SLOW));
    ck_assert(faults_fire(&faults, FAULT_MUTE));
}
END_TEST

START_TEST(every_name_finds_its_fault)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        ck_assert_int_eq(fault_find(fault_name((enum fault)i)), i);
    ck_assert_int_eq(fault_find("nothing"), FAULT_COUNT);
    ck_assert_int_eq(fault_find(""), FAULT_COUNT);
}
END_TEST

static const char *const bad[] = {"",
                                  "mutee",
                                  "mute ",
                                  "mute*",
                                  "mute@",
                                  "mute@0",
                                  "mute*-1",
                                  "mute*1x",
                                  "mute**2",
                                  "mute*2@3",
                                  "mute@1000001",
                                  "*2",
                                  "mute*99999999999999999999",
                                  "a-name-that-is-much-longer-than-the-name-of-any-fault-could-ever-be"};

START_TEST(bad_ones_change_nothing)
{
    struct faults before = faults;
    ck_assert(!faults_set(&faults, bad[_i], error, sizeof error));
    ck_assert_uint_gt(strlen(error), 10);
    ck_assert_mem_eq(&before, &faults, sizeof faults);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault");
    TCase *tests = tcase_create("fault");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, once_times_and_from);
    tcase_add_test(tests, one_does_not_touch_another);
    tcase_add_test(tests, every_name_finds_its_fault);
    tcase_add_loop_test(tests, bad_ones_change_nothing, 0, sizeof bad / sizeof bad[0]);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
