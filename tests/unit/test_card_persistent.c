/* SPDX-License-Identifier: BSD-3-Clause */
/* What cards keep while they are not in a reader, in memory and in a file. */
#include "base/error.h"
#include "cards.h"
#include "icc/card_name.h"
#include "icc/keep.h"
#include "icc/state_file.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/cardrig-keep-XXXXXX";
static char script[100], state[100], with_state[250];
static struct keep_store *store;
static int places[2];

static void write_bytes(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void write_script(const char *text)
{
    write_bytes(script, text, strlen(text));
}

/* Counts in persistent.count. 00 20 puts nonsense there. */
static const char counter[] =
    "persistent.count = persistent.count or 0\n"
    "return { atr = '3B 00', arguments = { name = 'any' }, commands = {\n"
    "  { '00 10', function() persistent.count = persistent.count + 1\n"
    "    return string.char(persistent.count), 0x9000 end },\n"
    "  { '00 20', function() persistent.bad = print return '', 0x9000 end },\n"
    "  { '00 30', function() persistent = 5 return '', 0x9000 end },\n"
    "  { '00 40', function() persistent.large = ('x'):rep(1024 * 1024) return '', 0x9000 end },\n"
    "} }\n";

static void set_up(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(script, sizeof script, "%s/card.lua", folder);
    snprintf(state, sizeof state, "%s/state", folder);
    snprintf(with_state, sizeof with_state, "%s,state=%s", script, state);
    write_script(counter);
    store = keep_store_new();
    ck_assert_ptr_nonnull(store);
}

static void tear_down(void)
{
    char command[100];
    keep_store_free(store);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct card_host host_at(int place)
{
    struct card_host host = test_host;
    host.arg = &places[place];
    host.keep_store = store;
    return host;
}

static struct card *load_at(int place, const char *name, struct error *error)
{
    struct card_host host = host_at(place);
    return card_load(name, &host, error);
}

static struct card *load(int place, const char *name)
{
    struct error error;
    struct card *card = load_at(place, name, &error);
    ck_assert_msg(card, "%s", error.text);
    return card;
}

/* Loads the card, and counts once. */
static void assert_count(int place, const char *name, unsigned expected)
{
    struct card *card = load(place, name);
    send_command(card, "00 10 00 00 00");
    ck_assert_uint_eq(answer_length, 3);
    ck_assert_uint_eq(answer[0], expected);
    card_free(card);
}

static void assert_load_fails(int place, const char *name, const char *expected)
{
    struct error error;
    ck_assert_ptr_null(load_at(place, name, &error));
    ck_assert_msg(strstr(error.text, expected), "'%s' does not contain '%s'", error.text, expected);
}

START_TEST(kept_by_place_and_name)
{
    char other[150];
    snprintf(other, sizeof other, "%s,name=x", script);
    assert_count(0, script, 1);
    assert_count(0, script, 2);
    assert_count(1, script, 1);
    assert_count(0, other, 1);
    assert_count(0, script, 3);
    /* a card can be loaded while the one before it is still there */
    struct card *before = load(0, script);
    assert_count(0, script, 4);
    card_free(before);
}
END_TEST

START_TEST(every_plain_value)
{
    write_script(
        "local p = persistent\n"
        "if p.list then\n"
        "  assert(p.list[1] == 'a\\0b' and p.list[2] == -5 and p.list[3] == 0.5 and p.list[4] == math.huge)\n"
        "  assert(math.type(p.list[5]) == 'float' and p.list[5] == 3 and p.list[6] == math.mininteger)\n"
        "  assert(p.yes == true and p.no == false and p.sub.sub.sub == '' and p[-1] == 1 and p[''] == 2)\n"
        "  assert(#p.list == 6 and next(p.empty) == nil)\n"
        "  p.seen = true\n"
        "else\n"
        "  p.list = { 'a\\0b', -5, 0.5, math.huge, 3.0, math.mininteger }\n"
        "  p.yes, p.no, p.sub, p[-1], p[''], p.empty = true, false, { sub = { sub = '' } }, 1, 2, {}\n"
        "end\n"
        "return { atr = '3B 00', commands = { { '', function() return p.seen and '1' or '0', 0x9000 end } } }");
    for (int i = 0; i < 2; i++) {
        struct card *card = load(0, with_state);
        assert_answer(card, "00 10 00 00 00", i == 0 ? "30 90 00" : "31 90 00");
        card_free(card);
        keep_store_free(store);
        store = keep_store_new();
    }
}
END_TEST

START_TEST(values_that_are_not_plain)
{
    static const struct {
        const char *value, *why;
    } cases[] = {
        {"{ print }", "field [1] is a function"},
        {"{ a = { b = coroutine.create(print) } }", "field 'b' is a thread"},
        {"{ [0.5] = 1 }", "a key is a number, expected strings and integers"},
        {"{ [true] = 1 }", "a key is a boolean"},
        {"{ setmetatable({}, {}) }", "field [1] is a table with a metatable"},
        {"setmetatable({}, {})", "persistent has a metatable"},
        {"5", "persistent is a number, expected a table"},
        {"(function() local t = {} t.t = t return t end)()", "field 't' is in too many tables"},
    };
    char text[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "persistent = %s return { atr = '3B 00' }", cases[i].value);
        write_script(text);
        assert_load_fails(0, script, cases[i].why);
    }
}
END_TEST

START_TEST(a_command_that_cannot_be_kept_fails)
{
    struct card *card = load(0, script);
    assert_answer(card, "00 20 00 00", "6F 00");
    assert_log_contains("persistent: field 'bad' is a function");
    card_free(card);
    card = load(0, script);
    assert_answer(card, "00 30 00 00", "6F 00");
    assert_log_contains("persistent is a number, expected a table");
    card_free(card);
    card = load(0, script);
    assert_answer(card, "00 40 00 00", "6F 00");
    assert_log_contains("persistent: more than 1 MiB");
    card_free(card);
    assert_count(0, script, 1);
}
END_TEST

START_TEST(a_file_is_for_the_next_rig)
{
    assert_count(0, with_state, 1);
    assert_count(0, with_state, 2);
    keep_store_free(store);
    store = keep_store_new();
    assert_count(1, with_state, 3);
    assert_count(0, with_state, 4);
    /* without the file it is another card */
    assert_count(0, script, 1);
}
END_TEST

START_TEST(a_file_has_one_user)
{
    struct card *card = load(0, with_state);
    assert_load_fails(1, with_state, "a card of another slot uses this file");
    struct keep_store *ours = store;
    store = keep_store_new(); /* as of another rig */
    assert_load_fails(0, with_state, "state: another rig uses this file");
    keep_store_free(store);
    store = ours;
    send_command(card, "00 10 00 00 00");
    store = keep_store_new(); /* the file is another one now */
    assert_load_fails(0, with_state, "state: another rig uses this file");
    keep_store_free(store);
    store = ours;
    card_free(card);
    assert_count(1, with_state, 2);
}
END_TEST

START_TEST(files_that_are_refused)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *why;
    } cases[] = {
#define BYTES(text) text, sizeof text - 1
        {BYTES("hello"), "not a state file of cardrig: expected one that begins with 'cardrig state 1'"},
        {BYTES("cardrig state 2\ncard\n"), "not a state file of cardrig"},
        {BYTES("cardrig state 1\n"), "the state of the card '', expected one of 'card'"},
        {BYTES("cardrig state 1\npurse\n{\0\0\0\0"), "the state of the card 'purse', expected one of 'card'"},
        {BYTES("cardrig state 1\ncard\nx"), "state: it has a value of an unknown type"},
        {BYTES("cardrig state 1\ncard\nt"), "it is not one table"},
        {BYTES("cardrig state 1\ncard\n{\0\0\0\1"), "it is cut off"},
        {BYTES("cardrig state 1\ncard\n{\xFF\xFF\xFF\xFF"), "it is cut off"},
        {BYTES("cardrig state 1\ncard\n{\0\0\0\1s\xFF\xFF\xFF\xFF"), "it is cut off"},
        {BYTES("cardrig state 1\ncard\n{\0\0\0\1tt"), "it has a key that is a boolean"},
        {BYTES("cardrig state 1\ncard\n{\0\0\0\0t"), "it is not one table"},
        {BYTES("cardrig state 1\ncard\n{\0\0\0\1n\0\0\0\0\0\0\0\0t"), "it has a key that is a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_bytes(state, cases[i].bytes, cases[i].length);
        assert_load_fails(0, with_state, cases[i].why);
        keep_store_free(store);
        store = keep_store_new();
    }
    char deep[21 + 11 * 40] = "cardrig state 1\ncard\n";
    size_t length = 21;
    for (int i = 0; i < 40; i++) /* { 1 = { 1 = ... */
        length += (size_t)(memcpy(deep + length, "{\0\0\0\1s\0\0\0\0", 10) != NULL) * 10;
    write_bytes(state, deep, length);
    assert_load_fails(0, with_state, "it has too many tables in tables");
    snprintf(with_state, sizeof with_state, "%s,state=%s/none/state", script, folder);
    assert_load_fails(0, with_state, "none/state: No such file or directory");
    snprintf(with_state, sizeof with_state, "%s,state=%s", script, folder);
    assert_load_fails(0, with_state, "Is a directory");
    snprintf(with_state, sizeof with_state, "%s,state=", script);
    assert_load_fails(0, with_state, "expected state=FILE, once");
}
END_TEST

