/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards from scripts: those in fixtures/cards, patterns, handlers and answers. */
#include "base/error.h"
#include "bytes.h"
#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The cards in fixtures */

START_TEST(test_two_protocols)
{
    struct card *card = load_fixture("two-protocols.lua");

    ck_assert_str_eq(card_name(card), "two protocols");
    ck_assert_uint_eq(card_t1_ifsc(card), 254);
    assert_atr(card, CARD_COLD, "3B 93 96 80 01 74 77 6F E8");
    assert_atr(card, CARD_WARM, "3B 93 96 80 01 74 77 6F E8");
    assert_answer(card, "80 10 00 00 00", "00 01 90 00");
    assert_answer(card, "80 10 00 00 02", "00 02 90 00");
    assert_atr(card, CARD_WARM, "3B 93 96 80 01 74 77 6F E8");
    assert_answer(card, "80 10 00 00 00", "00 01 90 00");
    assert_atr(card, CARD_OFF, "");
    assert_answer(card, "00 A4 04 00 05 F0 74 77 6F 70 00",
                  "61 0F 4F 0D F0 74 77 6F 70 72 6F 74 6F 63 6F 6C 73 90 00");
    assert_answer(card, "00 A4 04 00 05 A0 00 00 03 08", "6A 82");
    assert_answer(card, "80 12 00 00 03 01 02 03 00", "01 02 03 90 00");
    send_command(card, "00 84 00 00 08");
    ck_assert_uint_eq(answer_length, 10);
    send_command(card, "00 84 00 00 00");
    ck_assert_uint_eq(answer_length, 258);
    send_command(card, "00 84 00 00 00 00 00");
    ck_assert_uint_eq(answer_length, 65538);
    assert_answer(card, "00 85 00 00", "6D 00");
    ck_assert_uint_eq(card_log.lines, 0);
    card_free(card);
}
END_TEST

START_TEST(test_one_protocol)
{
    struct card *t0 = load_fixture("t0-only.lua"), *t1 = load_fixture("t1-only.lua");

    assert_atr(t0, CARD_COLD, "3B 06 74 30 6F 6E 6C 79");
    assert_atr(t1, CARD_COLD, "3B 86 81 31 FE 45 74 31 6F 6E 6C 79 DC");
    ck_assert_uint_eq(card_t1_ifsc(t1), 0);
    assert_answer(t0, "80 12 00 00 01 AA 00", "AA 90 00");
    assert_answer(t0, "00 A4 04 00 07 F0 74 30 6F 6E 6C 79", "90 00");
    assert_answer(t0, "00 A4 04 00 07 F0 74 31 6F 6E 6C 79", "6A 82");
    assert_answer(t1, "00 A4 04 0C 07 F0 74 31 6F 6E 6C 79", "90 00");
    assert_answer(t1, "00 A4 04 00", "6A 82");
    card_free(t0);
    card_free(t1);
}
END_TEST

START_TEST(test_warm_differs)
{
    struct card *card = load_fixture("warm-differs.lua");
    size_t length;

    assert_atr(card, CARD_COLD, "3B 84 80 01 63 6F 6C 64 01");
    assert_answer(card, "80 14 00 00 00", "63 6F 6C 64 90 00");
    assert_atr(card, CARD_WARM, "3B 04 77 61 72 6D");
    assert_answer(card, "80 14 00 00 00", "77 61 72 6D 90 00");
    assert_atr(card, CARD_OFF, "");
    assert_answer(card, "80 14 00 00 00", "6F 66 66 90 00");
    ck_assert_uint_eq(card_atr(card, CARD_COLD, &length)[1], 0x84);
    ck_assert_uint_eq(length, 9);
    ck_assert_uint_eq(card_atr(card, CARD_WARM, &length)[1], 0x04);
    ck_assert_uint_eq(length, 6);
    card_free(card);
}
END_TEST

START_TEST(test_as_is)
{
    struct card *card = load_card("return { atr = { cold = as_is'35 39 32', warm = as_is'' } }");

    assert_atr(card, CARD_COLD, "35 39 32");
    assert_atr(card, CARD_WARM, "");
    card_free(card);
    card = load_card("return { atr = as_is(('a5'):rep(33)) }");
    send_command(card, "00 00 00 00");
    ck_assert_uint_eq(answer_length, 2);
    card_free(card);
}
END_TEST

