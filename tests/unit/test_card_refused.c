/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts that are no card: what is refused, with file, line and reason. */
#include "base/error.h"
#include "icc/watchdog.h"

#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *file, *error; /* without the path */
} bad[] = {
    {"syntax-error", "7: '}' expected (to close '{' at line 5) near <eof>"},
    {"endless-loop", "5: instruction budget used up (10000000 for one call)"},
    {"stuck-in-library", "1: a library function ran for too long"},
    {"runtime-error", "4: attempt to index a nil value (local 't')"},
    {"no-table", "1: the script returns a string, expected a table that describes the card"},
    {"returns-nothing", "1: the script returns nothing, expected a table that describes the card"},
    {"no-atr", "1: no atr: every card needs one, or an antenna"},
    {"atr-tck",
     "5: atr: byte 8: TCK is E9, expected E8 (ISO/IEC 7816-3:2006, 8.2.5); as_is\"...\" takes any bytes"},
    {"atr-short",
     "6: atr.warm: byte 5: T0 says that 4 historical bytes follow, 3 are there (ISO/IEC 7816-3:2006, 8.2.2); as_is\"...\" takes any bytes"},
    {"atr-hex", "4: atr: character 4: not a hexadecimal digit"},
    {"unknown-field",
     "6: unknown field 'atrs': expected name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments"},
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
    char path[512], expected[1024];
    struct error error;
    struct card *card;

    if (strcmp(bad[_i].file, "stuck-in-library") == 0)
        watchdog_set_limit(10, 5);
    snprintf(path, sizeof path, "%s/cards/bad/%s.lua", FIXTURES_DIR, bad[_i].file);
    snprintf(expected, sizeof expected, "%s:%s", path, bad[_i].error);
    card = card_load(path, &test_host, &error);
    ck_assert_ptr_null(card);
    ck_assert_str_eq(error.text, expected);
}
END_TEST

