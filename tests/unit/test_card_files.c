/* SPDX-License-Identifier: BSD-3-Clause */
/* What a card script can be made of: modules, other files, arguments; and how a card is named. */
#include "base/error.h"
#include "cards.h"
#include "icc/card_name.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/cardrig-files-XXXXXX";
static char path[200]; /* of the script that was written last */

static const char *path_of(const char *name)
{
    static char text[2][200];
    static unsigned which;
    which = !which;
    snprintf(text[which], sizeof text[which], "%s/%s", folder, name);
    return text[which];
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void write_card(const char *before, const char *answer_expression)
{
    char text[1000];
    snprintf(text, sizeof text,
             "%s\nreturn { atr = '3B 00', arguments = { pin = 'the PIN', ['2'] = 'two' },\n"
             "commands = { { '', function(cmd) return %s, 0x9000 end } } }\n",
             before, answer_expression);
    write_file("card.lua", text);
    snprintf(path, sizeof path, "%s", path_of("card.lua"));
}

static void make_folder(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(path_of("sub"), 0700), 0);
}

static void remove_folder(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Returns the card with the script that was written last, and these arguments. */
static struct card *load(const char *arguments)
{
    char text[300];
    snprintf(text, sizeof text, "%s%s", path, arguments);
    return load_named(text);
}

static void assert_loads(const char *arguments, const char *expected)
{
    char hex[200] = "";
    struct card *card = load(arguments);
    for (const char *c = expected; *c; c++)
        snprintf(hex + strlen(hex), sizeof hex - strlen(hex), "%02X ", (unsigned char)*c);
    strcat(hex, "90 00");
    assert_answer(card, "00 10 00 00 00", hex);
    card_free(card);
}

/* The message is behind the file's name and the line. */
static void assert_fails(const char *arguments, const char *expected)
{
    char text[300];
    struct error error;
    snprintf(text, sizeof text, "%s%s", path, arguments);
    ck_assert_ptr_null(card_load(text, &test_host, &error));
    ck_assert_msg(strstr(error.text, expected), "'%s' does not contain '%s'", error.text, expected);
    ck_assert_ptr_null(strchr(error.text, '\n'));
}

/*
 * Modules
 */

START_TEST(a_module_is_run_once)
{
    write_file("one.lua", "count = (count or 0) + 1 return { name = ... }");
    write_file("sub/two.lua", "local one = require 'one' return { name = one.name .. count }");
    write_file("none.lua", "");
    write_card("local one, two = require 'one', require 'sub.two'\nassert(require 'one' == one)\n"
               "assert(require 'none' == true)",
               "one.name .. two.name .. (require 'one').name");
    assert_loads("", "oneone1one");
}
END_TEST

START_TEST(modules_that_are_refused)
{
    static const char *const names[] = {"",       ".one",        "one.", "one..two",
                                        "../one", "/etc/passwd", "a b",  "one\\0two"};
    char before[100];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(before, sizeof before, "require '%s'", names[i]);
        write_card(before, "''");
        assert_fails("", "card.lua:1: bad argument #1 to 'require' (expected a module's name");
    }
    write_card("require 'nowhere'", "''");
    assert_fails("",
                 "require: 'nowhere': nowhere.lua: No such file or directory; nor is it a module of cardrig");
    write_file("one.lua", "require 'two'");
    write_file("two.lua", "require 'one'");
    write_card("require 'one'", "''");
    assert_fails("", "require: 'one' is required while it is being loaded");
    write_file("one.lua", "\nreturn 1 +");
    assert_fails("", "one.lua:2: unexpected symbol");
    write_file("one.lua", "\x1bLua");
    assert_fails("", "attempt to load a binary chunk");
    write_file("one.lua", "while true do end");
    assert_fails("", "instruction budget used up");
    write_file("one.lua", "error('wrong')");
    assert_fails("", "one.lua:1: wrong");
    write_card("pcall(require, 'one') require 'one'", "''"); /* it is tried again */
    assert_fails("", "one.lua:1: wrong");
}
END_TEST

