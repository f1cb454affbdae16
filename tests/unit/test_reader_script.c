/* SPDX-License-Identifier: BSD-3-Clause */
/* Reader scripts: what they may say, what is refused, and calls of their functions. */
#include "base/error.h"
#include "icc/watchdog.h"
#include "link/link.h"
#include "rig/reader_call.h"
#include "rig/reader_load.h"

#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/test_reader_script_XXXXXX.lua";
static struct reader_options options;
static struct reader_script *script;
static struct error error;
static char logged[1100];
static unsigned drawn;
static uint8_t out[0x10000];
static size_t length;

static void keep_line(void *arg, const char *line)
{
    (void)arg;
    snprintf(logged, sizeof logged, "%s", line);
}

static void count_drawn(void *arg)
{
    (void)arg;
    drawn++;
}

static void set_up(void)
{
    strcpy(path, "/tmp/test_reader_script_XXXXXX.lua");
    close(mkstemps(path, 4));
    logged[0] = '\0';
    drawn = 0;
    script = NULL;
}

static void tear_down(void)
{
    reader_script_free(script);
    unlink(path);
}

/* Loads a script with this text, and with what follows its path in --reader. */
static bool try_to_load(const char *text, const char *keys)
{
    const struct reader_script_host host = {.log = keep_line, .random_drawn = count_drawn, .seed = 1};
    char name[300];
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    snprintf(name, sizeof name, "%s%s", path, keys);
    ck_assert(reader_is_script(name));
    script = reader_load(name, &host, &options, &error);
    return script;
}

static void load(const char *text, const char *keys)
{
    ck_assert_msg(try_to_load(text, keys), "%s", error.text);
}

START_TEST(what_names_a_script)
{
    ck_assert(reader_is_script("x.lua"));
    ck_assert(reader_is_script("./reader,a=b"));
    ck_assert(reader_is_script("a,,b.lua,slots=2"));
    ck_assert(!reader_is_script("reader"));
    ck_assert(!reader_is_script("reader,vendor=a/b.lua"));
    ck_assert(!reader_is_script(".lua"));
    ck_assert(!reader_is_script(""));
}
END_TEST

START_TEST(keys_go_to_the_reader_and_arguments_to_the_script)
{
    load("return { name = args.a, arguments = { a = 'its name' },"
         " options = { slots = 3, vendor = 'Foo, Inc.', level = 'tpdu', token = false, usb = '1234:5678' },"
         " attributes = { [7] = '41 42', [8] = '' } }",
         ",slots=2,a=my name,type=x,,y");
    ck_assert_str_eq(options.name, "my name");
    ck_assert_uint_eq(options.slots, 2);
    ck_assert_str_eq(options.vendor, "Foo, Inc.");
    ck_assert_str_eq(options.type, "x,y");
    ck_assert_int_eq(options.ifd.level, IFD_LEVEL_TPDU);
    ck_assert(options.usb && !options.token && options.vendor_id == 0x1234);
    ck_assert_uint_eq(options.attribute_count, 2);
    ck_assert_str_eq(script->head.arguments[0].help, "its name");
}
END_TEST

START_TEST(a_reader_can_be_empty)
{
    load("return {}", ",name=other");
    ck_assert_str_eq(options.name, "other");
    ck_assert_uint_eq(options.slots, 1);
    ck_assert_int_eq(script->features.kind, READER_LIST_OWN);
}
END_TEST

