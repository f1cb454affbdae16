/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/oneline.h"
#include "icc/heap.h"
#include "icc/script_card.h"
#include "icc/watchdog.h"
#include "iso7816/hex.h"

#include "run_suite.h"

#include <check.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host */

struct rig {
    uint32_t state;
    unsigned lines;
    char first[1100], last[1100];
};

static struct rig rig;

static void rig_random(void *arg, uint8_t *buf, size_t len)
{
    struct rig *r = arg;

    for (size_t i = 0; i < len; i++) {
        r->state ^= r->state << 13;
        r->state ^= r->state >> 17;
        r->state ^= r->state << 5;
        buf[i] = (uint8_t)(r->state >> 11);
    }
}

static void rig_log(void *arg, const char *line)
{
    struct rig *r = arg;

    ck_assert_uint_lt(strlen(line), 1024);
    ck_assert_ptr_null(strchr(line, '\n'));
    if (r->lines++ == 0)
        strcpy(r->first, line);
    strcpy(r->last, line);
}

static const struct card_host host = {.arg = &rig, .random = rig_random, .log = rig_log};
static uint8_t resp[CARD_RESPONSE_MAX];
static size_t resp_len;

static void set_up(void)
{
    rig = (struct rig){.state = 7816};
    /* longer than it is, for what is not about it: under sanitizers instructions take their time */
    watchdog_set_limit(WATCHDOG_TICK_MS, 20 * WATCHDOG_TICKS);
}

/* Cards */

static struct card *load(const char *text)
{
    char error[256];
    struct card *card = card_load_text("test.lua", text, strlen(text), &host, error, sizeof error);

    ck_assert_msg(card != NULL, "%s", error);
    return card;
}

/* a card with these lines before the table, and these commands */
static struct card *load_commands(const char *before, const char *commands)
{
    static char text[4096];

    ck_assert_int_lt(
        snprintf(text, sizeof text, "%s\nreturn { atr = '3B 00', commands = {\n%s } }", before, commands),
        (int)sizeof text);
    return load(text);
}

static void load_refused(const char *text, const char *expected)
{
    char error[256];
    struct card *card = card_load_text("test.lua", text, strlen(text), &host, error, sizeof error);

    ck_assert_ptr_null(card);
    ck_assert_str_eq(error, expected);
}

static struct card *load_fixture(const char *name)
{
    char path[512], error[256];
    struct card *card;

    snprintf(path, sizeof path, "%s/cards/%s", FIXTURES_DIR, name);
    card = card_load_file(path, &host, error, sizeof error);
    ck_assert_msg(card != NULL, "%s", error);
    return card;
}

static void command(struct card *card, const char *hex)
{
    uint8_t bytes[512];
    size_t len;

    ck_assert_int_eq(hex_decode(hex, strlen(hex), bytes, sizeof bytes, &len, NULL), HEX_OK);
    card_command(card, bytes, len, resp, sizeof resp, &resp_len);
}

static void assert_answer(struct card *card, const char *hex, const char *expected)
{
    char found[1024];

    command(card, hex);
    ck_assert_uint_lt(resp_len, 300);
    hex_encode(resp, resp_len, found, sizeof found, ' ');
    ck_assert_msg(strcmp(found, expected) == 0, "%s: answer '%s', expected '%s' (%s)", hex, found, expected,
                  rig.last);
}

static void assert_atr(struct card *card, enum card_power how, const char *expected)
{
    uint8_t atr[ATR_MAX];
    char found[3 * ATR_MAX];
    size_t len;

    card_power(card, how, atr, &len);
    hex_encode(atr, len, found, sizeof found, ' ');
    ck_assert_str_eq(found, expected);
}

static void assert_logged(const char *expected)
{
    ck_assert_str_eq(rig.last, expected);
}

static void assert_log_contains(const char *expected)
{
    ck_assert_msg(strstr(rig.last, expected) != NULL, "'%s' is not in '%s'", expected, rig.last);
}

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
    command(card, "00 84 00 00 08");
    ck_assert_uint_eq(resp_len, 10);
    command(card, "00 84 00 00 00");
    ck_assert_uint_eq(resp_len, 258);
    command(card, "00 84 00 00 00 00 00");
    ck_assert_uint_eq(resp_len, 65538);
    assert_answer(card, "00 85 00 00", "6D 00");
    ck_assert_uint_eq(rig.lines, 0);
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
    size_t len;

    assert_atr(card, CARD_COLD, "3B 84 80 01 63 6F 6C 64 01");
    assert_answer(card, "80 14 00 00 00", "63 6F 6C 64 90 00");
    assert_atr(card, CARD_WARM, "3B 04 77 61 72 6D");
    assert_answer(card, "80 14 00 00 00", "77 61 72 6D 90 00");
    assert_atr(card, CARD_OFF, "");
    assert_answer(card, "80 14 00 00 00", "6F 66 66 90 00");
    ck_assert_uint_eq(card_atr(card, CARD_COLD, &len)[1], 0x84);
    ck_assert_uint_eq(len, 9);
    ck_assert_uint_eq(card_atr(card, CARD_WARM, &len)[1], 0x04);
    ck_assert_uint_eq(len, 6);
    card_free(card);
}
END_TEST

START_TEST(test_as_is)
{
    struct card *card = load("return { atr = { cold = as_is'35 39 32', warm = as_is'' } }");

    assert_atr(card, CARD_COLD, "35 39 32");
    assert_atr(card, CARD_WARM, "");
    card_free(card);
    card = load("return { atr = as_is(('a5'):rep(33)) }");
    command(card, "00 00 00 00");
    ck_assert_uint_eq(resp_len, 2);
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
    char error[256];
    struct card *card = card_load_builtin(&host, error, sizeof error);
    const char *text;
    size_t len;

    ck_assert_msg(card != NULL, "%s", error);
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
    command(card, "00 84 00 00 10");
    ck_assert_uint_eq(resp_len, 18);
    card_free(card);

    text = card_builtin_text(&len);
    ck_assert_uint_eq(strlen(text), len);
    ck_assert_ptr_nonnull(strstr(text, "3B 87 80 01"));
}
END_TEST

/* What is refused */