START_TEST(a_file_that_changes_its_name_or_goes)
{
    char other[400], path[150];
    assert_count(0, with_state, 1);
    /* cardrig's own names are refused */
    snprintf(other, sizeof other, "%s,state=%s/.cardrig-state.new", script, folder);
    assert_load_fails(0, other, "names that begin with '.cardrig-' are cardrig's own");
    /* a symbolic link is not followed here; the command line resolves it */
    snprintf(path, sizeof path, "%s/link", folder);
    ck_assert_int_eq(symlink(state, path), 0);
    snprintf(other, sizeof other, "%s,state=%s", script, path);
    assert_load_fails(0, other, "a symbolic link");
    struct error error;
    char *absolute = card_name_absolute(other, &error);
    ck_assert_str_eq(absolute, with_state);
    free(absolute);
    /* removed while it is used: nothing is written over what another rig may have put there */
    struct card *card = load(0, with_state);
    ck_assert_int_eq(unlink(state), 0);
    send_command(card, "00 10 00 00 00");
    ck_assert_uint_eq(answer_length, 2);
    assert_log_contains("the file was removed or replaced");
    card_free(card);
    ck_assert_int_eq(access(state, F_OK), -1);
}
END_TEST

/* What a card of a wrong script or with wrong arguments has put into the table is not kept. */
START_TEST(a_load_that_fails_keeps_nothing)
{
    char wrong[400];
    assert_count(0, with_state, 1);
    snprintf(wrong, sizeof wrong, "%s,nome=x", with_state);
    write_script("persistent.count = 7 return { atr = '3B 00', arguments = { name = 'any' } }");
    assert_load_fails(0, wrong, "'nome' was given");
    write_script("persistent.count = 7 return { atr = '3B 0' }");
    assert_load_fails(0, with_state, "atr");
    write_script(counter);
    assert_count(0, with_state, 2);
}
END_TEST