static const struct {
    const char *text, *keys, *error; /* error: the end of the message, after the path */
} bad[] = {
    {"return {\n nam = 'x' }", "",
     ":2: unknown field 'nam': expected name, options, attributes, features, properties, control, command, "
     "pinpad, antenna or arguments"},
    {"return 1", "", ":1: the script returns a number, expected a table that describes the reader"},
    {"{ }", "",
     ":1: unexpected symbol near '{'; a reader is a Lua script that returns its table: return { ... }"},
    {"return {}", ",x=1", ":1: 'x' was given, but the reader takes no arguments"},
    {"return { arguments = { y = 'y' } }", ",x=1", ":1: 'x' was given, but the reader only takes y"},
    {"return { arguments = { y = 'y' } }", ",y=1,y=2", ": 'y' is given twice"},
    {"return {\n arguments = { slots = 'y' } }", "",
     ":2: arguments: 'slots' is a key of --reader: choose another name"},
    {"return {}", ",,", ".lua,: No such file or directory"},
    {"return {}", ",",
     ": expected KEY or KEY=VALUE behind the comma; a comma in a value is written twice: ',,'"},
    {"return {\n name = 'a/b' }", "",
     ":2: reader name 'a/b': must not contain '\"', '/' or control characters"},
    {"return {\n options = {\n slots = 300 } }", "",
     ":3: reader 'r': 'slots=300': expected slots=N, with N from 1 to 255"},
    {"return {\n options = { 'usb' } }", "", ":2: options: unknown field [1]: expected the keys of --reader"},
    {"return {\n antenna = 'yes' }", "", ":2: antenna: expected the number of a slot, true or false"},
    {"return {\n antenna = -1 }", "", ":2: antenna: expected the number of a slot, true or false"},
    {"return {\n antenna = 1 }", "", ": the antenna belongs to slot 1, and the reader has 1"},
    {"return { antenna = true }", ",vpcd", ": vpcd cards have contacts, and this reader has an antenna"},
    {"return {\n options = { slots = {} } }", "",
     ":2: options: slots is a table, expected a string, an integer, true or false"},
    {"return {\n attributes = { x = '00' } }", "", ":2: attributes: 'x': expected [TAG] = \"hexadecimal\""},
    {"return {\n attributes = { [1] = '0' } }", "",
     ":2: attributes: character 1: a byte needs two digits, this one stands alone"},
    {"return {\n features = { VERIFY = 1 } }", "",
     ":2: features: unknown field 'VERIFY': expected a name of PC/SC part 10, or a tag from 0 to 255"},
    {"return {\n features = { VERIFY_PIN_DIRECT = 1, [6] = 1 } }", "", ":2: features: tag 6 is given twice"},
    {"return {\n features = true }", "",
     ":2: features is a boolean, expected hexadecimal digits, a table, or false"},
    {"return {\n features = { [1] = {} } }", "",
     ":2: features: a value is a table, expected an integer, hexadecimal digits, or false"},
    {"return {\n control = 5 }", "", ":2: control is a number, expected a table"},
    {"return {\n control = { FOO = '' } }", "",
     ":2: control: unknown field 'FOO': expected a control code of 32 bits, GET_FEATURE_REQUEST, or a feature"},
    {"return {\n control = { VERIFY_PIN_DIRECT = '', [0x42330006] = '' } }", "",
     ":2: control: a code is given twice, by its number and by its name"},
    {"return {\n control = { [1] = 1 } }", "",
     ":2: control: what a code does is a number, expected a function, hexadecimal digits, or false"},
    {"return {\n command = '' }", "", ":2: command is a string, expected a function"},
    {"return {\n properties = setmetatable({}, {}) }", "",
     ":2: properties has a metatable, expected a plain table"},
    {"fault('mute')", "", ":1: attempt to call a nil value (global 'fault')"},
    {"\ntransmit('')", "",
     ":2: transmit() works only in the functions of the reader, and not in a coroutine"},
    {"return {}", ",token", "reader 'r': token is for USB readers: add usb"},
};

START_TEST(bad_scripts)
{
    const char *text = bad[_i].text;
    char named[400];
    if (strstr(text, "name =") == NULL &&
        strncmp(text, "return {", 8) == 0) { /* for a name that does not vary */
        snprintf(named, sizeof named, "return { name = 'r',%s", text + 8);
        text = named;
    }
    ck_assert(!try_to_load(text, bad[_i].keys));
    size_t end = strlen(error.text), expected = strlen(bad[_i].error);
    ck_assert_msg(end >= expected && strcmp(error.text + end - expected, bad[_i].error) == 0, "%s",
                  error.text);
    ck_assert_msg(*bad[_i].error == 'r' || strncmp(error.text, path, sizeof path - 1) == 0, "%s", error.text);
}
END_TEST

/* Calls */

/* The status word says which operation it was. */
static const char *echo(void *arg, enum reader_operation operation, const uint8_t *command,
                        size_t command_length, uint8_t *response, size_t *response_length)
{
    unsigned *count = arg;
    ck_assert(command_length + 2 <= LINK_MAX_RESPONSE);
    if (++*count == 3)
        return "mute";
    memcpy(response, command, command_length);
    response[command_length] = 0x90;
    response[command_length + 1] = (uint8_t)operation;
    *response_length = command_length + 2;
    return NULL;
}

