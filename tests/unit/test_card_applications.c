/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards with several applications and logical channels, and commands that are passed on. */
#include "base/error.h"
#include "cards.h"
#include "icc/watchdog.h"
#include "run_suite.h"

#include <check.h>

/* Three applications; two of them have AIDs that begin alike. 00 10 answers with who has answered. */
static const char three[] =
    "local function who(name) return function(cmd) return name .. (cmd.application or ''), 0x9000 end end\n"
    "return { atr = '3B 00', channels = 2,\n"
    "applications = {\n"
    "  ['A0 00 00 00 01 01'] = { select = '6F 00 90 00', commands = { { '00 10', who 'a' }, { '00 20', 'AA 90 00' } } },\n"
    "  ['A0 00 00 00 01 02'] = { select = function(cmd) return cmd.data, 0x6283 end, commands = { { '00 10', who 'b' } } },\n"
    "  ['B0 00 00 00 01'] = { default = true, commands = { { '00 10', who 'c' }, { '00 30', function() return false end } } },\n"
    "  ['B0 00 00 00 02'] = { select = function() return '', 0x6985 end },\n"
    "  ['B0 00 00 00 03'] = { select = function() return false end },\n"
    "},\n"
    "commands = { { '00 20', '11 90 00' }, { '00 A4 04 00 05 B0 00 00 00 03', '22 90 00' }, { '00 A4 00', '33 90 00' },\n"
    "  { '00 30', function(cmd) return string.char(cmd.cla, cmd.channel, cmd.secure and 1 or 0), 0x9000 end } } }";

static void assert_who(struct card *card, const char *expected)
{
    assert_answer(card, "00 10 00 00 00", expected);
}

START_TEST(selected_by_aid)
{
    uint8_t atr[ATR_MAX];
    size_t length;
    struct card *card = load_card(three);
    assert_who(card, "63 B0 00 00 00 01 90 00");
    assert_answer(card, "00 A4 04 00 06 A0 00 00 00 01 01 00", "6F 00 90 00");
    assert_who(card, "61 A0 00 00 00 01 01 90 00");
    assert_answer(card, "00 20 00 00 00", "AA 90 00");
    /* its beginning: the first, the next, the previous, the last */
    assert_answer(card, "00 A4 04 02 05 A0 00 00 00 01 00", "A0 00 00 00 01 62 83");
    assert_who(card, "62 A0 00 00 00 01 02 90 00");
    assert_answer(card, "00 20 00 00 00", "11 90 00"); /* the card's own */
    assert_answer(card, "00 A4 04 02 05 A0 00 00 00 01 00", "6A 82");
    assert_answer(card, "00 A4 04 03 05 A0 00 00 00 01 00", "6F 00 90 00");
    assert_answer(card, "00 A4 04 01 01 A0 00", "A0 62 83");
    assert_answer(card, "00 A4 04 01 00",
                  "6A 82");                      /* without an AID: the last, which leaves it to the card */
    assert_answer(card, "00 A4 04 00", "90 00"); /* the default */
    assert_who(card, "63 B0 00 00 00 01 90 00");
    assert_answer(card, "00 A4 04 00 06 A0 00 00 00 01 01 00", "6F 00 90 00");
    /* none of them: the selection stays */
    assert_answer(card, "00 A4 04 00 05 A0 00 00 00 02", "6A 82");
    assert_answer(card, "00 A4 04 00 07 A0 00 00 00 01 01 00", "6A 82");
    assert_answer(card, "00 A4 04 00 05 B0 00 00 00 02", "69 85");
    assert_answer(card, "00 A4 04 00 05 B0 00 00 00 03 00", "22 90 00");
    assert_answer(card, "00 A4 00 00 02 3F 00 00", "33 90 00");
    assert_who(card, "61 A0 00 00 00 01 01 90 00");
    card_power(card, CARD_WARM, atr, &length);
    assert_who(card, "63 B0 00 00 00 01 90 00");
    assert_answer(card, "00 40 00 00", "6D 00");
    card_free(card);
}
END_TEST