START_TEST(modules_of_the_program)
{
    /* a module of the same name in the folder is for the script, and not for the program's modules */
    write_file("apdu.lua", "return { sw = 'mine' }");
    write_card("local apdu, pins = require 'apdu', require 'pins'\nassert(apdu.sw == 'mine')\n"
               "assert(pins.new { value = '1' }:verify('1') == 0x9000)",
               "apdu.sw");
    assert_loads("", "mine");
    ck_assert_int_eq(unlink(path_of("apdu.lua")), 0);
    write_card("local apdu, pins = require 'apdu', require 'pins'\nassert(require 'apdu' == apdu)",
               "(require 'apdu').sw.OK == 0x9000 and 'ours'");
    assert_loads("", "ours");
}
END_TEST

START_TEST(modules_of_a_script_without_a_file)
{
    assert_refused("require 'nowhere'",
                   "test.lua:1: require: 'nowhere': nowhere.lua: the script has no folder; "
                   "nor is it a module of cardrig");
    assert_refused("file 'x'", "test.lua:1: file: x: the script has no folder");
}
END_TEST

/*
 * Files
 */

START_TEST(files_of_the_folder)
{
    write_file("key.pem", "key");
    write_file("sub/empty", "");
    write_card("local key, empty = file 'key.pem', file 'sub/empty'", "key .. #empty");
    assert_loads("", "key0");
}
END_TEST

START_TEST(files_that_are_refused)
{
    static const struct {
        const char *name, *why;
    } cases[] = {
        {"none", "file: none: No such file or directory"},
        {"", "expected a path below the script's folder"},
        {"../x", "expected a path below the script's folder"},
        {"sub/../../x", "expected a path below the script's folder"},
        {"./x", "expected a path below the script's folder"},
        {"/etc/passwd", "expected a path below the script's folder"},
        {"sub", "not a regular file"},
        {"sub/", "expected a path below the script's folder"},
        {"link", "a symbolic link, which scripts cannot follow"},
        {"linked/passwd", "linked/passwd: a symbolic link, which scripts cannot follow"},
        {"fifo", "not a regular file"},
        {"big", "larger than 4 MiB"},
        {"card.lua/x", "Not a directory"},
        {"a\\0b", "the path has a zero byte"},
    };
    char before[100];
    ck_assert_int_eq(symlink("/etc/passwd", path_of("link")), 0);
    ck_assert_int_eq(symlink("/etc", path_of("linked")), 0);
    ck_assert_int_eq(mkfifo(path_of("fifo"), 0600), 0);
    write_file("big", "");
    ck_assert_int_eq(truncate(path_of("big"), 4 * 1024 * 1024 + 1), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(before, sizeof before, "file '%s'", cases[i].name);
        write_card(before, "''");
        assert_fails("", cases[i].why);
    }
}
END_TEST

START_TEST(no_files_later)
{
    write_file("key.pem", "key");
    write_file("one.lua", "");
    write_card("", "file 'key.pem'");
    struct card *card = load("");
    assert_answer(card, "00 10 00 00 00", "6F 00");
    assert_log_contains("file() works only while the script is loaded, not in its functions");
    card_free(card);
    write_card("", "require 'one'");
    card = load("");
    assert_answer(card, "00 10 00 00 00", "6F 00");
    assert_log_contains("require() works only while the script is loaded");
    card_free(card);
}
END_TEST

START_TEST(too_much_for_the_memory)
{
    write_file("large", "");
    ck_assert_int_eq(truncate(path_of("large"), 4 * 1024 * 1024), 0);
    write_card("local t = {} for i = 1, 10 do t[i] = file 'large' end", "''");
    assert_fails("", "not enough memory");
}
END_TEST

/*
 * Arguments
 */

START_TEST(arguments)
{
    write_card("", "(args.pin or 'none') .. (args['2'] or '-')");
    assert_loads("", "none-");
    assert_loads(",pin=1234", "1234-");
    assert_loads(",2,pin=a,,b=c", "a,b=c");
    assert_loads(",pin=", "-");
}
END_TEST

