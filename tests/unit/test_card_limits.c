/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts at the limits of instructions, memory and time, after which the card goes on or is dead. */
#include "icc/watchdog.h"

#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
        ck_assert_msg(strncmp(card_log.last, "test.lua:3: ", 12) == 0 ||
                          strncmp(card_log.last, "test.lua:1: ", 12) == 0,
                      "%s", card_log.last);
        if (limits[_i].logged)
            assert_log_contains(limits[_i].logged);
        assert_answer(card, "00 02 00 00 00", "6F 6B 90 00");
    }
    ck_assert_uint_eq(card_log.lines, 2);
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
    ck_assert_uint_eq(card_log.lines, 0);
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
    size_t length = 1;

    watchdog_set_limit(10, 6);
    snprintf(text, sizeof text, "{ '00 01', function()\n %s end }, { '00 02', '90 00' }", stuck[_i]);
    card = load_commands("", text);
    assert_answer(card, "00 02 00 00", "90 00");
    assert_answer(card, "00 01 00 00", "");
    assert_logged(
        "test.lua:3: a library function ran for too long; the card is dead and answers no more until it is "
        "loaded again");
    ck_assert(card_dead(card));
    ck_assert_uint_eq(answer_length, 0);
    assert_answer(card, "00 01 00 00", "");
    assert_answer(card, "00 02 00 00", "");
    assert_answer(card, "00", "");
    card_power(card, CARD_COLD, atr, &length);
    ck_assert_uint_eq(length, 0);
    ck_assert_str_eq(card_name(card), "test");
    ck_assert_uint_eq(card_log.lines, 1);

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
    struct card *card = load_card("return { atr = '3B 00', on_power = function() string.rep('', 1e15) end }");
    uint8_t atr[ATR_MAX];
    size_t length = 1;

    watchdog_set_limit(10, 3);
    card_power(card, CARD_COLD, atr, &length);
    ck_assert_uint_eq(length, 0);
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
        send_command(card, "00 00 00 00");
        _exit(answer_length == 0 && card_dead(card) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    assert_answer(card, "00 00 00 00", "");
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_limits");
    TCase *tc = add_card_case(suite, "limits");

    tcase_add_loop_test(tc, test_limits, 0, COUNT(limits));
    tcase_add_test(tc, test_budget_is_per_call);
    tcase_add_test(tc, test_memory_is_returned);
    tcase_add_loop_test(tc, test_stuck, 0, COUNT(stuck));
    tcase_add_test(tc, test_stuck_on_power);
    tcase_add_test(tc, test_stuck_again_and_again);
    tcase_add_test(tc, test_time_is_per_call);
    tcase_add_test(tc, test_stuck_after_fork);
    return run_suite(suite);
}