START_TEST(the_newest_card_keeps)
{
    struct card *old = load(0, with_state), *young = load(0, with_state);
    send_command(old, "00 10 00 00 00");
    ck_assert_uint_eq(answer_length, 2);
    assert_log_contains("another card has taken the place of this one");
    assert_answer(young, "00 10 00 00 00", "01 90 00");
    card_free(young);
    /* it has not come, after all */
    assert_answer(old, "00 10 00 00 00", "02 90 00");
    card_free(old);
    assert_count(1, with_state, 3);
}
END_TEST

START_TEST(files_are_closed_with_their_cards)
{
    char name[400];
    for (int i = 0; i < 2000; i++) { /* more than there can be descriptors */
        snprintf(name, sizeof name, "%s,state=%s/state%d", script, folder, i);
        assert_count(0, name, 1);
    }
}
END_TEST

/* How often to kill; more by hand, as tests/README.md says. */
static int kills(void)
{
    const char *text = getenv("CARDRIG_KILLS");
    return text ? atoi(text) : 200;
}

/* Counts in a child that is killed at some moment. What the card has answered is in the file, and the file is always
 * one. */
START_TEST(killed_at_any_moment)
{
    unsigned seen = 0;
    volatile unsigned *answered =
        mmap(NULL, sizeof *answered, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *)answered, MAP_FAILED);
    for (int i = 0; i < kills(); i++) {
        *answered = 0;
        pid_t child = fork();
        if (child == 0) { /* no ck_assert here: a kill in its write to check's file leaves half a message */
            struct error error;
            struct card *card = load_at(0, with_state, &error);
            for (; card && seen + *answered < 250; ++*answered) { /* the answer is one byte */
                static const uint8_t count[] = {0, 0x10, 0, 0, 0};
                card_command(card, count, sizeof count, answer, sizeof answer, &answer_length);
            }
            while (card)
                pause();
            _exit(1);
        }
        ck_assert_int_ne(child, -1);
        while (i % 2 && *answered == 0) /* the others may still be loading the card */
            usleep(100);
        usleep((useconds_t)(i * 37 % 3000)); /* any moment will do */
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        char *bytes;
        size_t length;
        struct error error;
        int fd = state_file_open(state, "card", &bytes, &length, &error);
        ck_assert_msg(fd >= 0, "%s", error.text);
        close(fd);
        ck_assert(length == 0 || length == 24); /* without the head */
        unsigned count = length > 0 ? (uint8_t)bytes[22] << 8 | (uint8_t)bytes[23] : 0;
        ck_assert_uint_ge(count, seen + *answered);
        ck_assert_uint_le(count, seen + *answered + 1);
        seen = count > 100 ? 0 : count; /* begin again */
        if (seen == 0)
            unlink(state);
        free(bytes);
    }
    munmap((void *)answered, sizeof *answered);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("card_persistent");
    TCase *tc = add_card_case(suite, "persistent");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, kept_by_place_and_name);
    tcase_add_test(tc, every_plain_value);
    tcase_add_test(tc, values_that_are_not_plain);
    tcase_add_test(tc, a_command_that_cannot_be_kept_fails);
    tcase_add_test(tc, a_file_is_for_the_next_rig);
    tcase_add_test(tc, a_file_has_one_user);
    tcase_add_test(tc, files_that_are_refused);
    tcase_add_test(tc, a_file_that_changes_its_name_or_goes);
    tcase_add_test(tc, a_load_that_fails_keeps_nothing);
    tcase_add_test(tc, the_newest_card_keeps);
    tcase_add_test(tc, files_are_closed_with_their_cards);
    tcase_add_test(tc, killed_at_any_moment);
    return run_suite(suite);
}