START_TEST(arguments_that_are_refused)
{
    write_card("", "''");
    assert_fails(",pon=1", "card.lua:2: 'pon' was given, but the card only takes 2, pin");
    assert_fails(",pin=1,pin=2", "card.lua: 'pin' is given twice");
    assert_refused("return { atr = '3B 00', arguments = { state = 'x' } }",
                   "test.lua:1: arguments: 'state' is for each card: state=FILE keeps the table persistent");
    assert_fails(",", "card.lua: expected KEY or KEY=VALUE behind the comma");
    assert_fails(",=1", "card.lua: expected KEY or KEY=VALUE behind the comma");
    assert_refused("return { atr = '3B 00', arguments = 1 }",
                   "test.lua:1: arguments is a number, expected a table");
    assert_refused("return { atr = '3B 00', arguments = { 'pin' } }",
                   "test.lua:1: arguments: unknown field [1]: expected KEY = \"what it is\"");
    write_file("card.lua", "return { atr = '3B 00' }");
    assert_fails(",pin", "card.lua:1: 'pin' was given, but the card takes no arguments");
}
END_TEST

START_TEST(a_file_with_a_comma_in_its_name)
{
    struct error error;
    write_card("", "args.pin or 'none'");
    ck_assert_int_eq(rename(path, path_of("a,pin=1")), 0);
    snprintf(path, sizeof path, "%s", path_of("a,pin=1"));
    assert_loads("", "none");
    char *absolute = card_name_absolute(path, &error);
    ck_assert_str_eq(absolute, path);
    free(absolute);
    snprintf(path, sizeof path, "%s", path_of("a,,pin=1"));
    assert_loads(",pin=2", "2");
    strcat(path, ",pin=2");
    absolute = card_name_absolute(path, &error);
    ck_assert_str_eq(absolute, path);
    ck_assert_uint_eq(card_name_length_without_arguments(absolute), strlen(path) - strlen(",pin=2"));
    free(absolute);
}
END_TEST

START_TEST(names_that_are_no_card)
{
    struct error error;
    ck_assert_ptr_null(card_load("nowhere", &test_host, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "nowhere: no such file, and no ready card"));
    ck_assert_ptr_null(card_load("/nowhere", &test_host, &error));
    ck_assert_str_eq(error.text, "/nowhere: No such file or directory");
    ck_assert_ptr_null(card_name_absolute("/nowhere", &error));
    ck_assert_str_eq(error.text, "/nowhere: No such file or directory");
    ck_assert(!card_name_is_ready("nowhere"));
    /* a ready card is the same whatever is in the current folder */
    ck_assert_int_eq(chdir(folder), 0);
    write_file("blank", "return 1");
    card_free(load_named("blank,pin=4321"));
    ck_assert_ptr_null(card_load("./blank", &test_host, &error));
}
END_TEST

/*
 * Chained commands
 */

static struct card *chaining_card(void)
{
    return load_card("return { atr = '3B 00', chaining = true, commands = {\n"
                     "{ '00 10', function(cmd) return #cmd.data > 20 and string.pack('>I4', #cmd.data)"
                     "  or cmd.raw .. ':' .. cmd.data, 0x9000 end },\n"
                     "{ '80', function(cmd) return cmd.raw, 0x9000 end }, { '90', '6A 81' } } }");
}

START_TEST(chained_commands_are_joined)
{
    struct card *card = chaining_card();
    assert_answer(card, "10 10 01 02 02 AA BB", "90 00");
    assert_answer(card, "10 10 01 02", "90 00");
    assert_answer(card, "10 10 01 02 01 CC", "90 00");
    assert_answer(card, "00 10 01 02 01 DD 00", "00 10 01 02 04 AA BB CC DD 00 3A AA BB CC DD 90 00");
    /* it is over */
    assert_answer(card, "00 10 01 02 01 DD 00", "00 10 01 02 01 DD 00 3A DD 90 00");
    /* proprietary classes have no bit for it */
    assert_answer(card, "80 10 00 00 00", "80 10 00 00 00 90 00");
    assert_answer(card, "90 10 00 00 00", "6A 81");
    card_free(card);
}
END_TEST

