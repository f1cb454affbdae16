/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers and slots: what they may be called, how they are found, and how cards move. */
#include "base/error.h"
#include "rig/slot.h"

#include "base/clock.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CARDS FIXTURES_DIR "/cards/"

static struct slots slots;
static struct error error;
static unsigned moves;

static void count_move(void *arg, struct slot *slot)
{
    (void)arg;
    (void)slot;
    moves++;
}

static void set_up(void)
{
    slots_init(&slots, 1);
    slots.on_card_event = count_move;
    moves = 0;
}

static void tear_down(void)
{
    slots_free(&slots);
}

static bool try_to_add(const char *text)
{
    struct reader_options options;
    return reader_options_parse(text, &options, &error) && slots_add_reader(&slots, &options, &error);
}

static void add(const char *text)
{
    ck_assert_msg(try_to_add(text), "%s", error.text);
}

START_TEST(slots_are_numbered_through)
{
    char text[160];
    add("first,slots=2");
    add("second");
    ck_assert_uint_eq(slots.slot_count, 3);
    ck_assert_uint_eq(slot_index(&slots, &slots.slot[2]), 2);
    ck_assert_str_eq(slot_text(&slots.slot[1]), "first/1");
    ck_assert_str_eq(slot_pcsc_name(&slots.slot[1], text, sizeof text), "first 00 01");
    ck_assert_str_eq(slot_pcsc_name(&slots.slot[2], text, sizeof text), "second 01 00");
}
END_TEST

static const struct {
    const char *text, *error;
} bad_options[] = {
    {"a,slots=0", "'slots=0': expected slots=N, with N from 1 to 255"},
    {"a,slots=256", "expected slots=N"},
    {"a,slots=-1", "expected slots=N"},
    {"a,slots=2x", "expected slots=N"},
    {"a,slots=", "expected slots=N"},
    {"a,slots", "expected slots=N"},
    {"a,slots=99999999999", "expected slots=N"},
    {"a,level=2", "expected level=apdu or level=tpdu"},
    {"a,tck", "expected tck=check or tck=ignore"},
    {"a,tck=", "expected tck=check or tck=ignore"},
    {"a,le", "expected le=drop or le=refuse"},
    {"a,le=", "expected le=drop or le=refuse"},
    {"a,le=refuse", "reader 'a': le= goes with level=tpdu"},
    {"a,get-response", "expected get-response=command, or get-response=HH"},
    {"a,get-response=", "expected get-response=command, or get-response=HH"},
    {"a,get-response=0", "expected get-response=command, or get-response=HH"},
    {"a,get-response=0xA0", "expected get-response=command, or get-response=HH"},
    {"a,get-response=0g", "expected get-response=command, or get-response=HH"},
    {"a,get-response=00,level=tpdu", "reader 'a': get-response= goes with level=apdu"},
    {"a,", "'': expected one of name, slots, level"},
    {"a,time", "expected time=real or time=virtual"},
    {"a,time=", "expected time=real or time=virtual"},
    {"a,time=unreal", "expected time=real or time=virtual"},
    {"a,slot=2", "'slot=2': did you mean 'slots'?"},
    {"a,Inc.", "unplugged; a comma in a name or value is written twice: ',,'"},
};

START_TEST(options_that_make_no_sense)
{
    ck_assert(!try_to_add(bad_options[_i].text));
    ck_assert_msg(strstr(error.text, bad_options[_i].error), "%s", error.text);
}
END_TEST

static const char *const bad_names[] = {"", "with \"quotes\"", "a/b", "bell\a", "two\nlines"};

START_TEST(names_that_pcscd_cannot_take)
{
    ck_assert(!try_to_add(bad_names[_i]));
    ck_assert_ptr_nonnull(strstr(error.text, "reader name"));
    ck_assert_uint_eq(slots.slot_count, 0);
}
END_TEST