START_TEST(test_pin)
{
    static const char atr[] = "3B 83 80 01 70 69 6E 75";
    struct card *card = load_fixture("pin.lua");

    assert_atr(card, CARD_COLD, atr);
    assert_answer(card, "00 B0 00 00 00", "69 82");
    assert_answer(card, "00 20 00 01", "63 C3");
    assert_answer(card, "00 20 00 01 04 31 32 33 35", "63 C2");
    assert_answer(card, "00 20 00 01 04 31 32 33 34", "90 00");
    assert_answer(card, "00 20 00 01", "90 00");
    assert_answer(card, "00 B0 00 04 06", "73 65 63 72 65 74 90 00");
    assert_answer(card, "00 B0 01 00 00", "6B 00");
    assert_atr(card, CARD_WARM, atr);
    assert_answer(card, "00 B0 00 00 00", "69 82");
    assert_answer(card, "00 20 00 02", "6A 88");
    assert_answer(card, "00 20 00 01 01 31", "63 C2");
    assert_atr(card, CARD_COLD, atr);
    assert_answer(card, "00 20 00 01 01 31", "63 C1");
    assert_answer(card, "00 20 00 01 01 31", "69 83");
    assert_answer(card, "00 20 00 01 04 31 32 33 34", "69 83");
    card_free(card);
}
END_TEST

START_TEST(test_builtin)
{
    struct error error;
    struct card *card = card_load_builtin(&test_host, &error);
    const char *text;
    size_t length;

    ck_assert_msg(card != NULL, "%s", error.text);
    ck_assert_str_eq(card_name(card), "cardrig");
    assert_atr(card, CARD_COLD, "3B 87 80 01 63 61 72 64 72 69 67 6E");
    assert_answer(card, "00 CA 00 6E 00", "63 61 72 64 72 69 67 90 00");
    assert_answer(card, "00 CA 00 84 00", "6A 88"); /* nothing is selected */
    assert_answer(card, "00 CA 00 85 00", "6A 88");
    assert_answer(card, "00 A4 04 00 08 F0 63 61 72 64 72 69 67 00",
                  "6F 0A 84 08 "
                  "F0 63 61 72 64 72 69 67 90 00");
    assert_answer(card, "00 A4 04 00 05 A0 00 00 00 01 00", "6A 82");
    assert_answer(card, "00 A4 04 00", "6A 82");
    assert_answer(card, "00 A4 04 00 09 F0 63 61 72 64 72 69 67 00", "6A 82"); /* more than its name */
    assert_answer(card, "00 CA 00 84 00", "F0 63 61 72 64 72 69 67 90 00");
    assert_atr(card, CARD_WARM, "3B 87 80 01 63 61 72 64 72 69 67 6E");
    assert_answer(card, "00 CA 00 84 00", "6A 88");
    assert_answer(card, "00 A4 04 00 05 F0 63 61 72 64 00", "6F 0A 84 08 F0 63 61 72 64 72 69 67 90 00");
    assert_answer(card, "00 A4 04 02 05 F0 63 61 72 64 00", "6A 82"); /* the next of that name */
    assert_answer(card, "00 B0 00 06 04", "66 72 6F 6D 90 00");
    assert_answer(card, "00 B0 7F FF 04", "6B 00");
    send_command(card, "00 84 00 00 10");
    ck_assert_uint_eq(answer_length, 18);
    card_free(card);

    text = card_builtin_text(&length);
    ck_assert_uint_eq(strlen(text), length);
    ck_assert_ptr_nonnull(strstr(text, "3B 87 80 01"));
}
END_TEST

/* Patterns */

START_TEST(test_match_order)
{
    struct card *card = load_commands("", "{ '00 A4 04 00', '90 01' },"
                                          "{ '00A404',       '90 02' },"
                                          "{ '.0 B. .1',     '90 03' },"
                                          "{ '.. .. 05',     '90 04' },"
                                          "{ '00 B0 00 00 02 AA BB', '90 05' },"
                                          "{ '',             '01 02 90 06' }");

    assert_answer(card, "00 A4 04 00", "90 01");
    assert_answer(card, "00 A4 04 0C", "90 02");
    assert_answer(card, "80 BF F1 00", "90 03");
    assert_answer(card, "81 BF F1 00 00", "01 02 90 06");
    assert_answer(card, "80 BF F2 00 00", "01 02 90 06");
    assert_answer(card, "FF FF 05 FF", "90 04");
    assert_answer(card, "00 B0 00 00 02 AA BB", "90 05");
    assert_answer(card, "00 B0 00 00 02 AA BC 00", "01 02 90 06");
    assert_answer(card, "00 B0 00 00 02", "01 02 90 06");
    card_free(card);
}
END_TEST

