/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum type { TEXT, INTEGER, BOOLEAN, OBJECT, LIST /* of objects */ };

/* A required member of an object. */
struct member {
    const char *name; /* NULL: the end of the list */
    enum type type;
    bool or_null;
    const struct member *members; /* of the object, or of each object in the list */
};

static const struct member resets[] = {
    {"cold", INTEGER, false, NULL}, {"warm", INTEGER, false, NULL}, {"off", INTEGER, false, NULL}, {0}};

static const struct member card[] = {{"name", TEXT, false, NULL},
                                     {"file", TEXT, true, NULL},
                                     {"atr", TEXT, true, NULL},
                                     {"protocol", TEXT, true, NULL},
                                     {"commands", INTEGER, false, NULL},
                                     {"resets", OBJECT, false, resets},
                                     {0}};

static const struct member usb[] = {
    {"id", TEXT, false, NULL}, {"token", BOOLEAN, false, NULL}, {"plugged", BOOLEAN, false, NULL}, {0}};

static const struct member vpcd[] = {
    {"reader", TEXT, false, NULL}, {"host", TEXT, false, NULL}, {"port", INTEGER, false, NULL}, {0}};

static const struct member vpcd_card[] = {
    {"listens", BOOLEAN, false, NULL}, {"host", TEXT, false, NULL}, {"port", INTEGER, false, NULL}, {0}};

static const struct member pin_pad[] = {{"asks", BOOLEAN, false, NULL}, {"display", TEXT, false, NULL}, {0}};

static const struct member slot[] = {{"number", INTEGER, false, NULL},
                                     {"slot", TEXT, false, NULL},
                                     {"reader", INTEGER, false, NULL},
                                     {"pcsc_name", TEXT, false, NULL},
                                     {"driver_connected", BOOLEAN, false, NULL},
                                     {"ready", BOOLEAN, false, NULL},
                                     {"busy", BOOLEAN, false, NULL},
                                     {"real_time", BOOLEAN, false, NULL},
                                     {"usb", OBJECT, true, usb},
                                     {"vpcd", OBJECT, true, vpcd},
                                     {"vpcd_card", OBJECT, true, vpcd_card},
                                     {"pin_pad", OBJECT, true, pin_pad},
                                     {"card", OBJECT, true, card},
                                     {0}};

static const struct member service[] = {{"state", TEXT, false, NULL}, {"note", TEXT, true, NULL}, {0}};

static const struct member status[] = {
    {"seed", INTEGER, false, NULL}, {"service", OBJECT, true, service}, {"slots", LIST, false, slot}, {0}};

/* The required members of each command's result. */
static const struct {
    const char *command;
    const struct member *members;
} results[] = {{"status", status}, {"service", status}, {"insert", slot}, {"remove", slot}, {"swap", slot},
               {"fault", slot},    {"plug", slot},      {"unplug", slot}, {"press", slot},  {"wait", slot}};

static bool is_of_type(const json_t *value, const struct member *member)
{
    switch (member->type) {
    case TEXT:
        return json_is_string(value) || (member->or_null && json_is_null(value));
    case INTEGER:
        return json_is_integer(value);
    case BOOLEAN:
        return json_is_boolean(value);
    case OBJECT:
        return json_is_object(value) || (member->or_null && json_is_null(value));
    case LIST:
        return json_is_array(value);
    }
    return false;
}

static const char *type_text(const struct member *member)
{
    static const char *const texts[] = {[TEXT] = "a string",
                                        [INTEGER] = "a whole number",
                                        [BOOLEAN] = "true or false",
                                        [OBJECT] = "an object",
                                        [LIST] = "a list of objects"};
    return texts[member->type];
}

static bool has_members(const json_t *object, const struct member *members, struct error *error);

/* Checks each object of a list. The length of the list needs no limit, because the answer's length has one.
 */
static bool have_members(const json_t *list, const struct member *member, struct error *error)
{
    size_t i;
    json_t *object;
    json_array_foreach(list, i, object)
    {
        if (!json_is_object(object))
            return error_set(error, "%s[%zu]: expected an object", member->name, i);
        if (!has_members(object, member->members, error))
            return false;
    }
    return true;
}

static bool has_members(const json_t *object, const struct member *members, struct error *error)
{
    for (const struct member *member = members; member->name; member++) {
        const json_t *value = json_object_get(object, member->name);
        if (!is_of_type(value, member))
            return error_set(error, "%s: expected %s%s", member->name, type_text(member),
                             member->or_null ? " or null" : "");
        if (json_is_array(value) && !have_members(value, member, error))
            return false;
        if (json_is_object(value) && !has_members(value, member->members, error))
            return false;
    }
    return true;
}

static bool is_result(const char *command, const json_t *result, struct error *error)
{
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (strcmp(command, results[i].command) == 0 && json_is_object(result))
            return has_members(result, results[i].members, error);
    error_set(error, "result: expected an object");
    return json_is_object(result);
}

json_t *answer_read(const char *command, const char *text, size_t length, struct error *error)
{
    json_error_t bad;
    json_t *answer = json_loadb(text, length, JSON_REJECT_DUPLICATES, &bad);
    const json_t *ok = json_object_get(answer, "ok"), *said = json_object_get(answer, "error");
    json_t *result = json_object_get(answer, "result"), *good = NULL;
    if (!answer)
        error_set(error, "the rig's answer is not JSON: %s", bad.text);
    else if (json_is_false(ok) && json_string_length(said) > 0)
        error_set(error, "%s", json_string_value(said));
    else if (!json_is_true(ok))
        error_set(error, "the rig's answer is not valid: expected \"ok\", and \"result\" or \"error\"");
    else if (!is_result(command, result, error))
        error_set(error, "the rig's answer is not as expected (is it of another version?): %s", error->text);
    else
        good = json_incref(result);
    json_decref(answer);
    return good;
}
