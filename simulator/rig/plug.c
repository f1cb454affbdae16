/* SPDX-License-Identifier: BSD-3-Clause */
/* Plugs in and unplugs USB readers. */
#include "base/error.h"
#include "rig/slot.h"
#include "rig/usb_bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Each time it is plugged in, a device gets the next number, from 2 (1 is the hub) to 127, as from the
 * kernel. */
#define FIRST_NUMBER 2
#define LAST_NUMBER  127

static unsigned device_number(unsigned plug_count)
{
    return FIRST_NUMBER + (plug_count - 1) % (LAST_NUMBER - FIRST_NUMBER + 1);
}

unsigned reader_usb_number(const struct reader *reader)
{
    return device_number(reader->plug_count);
}

static struct usb_device device_of(const struct reader *reader, unsigned plug_count)
{
    const struct reader_options *options = &reader->options;
    return (struct usb_device){
        .bus = reader->number + 1,
        .number = device_number(plug_count),
        .vendor_id = options->vendor_id,
        .product_id = options->product_id,
        .product = options->name,
        .interface = options->interface,
        .serial = options->serial,
    };
}

static bool is_taken(const struct slots *slots, unsigned pcsc_number)
{
    for (const struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++)
        if (reader->options.usb && reader->plugged && reader->pcsc_number == pcsc_number)
            return true;
    return false;
}

/* Returns the lowest free number. pcscd numbers USB readers in this way. */
static unsigned expected_number(const struct slots *slots)
{
    unsigned number = 0;
    while (is_taken(slots, number))
        number++;
    return number;
}

static bool check(const struct slots *slots, const struct reader *reader, bool plugged, struct error *error)
{
    if (!reader->options.usb || !slots->usb_folder)
        error_set(
            error,
            "reader '%s' is not on USB, and stays while pcscd runs: only a reader with the option usb can "
            "be plugged in and out",
            reader->options.name);
    else if (reader->plugged != plugged)
        error_set(error, "reader '%s' is %s", reader->options.name,
                  plugged ? "not plugged in" : "plugged in already");
    else
        return true;
    return false;
}

static bool fail(const struct reader *reader, const char *what, struct error *error)
{
    return error_set(error, "cannot %s reader '%s': %s", what, reader->options.name,
                     errno == EAGAIN ? "pcscd has not yet handled the last change: try again"
                                     : strerror(errno));
}

static bool plug(struct slots *slots, struct reader *reader, struct error *error)
{
    if (!check(slots, reader, false, error))
        return false;
    struct usb_device device = device_of(reader, reader->plug_count + 1);
    if (!usb_bus_plug(slots->usb_folder, &device))
        return fail(reader, "plug in", error);
    reader->pcsc_number = expected_number(slots);
    reader->plug_count++;
    reader->plugged = true;
    return true;
}

static bool unplug(struct slots *slots, struct reader *reader, struct error *error)
{
    if (!check(slots, reader, true, error))
        return false;
    struct usb_device device = device_of(reader, reader->plug_count);
    if (!usb_bus_unplug(slots->usb_folder, &device))
        return fail(reader, "unplug", error);
    reader->plugged = false;
    return true;
}

static bool in_turn(struct slots *slots, struct reader *reader,
                    bool (*function)(struct slots *, struct reader *, struct error *), struct error *error)
{
    pthread_mutex_lock(&slots->plug_lock);
    bool ok = function(slots, reader, error);
    pthread_mutex_unlock(&slots->plug_lock);
    return ok;
}

bool reader_plug(struct slots *slots, struct reader *reader, struct error *error)
{
    return in_turn(slots, reader, plug, error);
}

static void lose_power(void *slot)
{
    slot_lose_power(slot);
}

bool reader_unplug(struct slots *slots, struct reader *reader, struct error *error)
{
    if (!in_turn(slots, reader, unplug, error))
        return false;
    for (struct slot *slot = reader->slots; slot < reader->slots + reader->options.slots; slot++) {
        slot_abandon(slot);
        if (!slots->start || !slots->start(slots->arg, lose_power, slot)) /* the card may take long */
            slot_lose_power(slot);
    }
    return true;
}

bool slots_plug_all(struct slots *slots, struct error *error)
{
    for (struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++) {
        if (!reader->options.usb)
            continue;
        if (!usb_bus_make(slots->usb_folder))
            return fail(reader, "make a USB for", error);
        if (!reader->options.unplugged && !reader_plug(slots, reader, error))
            return false;
    }
    return true;
}