START_TEST(a_chain_that_is_left)
{
    static const char *const others[] = {"00 10 01 03 01 DD 00", "80 10 01 02 01 DD 00"};
    struct card *card = chaining_card();
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_answer(card, "10 10 01 02 02 AA BB", "90 00");
        send_command(card, others[i]);
        ck_assert_uint_eq(answer[answer_length - 3], i == 0 ? 0xDD : 0x00);
        assert_answer(card, "00 10 01 02 01 DD 00", "00 10 01 02 01 DD 00 3A DD 90 00");
    }
    uint8_t atr[ATR_MAX];
    size_t length;
    assert_answer(card, "10 10 01 02 02 AA BB", "90 00");
    assert_answer(card, "00 10 01 02 05 DD", "67 00");
    assert_answer(card, "00 10 01 02 01 DD 00", "00 10 01 02 01 DD 00 3A DD 90 00");
    assert_answer(card, "10 10 01 02 02 AA BB", "90 00");
    card_power(card, CARD_WARM, atr, &length);
    assert_answer(card, "00 10 01 02 01 DD 00", "00 10 01 02 01 DD 00 3A DD 90 00");
    card_free(card);
}
END_TEST

START_TEST(a_long_chain)
{
    static uint8_t command[4 + 1 + 255] = {0x10, 0x10, 0, 0, 255};
    struct card *card = chaining_card();
    for (int i = 0; i < 257; i++) {
        card_command(card, command, sizeof command, answer, sizeof answer, &answer_length);
        ck_assert_uint_eq(answer_length, 2);
        ck_assert_uint_eq(answer[0], 0x90);
    }
    assert_answer(card, "00 10 00 00 00", "00 00 FF FF 90 00"); /* 257 * 255 = 65,535 */
    for (int i = 0; i < 259; i++) { /* too long from the 258th on, to the last one */
        card_command(card, command, sizeof command, answer, sizeof answer, &answer_length);
        ck_assert_uint_eq(answer[0], i < 257 ? 0x90 : 0x67);
    }
    assert_answer(card, "00 10 00 00 00", "67 00");
    assert_answer(card, "00 10 00 00 00", "00 10 00 00 00 3A 90 00");
    card_free(card);
}
END_TEST

START_TEST(chaining_is_asked_for)
{
    struct card *card = load_card("return { atr = '3B 00', commands = { { '10', '61 00' } } }");
    assert_answer(card, "10 10 01 02 02 AA BB", "61 00");
    card_free(card);
    assert_refused("return { atr = '3B 00', chaining = 1 }",
                   "test.lua:1: chaining is a number, expected true or false");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_files");
    TCase *tc = add_card_case(suite, "modules");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, a_module_is_run_once);
    tcase_add_test(tc, modules_that_are_refused);
    tcase_add_test(tc, modules_of_the_program);
    tcase_add_test(tc, modules_of_a_script_without_a_file);

    tc = add_card_case(suite, "files");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, files_of_the_folder);
    tcase_add_test(tc, files_that_are_refused);
    tcase_add_test(tc, no_files_later);
    tcase_add_test(tc, too_much_for_the_memory);

    tc = add_card_case(suite, "arguments");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, arguments);
    tcase_add_test(tc, arguments_that_are_refused);
    tcase_add_test(tc, a_file_with_a_comma_in_its_name);
    tcase_add_test(tc, names_that_are_no_card);

    tc = add_card_case(suite, "chaining");
    tcase_add_test(tc, chained_commands_are_joined);
    tcase_add_test(tc, a_chain_that_is_left);
    tcase_add_test(tc, a_long_chain);
    tcase_add_test(tc, chaining_is_asked_for);
    return run_suite(suite);
}
