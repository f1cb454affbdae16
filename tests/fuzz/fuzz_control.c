/* SPDX-License-Identifier: BSD-3-Clause */
/* Any lines on the control socket of a rig with one slot: each gets one line of JSON, in which the client
 * finds what it reads, and the rig goes on. */
#include "base/error.h"
#include "fuzz.h"

#include "cli/answer.h"
#include "rig/control.h"
#include "rig/directory.h"

#include <jansson.h>

static struct rig *rig;

static void remove_rig(void)
{
    directory_remove(rig_directory(rig));
    rig_free(rig);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    struct error error;
    rig = rig_new(4711, &error);
    CHECK(rig &&
          slots_add_reader(rig_slots_of(rig),
                           &(struct reader_options){.name = "cardrig", .slots = 1, .usb = true}, &error));
    atexit(remove_rig);
    return 0;
}

/* The client takes what answers a command of its own. */
static void check_client(const char *line, size_t length, const char *text)
{
    struct error error;
    json_t *request = json_loadb(line, length, 0, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    json_t *result = answer_read(command, text, strlen(text), &error);
    if (!result)
        fprintf(stderr, "%s: %s\n", command, error.text);
    CHECK(result);
    json_decref(result);
    json_decref(request);
}

static void ask(const char *line, size_t length)
{
    char *copy = exact_copy(line, length);
    enum control_when when;
    char *text = control_answer(rig, 1, copy, length, &when);
    CHECK(text && strchr(text, '\n') == text + strlen(text) - 1);
    json_t *answer = json_loads(text, 0, NULL);
    bool good = json_is_true(json_object_get(answer, "ok"));
    CHECK(good ? json_is_object(json_object_get(answer, "result"))
               : json_is_string(json_object_get(answer, "error")));
    json_decref(answer);
    if (good)
        check_client(line, length, text);
    free(text);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char status[] = "{\"command\":\"status\"}";
    const char *line = (const char *)data, *end = line + size, *newline;
    for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1)
        ask(line, (size_t)(newline - line));
    ask(line, (size_t)(end - line));
    ask(status, sizeof status - 1);

    /* so that what comes next does not depend on this: no card, the built-in one is what insert puts back,
     * and the reader is not plugged in
     */
    struct error error;
    struct slots *slots = rig_slots_of(rig);
    struct slot *slot = slots_find(slots, "", &error);
    CHECK(slot);
    if (slot->file)
        CHECK(slot_swap(slot, "", &error));
    if (slot->card)
        CHECK(slot_remove(slot, &error));
    if (slot->reader->plugged)
        CHECK(reader_unplug(slots, slot->reader, &error));
    return 0;
}