static const struct {
    const char *file, *error; /* without the path */
} bad[] = {
    {"syntax-error", "7: '}' expected (to close '{' at line 5) near <eof>"},
    {"endless-loop", "5: instruction budget used up (10000000 for one call)"},
    {"stuck-in-library", "1: a library function ran for too long"},
    {"runtime-error", "4: attempt to index a nil value (local 't')"},
    {"no-table", "1: the script returns a string, expected a table that describes the card"},
    {"returns-nothing", "1: the script returns nothing, expected a table that describes the card"},
    {"no-atr", "1: no atr: every card needs one"},
    {"atr-tck",
     "5: atr: byte 8: TCK is E9, expected E8 (ISO/IEC 7816-3:2006, 8.2.5); as_is\"...\" takes any bytes"},
    {"atr-short",
     "6: atr.warm: byte 5: T0 says that 4 historical bytes follow, 3 are there (ISO/IEC 7816-3:2006, 8.2.2); as_is\"...\" takes any bytes"},
    {"atr-hex", "4: atr: character 4: not a hexadecimal digit"},
    {"unknown-field", "6: unknown field 'atrs': expected name, atr, t0, t1, on_power, commands or faults"},
    {"t1-field", "7: t1: unknown field 'ifsd': expected ifsc"},
    {"t1-ifsc", "5: t1.ifsc is not an integer from 1 to 254"},
    {"on-power", "5: on_power is a string, expected a function"},
    {"answer-number",
     "7: commands[2]: answer is a number, expected a string of hexadecimal digits, or a function"},
    {"answer-hex", "8: commands[2]: answer: character 4: a byte needs two digits, this one stands alone"},
    {"answer-short", "7: commands[2]: answer has 1 byte, expected at least the 2 of a status word"},
    {"no-answer", "7: commands[2]: answer is missing"},
    {"pattern-hex", "6: commands[1]: pattern: character 10: not a hexadecimal digit"},
    {"command-fields", "6: commands[1]: unknown field [3]: expected a pattern and an answer"},
    {"commands-gap", "5: commands has a gap: 2 entries, but the last one is number 3"},
    {"metatable", "1: the table that the script returns has a metatable, expected a plain table"},
    {"long-name", "4: name is not usable, expected a string of 1 to 128 bytes, without control characters"},
};

START_TEST(test_bad)
{
    char path[512], expected[1024], error[512];
    struct card *card;

    if (strcmp(bad[_i].file, "stuck-in-library") == 0)
        watchdog_set_limit(10, 5);
    snprintf(path, sizeof path, "%s/cards/bad/%s.lua", FIXTURES_DIR, bad[_i].file);
    snprintf(expected, sizeof expected, "%s:%s", path, bad[_i].error);
    card = card_load_file(path, &host, error, sizeof error);
    ck_assert_ptr_null(card);
    ck_assert_str_eq(error, expected);
}
END_TEST

START_TEST(test_bad_text)
{
    load_refused("", "test.lua:1: the script returns nothing, expected a table that describes the card");
    load_refused("return 3B", "test.lua:1: malformed number near '3B'");
    load_refused(
        "return {\n atr = 3,\n}",
        "test.lua:2: atr is a number, expected a string of hexadecimal digits, or a table of cold and warm");
    load_refused("return {\n atr = {},\n}", "test.lua:2: atr has no cold");
    load_refused("return {\n atr = { warm = '3B00' },\n}", "test.lua:2: atr has no cold");
    load_refused("return {\n atr = { cold = '3B00', hot = '3B00' },\n}",
                 "test.lua:2: atr: unknown field 'hot': expected cold or warm");
    load_refused("return {\n atr = { cold = '3B00', warm = false },\n}",
                 "test.lua:2: atr.warm is a boolean, expected a string of hexadecimal digits");
    load_refused("return {\n atr = as_is'3B 0',\n}",
                 "test.lua:2: atr: character 4: a byte needs two digits, this one stands alone");
    load_refused("return {\n atr = { cold = '3B00', warm = as_is(('3B'):rep(34)) } }",
                 "test.lua:2: atr.warm: as_is with 34 bytes: readers pass on 33 at most");
    load_refused("return {\n atr = as_is(nil) }",
                 "test.lua:2: bad argument #1 to 'as_is' (string expected, got nil)");
    load_refused("return { atr = '3B00',\n t0 = { wi = 10 } }",
                 "test.lua:2: t0: unknown field 'wi': expected none");
    load_refused("return { atr = '3B00',\n t1 = 254 }", "test.lua:2: t1 is a number, expected a table");
    load_refused("return { atr = '3B00', t1 = {\n ifsc = '32' } }",
                 "test.lua:2: t1.ifsc is not an integer from 1 to 254");
    load_refused("return { atr = '3B00', t1 = { ifsc = 0 } }",
                 "test.lua:1: t1.ifsc is not an integer from 1 to 254");
    load_refused("return { atr = '3B00', t1 = { ifsc = 3.5 } }",
                 "test.lua:1: t1.ifsc is not an integer from 1 to 254");
    load_refused("return { atr = '3B00', commands = 1 }",
                 "test.lua:1: commands is a number, expected a list");
    load_refused("return { atr = '3B00', commands = {\n { '', '9000' }, '9000' } }",
                 "test.lua:1: commands[2] is a string, expected a table of a pattern and an answer");
    load_refused("return { atr = '3B00', commands = { select = {} } }",
                 "test.lua:1: commands: unknown field 'select': expected a list");
    load_refused("return { atr = '3B00', commands = {\n { nil, '9000' } } }",
                 "test.lua:2: commands[1]: pattern is missing");
    load_refused(
        "return { atr = '3B00', commands = {\n { 4, function() end } } }",
        "test.lua:2: commands[1]: pattern is a number, expected a string of hexadecimal digits and dots");
    load_refused("return { atr = '3B00', commands = { setmetatable({'', '9000'}, {}) } }",
                 "test.lua:1: commands[1] has a metatable, expected a plain table");
    load_refused("return { atr = '3B00', 5 }",
                 "test.lua:1: unknown field [1]: expected name, atr, t0, t1, on_power, commands or faults");
    load_refused(
        "return { atr = '3B00', [{}] = 5 }",
        "test.lua:1: unknown field [a table]: expected name, atr, t0, t1, on_power, commands or faults");
    load_refused("return { b = 1, a = 1,\n c = 1}",
                 "test.lua:1: unknown field 'a': expected name, atr, t0, t1, on_power, commands or faults");
    load_refused("error({})", "test.lua:1: error value is a table, expected a string");
    load_refused("\n\nerror('gone', 0)", "test.lua:3: gone");
    load_refused("local s = [[one\ntwo",
                 "test.lua:2: unfinished long string (starting at line 1) near <eof>");
    load_refused("return { atr = '3B 00\x01' }", "test.lua:1: atr: character 6: not a hexadecimal digit");
    load_refused("return setmetatable({}, { __gc = function() end })",
                 "test.lua:1: a card script cannot have finalizers (__gc)");
    /* what the metatable of the pattern says is not asked */
    load_refused(
        "getmetatable('').__index = error\nreturn { atr = true }",
        "test.lua:2: atr is a boolean, expected a string of hexadecimal digits, or a table of cold and warm");
}
END_TEST