START_TEST(name_lengths)
{
    char name[READER_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[READER_NAME_MAX + 1] = '\0';
    ck_assert(!try_to_add(name));
    name[READER_NAME_MAX] = '\0';
    add(name);
}
END_TEST

START_TEST(as_many_slots_as_pcscd_takes)
{
    add("a,slots=200");
    ck_assert(!try_to_add("b,slots=56"));
    ck_assert_ptr_nonnull(strstr(error.text, "255 in all (200 are taken)"));
    add("b,slots=54");
    add("c");
    ck_assert(!try_to_add("d"));
    ck_assert_str_eq(slot_text(&slots.slot[253]), "b/53");
    ck_assert_ptr_eq(slots_find(&slots, "254", &error), &slots.slot[254]);
    ck_assert_ptr_eq(slots.slot[254].reader, &slots.reader[2]);
}
END_TEST

START_TEST(find)
{
    static const struct {
        const char *text;
        int index; /* -1: none, with a reason */
        const char *reason;
    } cases[] = {
        {"0", 0, NULL},           {"3", 3, NULL},
        {"one", 2, NULL},         {"two/1", 1, NULL},
        {"two/0", 0, NULL},       {"one/0", 2, NULL},
        {"7 of 9", 3, NULL},      {"4", -1, "no slot"},
        {"-1", -1, "no slot"},    {"two", -1, "several"},
        {"two/2", -1, "no slot"}, {"two/", -1, "no slot"},
        {"two/x", -1, "no slot"}, {"nobody", -1, "no slot"},
        {"", -1, "which slot"},   {"99999999999999", -1, "no slot"},
    };
    add("two,slots=2");
    add("one");
    add("7 of 9");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slot *slot = slots_find(&slots, cases[i].text, &error);
        if (cases[i].index >= 0)
            ck_assert_msg(slot == &slots.slot[cases[i].index], "%s", cases[i].text);
        else
            ck_assert_msg(!slot && strstr(error.text, cases[i].reason), "%s: %s", cases[i].text, error.text);
    }
    ck_assert_ptr_null(slots_find(&slots, NULL, &error));
}
END_TEST

START_TEST(two_readers_of_one_name)
{
    add("twin");
    add("twin");
    ck_assert_ptr_null(slots_find(&slots, "twin", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "several"));
    ck_assert_ptr_eq(slots_find(&slots, "1", &error), &slots.slot[1]);
}
END_TEST

START_TEST(the_only_slot_needs_no_name)
{
    add("cardrig");
    ck_assert_ptr_eq(slots_find(&slots, NULL, &error), &slots.slot[0]);
    ck_assert_ptr_eq(slots_find(&slots, "", &error), &slots.slot[0]);
}
END_TEST