/* a command of the random test: the pattern's text, and the answer is its number */
struct random_command {
    char pattern[16];
};

static bool pattern_fits(const char *pattern, const uint8_t *apdu, size_t length)
{
    if (strlen(pattern) / 2 > length)
        return false;
    for (size_t i = 0; pattern[i]; i++) {
        int nibble = i % 2 ? apdu[i / 2] & 0xF : apdu[i / 2] >> 4;
        if (pattern[i] != '.' && pattern[i] - '0' != nibble)
            return false;
    }
    return true;
}

/* the first that fits, found one by one */
static int first_fit(const struct random_command *commands, int count, const uint8_t *apdu, size_t length)
{
    for (int i = 0; i < count; i++)
        if (pattern_fits(commands[i].pattern, apdu, length))
            return i;
    return 0x6D00;
}

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 16) % below;
}

static struct card *load_random_commands(struct random_command *commands, int count, unsigned *state)
{
    static char text[32768];
    int at = snprintf(text, sizeof text, "return { atr = '3B 00', commands = {\n");

    for (int i = 0; i < count; i++) {
        unsigned digits = 2 * (1 + draw(state, 6));
        for (unsigned j = 0; j < digits; j++)
            commands[i].pattern[j] = "0001."[draw(state, 5)];
        commands[i].pattern[digits] = '\0';
        at += snprintf(text + at, sizeof text - (size_t)at, "{ '%s', '%04X' },\n", commands[i].pattern, i);
    }
    snprintf(text + at, sizeof text - (size_t)at, "} }");
    return load_card(text);
}

START_TEST(test_the_first_of_many_answers)
{
    struct random_command commands[400];
    unsigned state = (unsigned)_i + 1;
    int count = 1 + (int)draw(&state, 400), expected;
    struct card *card = load_random_commands(commands, count, &state);

    for (int i = 0; i < 500; i++) {
        uint8_t apdu[7] = {0};
        size_t length = (size_t[]){4, 5, 7}[draw(&state, 3)];
        for (size_t j = 0; j < length; j++)
            apdu[j] = (uint8_t)(draw(&state, 2) << 4 | draw(&state, 2));
        if (length == 7)
            apdu[4] = 2; /* so many bytes of data */
        expected = first_fit(commands, count, apdu, length);
        card_command(card, apdu, length, answer, sizeof answer, &answer_length);
        ck_assert_uint_eq(answer_length, 2);
        ck_assert_int_eq(answer[0] << 8 | answer[1], expected);
    }
    card_free(card);
}
END_TEST

START_TEST(test_many_commands)
{
    enum { COUNT_OF_COMMANDS = 20000, SIZE = 4 * 1024 * 1024 };
    char *text = malloc(SIZE), line[64];
    struct error error;
    size_t at = (size_t)sprintf(text, "return { atr = '3B 00', commands = {\n");
    struct card *card;

    for (int i = 0; i < COUNT_OF_COMMANDS; i++)
        at += (size_t)sprintf(text + at, "{ '00 B2 %02X %02X 04 %08X', '%064X 90 00' },\n", i >> 8, i & 0xFF,
                              i, i);
    sprintf(text + at, "} }");
    card = card_load_text("many.lua", text, strlen(text), &test_host, &error);
    ck_assert_msg(card != NULL, "%s", error.text);
    for (int i = 0; i < COUNT_OF_COMMANDS; i += 999) {
        sprintf(line, "00 B2 %02X %02X 04 %08X 00", i >> 8, i & 0xFF, i);
        send_command(card, line);
        ck_assert_uint_eq(answer_length, 34);
        ck_assert_int_eq(answer[30] << 8 | answer[31], i);
    }
    card_free(card);

    sprintf(text + at - 5, "9' } } }"); /* the last answer: what is wrong with it is still found in time */
    card = card_load_text("many.lua", text, strlen(text), &test_host, &error);
    ck_assert_ptr_null(card);
    ck_assert_str_eq(error.text,
                     "many.lua:20001: commands[20000]: answer: character 71: a byte needs two digits, "
                     "this one stands alone");
    free(text);
}
END_TEST