static int append(lua_State *L, const void *piece, size_t len, void *buffer)
{
    (void)L;
    luaL_addlstring(buffer, piece, len);
    return 0;
}

START_TEST(test_binary_chunk)
{
    lua_State *L = luaL_newstate();
    luaL_Buffer b;
    const char *chunk;
    char error[256];
    size_t len;

    ck_assert_int_eq(luaL_loadstring(L, "return { atr = '3B 00' }"), LUA_OK);
    luaL_buffinit(L, &b);
    lua_pushvalue(L, 1);
    ck_assert_int_eq(lua_dump(L, append, &b, 0), 0);
    lua_pop(L, 1);
    luaL_pushresult(&b);
    chunk = lua_tolstring(L, -1, &len);
    ck_assert_ptr_null(card_load_text("binary.luac", chunk, len, &host, error, sizeof error));
    ck_assert_str_eq(error, "binary.luac:1: a compiled Lua chunk, expected source text");
    lua_close(L);
}
END_TEST

START_TEST(test_unreadable_files)
{
    char error[256];

    ck_assert_ptr_null(card_load_file("/nonexistent/card.lua", &host, error, sizeof error));
    ck_assert_str_eq(error, "/nonexistent/card.lua: No such file or directory");
    ck_assert_ptr_null(card_load_file("/", &host, error, sizeof error));
    ck_assert_str_eq(error, "/: not a regular file");
    ck_assert_ptr_null(card_load_file("/dev/zero", &host, error, sizeof error));
    ck_assert_str_eq(error, "/dev/zero: not a regular file");
}
END_TEST

START_TEST(test_short_error_buffer)
{
    char error[12];

    ck_assert_ptr_null(card_load_text("test.lua", "error()", 7, &host, error, sizeof error));
    ck_assert_str_eq(error, "test.lua...");
}
END_TEST

START_TEST(test_long_chunk_name)
{
    char name[200], error[400], expected[400];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_ptr_null(card_load_text(name, "\nlocal t\nt.x = 1", 16, &host, error, sizeof error));
    snprintf(expected, sizeof expected, "%s:3: attempt to index a nil value (local 't')", name);
    ck_assert_str_eq(error, expected);
}
END_TEST

START_TEST(test_text_preamble)
{
    struct card *card = load("\xEF\xBB\xBF#!/usr/bin/env cardrig\nreturn { atr = '3B 00' }");

    ck_assert_str_eq(card_name(card), "test");
    card_free(card);
    load_refused("#!\n\nerror 'here'", "test.lua:3: here");
}
END_TEST

