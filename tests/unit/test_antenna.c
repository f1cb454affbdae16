/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards with an antenna: the ATR that a reader makes for them, and what a script may say of one. */
#include "icc/antenna.h"

#include "cards.h"
#include "count.h"
#include "iso7816/hex.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct antenna antenna_of(const char *uid, const char *ats, const char *storage)
{
    struct antenna antenna = {0};
    ck_assert_int_eq(hex_decode(uid, strlen(uid), antenna.uid, sizeof antenna.uid, &antenna.uid_length, NULL),
                     HEX_OK);
    ck_assert_int_eq(hex_decode(ats, strlen(ats), antenna.ats, sizeof antenna.ats, &antenna.ats_length, NULL),
                     HEX_OK);
    ck_assert(!*storage || antenna_find_storage(&antenna, storage));
    return antenna;
}

/* Those of storage cards are as readers' manuals have them. */
START_TEST(the_atr)
{
    static const struct {
        const char *ats, *storage, *atr;
    } cases[] = {
        {"01", "", "3B 80 80 01 01"},
        {"02 08", "", "3B 80 80 01 01"},
        {"05 78 80 70 02", "", "3B 80 80 01 01"},
        {"06 75 77 81 02 80", "", "3B 81 80 01 80 80"},
        {"05 20 70 C1 05", "", "3B 82 80 01 C1 05 C7"},
        {"11 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F", "",
         "3B 8F 80 01 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 0E"},
        {"", "mifare-1k", "3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 01 00 00 00 00 6A"},
        {"", "mifare-4k", "3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 02 00 00 00 00 69"},
        {"", "ultralight", "3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 03 00 00 00 00 68"},
        {"", "ntag216", "3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 03 00 00 00 00 68"},
        {"", "felica", "3B 8F 80 01 80 4F 0C A0 00 00 03 06 11 00 3B 00 00 00 00 42"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct antenna antenna = antenna_of("04 01 02 03", cases[i].ats, cases[i].storage);
        uint8_t atr[ATR_MAX];
        char text[3 * ATR_MAX];
        struct atr parsed;
        ck_assert(*cases[i].storage || !antenna_check_ats(&antenna));
        size_t length = antenna_atr(&antenna, atr);
        hex_encode(atr, length, text, sizeof text, ' ');
        ck_assert_str_eq(text, cases[i].atr);
        ck_assert_int_eq(atr_parse(atr, length, &parsed, NULL), ATR_OK);
    }
}
END_TEST

START_TEST(the_uid_and_the_ats)
{
    static const char *const uids[] = {"08 01 02 03", "04 01 02 03 04 05 06",
                                       "04 01 02 03 04 05 06 07 08 09"};
    static const char *const bad_uids[] = {"", "04", "88 01 02 03", "04 01 02 03 04",
                                           "04 01 02 03 04 05 06 07"};
    static const char *const bad_ats[] = {"",
                                          "00",
                                          "02",
                                          "01 00",
                                          "03 78 80",
                                          "02 10",
                                          "12 00 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F",
                                          "04 70 00 00"};
    for (size_t i = 0; i < COUNT(uids); i++) {
        struct antenna antenna = antenna_of(uids[i], "01", "");
        ck_assert_ptr_null(antenna_check_uid(&antenna));
    }
    for (size_t i = 0; i < COUNT(bad_uids); i++) {
        struct antenna antenna = antenna_of(bad_uids[i], "01", "");
        ck_assert_ptr_nonnull(antenna_check_uid(&antenna));
    }
    for (size_t i = 0; i < COUNT(bad_ats); i++) {
        struct antenna antenna = antenna_of("08 01 02 03", bad_ats[i], "");
        ck_assert_ptr_nonnull(antenna_check_ats(&antenna));
    }
    struct antenna felica = antenna_of("01 02 03 04 05 06 07 08", "", "felica");
    ck_assert_ptr_null(antenna_check_uid(&felica));
    felica.uid_length = 7;
    ck_assert_ptr_nonnull(antenna_check_uid(&felica));
    ck_assert(!antenna_find_storage(&felica, "mifare-2k"));
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *antenna, *error;
    } cases[] = {
        {"7", "2: antenna is a number, expected a table"},
        {"{}", "2: antenna has no uid"},
        {"{ id = '01' }", "2: antenna: unknown field 'id': expected uid, ats, storage, pmm or frame"},
        {"setmetatable({}, {})", "2: antenna has a metatable, expected a plain table"},
        {"{ uid = 7 }", "2: antenna.uid is a number, expected a string of hexadecimal digits"},
        {"{ uid = '0' }", "2: antenna.uid: character 1: a byte needs two digits, this one stands alone"},
        {"{ uid = '' }", "2: antenna.uid has 0 bytes, expected 1 to 10"},
        {"{ uid = ('0'):rep(1 << 20) }", "2: antenna.uid: character 21: too many bytes"},
        {"{ uid = '01 02 03', ats = '01' }", "2: antenna.uid: it has 4, 7 or 10 bytes"},
        {"{ uid = '88 01 02 03', ats = '01' }", "2: antenna.uid: one of 4 bytes does not begin with 88"},
        {"{ uid = '01 02 03 04' }",
         "2: antenna: expected ats, for a card that takes APDUs, or storage, and not both"},
        {"{ uid = '01 02 03 04', ats = '01', storage = 'ntag213' }",
         "2: antenna: expected ats, for a card that takes APDUs, or storage, and not both"},
        {"{ uid = '01 02 03 04',\n ats = '02' }", "3: antenna.ats: its first byte, TL, is not its length"},
        {"{ uid = '01 02 03 04',\n ats = '02 10' }",
         "3: antenna.ats: it ends before the interface bytes that T0 announces"},
        {"{ uid = '01 02 03 04',\n ats = '12 00' .. ('00'):rep(16) }",
         "3: antenna.ats: it has more than the 15 historical bytes of an ATR"},
        {"{ uid = '01 02 03 04',\n storage = 'ntag' }",
         "3: antenna.storage: expected mifare-1k, mifare-4k, ultralight, ntag213, ntag215, ntag216 or felica"},
        {"{ uid = '01 02 03 04',\n storage = {} }",
         "3: antenna.storage: expected mifare-1k, mifare-4k, ultralight, ntag213, ntag215, ntag216 or felica"},
        {"{ uid = '01 02 03 04', storage = 'felica' }", "2: antenna.uid: the IDm of FeliCa has 8 bytes"},
        {"{ uid = '01 02 03 04', storage = 'ntag213',\n frame = '0A' }",
         "3: antenna.frame is a string, expected a function"},
        {"{ uid = '01 02 03 04', ats = '01',\n frame = function() end }",
         "3: antenna.frame is for storage cards: this one takes APDUs, see commands"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[300], expected[300];
        snprintf(text, sizeof text, "return {\n antenna = %s }", cases[i].antenna);
        snprintf(expected, sizeof expected, "test.lua:%s", cases[i].error);
        assert_refused(text, expected);
    }
    assert_refused("return {}", "test.lua:1: no atr: every card needs one, or an antenna");
}
END_TEST

START_TEST(by_what_a_card_can_be_used)
{
    static const struct {
        const char *text;
        bool contacts, antenna;
    } cases[] = {
        {"return { atr = '3B 00' }", true, false},
        {"return { antenna = { uid = '01 02 03 04', ats = '01' } }", false, true},
        {"return { atr = '3B 00', antenna = { uid = '01 02 03 04', ats = '01' } }", true, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct card *card = load_card(cases[i].text);
        ck_assert(card_set_interface(card, CARD_CONTACTS) == cases[i].contacts);
        assert_atr(card, CARD_COLD, cases[i].contacts ? "3B 00" : "3B 80 80 01 01");
        ck_assert(card_set_interface(card, CARD_ANTENNA) == cases[i].antenna);
        if (cases[i].antenna)
            assert_atr(card, CARD_WARM, "3B 80 80 01 01");
        card_free(card);
    }
}
END_TEST

START_TEST(frames)
{
    static const char text[] =
        "return { antenna = { uid = '01 02 03 04', storage = 'ntag213', frame = function(frame)\n"
        " if frame == 'nil' then return nil elseif frame == 'bad' then return {} end\n"
        " if frame == 'long' then return ('x'):rep(70000) end\n"
        " return frame .. '!' end } }";
    struct card *card = load_card(text);
    ck_assert(card_set_interface(card, CARD_ANTENNA));
    assert_answer(card, "30", "30 21");
    send_command(card, "6E 69 6C");
    ck_assert_uint_eq(answer_length, 0);
    send_command(card, "62 61 64");
    ck_assert_uint_eq(answer_length, 0);
    assert_logged("test.lua:1: frame returned a table, expected a string, or nil");
    send_command(card, "6C 6F 6E 67");
    ck_assert_uint_eq(answer_length, 0);
    card_free(card);
    card = load_card("return { antenna = { uid = '01 02 03 04 05 06 07 08', storage = 'felica' } }");
    ck_assert(card_set_interface(card, CARD_ANTENNA));
    send_command(card, "06 00");
    ck_assert_uint_eq(answer_length, 0);
    card_free(card);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("antenna");
    TCase *tests = add_card_case(suite, "antenna");
    tcase_add_test(tests, the_atr);
    tcase_add_test(tests, the_uid_and_the_ats);
    tcase_add_test(tests, what_is_refused);
    tcase_add_test(tests, by_what_a_card_can_be_used);
    tcase_add_test(tests, frames);
    return suite;
}

int main(void)
{
    return run_suite(suite());
}
