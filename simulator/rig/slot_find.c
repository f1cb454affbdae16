/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots and readers by the names that people give them. */
#include "rig/slot.h"

#include "base/number.h"

#include <string.h>

/* Adds the slots to an error, as far as there is room: " 0 (left/0), 1 (right/0)". */
static void name_slots(const struct slots *slots, struct error *error)
{
    for (unsigned i = 0; i < slots->slot_count; i++) {
        const char *text = slots->slot[i].text;
        if (strlen(error->text) + strlen(text) + 20 >= sizeof error->text) {
            error_add(error, ", ...");
            return;
        }
        error_add(error, "%s %u (%s)", i ? "," : "", i, text);
    }
}

struct slot *slots_find(struct slots *slots, const char *text, struct error *error)
{
    if (!text || !*text) {
        if (slots->slot_count == 1)
            return &slots->slot[0];
        error_set(error, "which slot? The slots are");
        name_slots(slots, error);
        return NULL;
    }
    unsigned index;
    if (slots->slot_count > 0 && number_parse(text, 0, slots->slot_count - 1, &index))
        return &slots->slot[index];

    const char *slash = strchr(text, '/');
    size_t name_length = slash ? (size_t)(slash - text) : strlen(text);
    struct slot *found = NULL;
    for (unsigned i = 0; i < slots->reader_count; i++) {
        struct reader *reader = &slots->reader[i];
        if (strlen(reader->options.name) != name_length ||
            memcmp(reader->options.name, text, name_length) != 0)
            continue;
        unsigned number = 0;
        if (slash && !number_parse(slash + 1, 0, reader->options.slots - 1, &number))
            continue;
        if (found || (!slash && reader->options.slots > 1)) {
            error_set(error,
                      "slot '%s': there are several of that name; give its number ('cardrig "
                      "status' shows it)",
                      text);
            return NULL;
        }
        found = &reader->slots[number];
    }
    if (!found) {
        error_set(error, "there is no slot '%.200s': the slots are", text);
        name_slots(slots, error);
    }
    return found;
}

struct reader *slots_find_reader(struct slots *slots, const char *text, struct error *error)
{
    bool any = !text || !*text;
    struct reader *found = NULL;
    for (struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++) {
        if (any ? !reader->options.usb : strcmp(reader->options.name, text) != 0)
            continue;
        if (found) {
            error_set(
                error,
                "which reader? There are several%s%s: give the number of a slot of it ('cardrig status' "
                "shows it)",
                any ? "" : " called ", any ? "" : text);
            return NULL;
        }
        found = reader;
    }
    if (found)
        return found;
    if (any) {
        error_set(error, "there is no USB reader");
        return NULL;
    }
    const struct slot *slot = slots_find(slots, text, error);
    return slot ? slot->reader : NULL;
}
