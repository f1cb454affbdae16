/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/control.h"

#include "base/error.h"
#include "base/names.h"
#include "rig/pin_pad.h"
#include "rig/rig_status.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *slot; /* NULL: not given */
    const char *file;
    json_t *faults;
    const char *action;
    json_t *keys;
    const char *event;
    uint64_t ticket;
    enum control_when *when; /* a command that is not answered now sets it */
};

/* Carries out a command. Returns the result for the answer. Returns NULL and sets *error on failure, or
 * *arguments->when if there is no answer now. */
typedef json_t *command_function(struct rig *rig, const struct arguments *arguments, struct error *error);

static json_t *status(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    (void)arguments;
    (void)error;
    return rig_status(rig);
}

static char *answer_text(json_t *result, struct error *error);

/* Answers with the rig's status or, if error is not NULL, with the error. */
static void service_done(struct rig *rig, uint64_t ticket, const char *error)
{
    struct error copy = {"out of memory"};
    if (error)
        error_set(&copy, "%s", error);
    rig_answer(rig, ticket, answer_text(error ? NULL : rig_status(rig), &copy));
}

static json_t *service(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    enum service_action action;
    if (!arguments->action)
        error_set(error, "service needs an \"action\"");
    else if (!service_action_find(arguments->action, &action, error))
        error_set(error, "service: %s", error->text);
    else if (rig_service(rig, action, arguments->ticket, service_done, error))
        *arguments->when = CONTROL_LATER;
    return NULL;
}

/* Returns the slot of a command about its card. Returns NULL and sets *error if there is none, or
 * *arguments->when to CONTROL_BUSY while a card is being loaded for the slot. */
static struct slot *find_slot_not_changing(struct rig *rig, const struct arguments *arguments,
                                           struct error *error)
{
    struct slot *slot = slots_find(rig_slots_of(rig), arguments->slot, error);
    if (!slot || !slot->changing)
        return slot;
    *arguments->when = CONTROL_BUSY;
    return NULL;
}

/* An insertion or swap. It has a thread, because a script may take long to load. */
struct change {
    struct rig *rig;
    uint64_t ticket;
    struct slot *slot;
    bool swap, made;
    char *file;
    struct incoming incoming;
    struct loop_call done;
    struct error error;
};

static void change_free(struct change *change)
{
    incoming_free(&change->incoming);
    free(change->file);
    free(change);
}

static void make(struct change *change)
{
    change->made = slot_load(change->slot, change->file, &change->incoming, &change->error) &&
                   slot_put(change->slot, change->swap, &change->incoming, &change->error);
}

/* Returns the state of the slot after the change, or NULL if the change has failed: see its error. */
static json_t *result_of(struct change *change)
{
    change->slot->changing = false;
    return change->made ? slot_status(change->rig, change->slot) : NULL;
}

static void finish(void *arg)
{
    struct change *change = arg;
    rig_answer(change->rig, change->ticket, answer_text(result_of(change), &change->error));
    change_free(change);
}

static void make_in_thread(void *arg)
{
    struct change *change = arg;
    make(change);
    rig_post(change->rig, &change->done);
}

static struct change *new_change(struct rig *rig, const struct arguments *arguments, struct slot *slot,
                                 bool swap)
{
    struct change *change = calloc(1, sizeof *change);
    if (!change)
        return NULL;
    change->rig = rig;
    change->ticket = arguments->ticket;
    change->slot = slot;
    change->swap = swap;
    change->file = arguments->file ? strdup(arguments->file) : NULL;
    change->done = (struct loop_call){.function = finish, .arg = change};
    if (!arguments->file || change->file)
        return change;
    free(change);
    return NULL;
}

/* Carries out insert and swap. Like remove, they answer with the state of the slot after that. */
static json_t *put_card(struct rig *rig, const struct arguments *arguments, bool swap, struct error *error)
{
    struct slot *slot = find_slot_not_changing(rig, arguments, error);
    if (!slot || !slot_check(slot, swap, error))
        return NULL;
    struct change *change = new_change(rig, arguments, slot, swap);
    if (!change) {
        error_set(error, "out of memory");
        return NULL;
    }
    slot->changing = true;
    if (rig_start(rig, make_in_thread, change)) {
        *arguments->when = CONTROL_LATER;
        return NULL;
    }
    make(change);
    json_t *result = result_of(change);
    *error = change->error;
    change_free(change);
    return result;
}

static json_t *insert(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    return put_card(rig, arguments, false, error);
}

