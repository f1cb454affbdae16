/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/rig_status.h"

#include "icc/card_name.h"
#include "icc/relay.h"
#include "iso7816/hex.h"
#include "rig/pin_pad.h"

#include <stdlib.h>
#include <string.h>

void status_make_ascii(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7F)
            *text = '?';
}

/* Returns a card's name without its arguments, which may be secret, as a string; null for NULL. It may be any
 * bytes. */
static json_t *file_name_json(const char *file)
{
    if (!file)
        return json_null();
    size_t length = relay_reader(file) ? strlen(file) : card_name_length_without_arguments(file);
    json_t *text = json_stringn(file, length);
    char *copy = text ? NULL : strndup(file, length);
    if (copy) {
        status_make_ascii(copy);
        text = json_string(copy);
        free(copy);
    }
    return text;
}

static json_t *t1_status(const struct t1_counters *t1)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "blocks_sent", (json_int_t)t1->blocks_sent,
                     "blocks_received", (json_int_t)t1->blocks_received, "invalid", (json_int_t)t1->invalid,
                     "retransmissions", (json_int_t)t1->retransmissions, "resynchronisations",
                     (json_int_t)t1->resynchs, "wtx", (json_int_t)t1->wtx);
}

/* The caller holds the slot's lock. */
static json_t *card_status(struct slot *slot)
{
    const struct ifd_view *ifd = slot_view(slot);
    const struct ifd_counters *counters = &ifd->counters;
    char atr[3 * ATR_MAX + 1] = "";
    hex_encode(ifd->atr, ifd->atr_length, atr, sizeof atr, ' ');
    json_t *resets = json_pack("{s:I, s:I, s:I}", "cold", (json_int_t)counters->cold, "warm",
                               (json_int_t)counters->warm, "off", (json_int_t)counters->off);
    json_t *last =
        json_pack("{s:I, s:I, s:s?}", "card_time_us", (json_int_t)ifd->last_us, "real_time_us",
                  (json_int_t)ifd->last_real_us, "error", ifd->last_error[0] ? ifd->last_error : NULL);
    json_t *protocol = ifd->protocol == IFD_NO_PROTOCOL ? json_null() : json_sprintf("T=%u", ifd->protocol);
    return json_pack("{s:s, s:b, s:s?, s:o, s:o, s:i, s:i, s:I, s:o, s:I, s:o, s:o}", "name",
                     card_name(slot->card), "powered", ifd->powered, "atr", ifd->powered ? atr : NULL, "file",
                     file_name_json(slot->file), "protocol", protocol, "f", ifd->f, "d", ifd->d, "commands",
                     (json_int_t)counters->commands, "resets", resets, "pps", (json_int_t)counters->pps, "t1",
                     t1_status(&counters->t1), "last", last);
}

/* Returns the address of the slot's vpcd card, or null if the slot takes no vpcd cards. */
static json_t *vpcd_status(const struct slot *slot)
{
    struct address address;
    if (!slot_vpcd_address(slot, &address))
        return json_null();
    bool listens = slot->reader->options.cards == READER_VPCD_LISTEN;
    return json_pack("{s:s, s:s, s:i}", "reader", listens ? "listens" : "connects", "host", address.host,
                     "port", (int)address.port);
}

/* Returns the address of the slot offered as a vpcd card, or null in a rig for our own driver. */
static json_t *vpcd_card_status(const struct rig *rig, const struct slot *slot)
{
    struct address address;
    bool listens;
    if (!rig_vpcd_card(rig, slot, &address, &listens))
        return json_null();
    return json_pack("{s:s, s:i, s:b}", "host", address.host, "port", (int)address.port, "listens", listens);
}

/* Returns null for a reader that is not on USB. */
static json_t *usb_status(const struct reader *reader)
{
    const struct reader_options *options = &reader->options;
    if (!options->usb)
        return json_null();
    return json_pack("{s:o, s:b, s:b}", "id",
                     json_sprintf("%04x:%04x", options->vendor_id, options->product_id), "token",
                     options->token, "plugged", reader->plugged);
}

/* Returns null for a reader without a PIN pad. */
static json_t *pin_pad_status(struct reader *reader)
{
    struct pin_pad_view view;
    if (!reader->pin_pad)
        return json_null();
    pin_pad_view(reader, &view);
    return json_pack("{s:b, s:o}", "asks", view.asks, "display",
                     json_sprintf("%s%s%s", view.line[0], *view.line[1] ? "\n" : "", view.line[1]));
}

json_t *slot_status(struct rig *rig, struct slot *slot)
{
    char pcsc_name[160];
    pthread_mutex_lock(&slot->lock);
    json_t *card = slot->card ? card_status(slot) : json_null();
    bool busy = slot->current_use != NULL;
    pthread_mutex_unlock(&slot->lock);
    bool ready, connected = rig_driver_connected(rig, slot, &ready);
    return json_pack("{s:i, s:s, s:i, s:s, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "number",
                     slot_index(rig_slots_of(rig), slot), "slot", slot_text(slot), "reader",
                     slot->reader->number, "pcsc_name", slot_pcsc_name(slot, pcsc_name, sizeof pcsc_name),
                     "driver_connected", connected, "ready", ready, "busy", busy, "real_time",
                     slot->reader->options.real_time, "usb", usb_status(slot->reader), "vpcd",
                     vpcd_status(slot), "vpcd_card", vpcd_card_status(rig, slot), "pin_pad",
                     pin_pad_status(slot->reader), "card", card);
}

/* Returns null for a rig whose pcscd is not ours. */
static json_t *service_status(const struct rig *rig)
{
    enum service_state state;
    const char *note;
    if (!rig_has_service(rig, &state, &note))
        return json_null();
    return json_pack("{s:s, s:s?}", "state", service_state_name(state), "note", *note ? note : NULL);
}

json_t *rig_status(struct rig *rig)
{
    struct slots *slots = rig_slots_of(rig);
    json_t *list = json_array();
    for (unsigned i = 0; i < slots->slot_count; i++)
        json_array_append_new(list, slot_status(rig, &slots->slot[i]));
    return json_pack("{s:I, s:o, s:o}", "seed", (json_int_t)rig_seed(rig), "service", service_status(rig),
                     "slots", list);
}
