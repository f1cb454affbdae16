/* SPDX-License-Identifier: BSD-3-Clause */
/* What a script finds around it, and what it does not: random numbers, print, the sandbox. */
#include "base/error.h"
#include "cards.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        host_seed = run < 2 ? 1 : 2;
        card = load_commands("", body);
        for (uint8_t i = 0; i < 4; i++) {
            const uint8_t cmd[] = {0, (uint8_t)(i + 1), 0, 0, 8};
            card_command(card, cmd, sizeof cmd, answer, sizeof answer, &answer_length);
            ck_assert_uint_eq(answer_length, 10);
            if (run == 0)
                memcpy(first[i], answer, 8);
            ck_assert_int_eq(memcmp(first[i], answer, 8) == 0, run < 2 || i == 3);
        }
        card_free(card);
    }
}
END_TEST

START_TEST(test_random_sizes)
{
    struct card *card = load_commands("", "{ '', function(c) return random(c.ne), 0x9000 end }");

    send_command(card, "00 00 00 00");
    ck_assert_uint_eq(answer_length, 2);
    send_command(card, "00 00 00 00 01");
    ck_assert_uint_eq(answer_length, 3);
    send_command(card, "00 00 00 00 00 00 00");
    ck_assert_uint_eq(answer_length, 65538);
    ck_assert(memcmp(answer, answer + 32768, 32768) != 0);
    card_free(card);
}
END_TEST

START_TEST(test_no_way_out)
{
    static const char search[] =
        "local seen, found = {}, {}\n"
        "local bad = { io = 1, os = 1, package = 1, dofile = 1, loadfile = 1, debug = 1,\n"
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
    struct card *card = load_card(search);

    send_command(card, "00 00 00 00 00");
    answer[answer_length - 2] = '\0';
    ck_assert_str_eq(
        (char *)answer,
        "_G _VERSION args as_is assert coroutine crypto error fault file getmetatable hex ipairs load math next "
        "pairs pcall persistent print random rawequal rawget rawlen rawset require select setmetatable string table takes "
        "tonumber tostring type utf8 xpcall");
    card_free(card);
}
END_TEST

START_TEST(test_xpcall)
{
    struct card *card = load_card(
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
    struct card *card = load_card("assert(load 'return 1 + 1'() == 2)\n"
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
    struct card *card = load_card(
        "local function keys(t) local s = '' for k in pairs(t) do s = s .. tostring(k) .. ' ' end "
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
    struct card *card = load_card("local t = {}\n"
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
    ck_assert_uint_eq(card_log.lines, 3);
    assert_logged("two\\x00\\x1B[2J");
    assert_answer(card, "00 03 00 00", "90 00");
    ck_assert_uint_eq(strlen(card_log.last), 1023);
    assert_log_contains("xxx...");
    card_log.lines = 0;
    assert_answer(card, "00 04 00 00", "90 00");
    ck_assert_uint_eq(card_log.lines, 1001);
    assert_logged("(this call printed too much; the rest is not shown)");
    assert_answer(card, "00 05 00 00", "90 00");
    assert_logged("");
    assert_answer(card, "00 06 00 00", "6F 00");
    card_free(card);
}
END_TEST

START_TEST(test_no_log)
{
    const struct card_host silent = {.random = test_host.random};
    static const char text[] = "print 'x' return { atr = '3B 00', commands = { { '', error } } }";
    struct card *card;
    struct error error;

    card = card_load_text("silent", text, sizeof text - 1, &silent, &error);
    ck_assert_ptr_nonnull(card);
    assert_answer(card, "00 00 00 00", "6F 00");
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_environment");
    TCase *tc = add_card_case(suite, "environment");

    tcase_add_test(tc, test_random_repeats);
    tcase_add_test(tc, test_random_sizes);
    tcase_add_test(tc, test_no_way_out);
    tcase_add_test(tc, test_load);
    tcase_add_test(tc, test_xpcall);
    tcase_add_test(tc, test_pairs);
    tcase_add_test(tc, test_setmetatable);
    tcase_add_test(tc, test_print);
    tcase_add_test(tc, test_no_log);
    return run_suite(suite);
}
