/* SPDX-License-Identifier: BSD-3-Clause */
/* The control commands: from a line to its answer, for good lines and for bad ones. */
#include "base/error.h"
#include "rig/control.h"

#include "rig/directory.h"
#include "rig/feature_names.h"
#include "rig/pin_pad.h"

#include "run_suite.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CARDS FIXTURES_DIR "/cards/"

static struct rig *rig;
static json_t *answer;

static void set_up(void)
{
    struct error error;
    rig = rig_new(4711, &error);
    ck_assert_msg(rig != NULL, "%s", error.text);
    ck_assert(
        slots_add_reader(rig_slots_of(rig), &(struct reader_options){.name = "cardrig", .slots = 1}, &error));
}

static void tear_down(void)
{
    json_decref(answer);
    directory_remove(rig_directory(rig));
    rig_free(rig);
}

static void ask_bytes(const char *line, size_t length)
{
    json_decref(answer);
    enum control_when when;
    char *text = control_answer(rig, 1, line, length, &when);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    answer = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(answer);
    free(text);
}

static json_t *result_of(const char *line)
{
    ask_bytes(line, strlen(line));
    ck_assert_msg(json_is_true(json_object_get(answer, "ok")), "%s: %s", line,
                  json_string_value(json_object_get(answer, "error")));
    return json_object_get(answer, "result");
}

static const char *error_of(const char *line, size_t length)
{
    ask_bytes(line, length);
    ck_assert(json_is_false(json_object_get(answer, "ok")));
    return json_string_value(json_object_get(answer, "error"));
}

START_TEST(status_of_an_empty_rig)
{
    json_t *status = result_of("{\"command\": \"status\"}");
    ck_assert_int_eq(json_integer_value(json_object_get(status, "seed")), 4711);
    json_t *slot = json_array_get(json_object_get(status, "slots"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(slot, "pcsc_name")), "cardrig 00 00");
    ck_assert(json_is_null(json_object_get(slot, "card")));
    ck_assert(json_is_false(json_object_get(slot, "driver_connected")));
}
END_TEST

START_TEST(cards_come_and_go)
{
    json_t *card = json_object_get(
        result_of("{\"command\": \"insert\", \"file\": \"" CARDS "two-protocols.lua\"}"), "card");
    ck_assert_str_eq(json_string_value(json_object_get(card, "name")), "two protocols");
    ck_assert(json_is_false(json_object_get(card, "powered")));
    ck_assert(json_is_null(json_object_get(card, "atr")));
    card = json_object_get(result_of("{\"command\": \"swap\", \"slot\": \"0\", \"file\": \"\"}"), "card");
    ck_assert(json_is_null(json_object_get(card, "file")));
    json_t *slot = result_of("{\"command\": \"remove\", \"slot\": \"cardrig/0\"}");
    ck_assert(json_is_null(json_object_get(slot, "card")));
}
END_TEST

static const struct {
    const char *line, *reason;
} bad[] = {
    {"", "not JSON"},
    {"hello", "not JSON"},
    {"{\"command\": \"status\"", "not JSON"},
    {"{\"command\": \"status\"} x", "not JSON"},
    {"{\"command\": \"status\", \"command\": \"remove\"}", "not JSON"},
    {"[]", "not an object with \"command\": expected one of status, insert"},
    {"{}", "not an object with \"command\": expected one of status, insert"},
    {"{\"command\": 1}", "not an object with \"command\": expected one of status, insert"},
    {"{\"command\": \"status\", \"slots\": \"0\"}", "there is no field 'slots': did you mean 'slot'?"},
    {"{\"command\": \"insert\", \"slot\": 0}", "\"slot\": expected a string"},
    {"{\"command\": \"dance\"}", "there is no command 'dance': expected one of status"},
    {"{\"command\": \"status\", \"slot\": \"0\"}", "status takes no \"slot\""},
    {"{\"command\": \"remove\"}", "is empty"},
    {"{\"command\": \"fault\"}", "fault needs \"faults\""},
    {"{\"command\": \"fault\", \"faults\": []}", "fault needs \"faults\""},
    {"{\"command\": \"fault\", \"faults\": \"mute\"}", "\"faults\": expected a list of strings"},
    {"{\"command\": \"fault\", \"faults\": [\"mute\"]}", "slot cardrig/0 is empty"},
    {"{\"command\": \"insert\", \"faults\": [\"mute\"]}", "insert takes no \"faults\""},
    {"{\"command\": \"remove\", \"file\": \"x\"}", "remove takes no \"file\""},
    {"{\"command\": \"remove\", \"action\": \"stop\"}", "remove takes no \"action\""},
    {"{\"command\": \"service\", \"action\": null}", "\"action\": expected a string"},
    {"{\"command\": \"swap\"}", "swap needs a \"file\""},
    {"{\"command\": \"insert\", \"slot\": \"5\"}", "there is no slot '5'"},
    {"{\"command\": \"insert\", \"file\": \"/nonexistent\"}", "/nonexistent"},
    {"{\"command\": \"press\", \"keys\": [\"1\"]}", "there is no reader with a PIN pad"},
    {"{\"command\": \"press\", \"slot\": \"cardrig\", \"keys\": [\"1\"]}", "reader 'cardrig' has no PIN pad"},
    {"{\"command\": \"press\", \"keys\": \"1\"}", "\"keys\": expected a list of strings"},
    {"{\"command\": \"press\", \"event\": \"pin\"}", "press takes no \"event\""},
    {"{\"command\": \"wait\", \"event\": \"pin\"}", "there is no reader with a PIN pad"},
    {"{\"command\": \"wait\", \"keys\": [\"1\"]}", "wait takes no \"keys\""},
    {"{\"command\": \"insert\", \"file\": \"" CARDS "bad/atr-tck.lua\"}", "atr-tck.lua:"},
};