START_TEST(channels)
{
    struct card *card = load_card(three);
    assert_answer(card, "01 10 00 00 00", "68 81");
    assert_answer(card, "00 70 00 00 01", "01 90 00");
    assert_answer(card, "01 A4 04 00 06 A0 00 00 00 01 01 00", "6F 00 90 00");
    assert_answer(card, "01 10 00 00 00", "61 A0 00 00 00 01 01 90 00");
    assert_who(card, "63 B0 00 00 00 01 90 00");
    assert_answer(card, "00 70 00 00", "61 01"); /* Ne is 0 */
    assert_answer(card, "00 70 80 02", "90 00");
    /* a channel that is opened from another has its application */
    assert_answer(card, "01 70 00 00 01", "02 90 00");
    assert_answer(card, "02 10 00 00 00", "61 A0 00 00 00 01 01 90 00");
    assert_answer(card, "00 70 00 00 01", "6A 81");
    assert_answer(card, "00 70 80 01", "90 00");
    assert_answer(card, "00 70 80 01", "62 00");
    assert_answer(card, "01 10 00 00 00", "68 81");
    assert_answer(card, "00 70 00 01", "90 00");
    assert_answer(card, "01 10 00 00 00", "63 B0 00 00 00 01 90 00");
    assert_answer(card, "00 70 80 00", "6A 86");
    assert_answer(card, "00 70 80 03", "6A 86");
    assert_answer(card, "00 70 00 14", "6A 86");
    assert_answer(card, "00 70 00 03", "6A 81");
    assert_answer(card, "40 10 00 00 00", "68 81");
    card_free(card);
}
END_TEST

/* GET RESPONSE gets what is left on its channel; a proprietary command is not MANAGE CHANNEL. */
START_TEST(responses_of_a_channel)
{
    struct card *card =
        load_card("return { atr = '3B 00', channels = 2, commands = {\n"
                  "{ '00 B0', function() return 'abcd', 0x9000 end }, { '80 70', 'AA 90 00' } } }");
    assert_answer(card, "80 70 00 00 01", "AA 90 00");
    assert_answer(card, "00 70 00 00 01", "01 90 00");
    assert_answer(card, "00 B0 00 00 01", "61 61 03");
    assert_answer(card, "00 C0 00 00 01", "62 61 02");
    assert_answer(card, "01 C0 00 00 02", "6D 00"); /* which drops the rest */
    assert_answer(card, "00 C0 00 00 02", "6D 00");
    assert_answer(card, "01 B0 00 00 01", "61 61 03");
    assert_answer(card, "02 C0 00 00 01", "68 81");
    assert_answer(card, "01 C0 00 00 01", "6D 00");
    uint8_t open[] = {0x00, 0x70, 0x00, 0x00, 0x01}, small[2];
    card_command(card, open, sizeof open, small, sizeof small, &answer_length); /* no room for a number */
    ck_assert_uint_eq(answer_length, 2);
    card_free(card);
}
END_TEST

START_TEST(what_the_class_says)
{
    struct card *card = load_card(three);
    assert_answer(card, "00 30 00 00 00", "00 00 00 90 00"); /* passed on to the card's own */
    assert_answer(card, "00 70 00 00 01", "01 90 00");
    assert_answer(card, "01 30 00 00 00", "01 01 00 90 00");
    card_free(card);
    card = load_card("return { atr = '3B 00', commands = { { '', function(cmd)\n"
                     "return string.char(cmd.cla, cmd.channel, cmd.secure and 1 or 0), 0x9000 end } } }");
    assert_answer(card, "0D 30 00 00 00", "0D 01 01 90 00");
    assert_answer(card, "43 30 00 00 00", "43 07 00 90 00");
    assert_answer(card, "61 30 00 00 00", "61 05 01 90 00");
    assert_answer(card, "84 30 00 00 00", "84 00 01 90 00");
    assert_answer(card, "83 30 00 00 00", "83 00 00 90 00"); /* without channels it is a proprietary class */
    card_free(card);
}
END_TEST