static json_t *swap(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    if (!arguments->file) {
        error_set(error, "swap needs a \"file\"");
        return NULL;
    }
    return put_card(rig, arguments, true, error);
}

static json_t *remove_(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    struct slot *slot = find_slot_not_changing(rig, arguments, error);
    return slot && slot_remove(slot, error) ? slot_status(rig, slot) : NULL;
}

/* Carries out plug and unplug. They answer with the state of the reader's first slot. */
static json_t *plug_or_unplug(struct rig *rig, const struct arguments *arguments, struct error *error,
                              bool (*how)(struct slots *, struct reader *, struct error *))
{
    struct reader *reader = slots_find_reader(rig_slots_of(rig), arguments->slot, error);
    if (!reader || !how(rig_slots_of(rig), reader, error))
        return NULL;
    return slot_status(rig, &reader->slots[0]);
}

static json_t *plug(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    return plug_or_unplug(rig, arguments, error, reader_plug);
}

static json_t *unplug(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    return plug_or_unplug(rig, arguments, error, reader_unplug);
}

/* Returns an array of the list's strings, which the caller frees; the strings belong to the list. Returns
 * NULL and sets *error on failure. */
static const char **texts_of(const json_t *list, struct error *error)
{
    const char **texts = calloc(json_array_size(list), sizeof *texts);
    size_t i;
    json_t *text;
    if (!texts) {
        error_set(error, "out of memory");
        return NULL;
    }
    json_array_foreach(list, i, text)
    {
        texts[i] = json_string_value(text);
        if (!texts[i]) {
            error_set(error, "faults[%zu]: expected a string", i);
            free(texts);
            return NULL;
        }
    }
    return texts;
}

/* Sets all of the faults or, if one of them is wrong, none. */
static json_t *fault(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    struct slot *slot = find_slot_not_changing(rig, arguments, error);
    if (!slot)
        return NULL;
    if (json_array_size(arguments->faults) == 0) {
        error_set(error, "fault needs \"faults\", a list of strings");
        return NULL;
    }
    const char **texts = texts_of(arguments->faults, error);
    if (!texts)
        return NULL;
    error_set(error, "slot %s is empty: insert a card first", slot_text(slot));
    pthread_mutex_lock(&slot->lock);
    bool ok = slot->card &&
              faults_set_all(card_faults(slot->card), texts, json_array_size(arguments->faults), error);
    pthread_mutex_unlock(&slot->lock);
    free(texts);
    return ok ? slot_status(rig, slot) : NULL;
}

/* Returns the reader with a PIN pad that the request means: the only one, if it names none. Returns NULL and
 * sets *error if there is none. */
static struct reader *find_pin_pad(struct rig *rig, const char *text, struct error *error)
{
    struct slots *slots = rig_slots_of(rig);
    struct reader *found = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < slots->reader_count && !text; i++)
        if (slots->reader[i].pin_pad && count++ == 0)
            found = &slots->reader[i];
    if (text && (found = slots_find_reader(slots, text, error)) && !found->pin_pad)
        error_set(error, "reader '%s' has no PIN pad", found->options.name);
    else if (!text && count == 0)
        error_set(error, "there is no reader with a PIN pad: one is 'cardrig run --reader pinpad'");
    else if (!text && count > 1)
        error_set(error, "which reader? Several have a PIN pad");
    else
        return found;
    return NULL;
}

/* Presses all keys, or as many as there is room for. */
static json_t *press(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    struct reader *reader = find_pin_pad(rig, arguments->slot, error);
    size_t i;
    json_t *key;
    if (!reader)
        return NULL;
    if (json_array_size(arguments->keys) == 0) {
        error_set(error, "press needs \"keys\", a list of strings");
        return NULL;
    }
    json_array_foreach(arguments->keys, i, key)
    {
        if (!pin_pad_press(reader, json_is_string(key) ? json_string_value(key) : "", error))
            return NULL;
    }
    return slot_status(rig, &reader->slots[0]);
}

/* Answers when a reader asks for a PIN. */
static json_t *wait_(struct rig *rig, const struct arguments *arguments, struct error *error)
{
    struct reader *reader = find_pin_pad(rig, arguments->slot, error);
    struct pin_pad_view view;
    if (!reader)
        return NULL;
    if (!arguments->event || strcmp(arguments->event, "pin") != 0) {
        error_set(error, "wait needs the \"event\" \"pin\"");
        return NULL;
    }
    pin_pad_view(reader, &view);
    if (view.asks)
        return slot_status(rig, &reader->slots[0]);
    *arguments->when = CONTROL_BUSY;
    return NULL;
}

/*
 * Requests
 */