START_TEST(bad_lines)
{
    const char *error = error_of(bad[_i].line, strlen(bad[_i].line));
    ck_assert_msg(strstr(error, bad[_i].reason) != NULL, "'%s' should say: %s", error, bad[_i].reason);
}
END_TEST

/* PIN pads */

#define PRESS     "{\"command\": \"press\", \"keys\": "
#define WAIT      "{\"command\": \"wait\", \"event\": \"pin\"}"
#define VERIFY    "\0\0\x82\x08\0\x08\x04\x02\x01\x09\x04\0\0\0\0\x05\0\0\0\0\x20\0\x80\0"
#define PIN_START FEATURE_CODE(1) /* VERIFY_PIN_START */

static void add_reader(const char *text)
{
    struct error error;
    ck_assert_msg(slots_add_described(rig_slots_of(rig), text, false, &error), "%s", error.text);
}

static const char *error_of_text(const char *line)
{
    return error_of(line, strlen(line));
}

START_TEST(keys_are_pressed)
{
    add_reader("pinpad");
    json_t *slot = result_of(PRESS "[\"1\", \"backspace\", \"ok\"]}");
    ck_assert(json_is_object(json_object_get(slot, "pin_pad")));
    const char *said = error_of_text(PRESS "[\"1\", \"4711\"]}");
    ck_assert_str_eq(said, "a PIN pad has the keys 0 to 9, ok, cancel, clear and backspace");
    ck_assert_ptr_nonnull(strstr(error_of_text(PRESS "[1]}"), "has the keys"));
    ck_assert_ptr_nonnull(strstr(error_of_text(PRESS "[]}"), "press needs \"keys\""));
    for (int i = 4; i < PIN_PAD_KEYS_MAX; i++) /* one of the two has been pressed */
        result_of(PRESS "[\"1\"]}");
    ck_assert_ptr_nonnull(strstr(error_of_text(PRESS "[\"1\"]}"), "128 keys already wait"));
    add_reader("pinpad,name=other");
    ck_assert_str_eq(error_of_text(PRESS "[\"1\"]}"), "which reader? Several have a PIN pad");
    result_of(PRESS "[\"1\"], \"slot\": \"other\"}");
}
END_TEST

/* Returns whether the request is to be asked again later. */
static bool has_to_wait(const char *line)
{
    enum control_when when;
    char *text = control_answer(rig, 1, line, strlen(line), &when);
    ck_assert((text == NULL) == (when == CONTROL_BUSY));
    free(text);
    return when == CONTROL_BUSY;
}

START_TEST(wait_is_answered_when_a_reader_asks)
{
    uint8_t out[LINK_MAX_RESPONSE];
    size_t length;
    enum ifd_result result;
    struct slot_use use = {0};
    add_reader("pinpad,start");
    result_of("{\"command\": \"insert\", \"slot\": \"pinpad\", \"file\": \"\"}");
    ck_assert_ptr_nonnull(
        strstr(error_of_text("{\"command\": \"wait\", \"event\": \"card\"}"), "the \"event\" \"pin\""));
    ck_assert(has_to_wait(WAIT));

    slot_use_begin(&rig_slots_of(rig)->slot[1], &use);
    ck_assert(pin_pad_control(&use, use.card_event, PIN_START, (const uint8_t *)VERIFY, sizeof VERIFY - 1,
                              out, &length, &result));
    slot_use_end(&use);
    ck_assert_int_eq(result, IFD_RESULT_OK);
    ck_assert_uint_eq(length, 0);
    json_t *pad = json_object_get(result_of(WAIT), "pin_pad");
    ck_assert_str_eq(json_string_value(json_object_get(pad, "display")), "Enter PIN");
    result_of(PRESS "[\"1\"]}"); /* which it has not taken yet */
    ck_assert(has_to_wait(WAIT));
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
    ck_assert(strstr(error_of("\0\0\0\0", 4), "not JSON"));
    ck_assert(strstr(error_of("\xFF\xFE{}", 4), "not JSON"));
    char deep[4000];
    memset(deep, '[', sizeof deep);
    ck_assert(strstr(error_of(deep, sizeof deep), "not JSON"));
    uint32_t state = 1;
    for (int round = 0; round < 20000; round++) {
        char line[40];
        for (size_t i = 0; i < sizeof line; i++) {
            state = state * 1664525 + 1013904223;
            line[i] = "{}[]\":,command status insert0\\\x01\xC3"[state >> 24 & 31];
        }
        error_of(line, sizeof line);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tests = tcase_create("control");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, status_of_an_empty_rig);
    tcase_add_test(tests, cards_come_and_go);
    tcase_add_loop_test(tests, bad_lines, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, keys_are_pressed);
    tcase_add_test(tests, wait_is_answered_when_a_reader_asks);
    tcase_add_test(tests, bytes_that_are_no_text);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