START_TEST(test_names)
{
    static const char text[] = "return { atr = '3B 00' }";
    struct card *card;
    char error[256];

    card = load("return { name = 'Ärztekarte', atr = '3B 00' }");
    ck_assert_str_eq(card_name(card), "Ärztekarte");
    card_free(card);
    card = card_load_text("/a/b.c/my\tcard.lua", text, sizeof text - 1, &host, error, sizeof error);
    ck_assert_str_eq(card_name(card), "my card");
    card_free(card);
    card_free(NULL);
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

static bool pattern_fits(const char *pattern, const uint8_t *apdu, size_t len)
{
    if (strlen(pattern) / 2 > len)
        return false;
    for (size_t i = 0; pattern[i]; i++) {
        int nibble = i % 2 ? apdu[i / 2] & 0xF : apdu[i / 2] >> 4;
        if (pattern[i] != '.' && pattern[i] - '0' != nibble)
            return false;
    }
    return true;
}

/* the first that fits, found one by one */
static int first_fit(const struct random_command *commands, int count, const uint8_t *apdu, size_t len)
{
    for (int i = 0; i < count; i++)
        if (pattern_fits(commands[i].pattern, apdu, len))
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
    return load(text);
}

START_TEST(test_the_first_of_many_answers)
{
    struct random_command commands[400];
    unsigned state = (unsigned)_i + 1;
    int count = 1 + (int)draw(&state, 400), expected;
    struct card *card = load_random_commands(commands, count, &state);

    for (int i = 0; i < 500; i++) {
        uint8_t apdu[7] = {0};
        size_t len = (size_t[]){4, 5, 7}[draw(&state, 3)];
        for (size_t j = 0; j < len; j++)
            apdu[j] = (uint8_t)(draw(&state, 2) << 4 | draw(&state, 2));
        if (len == 7)
            apdu[4] = 2; /* so many bytes of data */
        expected = first_fit(commands, count, apdu, len);
        card_command(card, apdu, len, resp, sizeof resp, &resp_len);
        ck_assert_uint_eq(resp_len, 2);
        ck_assert_int_eq(resp[0] << 8 | resp[1], expected);
    }
    card_free(card);
}
END_TEST

START_TEST(test_many_commands)
{
    enum { COUNT_OF_COMMANDS = 20000, SIZE = 4 * 1024 * 1024 };
    char *text = malloc(SIZE), error[256], line[64];
    size_t at = (size_t)sprintf(text, "return { atr = '3B 00', commands = {\n");
    struct card *card;

    for (int i = 0; i < COUNT_OF_COMMANDS; i++)
        at += (size_t)sprintf(text + at, "{ '00 B2 %02X %02X 04 %08X', '%064X 90 00' },\n", i >> 8, i & 0xFF,
                              i, i);
    sprintf(text + at, "} }");
    card = card_load_text("many.lua", text, strlen(text), &host, error, sizeof error);
    ck_assert_msg(card != NULL, "%s", error);
    for (int i = 0; i < COUNT_OF_COMMANDS; i += 999) {
        sprintf(line, "00 B2 %02X %02X 04 %08X 00", i >> 8, i & 0xFF, i);
        command(card, line);
        ck_assert_uint_eq(resp_len, 34);
        ck_assert_int_eq(resp[30] << 8 | resp[31], i);
    }
    card_free(card);

    sprintf(text + at - 5, "9' } } }"); /* the last answer: what is wrong with it is still found in time */
    card = card_load_text("many.lua", text, strlen(text), &host, error, sizeof error);
    ck_assert_ptr_null(card);
    ck_assert_str_eq(error, "many.lua:20001: commands[20000]: answer: character 71: a byte needs two digits, "
                            "this one stands alone");
    free(text);
}
END_TEST

/* a script with many unknown fields, and in one long line: nothing takes time that grows with the square */
START_TEST(test_many_mistakes)
{
    enum { SIZE = 4 * 1024 * 1024, UNKNOWN = 30000, REPEATED = 300000 };
    char *text = malloc(SIZE), error[256];
    size_t at = (size_t)sprintf(text, "--");

    for (int i = 0; i < REPEATED; i++)
        at += (size_t)sprintf(text + at, " atr=");
    at += (size_t)sprintf(text + at, "\nreturn { atr = '3B 00', ");
    for (int i = 0; i < UNKNOWN; i++)
        at += (size_t)sprintf(text + at, "f%05d = 1, ", (i + 7) % UNKNOWN);
    sprintf(text + at, "}");
    ck_assert_ptr_null(card_load_text("many.lua", text, strlen(text), &host, error, sizeof error));
    ck_assert_str_eq(error,
                     "many.lua:2: unknown field 'f00000': expected name, atr, t0, t1, on_power, commands "
                     "or faults");
    free(text);
}
END_TEST

START_TEST(test_no_commands)
{
    struct card *card = load("return { atr = '3B 00' }");

    assert_answer(card, "00 A4 04 00", "6D 00");
    assert_atr(card, CARD_COLD, "3B 00");
    card_free(card);
    card = load("return { atr = '3B 00', commands = {}, t0 = {}, t1 = {} }");
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
    ck_assert_uint_eq(rig.lines, 0);
    assert_answer(card, "00 A4 04 00", "90 00");
    ck_assert_uint_eq(rig.lines, 1);
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
        command(card, cases[i].command);
        for (; resp[resp_len - 2] == 0x61; command(card, "00 C0 00 00 00"))
            strncat(found, (char *)resp, resp_len - 2);
        strncat(found, (char *)resp, resp_len - 2);
        ck_assert_str_eq(found, cases[i].expected);
    }
    memset(big, 'x', sizeof big);
    memcpy(big, "\x00\xD6\x00\x00\x00\xFF\xFF", 7);
    memcpy(big + sizeof big - 2, "\x00\x00", 2);
    card_command(card, big, sizeof big, resp, sizeof resp, &resp_len);
    resp[resp_len - 2] = '\0';
    ck_assert_str_eq((char *)resp, "00 d6 00 00 nc=65535 data=65535 ne=65536 raw=65544/xxx");
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
    command(card, "00 05 00 00 00 00 00");
    ck_assert_uint_eq(resp_len, 65538);
    ck_assert_int_eq(resp[65535], 'x');
    ck_assert_int_eq(resp[65536], 0);
    command(card, "00 06 00 00 00 00 00");
    ck_assert_uint_eq(resp_len, 65538);
    assert_answer(card, "00 07 00 00 00", "01 02 03 04 90 00");
    ck_assert_uint_eq(rig.lines, 0);
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
    ck_assert_uint_eq(rig.lines, 1);
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
    size_t at = 0, len;

    for (int i = 0; i < 300; i++)
        sprintf(constant + 2 * i, "%02X", i & 0xFF);
    snprintf(text, sizeof text,
             "{ '00 01', function() return bytes, 0x6283 end }, { '00 02', '%s 90 00' },"
             "{ '00 03', function(c) return bytes:sub(1, c.ne), 0x9000 end }, { '.. C0', '69 85' }",
             constant);
    struct card *card =
        load_commands("bytes = ''; for i = 0, 299 do bytes = bytes .. string.char(i & 255) end", text);

    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        command(card, held[i].command);
        at = held[i].command[3] == 'C' ? at : 0;
        ck_assert_msg(resp_len == held[i].data + 2, "row %zu: %zu bytes", i, resp_len);
        for (size_t k = 0; k < held[i].data; k++)
            ck_assert_msg(resp[k] == (uint8_t)(at + k), "row %zu: byte %zu is %02X", i, k, resp[k]);
        ck_assert_msg((resp[resp_len - 2] << 8 | resp[resp_len - 1]) == held[i].sw, "row %zu: %02X %02X", i,
                      resp[resp_len - 2], resp[resp_len - 1]);
        at += held[i].data;
    }
    /* a reset drops it, and a buffer that is too small does not lose it */
    command(card, "00 01 00 00 01");
    card_power(card, CARD_WARM, atr, &len);
    assert_answer(card, "00 C0 00 00 00", "69 85");
    command(card, "00 01 00 00 00 01 2A");
    uint8_t *exact = malloc(3);
    ck_assert_uint_eq(hex_decode("00C0000002", 10, atr, sizeof atr, &len, NULL), HEX_OK);
    card_command(card, atr, len, exact, 3, &resp_len);
    ck_assert_uint_eq(resp_len, 3);
    ck_assert_mem_eq(exact, "\x2A\x61\x01", 3);
    free(exact);
    assert_answer(card, "00 C0 00 00 01", "2B 62 83");
    card_free(card);
}
END_TEST

