/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults: how they are asked for, and when they happen. */
#include "base/error.h"
#include "icc/fault.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct faults faults;
static struct error error;

static void set_up(void)
{
    faults = (struct faults){0};
}

static const char *pattern(const char *text, unsigned count)
{
    static char fired[32];
    ck_assert_msg(faults_set(&faults, text, &error), "%s", error.text);
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
    ck_assert(faults_set(&faults, "slow*2", &error));
    ck_assert(!faults_fire(&faults, FAULT_MUTE));
    ck_assert(faults_fire(&faults, FAULT_SLOW));
    ck_assert(faults_set(&faults, "mute", &error));
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

static void set(const char *text)
{
    ck_assert_msg(faults_set(&faults, text, &error), "%s", error.text);
}

/* At each command, by its instruction, whether the fault fires. */
static const char *at_commands(const char *text, const char *instructions)
{
    static char fired[32];
    size_t i;
    faults = (struct faults){0};
    set(text);
    for (i = 0; instructions[i]; i++) {
        uint8_t apdu[4] = {0x00, (uint8_t)instructions[i], 0x12, 0x34};
        faults_command_came(&faults, apdu, sizeof apdu);
        fired[i] = faults_fire_in_hand(&faults, FAULT_MUTE) ? 'x' : '.';
        faults_command_ran(&faults, apdu, sizeof apdu);
        ck_assert(!faults_fire_in_hand(&faults, FAULT_MUTE));
    }
    fired[i] = '\0';
    return fired;
}

START_TEST(a_pattern_names_commands)
{
    ck_assert_str_eq(at_commands("mute:00 41", "BABAA"), ".x...");
    ck_assert_str_eq(at_commands("mute:0041", "BABAA"), ".x...");
    ck_assert_str_eq(at_commands("mute@2:00 41", "BABAA"), "...x.");
    ck_assert_str_eq(at_commands("mute*2:00 41", "ABAA"), "x.x.");
    ck_assert_str_eq(at_commands("mute@2*2:00 41", "ABABAA"), "..x.x.");
    ck_assert_str_eq(at_commands("mute@2:.. 4. 12", "ABC"), ".x.");
    ck_assert_str_eq(at_commands("mute:00 41 12 34", "A"), "x");
    ck_assert_str_eq(at_commands("mute:00 41 12 35", "A"), ".");
    ck_assert_str_eq(at_commands("mute:00 41 12 34 00", "A"), ".");
    ck_assert_str_eq(at_commands("mute*0:00 41", "AAA"), "...");
    ck_assert_str_eq(at_commands("slow:00 41", "AAA"), "...");
}
END_TEST

START_TEST(patterns_stand_side_by_side)
{
    at_commands("mute:00 41", "B");
    set("mute:00 42");
    set("mute@9:00 41"); /* in the place of the first */
    set("mute@2*1");     /* counts by itself */
    uint8_t a[4] = {0x00, 'A'}, b[4] = {0x00, 'B'};
    faults_command_came(&faults, a, 4);
    ck_assert(!faults_fire(&faults, FAULT_MUTE));
    faults_command_came(&faults, b, 4);
    ck_assert(faults_fire(&faults, FAULT_MUTE)); /* both */
    faults_command_came(&faults, b, 4);
    ck_assert(!faults_fire(&faults, FAULT_MUTE));

    set("mute*0");
    set("mute:00 42");
    set("mute*0:00 42");
    faults_command_came(&faults, b, 4);
    ck_assert(!faults_fire(&faults, FAULT_MUTE));
    set("mute:00 42");
    set("slow:00 42");
    set("mute*0"); /* of any kind */
    faults_command_came(&faults, b, 4);
    ck_assert(!faults_fire(&faults, FAULT_MUTE));
    ck_assert(faults_fire(&faults, FAULT_SLOW));
}
END_TEST

START_TEST(so_many_patterns_and_no_more)
{
    char text[40];
    for (int i = 0; i < FAULT_TRIGGER_MAX; i++) {
        snprintf(text, sizeof text, "mute:00 %02X", i);
        set(text);
    }
    ck_assert(!faults_set(&faults, "mute:00 FF", &error));
    ck_assert_str_eq(error.text, "at most 32 faults with patterns can be set at a time");
    set("mute*3:00 1F");
    set("mute*0:00 FF");
    set("mute*0:00 00");
    set("mute:00 FF");
}
END_TEST

/* What a card asks for while it carries out a command is for this command. */
START_TEST(what_is_set_by_a_command_is_for_it)
{
    uint8_t a[4] = {0x00, 'A'};
    set("mute");
    faults_command_came(&faults, a, 4);
    ck_assert(!faults_fire_in_hand(&faults, FAULT_MUTE)); /* came before */
    ck_assert(faults_fire(&faults, FAULT_MUTE));
    set("mute");
    set("removal@2");
    set("slow:00 41");
    set("abort:00 42");
    faults_command_ran(&faults, a, 4);
    ck_assert(faults_fire_in_hand(&faults, FAULT_MUTE));
    ck_assert(!faults_fire_in_hand(&faults, FAULT_MUTE));
    ck_assert(!faults_fire_in_hand(&faults, FAULT_REMOVAL));
    ck_assert(faults_fire_in_hand(&faults, FAULT_SLOW));
    ck_assert(!faults_fire_in_hand(&faults, FAULT_ABORT));
    faults_command_came(&faults, a, 4);
    ck_assert(!faults_fire_in_hand(&faults, FAULT_REMOVAL));
    ck_assert(faults_fire(&faults, FAULT_REMOVAL));
}
END_TEST

static const struct {
    const char *text, *error;
} messages[] = {
    {"muet", "there is no fault 'muet': did you mean 'mute'?"},
    {"wrong-ed*2", "there is no fault 'wrong-ed': did you mean 'wrong-edc'?"},
    {"power-losses@2:00", "there is no fault 'power-losses': did you mean 'power-loss'?"},
    {"mute@2@3", "fault 'mute@2@3': expected NAME, NAME*TIMES, NAME@FROM or NAME@FROM*TIMES, with or without "
                 ":PATTERN"},
    {"mute:", "fault 'mute:': expected a pattern after the ':'"},
    {"mute:0x41", "fault 'mute:0x41': pattern: character 2: bytes are written without 0x"},
    {"mute:00 4", "fault 'mute:00 4': pattern: character 4: a byte needs two digits, this one stands alone"},
    {"mute:00 4*2", "fault 'mute:00 4*2': pattern: character 5: not a hexadecimal digit"},
};

START_TEST(messages_name_what_was_meant)
{
    ck_assert(!faults_set(&faults, messages[_i].text, &error));
    ck_assert_str_eq(error.text, messages[_i].error);
}
END_TEST

START_TEST(names_are_known_by_their_beginning)
{
    ck_assert(fault_named("mute"));
    ck_assert(fault_named("mute*x"));
    ck_assert(fault_named("mute:zz"));
    ck_assert(!fault_named("mut"));
    ck_assert(!fault_named("mutes"));
    ck_assert(!fault_named(""));
}
END_TEST

static const char *const bad[] = {"",
                                  "mute:",
                                  "mute:0",
                                  "mute@0:00",
                                  "mute:00*2",
                                  "mute:00 41:00 42x",
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
    ck_assert(!faults_set(&faults, bad[_i], &error));
    ck_assert_uint_gt(strlen(error.text), 10);
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
    tcase_add_test(tests, a_pattern_names_commands);
    tcase_add_test(tests, patterns_stand_side_by_side);
    tcase_add_test(tests, so_many_patterns_and_no_more);
    tcase_add_test(tests, what_is_set_by_a_command_is_for_it);
    tcase_add_test(tests, names_are_known_by_their_beginning);
    tcase_add_loop_test(tests, messages_name_what_was_meant, 0, sizeof messages / sizeof messages[0]);
    tcase_add_loop_test(tests, bad_ones_change_nothing, 0, sizeof bad / sizeof bad[0]);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
