/* SPDX-License-Identifier: BSD-3-Clause */
#include "ifd/pin_entry.h"

#include <string.h>

const char *pin_key_name(unsigned key)
{
    static const char *const names[PIN_KEYS] = {"0", "1", "2", "3",  "4",      "5",     "6",
                                                "7", "8", "9", "ok", "cancel", "clear", "backspace"};
    return key < PIN_KEYS ? names[key] : NULL;
}

void pin_entry_wipe(struct pin_entry *entry)
{
    explicit_bzero(entry, sizeof *entry);
}

void pin_entry_begin(struct pin_entry *entry, const struct pin_request *request)
{
    pin_entry_wipe(entry);
    entry->min = request->min;
    entry->max = request->max;
    entry->conditions = request->conditions;
    entry->confirms = request->confirms;
    entry->stage = request->asks_old ? PIN_STAGE_OLD : PIN_STAGE_NEW;
}

static bool is_same(const struct pin *a, const struct pin *b)
{
    return a->length == b->length && memcmp(a->digit, b->digit, a->length) == 0;
}

/* Ends the entry without PINs. */
static void end(struct pin_entry *entry, enum pin_entry_state state)
{
    entry->state = state;
    explicit_bzero(entry->pin, sizeof entry->pin);
}

/* Ends the PIN of this stage, and begins the next one. */
static void end_stage(struct pin_entry *entry)
{
    const struct pin *pin = entry->pin;
    if (entry->typed < entry->min || entry->typed > entry->max)
        end(entry, PIN_ENTRY_BAD_LENGTH);
    else if (entry->stage == PIN_STAGE_REPEATED && !is_same(&pin[PIN_STAGE_NEW], &pin[PIN_STAGE_REPEATED]))
        end(entry, PIN_ENTRY_DIFFERENT);
    else if (entry->stage == PIN_STAGE_OLD || (entry->stage == PIN_STAGE_NEW && entry->confirms))
        entry->stage++;
    else
        entry->state = PIN_ENTRY_DONE;
    entry->number++;
    entry->typed = 0;
}

static void add_digit(struct pin_entry *entry, uint8_t digit)
{
    struct pin *pin = &entry->pin[entry->stage];
    if (entry->typed < entry->max)
        pin->digit[pin->length++] = digit;
    entry->typed++;
    if (entry->typed == entry->max && (entry->conditions & PIN_BY_LENGTH))
        end_stage(entry);
}

static void clear(struct pin_entry *entry, unsigned count)
{
    struct pin *pin = &entry->pin[entry->stage];
    entry->typed -= count < entry->typed ? count : entry->typed;
    while (pin->length > entry->typed)
        pin->digit[--pin->length] = 0;
}

void pin_entry_press(struct pin_entry *entry, enum pin_key key)
{
    if (entry->state != PIN_ENTRY_ASKS)
        return;
    if (key <= 9)
        add_digit(entry, (uint8_t)key);
    else if (key == PIN_KEY_CANCEL)
        end(entry, PIN_ENTRY_CANCELLED);
    else if (key == PIN_KEY_CLEAR)
        clear(entry, entry->typed);
    else if (key == PIN_KEY_BACKSPACE)
        clear(entry, 1);
    else if (key == PIN_KEY_OK && (entry->conditions & PIN_BY_KEY))
        end_stage(entry);
}

void pin_entry_time_out(struct pin_entry *entry)
{
    if (entry->state != PIN_ENTRY_ASKS)
        return;
    if ((entry->conditions & PIN_BY_TIMEOUT) && entry->typed > 0)
        end_stage(entry);
    else
        end(entry, PIN_ENTRY_TIMED_OUT);
}

void pin_entry_cancel(struct pin_entry *entry)
{
    pin_entry_press(entry, PIN_KEY_CANCEL);
}

uint16_t pin_entry_status_word(const struct pin_entry *entry)
{
    static const uint16_t words[] = {
        [PIN_ENTRY_ASKS] = 0x6401,      [PIN_ENTRY_DONE] = 0x9000,      [PIN_ENTRY_TIMED_OUT] = 0x6400,
        [PIN_ENTRY_CANCELLED] = 0x6401, [PIN_ENTRY_DIFFERENT] = 0x6402, [PIN_ENTRY_BAD_LENGTH] = 0x6403};
    return words[entry->state];
}