START_TEST(each_card_event_counts)
{
    add("cardrig");
    struct slot *slot = &slots.slot[0];
    uint32_t start = slot->card_event;
    ck_assert_uint_eq(start % 2, 0);
    ck_assert(!slot_remove(slot, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
    ck_assert(slot_insert(slot, CARDS "t0-only.lua", &error));
    ck_assert_uint_eq(slot->card_event, start + 1);
    ck_assert(!slot_insert(slot, NULL, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "holds a card already"));
    ck_assert(slot_swap(slot, CARDS "t1-only.lua", &error));
    ck_assert_uint_eq(slot->card_event, start + 3);
    ck_assert(slot_remove(slot, &error));
    ck_assert_uint_eq(slot->card_event, start + 4);
    ck_assert_uint_eq(moves, 3); /* a swap is reported once */
}
END_TEST

START_TEST(the_last_card_comes_back)
{
    add("cardrig");
    struct slot *slot = &slots.slot[0];
    ck_assert(slot_insert(slot, NULL, &error)); /* none was in: the built-in one */
    ck_assert_ptr_null(slot->file);
    ck_assert(slot_swap(slot, CARDS "t0-only.lua", &error));
    ck_assert(slot_remove(slot, &error));
    ck_assert(slot_insert(slot, NULL, &error));
    ck_assert_str_eq(slot->file, CARDS "t0-only.lua");
    ck_assert(slot_swap(slot, "", &error));
    ck_assert_ptr_null(slot->file);
}
END_TEST

START_TEST(a_bad_card_changes_nothing)
{
    add("cardrig");
    struct slot *slot = &slots.slot[0];
    ck_assert(!slot_insert(slot, CARDS "bad/syntax-error.lua", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "syntax-error.lua:"));
    ck_assert_ptr_null(slot->card);
    ck_assert(slot_insert(slot, CARDS "t0-only.lua", &error));
    struct card *card = slot->card;
    ck_assert(!slot_swap(slot, "/nonexistent.lua", &error));
    ck_assert_ptr_eq(slot->card, card);
    ck_assert_str_eq(slot->file, CARDS "t0-only.lua");
    ck_assert_uint_eq(moves, 1);
}
END_TEST

START_TEST(whose_time_is_real)
{
    static const struct {
        const char *text;
        bool by_itself, with_option;
        unsigned patience_ms[2]; /* without the option, and with it */
    } cases[] = {
        {"a", false, true, {0, 600000}},
        {"a,time=real", true, true, {600000, 600000}},
        {"a,time=virtual", false, false, {0, 0}},
        {"a,time=real,time=virtual", false, false, {0, 0}},
        {"a,vpcd,timeout=2000", false, true, {3000, 600000}},
        {"a,vpcd,timeout=600000", false, true, {601000, 601000}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader_options options;
        ck_assert(reader_options_parse(cases[i].text, &options, &error));
        ck_assert_int_eq(options.real_time, cases[i].by_itself);
        ck_assert_uint_eq(options.ifd.patience_ms, cases[i].patience_ms[0]);
        reader_options_real_time(&options);
        ck_assert_int_eq(options.real_time, cases[i].with_option);
        ck_assert_uint_eq(options.ifd.patience_ms, cases[i].patience_ms[1]);
    }
}
END_TEST

/*
 * Real time
 */

/* T=1, with a BWT of 90 ms, or of 46 s: then only what is interrupted ends before a test does. */
#define QUICK "3B 80 81 31 FE 00 CE"
#define LONG  "3B 80 81 31 FE 95 5B"

static struct slot_use use;
static enum ifd_result result;

static struct slot *insert_card(const char *reader, const char *atr)
{
    static char path[] = "/tmp/cardrig-test-XXXXXX";
    struct slot *slot = &slots.slot[0];
    add(reader);
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd, "return { atr = \"%s\", commands = { { \"80\", \"90 00\" } } }", atr), 0);
    close(fd);
    bool ok = slot_insert(slot, path, &error);
    unlink(path);
    ck_assert_msg(ok, "%s", error.text);
    return slot;
}

/* Sends a command to the card, which has been reset before. */
static void *transmit(void *arg)
{
    static const uint8_t command[] = {0x80, 0, 0, 0};
    uint8_t response[258];
    size_t length;
    slot_use_begin(arg, &use);
    result = ifd_transmit(use.ifd, 1, command, sizeof command, response, sizeof response, &length);
    return NULL;
}

static void prepare_card(struct slot *slot, const char *fault)
{
    slot_use_begin(slot, &use);
    ck_assert_int_eq(ifd_power_up(use.ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert(faults_set(card_faults(use.card), fault, &error));
    ck_assert(slot_use_end(&use));
}

static const struct {
    const char *fault;
    enum ifd_result result;
    uint64_t least_us; /* of the card's time */
} real_waits[] = {
    {"slow*0", IFD_RESULT_OK, 10000},  {"slow", IFD_RESULT_OK, 800000},  {"wtx", IFD_RESULT_OK, 240000},
    {"mute", IFD_RESULT_MUTE, 500000}, {"wtx*2", IFD_RESULT_OK, 480000},
};

START_TEST(a_card_s_time_is_real)
{
    struct slot *slot = insert_card("a,time=real", QUICK);
    prepare_card(slot, real_waits[_i].fault);
    int64_t begun_us = clock_us();
    transmit(slot);
    uint64_t took_us = (uint64_t)(clock_us() - begun_us);
    ck_assert_int_eq(result, real_waits[_i].result);
    ck_assert_uint_gt(use.ifd->last_us, real_waits[_i].least_us);
    ck_assert_uint_ge(took_us, use.ifd->last_us);
    ck_assert(slot_use_end(&use));
}
END_TEST

/* It would take 12 minutes. */
START_TEST(a_card_s_time_is_virtual)
{
    struct slot *slot = insert_card("a", LONG);
    prepare_card(slot, "slow");
    transmit(slot);
    ck_assert_int_eq(result, IFD_RESULT_OK);
    ck_assert_uint_gt(use.ifd->last_us, 400000000);
    ck_assert(slot_use_end(&use));
    ck_assert(!slot_abandon(slot));
}
END_TEST

/* What ends a wait, and whether the card is still in then. */
static void swap_card(struct slot *slot)
{
    ck_assert(slot_swap(slot, "", &error));
}

static void remove_card(struct slot *slot)
{
    ck_assert(slot_remove(slot, &error));
}

static void abandon(struct slot *slot)
{
    ck_assert(slot_abandon(slot));
    ck_assert(!slot_abandon(slot));
}

static void end_all(struct slot *slot)
{
    slots_interrupt(slot->slots);
}

static const struct {
    void (*interrupt)(struct slot *slot);
    bool stays;
} interruptions[] = {{remove_card, false}, {swap_card, false}, {abandon, true}, {end_all, true}};

START_TEST(a_wait_is_interrupted)
{
    pthread_t thread;
    struct slot *slot = insert_card("a,time=real", LONG);
    prepare_card(slot, "mute");
    ck_assert_int_eq(pthread_create(&thread, NULL, transmit, slot), 0);
    for (bool busy = false; !busy;) {
        pthread_mutex_lock(&slot->lock);
        busy = slot->current_use != NULL;
        pthread_mutex_unlock(&slot->lock);
        usleep(1000);
    }
    usleep(50000); /* that it waits already is likely, and not needed */
    interruptions[_i].interrupt(slot);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(result, IFD_RESULT_MUTE);
    ck_assert_uint_gt(use.ifd->last_us, 100000000);
    ck_assert_int_eq(slot_use_end(&use), interruptions[_i].stays);
}
END_TEST

/* The use after one that was abandoned. */
START_TEST(the_next_use_is_real_again)
{
    struct slot *slot = insert_card("a,time=real", QUICK);
    prepare_card(slot, "mute");
    slot_use_begin(slot, &use);
    ck_assert(slot_abandon(slot));
    ck_assert(slot_use_end(&use));
    ck_assert(!slot_abandon(slot));
    int64_t begun_us = clock_us();
    transmit(slot);
    ck_assert_int_ge(clock_us() - begun_us, (int64_t)use.ifd->last_us);
    ck_assert_uint_gt(use.ifd->last_us, 500000);
    ck_assert(slot_use_end(&use));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slot");
    TCase *tests = tcase_create("slot");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, slots_are_numbered_through);
    tcase_add_loop_test(tests, names_that_pcscd_cannot_take, 0, sizeof bad_names / sizeof bad_names[0]);
    tcase_add_loop_test(tests, options_that_make_no_sense, 0, sizeof bad_options / sizeof bad_options[0]);
    tcase_add_test(tests, name_lengths);
    tcase_add_test(tests, as_many_slots_as_pcscd_takes);
    tcase_add_test(tests, find);
    tcase_add_test(tests, two_readers_of_one_name);
    tcase_add_test(tests, the_only_slot_needs_no_name);
    tcase_add_test(tests, each_card_event_counts);
    tcase_add_test(tests, the_last_card_comes_back);
    tcase_add_test(tests, a_bad_card_changes_nothing);
    tcase_add_test(tests, whose_time_is_real);
    tcase_add_loop_test(tests, a_card_s_time_is_real, 0, sizeof real_waits / sizeof real_waits[0]);
    tcase_add_test(tests, a_card_s_time_is_virtual);
    tcase_add_loop_test(tests, a_wait_is_interrupted, 0, sizeof interruptions / sizeof interruptions[0]);
    tcase_add_test(tests, the_next_use_is_real_again);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