START_TEST(test_small_buffer)
{
    struct card *card = load_commands("", "{ '00 01', '01 02 90 00' },"
                                          "{ '00 02', function() return hex '01 02', 0x9000 end }");

    for (uint8_t ins = 1; ins <= 2; ins++) {
        uint8_t *exact = malloc(4), cmd[5] = {0, ins, 0, 0, 0};
        card_command(card, cmd, sizeof cmd, exact, 4, &resp_len);
        ck_assert_uint_eq(resp_len, 4);
        card_command(card, cmd, sizeof cmd, exact, 3, &resp_len);
        ck_assert_uint_eq(resp_len, 2);
        ck_assert_uint_eq(exact[0], 0x6F);
        card_command(card, cmd, sizeof cmd, exact, 2, &resp_len);
        ck_assert_uint_eq(resp_len, 2);
        free(exact);
    }
    ck_assert_uint_eq(rig.lines, 4);
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
    ck_assert_msg(strncmp(rig.last, "test.lua:3: ", 12) == 0, "%s", rig.last);
    assert_answer(card, "00 02 00 00 00", "6F 6B 90 00");
    ck_assert_uint_eq(rig.lines, 1);
    ck_assert(!card_dead(card));
    card_free(card);
}
END_TEST

START_TEST(test_state)
{
    struct card *card =
        load("local a, b = 0, 0\n"
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
    struct card *card = load("return { atr = '3B 00', on_power =\n"
                             "function(how) if how == 'cold' then error 'no' elseif how == 'warm' then "
                             "while true do end end end }");

    assert_atr(card, CARD_COLD, "3B 00");
    assert_logged("test.lua:2: no");
    assert_atr(card, CARD_WARM, "3B 00");
    assert_logged("test.lua:2: instruction budget used up (10000000 for one call)");
    assert_atr(card, CARD_OFF, "");
    ck_assert_uint_eq(rig.lines, 2);
    card_free(card);
}
END_TEST

/* The environment of scripts */

START_TEST(test_random_repeats)
{
    static const char body[] =
        "{ '00 01', function(c) return random(c.ne), 0x9000 end },"
        "{ '00 02', function() return string.pack('j', math.random(0)), 0x9000 end },"
        "{ '00 03', function() math.randomseed() return string.pack('j', math.random(0)),"
        "0x9000 end },"
        "{ '00 04', function() math.randomseed(42) return string.pack('j', math.random(0)),"
        "0x9000 end }";
    uint8_t first[4][16];

    for (int run = 0; run < 3; run++) {
        struct card *card;
        rig.state = run < 2 ? 1 : 2;
        card = load_commands("", body);
        for (uint8_t i = 0; i < 4; i++) {
            const uint8_t cmd[] = {0, (uint8_t)(i + 1), 0, 0, 8};
            card_command(card, cmd, sizeof cmd, resp, sizeof resp, &resp_len);
            ck_assert_uint_eq(resp_len, 10);
            if (run == 0)
                memcpy(first[i], resp, 8);
            ck_assert_int_eq(memcmp(first[i], resp, 8) == 0, run < 2 || i == 3);
        }
        card_free(card);
    }
}
END_TEST

START_TEST(test_random_sizes)
{
    struct card *card = load_commands("", "{ '', function(c) return random(c.ne), 0x9000 end }");

    command(card, "00 00 00 00");
    ck_assert_uint_eq(resp_len, 2);
    command(card, "00 00 00 00 01");
    ck_assert_uint_eq(resp_len, 3);
    command(card, "00 00 00 00 00 00 00");
    ck_assert_uint_eq(resp_len, 65538);
    ck_assert(memcmp(resp, resp + 32768, 32768) != 0);
    card_free(card);
}
END_TEST

START_TEST(test_no_way_out)
{
    static const char search[] =
        "local seen, found = {}, {}\n"
        "local bad = { io = 1, os = 1, package = 1, require = 1, dofile = 1, loadfile = 1, debug = 1,\n"
        "  collectgarbage = 1, dump = 1, loadstring = 1, loadlib = 1, popen = 1, execute = 1, getenv = 1,\n"
        "  warn = 1, sethook = 1, getregistry = 1, _LOADED = 1, _PRELOAD = 1, open = 1, exit = 1 }\n"
        "local function walk(v)\n"
        "  if seen[v] then return end\n"
        "  seen[v] = true\n"
        "  local mt = getmetatable(v)\n"
        "  if mt then walk(mt) end\n"
        "  if type(v) ~= 'table' then return end\n"
        "  for k, w in next, v do\n"
        "    if bad[k] then found[#found + 1] = k end\n"
        "    if w ~= bad then walk(k) walk(w) end\n"
        "  end\n"
        "end\n"
        "walk(_G) walk(_ENV) walk('') walk(coroutine.running()) walk(string) walk(print)\n"
        "assert(#found == 0, table.concat(found, ' '))\n"
        "assert(('').dump == nil and string.dump == nil)\n"
        "assert(coroutine.wrap(function() return io == nil and os == nil and debug == nil and _G.io == nil "
        "end)())\n"
        "local names = {}\n"
        "for k in pairs(_G) do names[#names + 1] = k end\n"
        "return { atr = '3B 00', commands = { { '', function() return table.concat(names, ' '), 0x9000 end } "
        "} }\n";
    struct card *card = load(search);

    command(card, "00 00 00 00 00");
    resp[resp_len - 2] = '\0';
    ck_assert_str_eq(
        (char *)resp,
        "_G _VERSION as_is assert coroutine error fault getmetatable hex ipairs load math next pairs "
        "pcall print random rawequal rawget rawlen rawset select setmetatable string table "
        "tonumber tostring type utf8 xpcall");
    card_free(card);
}
END_TEST

START_TEST(test_xpcall)
{
    struct card *card = load(
        "local ok, a, b = xpcall(function(...) return ... end, error, 1, 2)\n"
        "assert(ok and a == 1 and b == 2)\n"
        "ok, a = xpcall(error, function(e) return e .. '!' end, 'x')\n"
        "assert(not ok and a == 'x!')\n"
        "assert(not pcall(xpcall) and not pcall(xpcall, print))\n"
        "local co = coroutine.wrap(function()\n"
        "  return xpcall(function() coroutine.yield(1) error('y', 0) end, function(e) return e .. 2 end)\n"
        "end)\n"
        "assert(co() == 1)\n"
        "ok, a = co()\n"
        "assert(not ok and a == 'y2')\n"
        "return { atr = '3B 00' }\n");

    card_free(card);
}
END_TEST

START_TEST(test_load)
{
    struct card *card = load("assert(load 'return 1 + 1'() == 2)\n"
                             "assert(load('return x', 'name', nil, { x = 3 })() == 3)\n"
                             "assert(load('return x', 'name', 'bt', { x = 4 })() == 4)\n"
                             "assert(load('return _ENV', 'name', 't', nil)() == nil)\n"
                             "local pieces = { 'return ', '5' }\n"
                             "assert(load(function() return table.remove(pieces, 1) end)() == 5)\n"
                             "for _, mode in ipairs { 'b', 'bt', 't', false } do\n"
                             "  local f, why = load('\\27Lua', 'binary', mode or nil)\n"
                             "  assert(f == nil and why:find('binary chunk'), why)\n"
                             "end\n"
                             "local f, why = load(function() return '\\27Lua' end)\n"
                             "assert(f == nil and why:find('binary chunk'))\n"
                             "assert(not pcall(load))\n"
                             "local f, why = load('x x')\n"
                             "assert(f == nil and why:find('syntax error'))\n"
                             "return { atr = '3B 00' }\n");

    card_free(card);
}
END_TEST

START_TEST(test_pairs)
{
    struct card *card =
        load("local function keys(t) local s = '' for k in pairs(t) do s = s .. tostring(k) .. ' ' end "
             "return s end\n"
             "local t = {}\n"
             "for i = 1, 30 do t['k' .. i % 7 .. i] = i t[-i] = i t[i / 4] = i end\n"
             "local prev\n"
             "for k in pairs(t) do\n"
             "  if prev and type(prev) == type(k) then assert(prev < k) end\n"
             "  prev = k\n"
             "end\n"
             "assert(keys { b = 1, a = 1, [2.5] = 1, [true] = 1, 7, 8 } == '1 2 2.5 a b true ')\n"
             "assert(keys {} == '')\n"
             "local seen = 0\n"
             "t = { a = 1, b = 2, c = 3 }\n"
             "for k in pairs(t) do seen = seen + 1 t.b = nil t[k] = 5 end\n"
             "assert(seen == 2 and t.a == 5 and t.c == 5)\n"
             "local mine = setmetatable({}, { __pairs = function(t) return function(_, k) return not k and 1 "
             "or nil end, t"
             " end })\n"
             "assert(keys(mine) == '1 ')\n"
             "assert(keys(setmetatable({ x = 1 }, { __index = error, __metatable = false })) == 'x ')\n"
             "assert(not pcall(pairs) and not pcall(pairs, 'x'))\n"
             "for i = 1, 20000 do t[tostring(i)] = i end\n"
             "for i = 1, 3 do for k in pairs(t) do end end\n"
             "return { atr = '3B 00' }\n");

    card_free(card);
}
END_TEST

START_TEST(test_setmetatable)
{
    struct card *card = load("local t = {}\n"
                             "local mt = { __index = { x = 1 } }\n"
                             "assert(setmetatable(t, mt) == t and t.x == 1 and getmetatable(t) == mt)\n"
                             "assert(setmetatable(t, nil) == t and t.x == nil)\n"
                             "setmetatable(t, { __metatable = 1 })\n"
                             "assert(not pcall(setmetatable, t, {}))\n"
                             "assert(not pcall(setmetatable, {}))\n"
                             "assert(not pcall(setmetatable, 1, {}))\n"
                             "assert(not pcall(setmetatable, {}, 1))\n"
                             "assert(not pcall(setmetatable, {}, { __gc = true }))\n"
                             "return { atr = '3B 00' }\n");

    card_free(card);
}
END_TEST

START_TEST(test_print)
{
    struct card *card =
        load_commands("", "{ '00 01', function() print('a', 1, nil, {} ~= nil) return hex '9000' end },"
                          "{ '00 02', function() print('one\\ntwo\\0\\27[2J') return hex '9000' end },"
                          "{ '00 03', function() print(('x'):rep(5000)) return hex '9000' end },"
                          "{ '00 04', function() for i = 1, 5000 do print(i) end "
                          "return hex '9000' end },"
                          "{ '00 05', function() print() return hex '9000' end },"
                          "{ '00 06', function() print(setmetatable({}, { __tostring = error }))"
                          " end }");

    assert_answer(card, "00 01 00 00", "90 00");
    assert_logged("a 1 nil true");
    assert_answer(card, "00 02 00 00", "90 00");
    ck_assert_uint_eq(rig.lines, 3);
    assert_logged("two\\x00\\x1B[2J");
    assert_answer(card, "00 03 00 00", "90 00");
    ck_assert_uint_eq(strlen(rig.last), 1023);
    assert_log_contains("xxx...");
    rig.lines = 0;
    assert_answer(card, "00 04 00 00", "90 00");
    ck_assert_uint_eq(rig.lines, 1001);
    assert_logged("(this call printed too much; the rest is not shown)");
    assert_answer(card, "00 05 00 00", "90 00");
    assert_logged("");
    assert_answer(card, "00 06 00 00", "6F 00");
    card_free(card);
}
END_TEST

START_TEST(test_no_log)
{
    const struct card_host silent = {.arg = &rig, .random = rig_random};
    static const char text[] = "print 'x' return { atr = '3B 00', commands = { { '', error } } }";
    struct card *card;
    char error[256];

    card = card_load_text("silent", text, sizeof text - 1, &silent, error, sizeof error);
    ck_assert_ptr_nonnull(card);
    assert_answer(card, "00 00 00 00", "6F 00");
    card_free(card);
}
END_TEST

/* Limits: the card goes on */

static const struct {
    const char *before, *body, *logged;
} limits[] = {
    {"", "while true do end", "instruction budget"},
    {"", "local function f() return f() end f()", "instruction budget"},
    {"", "while true do pcall(function() while true do end end) end", "instruction budget"},
    {"", "while true do pcall(error) end", "instruction budget"},
    {"", "pcall(function() while true do end end) return hex '9000'", "instruction budget"},
    {"", "while true do xpcall(function() while true do end end, function() while true do end end) end",
     "instruction budget"},
    {"", "local function f() pcall(f) while true do end end while true do pcall(f) end",
     "instruction budget"},
    {"", "while true do coroutine.wrap(function() for i = 1, 2000 do end end)() end", "instruction budget"},
    {"", "while true do pcall(coroutine.wrap(function() for i = 1, 9000 do end end)) end",
     "instruction budget"},
    {"", "while true do coroutine.close(coroutine.create(function() end)) end", "instruction budget"},
    {"",
     "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
     "instruction budget"},
    {"",
     "while true do local co = coroutine.create(function() local x <close> = setmetatable({}, { __close ="
     " function() for i = 1, 3000 do end end }) coroutine.yield() end) coroutine.resume(co) "
     "coroutine.close(co) end",
     "instruction budget"},
    {"",
     "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
     "instruction budget"},
    {"", "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return t[1]", NULL},
    {"", "for i = 1, 1 << 62 do load('local x = ' .. i) end", "too much processor time"},
    {"", "while true do pcall(string.rep, ('x'):rep(1e3), 100) end", "too much processor time"},
    {"", "table.sort({ 1, 2, 3 }, function() while true do end end)", "instruction budget"},
    {"", "('x'):gsub('x', function() while true do end end)", "instruction budget"},
    {"", "local t = {} for i = 1, 1 << 62 do t[i] = i end", "not enough memory"},
    {"", "local s = 'x' while true do s = s .. s end", "not enough memory"},
    {"", "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end", "not enough memory"},
    {"", "return ('x'):rep(1e8), 0x9000", "not enough memory"},
    {"", "return table.concat({}, ('x'):rep(1e6), 1, 1000), 1", NULL},
    {"", "return string.format('%s', ('x'):rep(1e9)), 1", "not enough memory"},
    {"", "local t = {} while true do t = { t, function() return t end } end", "not enough memory"},
    {"", "local t = {} while true do t[#t + 1] = coroutine.create(print) end", NULL},
    {"", "local ok, e = pcall(string.rep, 'x', 1 << 30) error(e, 0)", "not enough memory"},
};

START_TEST(test_limits)
{
    char text[1024];
    struct card *card;

    snprintf(text, sizeof text,
             "{ '00 01', function() %s end }, { '00 02', function() return 'ok', 0x9000 end }",
             limits[_i].body);
    if (limits[_i].logged && strstr(limits[_i].logged, "processor"))
        watchdog_set_limit(WATCHDOG_TICK_MS, WATCHDOG_TICKS);
    card = load_commands(limits[_i].before, text);
    for (int i = 0; i < 2; i++) {
        assert_answer(card, "00 01 00 00", "6F 00");
        ck_assert_msg(strncmp(rig.last, "test.lua:3: ", 12) == 0 ||
                          strncmp(rig.last, "test.lua:1: ", 12) == 0,
                      "%s", rig.last);
        if (limits[_i].logged)
            assert_log_contains(limits[_i].logged);
        assert_answer(card, "00 02 00 00 00", "6F 6B 90 00");
    }
    ck_assert_uint_eq(rig.lines, 2);
    ck_assert(!card_dead(card));
    card_free(card);
}
END_TEST

/* a coroutine that ran into the end of one call's budget does not pay more in the next one */
START_TEST(test_budget_is_per_call)
{
    struct card *card =
        load_commands("local co = coroutine.wrap(function() while true do\n"
                      "  pcall(function() for i = 1, 3e6 do end end) coroutine.yield() end end)",
                      "{ '00 01', function() co() return hex '9000' end },"
                      "{ '00 02', function() for i = 1, 4e6 do end return hex '9000' end },"
                      "{ '00 03', function() while true do end end }");

    for (int i = 0; i < 5; i++)
        assert_answer(card, "00 01 00 00", "90 00");
    for (int i = 0; i < 5; i++)
        assert_answer(card, "00 02 00 00", "90 00");
    assert_answer(card, "00 03 00 00", "6F 00");
    assert_answer(card, "00 02 00 00", "90 00");
    assert_answer(card, "00 01 00 00", "90 00");
    card_free(card);
}
END_TEST

START_TEST(test_memory_is_returned)
{
    struct card *card =
        load_commands("local keep", "{ '00 01', function() keep = ('x'):rep(6e6) return hex '9000' end"
                                    "}, { '00 02', function() keep = nil return hex '9000' end }");

    for (int i = 0; i < 20; i++) {
        assert_answer(card, "00 01 00 00", "90 00");
        assert_answer(card, "00 02 00 00", "90 00");
    }
    ck_assert_uint_eq(rig.lines, 0);
    card_free(card);
}
END_TEST

/* Limits: the card is dead */

static const char *const stuck[] = {
    "('a'):rep(30000):find(('.-'):rep(12) .. 'b')",
    "table.move({}, 1, math.maxinteger - 1, 2)",
    "(''):rep(1e15)",
    "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 'x')",
    "pcall(string.rep, '', 1e15)",
    "local t = setmetatable({}, {}); getmetatable(t).__call = t; return t()",
    /* the error of the budget in a coroutine leaves the count of instructions off for what closes it */
    "coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() while true do end "
    "end })"
    " while true do end end)()",
    "coroutine.wrap(function() string.rep('', 1e15) end)()",
    "while true do pcall(string.rep, ('x'):rep(1e6), 1e6) end",
    /* allocates all the time, so that time runs out inside the allocator now and then */
    "table.sort({ 1, 2 }, function() (('ab'):rep(4e6)):gsub('a', tostring) return pcall(string.gsub, "
    "('a'):rep(8e6),"
    " '.', function(c) end) end) while true do pcall(string.gsub, ('a'):rep(1e6), 'a', { a = 'bb' }) end",
    "local t = {} for i = 1, 100 do t[i] = ('x'):rep(20000) end while true do table.concat(t) end",
};

START_TEST(test_stuck)
{
    struct card *other = load_fixture("two-protocols.lua"), *card;
    char text[512];
    uint8_t atr[ATR_MAX];
    size_t len = 1;

    watchdog_set_limit(10, 6);
    snprintf(text, sizeof text, "{ '00 01', function()\n %s end }, { '00 02', '90 00' }", stuck[_i]);
    card = load_commands("", text);
    assert_answer(card, "00 02 00 00", "90 00");
    assert_answer(card, "00 01 00 00", "");
    assert_logged(
        "test.lua:3: a library function ran for too long; the card is dead and answers no more until it is "
        "loaded again");
    ck_assert(card_dead(card));
    ck_assert_uint_eq(resp_len, 0);
    assert_answer(card, "00 01 00 00", "");
    assert_answer(card, "00 02 00 00", "");
    assert_answer(card, "00", "");
    card_power(card, CARD_COLD, atr, &len);
    ck_assert_uint_eq(len, 0);
    ck_assert_str_eq(card_name(card), "test");
    ck_assert_uint_eq(rig.lines, 1);

    watchdog_set_limit(WATCHDOG_TICK_MS, WATCHDOG_TICKS);
    assert_answer(other, "80 10 00 00 00", "00 01 90 00");
    ck_assert(!card_dead(other));
    card_free(card);
    card = load_fixture("pin.lua");
    assert_answer(card, "00 20 00 01", "63 C3");
    card_free(card);
    card_free(other);
}
END_TEST

START_TEST(test_stuck_on_power)
{
    struct card *card = load("return { atr = '3B 00', on_power = function() string.rep('', 1e15) end }");
    uint8_t atr[ATR_MAX];
    size_t len = 1;

    watchdog_set_limit(10, 3);
    card_power(card, CARD_COLD, atr, &len);
    ck_assert_uint_eq(len, 0);
    ck_assert(card_dead(card));
    card_free(card);
}
END_TEST

/* many cards die in one process: nothing is left behind each time */
START_TEST(test_stuck_again_and_again)
{
    watchdog_set_limit(5, 1);
    for (int i = 0; i < 30; i++) {
        struct card *card =
            load_commands("", "{ '', function() local t = {} while true do"
                              " t[#t % 50 + 1] = pcall(string.gsub, ('a'):rep(2e5), 'a', 'bb')"
                              " end end }");
        assert_answer(card, "00 00 00 00", "");
        ck_assert(card_dead(card));
        card_free(card);
    }
}
END_TEST

START_TEST(test_time_is_per_call)
{
    struct card *card = load_commands("", "{ '', function() for i = 1, 1e5 do end return hex '9000' end }");

    watchdog_set_limit(20, 3);
    for (int i = 0; i < 1000; i++)
        assert_answer(card, "00 00 00 00", "90 00");
    ck_assert(!card_dead(card));
    card_free(card);
}
END_TEST

/* a child has no timer of its parent, and makes its own */
START_TEST(test_stuck_after_fork)
{
    struct card *card = load_commands("", "{ '', function() string.rep('', 1e15) end }");
    int status;
    pid_t pid;

    watchdog_set_limit(10, 3);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        alarm(10);
        command(card, "00 00 00 00");
        _exit(resp_len == 0 && card_dead(card) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    assert_answer(card, "00 00 00 00", "");
    card_free(card);
}
END_TEST

/* The small parts */

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

START_TEST(test_heap)
{
    struct heap heap;
    void *a, *b;

    heap_init(&heap, 1000);
    a = heap_lua_alloc(&heap, NULL, 5, 100);
    b = heap_alloc(&heap, 200);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    memset(a, 1, 100);
    memset(b, 2, 200);
    ck_assert_uint_ge(heap.used, 300);
    ck_assert_ptr_null(heap_alloc(&heap, 800));
    ck_assert_ptr_null(heap_alloc(&heap, SIZE_MAX));
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 100, 900));
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 100, SIZE_MAX - 10));
    a = heap_lua_alloc(&heap, a, 100, 500);
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(((unsigned char *)a)[99], 1);
    a = heap_lua_alloc(&heap, a, 500, 10);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 10, 0));
    ck_assert_ptr_null(heap_lua_alloc(&heap, NULL, 0, 0));
    heap_drop(&heap);
    ck_assert_uint_eq(heap.used, 0);
    a = heap_alloc(&heap, 0);
    ck_assert_ptr_nonnull(a);
    heap_drop(&heap);
}
END_TEST