static unsigned transmits;
static const struct reader_slot slot = {.number = 1,
                                        .present = true,
                                        .protocol = -1,
                                        .atr = (const uint8_t *)"ATR",
                                        .atr_length = 3,
                                        .perform = echo,
                                        .arg = &transmits};

static enum reader_result control(uint32_t code, const char *input)
{
    transmits = 0;
    length = 99;
    return reader_call_control(script, &slot, code, (const uint8_t *)input, strlen(input), out, sizeof out,
                               &length);
}

static void assert_output(const char *text)
{
    ck_assert_msg(length == strlen(text) && memcmp(out, text, length) == 0, "%.*s", (int)length,
                  (const char *)out);
}

START_TEST(control_codes)
{
    load("local n = 0 return { control = {"
         "[1] = function(input, slot) n = n + 1 return input .. n .. slot.number .. slot.atr end,"
         "[2] = '41 42', [3] = false, [4] = function() end, [5] = function() return false end,"
         "[6] = function() error('boom') end, [7] = function() return 1 end,"
         "[8] = function() return '1', 2 end, [9] = function() while true do end end,"
         "[10] = function() return random(4) end, GET_FEATURE_REQUEST = function() return 'list' end,"
         "[11] = function() return ('x'):rep(70000) end } }",
         "");
    ck_assert_int_eq(control(1, "in"), READER_ANSWERED);
    assert_output("in11ATR");
    ck_assert_int_eq(control(1, ""), READER_ANSWERED);
    assert_output("21ATR");
    ck_assert_int_eq(control(2, "x"), READER_ANSWERED);
    assert_output("AB");
    ck_assert_int_eq(control(3, ""), READER_REFUSED);
    ck_assert_int_eq(control(4, ""), READER_FAILED);
    ck_assert_str_eq(logged, "");
    ck_assert_int_eq(control(5, ""), READER_PASSED);
    ck_assert_int_eq(control(99, ""), READER_PASSED);
    ck_assert_int_eq(control(6, ""), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, ".lua:1: boom"));
    ck_assert_int_eq(control(7, ""), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, "returned a number, expected a string, nil, or false"));
    ck_assert_int_eq(control(8, ""), READER_FAILED);
    ck_assert_int_eq(control(9, ""), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, "instruction budget used up"));
    ck_assert_int_eq(control(10, ""), READER_ANSWERED);
    ck_assert_uint_eq(drawn, 1);
    ck_assert_int_eq(control(0x42000D48, ""), READER_ANSWERED);
    assert_output("list");
    ck_assert_int_eq(control(11, ""), READER_FAILED);
    ck_assert_int_eq(control(1, ""), READER_ANSWERED); /* the script goes on after all that */
    assert_output("31ATR");
}
END_TEST

START_TEST(one_function_for_all_codes)
{
    load("return { control = function(code, input) if code == 7 then return input end return false end }",
         "");
    ck_assert_int_eq(control(7, "in"), READER_ANSWERED);
    assert_output("in");
    ck_assert_int_eq(control(8, ""), READER_PASSED);
}
END_TEST

START_TEST(commands_reach_the_card)
{
    load("return { control = {"
         "[1] = function(input) return transmit(input) .. transmit('second') .. select(2, transmit('x')) end,"
         "[2] = function() return coroutine.wrap(function() return transmit('x') end)() end,"
         "[3] = function() while true do transmit('x') end end,"
         "[4] = function() return select(2, pcall(transmit, 'x')) end,"
         "[5] = function() for i = 1, 900 do transmit('x') end return 'done' end,"
         "[6] = function() return verify_pin('v') .. modify_pin('m') end } }",
         "");
    ck_assert_int_eq(control(1, "first"), READER_ANSWERED);
    ck_assert_uint_eq(transmits, 3);
    ck_assert_uint_eq(length, 5 + 2 + 6 + 2 + 4);
    ck_assert_mem_eq(out + 15, "mute", 4);
    ck_assert_int_eq(control(2, ""), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, "not in a coroutine"));
    ck_assert_int_eq(control(3, ""), READER_FAILED);
    ck_assert_uint_eq(transmits, READER_OPERATIONS_MAX);
    ck_assert_int_eq(control(4, ""), READER_ANSWERED);
    ck_assert_int_eq(control(5, ""), READER_ANSWERED);
    assert_output("done");
    ck_assert_int_eq(control(6, ""), READER_ANSWERED);
    assert_output("v\x90\x01m\x90\x02");
}
END_TEST