START_TEST(passed_on)
{
    struct card *card = load_card(
        "local n = 0 local function pass() n = n + 1 return false end\n"
        "return { atr = '3B 00', commands = { { '00', pass }, { '00 10', pass }, { '00', pass },\n"
        "{ '00 10 01', '11 90 00' }, { '00 10', pass }, { '.. 10', function() return string.char(n), 0x9000 end },\n"
        "{ '00 20', function() return true end }, { '00 30', function() return false, 0x9000 end },\n"
        "{ '00', function() while true do end end } } }");
    assert_answer(card, "00 10 00 00 00", "04 90 00");
    assert_answer(card, "00 10 01 00 00", "11 90 00");
    assert_answer(card, "10 10 00 00 00", "07 90 00");
    assert_answer(card, "00 20 00 00", "6F 00");
    assert_log_contains("commands[7] returned a boolean");
    assert_answer(card, "00 30 00 00", "6F 00");
    assert_answer(card, "00 40 00 00", "6F 00");
    assert_log_contains("instruction budget used up");
    assert_answer(card, "20 40 00 00", "6D 00");
    card_free(card);
    card = load_card("return { atr = '3B 00', commands = { { '00', function() return false end } } }");
    assert_answer(card, "00 10 00 00", "6D 00");
    card_free(card);
}
END_TEST

START_TEST(applications_that_are_refused)
{
    assert_refused("return { atr = '3B 00', applications = 1 }",
                   "test.lua:1: applications is a number, expected a table");
    assert_refused("return { atr = '3B 00', applications = { {} } }",
                   "test.lua:1: applications: key [1]: expected an AID of 5 to 16 bytes in hexadecimal");
    assert_refused(
        "return { atr = '3B 00', applications = { ['A0 00 00 00'] = {} } }",
        "test.lua:1: applications: key 'A0 00 00 00': expected an AID of 5 to 16 bytes in hexadecimal");
    assert_refused("return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = 1 } }",
                   "test.lua:1: applications: an application is a number, expected a table");
    assert_refused("return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = { x = 1 } } }",
                   "test.lua:1: applications: unknown field 'x': expected select, commands or default");
    assert_refused(
        "return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = { select = 1 } } }",
        "test.lua:1: select: answer is a number, expected a string of hexadecimal digits, or a function");
    assert_refused(
        "return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = {}, ['A000000001'] = {} } }",
        "test.lua:1: applications: two have the same AID");
    assert_refused("return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = { default = true },\n"
                   "['A0 00 00 00 02'] = { default = true } } }",
                   "test.lua:1: applications: 2 of them are the default, expected one");
    assert_refused("return { atr = '3B 00', channels = 20 }",
                   "test.lua:1: channels is not an integer from 0 to 19");
    assert_refused("return { atr = '3B 00', channels = '2' }",
                   "test.lua:1: channels is not an integer from 0 to 19");
}
END_TEST

START_TEST(a_card_that_dies)
{
    uint8_t atr[ATR_MAX];
    size_t length;
    struct card *card = load_card(
        "return { atr = '3B 00', applications = { ['A0 00 00 00 01'] = { default = true, commands = {\n"
        "{ '00 10', function() return ('a'):rep(100000):find(('a*'):rep(100) .. 'b'), 0x9000 end }\n"
        "} } } }");
    watchdog_set_limit(WATCHDOG_TICK_MS, 1);
    send_command(card, "00 10 00 00");
    ck_assert_uint_eq(answer_length, 0);
    card_power(card, CARD_WARM, atr, &length);
    ck_assert_uint_eq(length, 0);
    send_command(card, "00 A4 04 00");
    ck_assert_uint_eq(answer_length, 0);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_applications");
    TCase *tc = add_card_case(suite, "applications");
    tcase_add_test(tc, selected_by_aid);
    tcase_add_test(tc, channels);
    tcase_add_test(tc, responses_of_a_channel);
    tcase_add_test(tc, what_the_class_says);
    tcase_add_test(tc, passed_on);
    tcase_add_test(tc, applications_that_are_refused);
    tcase_add_test(tc, a_card_that_dies);
    return run_suite(suite);
}