enum { SLOT = 1, FILE_NAME = 2, FAULTS = 4, ACTION = 8, KEYS = 16, EVENT = 32 };

static const struct command {
    const char *name;
    command_function *function;
    unsigned takes;
} commands[] = {
    {"status", status, 0},           {"insert", insert, SLOT | FILE_NAME},
    {"remove", remove_, SLOT},       {"swap", swap, SLOT | FILE_NAME},
    {"fault", fault, SLOT | FAULTS}, {"plug", plug, SLOT}, /* SLOT: a reader */
    {"unplug", unplug, SLOT},        {"service", service, ACTION},
    {"press", press, SLOT | KEYS},   {"wait", wait_, SLOT | EVENT},
};

static const char *command_name(unsigned i)
{
    return i < sizeof commands / sizeof commands[0] ? commands[i].name : NULL;
}

static const struct command *find_command(const json_t *request, struct error *error)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    unsigned i;
    if (name && names_find(command_name, name, strlen(name), &i))
        return &commands[i];
    if (name)
        error_set(error, "there is no command '%.40s'", name);
    else
        error_set(error, "not an object with \"command\"");
    names_suggest(command_name, name ? name : "", name ? strlen(name) : 0, error);
    return NULL;
}

static const struct field {
    const char *name;
    unsigned bit;
    json_type type;
    const char *expected;
} fields[] = {
    {"slot", SLOT, JSON_STRING, "a string"},
    {"file", FILE_NAME, JSON_STRING, "a string"},
    {"faults", FAULTS, JSON_ARRAY, "a list of strings"},
    {"action", ACTION, JSON_STRING, "a string"},
    {"keys", KEYS, JSON_ARRAY, "a list of strings"},
    {"event", EVENT, JSON_STRING, "a string"},
};

static const char *field_name(unsigned i)
{
    return i < sizeof fields / sizeof fields[0] ? fields[i].name : NULL;
}

static bool check_fields(json_t *request, const struct command *command, struct error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        unsigned i;
        if (strcmp(key, "command") == 0)
            continue;
        if (!names_find(field_name, key, strlen(key), &i)) {
            error_set(error, "there is no field '%.40s'", key);
            names_suggest(field_name, key, strlen(key), error);
            return false;
        }
        if (!(command->takes & fields[i].bit))
            return error_set(error, "%s takes no \"%s\"", command->name, key);
        if (json_typeof(value) != fields[i].type)
            return error_set(error, "\"%s\": expected %s", key, fields[i].expected);
    }
    return true;
}

static json_t *dispatch(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                        enum control_when *when, struct error *error)
{
    json_error_t bad;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &bad);
    if (!request) {
        error_set(error, "not JSON: column %d: %s", bad.column, bad.text);
        return NULL;
    }
    const struct command *command = find_command(request, error);
    bool ok = command && check_fields(request, command, error);
    struct arguments arguments = {
        .slot = json_string_value(json_object_get(request, "slot")),
        .file = json_string_value(json_object_get(request, "file")),
        .faults = json_object_get(request, "faults"),
        .action = json_string_value(json_object_get(request, "action")),
        .keys = json_object_get(request, "keys"),
        .event = json_string_value(json_object_get(request, "event")),
        .ticket = ticket,
        .when = when,
    };
    json_t *result = ok ? command->function(rig, &arguments, error) : NULL;
    json_decref(request);
    return result;
}

/* Returns the line of an answer with result or, if that is NULL, with the error. Frees result. */
static char *answer_text(json_t *result, struct error *error)
{
    json_t *answer = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result) : NULL;
    if (!result) {
        answer = json_pack("{s:b, s:s}", "ok", 0, "error", error->text);
        if (!answer) {
            status_make_ascii(error->text);
            answer = json_pack("{s:b, s:s}", "ok", 0, "error", error->text);
        }
    }
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    char *grown = realloc(text, size + 2);
    if (!grown) {
        free(text);
        return NULL;
    }
    memcpy(grown + size, "\n", 2);
    return grown;
}

/* A request may have keys of a PIN pad: what JSON frees is overwritten. */
static void wipe_and_free(void *block)
{
    if (block)
        explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

static void set_json_functions(void)
{
    json_set_alloc_funcs(malloc, wipe_and_free);
}

char *control_answer(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                     enum control_when *when)
{
    struct error error = {"out of memory"};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_json_functions);
    *when = CONTROL_NOW;
    json_t *result = dispatch(rig, ticket, line, length, when, &error);
    return *when == CONTROL_NOW ? answer_text(result, &error) : NULL;
}