static TCase *new_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    return tc;
}

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static Suite *card_suite(void)
{
    Suite *suite = suite_create("card");
    TCase *tc;

    tc = new_case(suite, "fixtures");
    tcase_add_test(tc, test_two_protocols);
    tcase_add_test(tc, test_one_protocol);
    tcase_add_test(tc, test_warm_differs);
    tcase_add_test(tc, test_as_is);
    tcase_add_test(tc, test_pin);
    tcase_add_test(tc, test_builtin);
    tc = new_case(suite, "refused");
    tcase_add_loop_test(tc, test_bad, 0, COUNT(bad));
    tcase_add_test(tc, test_bad_text);
    tcase_add_test(tc, test_binary_chunk);
    tcase_add_test(tc, test_unreadable_files);
    tcase_add_test(tc, test_short_error_buffer);
    tcase_add_test(tc, test_long_chunk_name);
    tcase_add_test(tc, test_text_preamble);
    tcase_add_test(tc, test_names);
    tc = new_case(suite, "commands");
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
    tcase_add_test(tc, test_small_buffer);
    tcase_add_loop_test(tc, test_failing_handlers, 0, COUNT(failing));
    tcase_add_test(tc, test_state);
    tcase_add_test(tc, test_cards_are_separate);
    tcase_add_test(tc, test_failing_on_power);
    tc = new_case(suite, "environment");
    tcase_add_test(tc, test_random_repeats);
    tcase_add_test(tc, test_random_sizes);
    tcase_add_test(tc, test_no_way_out);
    tcase_add_test(tc, test_load);
    tcase_add_test(tc, test_xpcall);
    tcase_add_test(tc, test_pairs);
    tcase_add_test(tc, test_setmetatable);
    tcase_add_test(tc, test_print);
    tcase_add_test(tc, test_no_log);
    tc = new_case(suite, "limits");
    tcase_add_loop_test(tc, test_limits, 0, COUNT(limits));
    tcase_add_test(tc, test_budget_is_per_call);
    tcase_add_test(tc, test_memory_is_returned);
    tcase_add_loop_test(tc, test_stuck, 0, COUNT(stuck));
    tcase_add_test(tc, test_stuck_on_power);
    tcase_add_test(tc, test_stuck_again_and_again);
    tcase_add_test(tc, test_time_is_per_call);
    tcase_add_test(tc, test_stuck_after_fork);
    tc = new_case(suite, "parts");
    tcase_add_test(tc, test_oneline);
    tcase_add_test(tc, test_heap);
    return suite;
}

int main(void)
{
    return run_suite(card_suite());
}