/* a script with many unknown fields, and in one long line: nothing takes time that grows with the square */
START_TEST(test_many_mistakes)
{
    enum { SIZE = 4 * 1024 * 1024, UNKNOWN = 30000, REPEATED = 300000 };
    char *text = malloc(SIZE);
    struct error error;
    size_t at = (size_t)sprintf(text, "--");

    for (int i = 0; i < REPEATED; i++)
        at += (size_t)sprintf(text + at, " atr=");
    at += (size_t)sprintf(text + at, "\nreturn { atr = '3B 00', ");
    for (int i = 0; i < UNKNOWN; i++)
        at += (size_t)sprintf(text + at, "f%05d = 1, ", (i + 7) % UNKNOWN);
    sprintf(text + at, "}");
    ck_assert_ptr_null(card_load_text("many.lua", text, strlen(text), &test_host, &error));
    ck_assert_str_eq(
        error.text,
        "many.lua:2: unknown field 'f00000': expected name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    free(text);
}
END_TEST

START_TEST(test_no_commands)
{
    struct card *card = load_card("return { atr = '3B 00' }");

    assert_answer(card, "00 A4 04 00", "6D 00");
    assert_atr(card, CARD_COLD, "3B 00");
    card_free(card);
    card = load_card("return { atr = '3B 00', commands = {}, t0 = {}, t1 = {} }");
    assert_answer(card, "00 A4 04 00", "6D 00");
    card_free(card);
}
END_TEST

START_TEST(test_malformed_command)
{
    struct card *card = load_commands("", "{ '', function() print 'called'; return hex '9000' end }");

    assert_answer(card, "", "67 00");
    assert_answer(card, "00 A4 04", "67 00");
    assert_answer(card, "00 A4 04 00 02 AA", "67 00");
    assert_answer(card, "00 A4 04 00 00 00", "67 00");
    ck_assert_uint_eq(card_log.lines, 0);
    assert_answer(card, "00 A4 04 00", "90 00");
    ck_assert_uint_eq(card_log.lines, 1);
    card_free(card);
}
END_TEST

/* Handlers */

START_TEST(test_fields)
{
    static uint8_t big[7 + 65535 + 2];
    struct card *card =
        load_commands("", "{ '', function(c) return string.format('%02x %02x %02x %02x nc=%d data=%d"
                          " ne=%d raw=%d', c.cla, c.ins, c.p1, c.p2, c.nc, #c.data, c.ne, #c.raw) .."
                          " '/' .. c.data:sub(1, 3), 0x9000 end }");
    static const struct {
        const char *command, *expected;
    } cases[] = {
        {"80 B1 7F FF", "80 b1 7f ff nc=0 data=0 ne=0 raw=4/"},
        {"00 B0 00 00 05", "00 b0 00 00 nc=0 data=0 ne=5 raw=5/"},
        {"00 B0 00 00 00", "00 b0 00 00 nc=0 data=0 ne=256 raw=5/"},
        {"00 D6 00 00 03 61 62 63", "00 d6 00 00 nc=3 data=3 ne=0 raw=8/abc"},
        {"00 D6 00 00 03 61 62 63 00", "00 d6 00 00 nc=3 data=3 ne=256 raw=9/abc"},
        {"00 B0 00 00 00 01 00", "00 b0 00 00 nc=0 data=0 ne=256 raw=7/"},
        {"00 B0 00 00 00 00 00", "00 b0 00 00 nc=0 data=0 ne=65536 raw=7/"},
        {"00 D6 00 00 00 00 03 61 62 63", "00 d6 00 00 nc=3 data=3 ne=0 raw=10/abc"},
        {"00 D6 00 00 00 00 03 61 62 63 01 02", "00 d6 00 00 nc=3 data=3 ne=258 raw=12/abc"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char found[100] = "";
        send_command(card, cases[i].command);
        for (; answer[answer_length - 2] == 0x61; send_command(card, "00 C0 00 00 00"))
            strncat(found, (char *)answer, answer_length - 2);
        strncat(found, (char *)answer, answer_length - 2);
        ck_assert_str_eq(found, cases[i].expected);
    }
    memset(big, 'x', sizeof big);
    memcpy(big, "\x00\xD6\x00\x00\x00\xFF\xFF", 7);
    memcpy(big + sizeof big - 2, "\x00\x00", 2);
    card_command(card, big, sizeof big, answer, sizeof answer, &answer_length);
    answer[answer_length - 2] = '\0';
    ck_assert_str_eq((char *)answer, "00 d6 00 00 nc=65535 data=65535 ne=65536 raw=65544/xxx");
    card_free(card);
}
END_TEST

START_TEST(test_answers)
{
    struct card *card = load_commands("", "{ '00 01', function() return hex '01 02', 0x6100 end },"
                                          "{ '00 02', function() return hex '01 02 03 6C 05' end },"
                                          "{ '00 03', function() return '', 0x9000.0 end },"
                                          "{ '00 04', function() return hex '63 00' end },"
                                          "{ '00 05', function() return ('x'):rep(65536), 0 end },"
                                          "{ '00 06', function() return ('x'):rep(65538) end },"
                                          "{ '00 07', '" /* a constant, in several lines */
                                          "01 02\\n 03:04\\t9000' }");

    assert_answer(card, "00 01 00 00 00", "01 02 61 00");
    assert_answer(card, "00 02 00 00 00", "01 02 03 6C 05");
    assert_answer(card, "00 03 00 00", "90 00");
    assert_answer(card, "00 04 00 00", "63 00");
    send_command(card, "00 05 00 00 00 00 00");
    ck_assert_uint_eq(answer_length, 65538);
    ck_assert_int_eq(answer[65535], 'x');
    ck_assert_int_eq(answer[65536], 0);
    send_command(card, "00 06 00 00 00 00 00");
    ck_assert_uint_eq(answer_length, 65538);
    assert_answer(card, "00 07 00 00 00", "01 02 03 04 90 00");
    ck_assert_uint_eq(card_log.lines, 0);
    card_free(card);
}
END_TEST

static const char wants_answer[] = "expected data and a status word, or one byte string with both";

static const struct {
    const char *body, *returned, *expected;
} wrong[] = {
    {"", "nothing", wants_answer},
    {"return nil", "nothing", wants_answer},
    {"return {}", "a table", wants_answer},
    {"return 0x9000", "a number", wants_answer},
    {"return 0x9000, ''", "a number", wants_answer},
    {"return nil, 0x9000", "nothing", wants_answer},
    {"return function() end", "a function", wants_answer},
    {"return ''", "0 bytes", "expected at least the 2 of a status word"},
    {"return 'x'", "1 byte", "expected at least the 2 of a status word"},
    {"return '', '9000'", "data and a string", "expected a status word after the data"},
    {"return '', nil", "data and a nil", "expected a status word after the data"},
    {"return '', 0x10000", "the status word 65536", "expected 0 to 0xFFFF"},
    {"return '', -1", "the status word -1", "expected 0 to 0xFFFF"},
    {"return '', 1.5", "the status word 1.5", "expected 0 to 0xFFFF"},
    {"return '', 0/0", NULL, "expected 0 to 0xFFFF"},
    {"return '', 1, 2", "3 values", "expected at most two"},
    {"return ('x'):rep(65537), 0x9000", "65539 bytes with the status word", "expected at most 65538"},
    {"return ('x'):rep(65539)", "65539 bytes with the status word", "expected at most 65538"},
    {"return table.unpack({}, 1, 200)", "200 values", "expected at most two"},
};

START_TEST(test_wrong_answers)
{
    char text[256], expected[256];
    struct card *card;

    snprintf(text, sizeof text, "{ '00 01', '90 00' },\n{ '',\n\nfunction() %s end }", wrong[_i].body);
    card = load_commands("", text);
    assert_answer(card, "00 02 00 00", "6F 00");
    if (wrong[_i].returned) {
        snprintf(expected, sizeof expected, "test.lua:6: commands[2] returned %s, %s", wrong[_i].returned,
                 wrong[_i].expected);
        assert_logged(expected);
    }
    assert_answer(card, "00 01 00 00", "90 00");
    ck_assert_uint_eq(card_log.lines, 1);
    card_free(card);
}
END_TEST

/* A card that has 300 bytes for INS 01 and 02, and says Ne for INS 03; and what it answers to one command after
 * the other, as bytes of data and status word. */
static const struct {
    const char *command;
    size_t data;
    uint16_t sw;
} held[] = {
    /* case 2: as many as there are, or as may be; then the rest in pieces, its own status word with the last */
    {"00 01 00 00 00 01 2C", 300, 0x6283},
    {"00 01 00 00 00 01 2B", 299, 0x6101},
    {"00 C0 00 00 00", 1, 0x6283},
    {"00 C0 00 00 00", 0, 0x6985},
    {"00 01 00 00 00", 256, 0x612C},
    {"00 C0 00 00 2B", 43, 0x6101},
    {"00 C0 00 00 01", 1, 0x6283},
    {"00 01 00 00 2C", 44, 0x6100},
    {"00 C0 00 00 01", 1, 0x61FF},
    {"00 C0 00 00 00", 255, 0x6283},
    {"00 01 00 00 01", 1, 0x6100},
    {"00 C0 00 00 00 00 00", 299, 0x6283},
    /* case 1 and 3, and a GET RESPONSE that has no Le */
    {"00 01 00 00", 0, 0x6100},
    {"00 C0 00 00", 0, 0x6100},
    {"00 C0 00 00 00 01 2C", 300, 0x6283},
    {"00 01 00 00 01 AA", 0, 0x6100},
    {"00 C0 00 00 10", 16, 0x6100},
    /* case 4; of another class; a constant answer; in extended length */
    {"00 01 00 00 01 AA 10", 16, 0x6100},
    {"80 C0 00 00 1C", 28, 0x6100},
    {"03 C0 00 00 00", 256, 0x6283},
    {"00 02 00 00 01 AA 00", 256, 0x612C},
    {"00 C0 00 00 FF", 44, 0x9000},
    {"00 02 00 00 00 00 01 AA 01 00", 256, 0x612C},
    /* what is no GET RESPONSE drops it: another P1, a command that cannot be read */
    {"00 C0 01 00 00", 0, 0x6985},
    {"00 C0 00 00 00", 0, 0x6985},
    {"00 02 00 00 01", 1, 0x6100},
    {"00 C0 00", 0, 0x6700},
    {"00 C0 00 00 00", 0, 0x6985},
    /* who keeps to Ne by itself */
    {"00 03 00 00 05", 5, 0x9000},
    {"00 03 00 00 01 AA 05", 5, 0x9000},
    {"00 03 00 00", 0, 0x9000},
};

START_TEST(test_ne)
{
    char constant[700] = "", text[1200];
    uint8_t atr[ATR_MAX];
    size_t at = 0, length;

    for (int i = 0; i < 300; i++)
        sprintf(constant + 2 * i, "%02X", i & 0xFF);
    snprintf(text, sizeof text,
             "{ '00 01', function() return bytes, 0x6283 end }, { '00 02', '%s 90 00' },"
             "{ '00 03', function(c) return bytes:sub(1, c.ne), 0x9000 end }, { '.. C0', '69 85' }",
             constant);
    struct card *card =
        load_commands("bytes = ''; for i = 0, 299 do bytes = bytes .. string.char(i & 255) end", text);

    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        send_command(card, held[i].command);
        at = held[i].command[3] == 'C' ? at : 0;
        ck_assert_msg(answer_length == held[i].data + 2, "row %zu: %zu bytes", i, answer_length);
        for (size_t k = 0; k < held[i].data; k++)
            ck_assert_msg(answer[k] == (uint8_t)(at + k), "row %zu: byte %zu is %02X", i, k, answer[k]);
        ck_assert_msg((answer[answer_length - 2] << 8 | answer[answer_length - 1]) == held[i].sw,
                      "row %zu: %02X %02X", i, answer[answer_length - 2], answer[answer_length - 1]);
        at += held[i].data;
    }
    /* a reset drops it, and a buffer that is too small does not lose it */
    send_command(card, "00 01 00 00 01");
    card_power(card, CARD_WARM, atr, &length);
    assert_answer(card, "00 C0 00 00 00", "69 85");
    send_command(card, "00 01 00 00 00 01 2A");
    uint8_t *exact_size = exact(3);
    length = from_hex("00C0000002", atr, sizeof atr);
    card_command(card, atr, length, exact_size, 3, &answer_length);
    ck_assert_uint_eq(answer_length, 3);
    ck_assert_mem_eq(exact_size, "\x2A\x61\x01", 3);
    free(exact_size);
    assert_answer(card, "00 C0 00 00 01", "2B 62 83");
    card_free(card);
}
END_TEST

/* Ne of a command that has no Le */
START_TEST(test_ne_without_le)
{
    struct card *card = load_card("return { atr = '3B 00', ne_without_le = 3, commands = {\n"
                                  "{ '00 01', function(cmd) return ('x'):rep(cmd.ne + 1), 0x9000 end } } }");

    assert_answer(card, "00 01 00 00", "78 78 78 61 01");
    assert_answer(card, "00 01 00 00 01 FF", "78 78 78 61 01");
    assert_answer(card, "00 01 00 00 01", "78 61 01");
    assert_answer(card, "00 C0 00 00", "78 90 00");
    card_free(card);
}
END_TEST

START_TEST(test_small_buffer)
{
    struct card *card = load_commands("", "{ '00 01', '01 02 90 00' },"
                                          "{ '00 02', function() return hex '01 02', 0x9000 end }");

    for (uint8_t ins = 1; ins <= 2; ins++) {
        uint8_t *exact_size = malloc(4), cmd[5] = {0, ins, 0, 0, 0};
        card_command(card, cmd, sizeof cmd, exact_size, 4, &answer_length);
        ck_assert_uint_eq(answer_length, 4);
        card_command(card, cmd, sizeof cmd, exact_size, 3, &answer_length);
        ck_assert_uint_eq(answer_length, 2);
        ck_assert_uint_eq(exact_size[0], 0x6F);
        card_command(card, cmd, sizeof cmd, exact_size, 2, &answer_length);
        ck_assert_uint_eq(answer_length, 2);
        free(exact_size);
    }
    ck_assert_uint_eq(card_log.lines, 4);
    card_free(card);
}
END_TEST

static const struct {
    const char *body, *logged;
} failing[] = {
    {"error('no such file')", "test.lua:2: no such file"},
    {"error('no place', 0)", "test.lua:2: no place"},
    {"error('two\\nlines\\27[31m')", "test.lua:2: two\\nlines\\x1B[31m"},
    {"error()", "test.lua:2: error value is a nil, expected a string"},
    {"error({})", "test.lua:2: error value is a table, expected a string"},
    {"error(setmetatable({}, { __tostring = function() while true do end end }))",
     "test.lua:2: error value is a table, expected a string"},
    {"error(1)", "test.lua:2: error value is a number, expected a string"},
    {"local t = nil; t.x = 1", "test.lua:2: attempt to index a nil value (local 't')"},
    {"return hex '9x', 1", "test.lua:2: hex: character 2: not a hexadecimal digit"},
    {"return random(-1), 1", "test.lua:2: bad argument #1 to 'random' (expected 0 to 65536 bytes)"},
    {"return random(65537), 1", "test.lua:2: bad argument #1 to 'random' (expected 0 to 65536 bytes)"},
    {"return random('x'), 1", "test.lua:2: bad argument #1 to 'random' (number expected, got string)"},
    {"for k in pairs(nil) do end", "test.lua:2: bad argument #1 to 'pairs' (table expected, got nil)"},
    {"string.rep()", "test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
    {"coroutine.yield()", "test.lua:2: attempt to yield from outside a coroutine"},
    {"string.rep('x', 1 << 30)", "test.lua:2: not enough memory"},
    {"string.rep('x', 1 << 62):rep(2)", NULL},
    {"local function f() return 1 + f() end f()", NULL},
    {"local function f() return pcall(f) end f() error 'x'", NULL},
    {"local function f() pcall(f) error 'x' end f()", NULL},
    {"local t = setmetatable({}, {}); getmetatable(t).__index = t; return t.x", NULL},
    {"local s = ('('):rep(1000) .. '1' .. (')'):rep(1000); assert(load('return ' .. s))", NULL},
    {"return ('x'):gsub('x', function() error() end)", NULL},
    {"xpcall(error, function(e) error(e) end) error('x', 0)", "test.lua:2: x"},
    {"local x <close> = setmetatable({}, { __close = function() error 'closing' end }) error 'x'",
     "test.lua:2: closing"},
    {"coroutine.wrap(function() error 'inside' end)()", NULL},
};

START_TEST(test_failing_handlers)
{
    char text[512];
    struct card *card;

    snprintf(text, sizeof text,
             "{ '00 01', function() %s end }, { '00 02', function() return 'ok', 0x9000 end }",
             failing[_i].body);
    card = load_commands("", text + 0);
    assert_answer(card, "00 01 00 00", "6F 00");
    if (failing[_i].logged) {
        char expected[256];
        /* the commands begin in line 3 */
        snprintf(expected, sizeof expected, "%s", failing[_i].logged);
        expected[strlen("test.lua:")] = '3';
        assert_logged(expected);
    }
    ck_assert_msg(strncmp(card_log.last, "test.lua:3: ", 12) == 0, "%s", card_log.last);
    assert_answer(card, "00 02 00 00 00", "6F 6B 90 00");
    ck_assert_uint_eq(card_log.lines, 1);
    ck_assert(!card_dead(card));
    card_free(card);
}
END_TEST

START_TEST(test_state)
{
    struct card *card =
        load_card("local a, b = 0, 0\n"
                  "return { atr = '3B 00', on_power = function(how) if how ~= 'off' then a = 0 end end,\n"
                  "commands = { { '', function() a = a + 1; b = b + 1\n"
                  "return string.char(a, b), 0x9000 end } } }");

    assert_answer(card, "00 00 00 00 00", "01 01 90 00");
    assert_answer(card, "00 00 00 00 00", "02 02 90 00");
    assert_atr(card, CARD_OFF, "");
    assert_answer(card, "00 00 00 00 00", "03 03 90 00");
    assert_atr(card, CARD_COLD, "3B 00");
    assert_answer(card, "00 00 00 00 00", "01 04 90 00");
    assert_atr(card, CARD_WARM, "3B 00");
    assert_answer(card, "00 00 00 00 00", "01 05 90 00");
    card_free(card);
}
END_TEST

START_TEST(test_cards_are_separate)
{
    struct card *a = load_fixture("two-protocols.lua"), *b = load_fixture("two-protocols.lua");

    assert_answer(a, "80 10 00 00 00", "00 01 90 00");
    assert_answer(a, "80 10 00 00 00", "00 02 90 00");
    assert_answer(b, "80 10 00 00 00", "00 01 90 00");
    card_free(a);
    assert_answer(b, "80 10 00 00 00", "00 02 90 00");
    card_free(b);
}
END_TEST

START_TEST(test_failing_on_power)
{
    struct card *card = load_card("return { atr = '3B 00', on_power =\n"
                                  "function(how) if how == 'cold' then error 'no' elseif how == 'warm' then "
                                  "while true do end end end }");

    assert_atr(card, CARD_COLD, "3B 00");
    assert_logged("test.lua:2: no");
    assert_atr(card, CARD_WARM, "3B 00");
    assert_logged("test.lua:2: instruction budget used up (10000000 for one call)");
    assert_atr(card, CARD_OFF, "");
    ck_assert_uint_eq(card_log.lines, 2);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card");
    TCase *tc = add_card_case(suite, "fixtures");

    tcase_add_test(tc, test_two_protocols);
    tcase_add_test(tc, test_one_protocol);
    tcase_add_test(tc, test_warm_differs);
    tcase_add_test(tc, test_as_is);
    tcase_add_test(tc, test_pin);
    tcase_add_test(tc, test_builtin);
    tc = add_card_case(suite, "commands");

    tcase_add_test(tc, test_match_order);
    tcase_add_loop_test(tc, test_the_first_of_many_answers, 0, 40);
    tcase_add_test(tc, test_many_commands);
    tcase_add_test(tc, test_many_mistakes);
    tcase_add_test(tc, test_no_commands);
    tcase_add_test(tc, test_malformed_command);
    tcase_add_test(tc, test_fields);
    tcase_add_test(tc, test_answers);
    tcase_add_loop_test(tc, test_wrong_answers, 0, COUNT(wrong));
    tcase_add_test(tc, test_ne);
    tcase_add_test(tc, test_ne_without_le);
    tcase_add_test(tc, test_small_buffer);
    tcase_add_loop_test(tc, test_failing_handlers, 0, COUNT(failing));
    tcase_add_test(tc, test_state);
    tcase_add_test(tc, test_cards_are_separate);
    tcase_add_test(tc, test_failing_on_power);
    return run_suite(suite);
}