START_TEST(what_a_script_yields_itself_is_no_operation)
{
    load("return { control = { [1] = function() coroutine.yield(('x'):rep(1000000)) end,"
         "[2] = function() coroutine.yield('x', 0) end, [3] = function() coroutine.yield() end,"
         "[4] = function() return coroutine.wrap(function() coroutine.yield('fine') end)() end } }",
         "");
    for (uint32_t code = 1; code <= 3; code++) {
        logged[0] = '\0';
        ck_assert_int_eq(control(code, ""), READER_FAILED);
        ck_assert_ptr_nonnull(strstr(logged, "which only coroutines of its own can do"));
        ck_assert_uint_eq(transmits, 0);
    }
    ck_assert_int_eq(control(4, ""), READER_ANSWERED);
    assert_output("fine");
}
END_TEST

static enum reader_result command(const char *bytes, size_t size)
{
    transmits = 0;
    return reader_call_command(script, &slot, (const uint8_t *)bytes, size, out, sizeof out, &length);
}

START_TEST(commands_are_shown_to_the_script)
{
    load("return { command = function(cmd)\n"
         "if not cmd.cla then return cmd.raw end\n"
         "if cmd.ins == 0x84 then return ('x'):rep(cmd.ne), 0x6283 end\n"
         "if cmd.ins == 0xA4 then return transmit(cmd.raw) end\n"
         "if cmd.ins == 1 then return '', 0x10000 end\n"
         "return false end }",
         "");
    ck_assert_int_eq(command("\x00\x84\x00\x00\x03", 5), READER_ANSWERED);
    assert_output("xxx\x62\x83");
    ck_assert_int_eq(command("\x01", 1), READER_ANSWERED);
    assert_output("\x01");
    ck_assert_int_eq(command("\x00\xA4\x00\x00", 4), READER_ANSWERED);
    ck_assert_uint_eq(length, 6);
    ck_assert_int_eq(command("\x00\x20\x00\x00", 4), READER_PASSED);
    ck_assert_int_eq(command("\x00\x01\x00\x00", 4), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, "a status word above 0xFFFF"));
}
END_TEST

START_TEST(a_script_that_had_to_be_aborted)
{
    load("return { features = '00', control = { [1] = function()"
         " return ('a'):rep(1000):find(('.-'):rep(20) .. 'b') end, [2] = '41' } }",
         "");
    watchdog_set_limit(10, 5);
    ck_assert_int_eq(control(1, ""), READER_FAILED);
    ck_assert_ptr_nonnull(strstr(logged, "the reader's script is dead, and answers no more"));
    ck_assert_int_eq(control(1, ""), READER_FAILED);
    ck_assert_int_eq(control(2, ""), READER_FAILED);
}
END_TEST

START_TEST(an_interrupted_script)
{
    load("return { control = { [1] = function() for i = 1, 100000 do end return '' end } }", "");
    ck_assert_int_eq(control(1, ""), READER_ANSWERED);
    reader_script_interrupt(script);
    ck_assert_int_eq(control(1, ""), READER_FAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reader_script");
    TCase *loading = tcase_create("loading"), *calls = tcase_create("calls");
    tcase_add_checked_fixture(loading, set_up, tear_down);
    tcase_add_checked_fixture(calls, set_up, tear_down);
    tcase_add_test(loading, what_names_a_script);
    tcase_add_test(loading, keys_go_to_the_reader_and_arguments_to_the_script);
    tcase_add_test(loading, a_reader_can_be_empty);
    tcase_add_loop_test(loading, bad_scripts, 0, COUNT(bad));
    tcase_add_test(calls, control_codes);
    tcase_add_test(calls, one_function_for_all_codes);
    tcase_add_test(calls, commands_reach_the_card);
    tcase_add_test(calls, what_a_script_yields_itself_is_no_operation);
    tcase_add_test(calls, commands_are_shown_to_the_script);
    tcase_add_test(calls, a_script_that_had_to_be_aborted);
    tcase_add_test(calls, an_interrupted_script);
    suite_add_tcase(suite, loading);
    suite_add_tcase(suite, calls);
    return run_suite(suite);
}