START_TEST(test_bad_text)
{
    assert_refused("", "test.lua:1: the script returns nothing, expected a table that describes the card");
    assert_refused("return 3B", "test.lua:1: malformed number near '3B'");
    assert_refused(
        "return {\n atr = 3,\n}",
        "test.lua:2: atr is a number, expected a string of hexadecimal digits, or a table of cold and warm");
    assert_refused("return {\n atr = {},\n}", "test.lua:2: atr has no cold");
    assert_refused("return {\n atr = { warm = '3B00' },\n}", "test.lua:2: atr has no cold");
    assert_refused("return {\n atr = { cold = '3B00', hot = '3B00' },\n}",
                   "test.lua:2: atr: unknown field 'hot': expected cold or warm");
    assert_refused("return {\n atr = { cold = '3B00', warm = false },\n}",
                   "test.lua:2: atr.warm is a boolean, expected a string of hexadecimal digits");
    assert_refused("return {\n atr = as_is'3B 0',\n}",
                   "test.lua:2: atr: character 4: a byte needs two digits, this one stands alone");
    assert_refused("return {\n atr = { cold = '3B00', warm = as_is(('3B'):rep(34)) } }",
                   "test.lua:2: atr.warm: as_is with 34 bytes: readers pass on 33 at most");
    assert_refused("return {\n atr = as_is(nil) }",
                   "test.lua:2: bad argument #1 to 'as_is' (string expected, got nil)");
    assert_refused("return { atr = '3B00',\n t0 = { wi = 10 } }",
                   "test.lua:2: t0: unknown field 'wi': expected none");
    assert_refused("return { atr = '3B00',\n t1 = 254 }", "test.lua:2: t1 is a number, expected a table");
    assert_refused("return { atr = '3B00', t1 = {\n ifsc = '32' } }",
                   "test.lua:2: t1.ifsc is not an integer from 1 to 254");
    assert_refused("return { atr = '3B00', t1 = { ifsc = 0 } }",
                   "test.lua:1: t1.ifsc is not an integer from 1 to 254");
    assert_refused("return { atr = '3B00', t1 = { ifsc = 3.5 } }",
                   "test.lua:1: t1.ifsc is not an integer from 1 to 254");
    assert_refused("return { atr = '3B00',\n ne_without_le = 65537 }",
                   "test.lua:2: ne_without_le is not an integer from 0 to 65536");
    assert_refused("return { atr = '3B00',\n ne_without_le = true }",
                   "test.lua:2: ne_without_le is not an integer from 0 to 65536");
    assert_refused("return { atr = '3B00',\n faults = 'mute' }",
                   "test.lua:2: faults is a string, expected a list");
    assert_refused("return { atr = '3B00',\n faults = { 'mute', 4 } }",
                   "test.lua:2: faults[2] is a number, expected a string");
    assert_refused("return { atr = '3B00',\n faults = { 'mute', 'muet' } }",
                   "test.lua:2: faults[2]: there is no fault 'muet': did you mean 'mute'?");
    assert_refused("return { atr = '3B00',\n faults = { 'mute@0' } }",
                   "test.lua:2: faults[1]: fault 'mute@0': expected NAME, NAME*TIMES, NAME@FROM or "
                   "NAME@FROM*TIMES, with or without :PATTERN");
    assert_refused("return { atr = '3B00', commands = 1 }",
                   "test.lua:1: commands is a number, expected a list");
    assert_refused("return { atr = '3B00', commands = {\n { '', '9000' }, '9000' } }",
                   "test.lua:1: commands[2] is a string, expected a table of a pattern and an answer");
    assert_refused("return { atr = '3B00', commands = { select = {} } }",
                   "test.lua:1: commands: unknown field 'select': expected a list");
    assert_refused("return { atr = '3B00', commands = {\n { nil, '9000' } } }",
                   "test.lua:2: commands[1]: pattern is missing");
    assert_refused(
        "return { atr = '3B00', commands = {\n { 4, function() end } } }",
        "test.lua:2: commands[1]: pattern is a number, expected a string of hexadecimal digits and dots");
    assert_refused("return { atr = '3B00', commands = { setmetatable({'', '9000'}, {}) } }",
                   "test.lua:1: commands[1] has a metatable, expected a plain table");
    assert_refused(
        "return { atr = '3B00', 5 }",
        "test.lua:1: unknown field [1]: expected name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    assert_refused(
        "return { atr = '3B00', [{}] = 5 }",
        "test.lua:1: unknown field [a table]: expected name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    assert_refused(
        "return { b = 1, a = 1,\n c = 1}",
        "test.lua:1: unknown field 'a': expected name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    assert_refused("error({})", "test.lua:1: error value is a table, expected a string");
    assert_refused("\n\nerror('gone', 0)", "test.lua:3: gone");
    assert_refused("local s = [[one\ntwo",
                   "test.lua:2: unfinished long string (starting at line 1) near <eof>");
    assert_refused("return { atr = '3B 00\x01' }", "test.lua:1: atr: character 6: not a hexadecimal digit");
    assert_refused("return setmetatable({}, { __gc = function() end })",
                   "test.lua:1: a card script cannot have finalizers (__gc)");
    /* what the metatable of the pattern says is not asked */
    assert_refused(
        "getmetatable('').__index = error\nreturn { atr = true }",
        "test.lua:2: atr is a boolean, expected a string of hexadecimal digits, or a table of cold and warm");
}
END_TEST

static int append(lua_State *L, const void *piece, size_t length, void *buffer)
{
    (void)L;
    luaL_addlstring(buffer, piece, length);
    return 0;
}

START_TEST(test_binary_chunk)
{
    lua_State *L = luaL_newstate();
    luaL_Buffer b;
    const char *chunk;
    struct error error;
    size_t length;

    ck_assert_int_eq(luaL_loadstring(L, "return { atr = '3B 00' }"), LUA_OK);
    luaL_buffinit(L, &b);
    lua_pushvalue(L, 1);
    ck_assert_int_eq(lua_dump(L, append, &b, 0), 0);
    lua_pop(L, 1);
    luaL_pushresult(&b);
    chunk = lua_tolstring(L, -1, &length);
    ck_assert_ptr_null(card_load_text("binary.luac", chunk, length, &test_host, &error));
    ck_assert_str_eq(error.text, "binary.luac:1: a compiled Lua chunk, expected source text");
    lua_close(L);
}
END_TEST

START_TEST(test_unreadable_files)
{
    struct error error;

    ck_assert_ptr_null(card_load("/nonexistent/card.lua", &test_host, &error));
    ck_assert_str_eq(error.text, "/nonexistent/card.lua: No such file or directory");
    ck_assert_ptr_null(card_load("/", &test_host, &error));
    ck_assert_str_eq(error.text, "/: not a regular file");
    ck_assert_ptr_null(card_load("/dev/zero", &test_host, &error));
    ck_assert_str_eq(error.text, "/dev/zero: not a regular file");
}
END_TEST

START_TEST(test_long_error)
{
    static const char text[] = "error(('x'):rep(5000), 0)", begin[] = "test.lua:1: xxx";
    struct error error;

    ck_assert_ptr_null(card_load_text("test.lua", text, strlen(text), &test_host, &error));
    ck_assert_uint_eq(strlen(error.text), ERROR_TEXT_MAX - 1);
    ck_assert_int_eq(strncmp(error.text, begin, strlen(begin)), 0);
    ck_assert_str_eq(error.text + ERROR_TEXT_MAX - 5, "x...");
}
END_TEST

START_TEST(test_long_chunk_name)
{
    char name[200], expected[400];
    struct error error;

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_ptr_null(card_load_text(name, "\nlocal t\nt.x = 1", 16, &test_host, &error));
    snprintf(expected, sizeof expected, "%s:3: attempt to index a nil value (local 't')", name);
    ck_assert_str_eq(error.text, expected);
}
END_TEST

START_TEST(test_text_preamble)
{
    struct card *card = load_card("\xEF\xBB\xBF#!/usr/bin/env cardrig\nreturn { atr = '3B 00' }");

    ck_assert_str_eq(card_name(card), "test");
    card_free(card);
    assert_refused("#!\n\nerror 'here'", "test.lua:3: here");
}
END_TEST

START_TEST(test_names)
{
    static const char text[] = "return { atr = '3B 00' }";
    struct card *card;
    struct error error;

    card = load_card("return { name = 'Ärztekarte', atr = '3B 00' }");
    ck_assert_str_eq(card_name(card), "Ärztekarte");
    card_free(card);
    card = card_load_text("/a/b.c/my\tcard.lua", text, sizeof text - 1, &test_host, &error);
    ck_assert_str_eq(card_name(card), "my card");
    card_free(card);
    card_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_refused");
    TCase *tc = add_card_case(suite, "refused");

    tcase_add_loop_test(tc, test_bad, 0, COUNT(bad));
    tcase_add_test(tc, test_bad_text);
    tcase_add_test(tc, test_binary_chunk);
    tcase_add_test(tc, test_unreadable_files);
    tcase_add_test(tc, test_long_error);
    tcase_add_test(tc, test_long_chunk_name);
    tcase_add_test(tc, test_text_preamble);
    tcase_add_test(tc, test_names);
    return run_suite(suite);
}
