#include "rig/slot.h"

#include "icc/script_card.h"
#include "rig/random.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A USB reader that has these IDs and another name, or NULL: pcscd finds a reader's name by them. */
static const struct reader *other_with_ids(const struct slots *slots, const struct reader_options *options)
{
    for (const struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++)
        if (reader->options.usb && reader->options.vendor_id == options->vendor_id &&
            reader->options.product_id == options->product_id &&
            strcmp(reader->options.name, options->name) != 0)
            return reader;
    return NULL;
}

/* Gives a USB reader that asks for no IDs the first ones of ours that are free. */
static bool choose_ids(const struct slots *slots, struct reader_options *options, char *error,
                       size_t error_size)
{
    if (options->product_id == 0)
        do
            options->product_id++;
        while (other_with_ids(slots, options));
    const struct reader *other = other_with_ids(slots, options);
    if (other)
        snprintf(
            error, error_size,
            "reader '%s': its USB IDs, %04X:%04X, are those of reader '%s': pcscd finds the name by them",
            options->name, options->vendor_id, options->product_id, other->options.name);
    return !other;
}

/* How many readers pcscd numbers together with this one: those that are plugged in the same way. */
static unsigned count_alike(const struct slots *slots, bool usb)
{
    unsigned count = 0;
    for (unsigned i = 0; i < slots->reader_count; i++)
        count += slots->reader[i].options.usb == usb;
    return count;
}

bool slots_add_reader(struct slots *slots, const struct reader_options *options, char *error,
                      size_t error_size)
{
    const char *name = options->name;
    unsigned slot_count = options->slots;
    if (slot_count == 0 || slots->slot_count + slot_count > LINK_MAX_SLOTS) {
        snprintf(error, error_size,
                 "reader '%s' with %u slots: a reader has at least 1, and pcscd takes %u in all "
                 "(%u are taken)",
                 name, slot_count, LINK_MAX_SLOTS, slots->slot_count);
        return false;
    }
    struct reader *reader = &slots->reader[slots->reader_count];
    *reader = (struct reader){
        .pcsc_number = count_alike(slots, options->usb),
        .plugged = !options->usb,
        .slots = &slots->slot[slots->slot_count],
        .options = *options,
    };
    if (options->usb && !choose_ids(slots, &reader->options, error, error_size))
        return false;
    reader->number = slots->reader_count++;
    for (unsigned i = 0; i < slot_count; i++) {
        uint32_t start = (uint32_t)random_seed(); /* not the rig's: nobody sees it */
        struct slot *slot = &slots->slot[slots->slot_count++];
        *slot = (struct slot){.reader = reader, .number = i, .movement = start & ~1u};
        snprintf(slot->text, sizeof slot->text, "%s/%u", name, i);
        slot->ifd = calloc(1, sizeof *slot->ifd);
        if (!slot->ifd) {
            snprintf(error, error_size, "out of memory");
            return false;
        }
        slot->ifd->options = options->ifd;
        ifd_set_card(slot->ifd, NULL, NULL, slot->text);
    }
    return true;
}

void slots_free(struct slots *slots)
{
    for (unsigned i = 0; i < slots->slot_count; i++) {
        struct slot *slot = &slots->slot[i];
        contacts_free(slot->contacts);
        card_free(slot->card);
        free(slot->file);
        free(slot->ifd);
    }
    slots->slot_count = slots->reader_count = 0;
    trace_close(slots->trace);
    slots->trace = NULL;
}

void slots_leave_trace(struct slots *slots)
{
    for (unsigned i = 0; i < slots->slot_count; i++)
        slots->slot[i].ifd->line.trace = NULL;
    trace_leave(slots->trace);
    slots->trace = NULL;
}

unsigned slot_index(const struct slots *slots, const struct slot *slot)
{
    return (unsigned)(slot - slots->slot);
}

const char *slot_text(const struct slot *slot)
{
    return slot->text;
}

bool slot_vpcd_address(const struct slot *slot, struct address *address)
{
    *address = slot->reader->options.vpcd;
    address->port += slot->number;
    return slot->reader->options.cards != READER_OWN_CARDS;
}

const char *slot_pcsc_name(const struct slot *slot, char *buffer, size_t size)
{
    char name[READER_NAME_MAX + 1];
    reader_options_pcsc_name(&slot->reader->options, name);
    snprintf(buffer, size, "%s %02X %02X", name, slot->reader->pcsc_number, slot->number);
    return buffer;
}

/* A decimal number below limit, or -1. */
static int parse_index(const char *text, unsigned limit)
{
    if (!isdigit((unsigned char)text[0]) || strlen(text) > 3 || strspn(text, "0123456789") != strlen(text))
        return -1;
    int number = atoi(text);
    return (unsigned)number < limit ? number : -1;
}

/* Goes on with a message that has `written` bytes: " 0 (left/0), 1 (right/0)", as far as there is room. */
static void name_slots(const struct slots *slots, char *error, size_t error_size, int written)
{
    size_t at = written > 0 ? (size_t)written : 0;
    for (unsigned i = 0; i < slots->slot_count && at < error_size; i++) {
        const char *text = slots->slot[i].text;
        bool fits = at + strlen(text) + 20 < error_size;
        written =
            snprintf(error + at, error_size - at, fits ? "%s %u (%s)" : "%s ...", i ? "," : "", i, text);
        if (written < 0 || !fits)
            return;
        at += (size_t)written;
    }
}

struct slot *slots_find(struct slots *slots, const char *text, char *error, size_t error_size)
{
    if (!text || !*text) {
        if (slots->slot_count == 1)
            return &slots->slot[0];
        name_slots(slots, error, error_size, snprintf(error, error_size, "which slot? There are"));
        return NULL;
    }
    int index = parse_index(text, slots->slot_count);
    if (index >= 0)
        return &slots->slot[index];

    const char *slash = strchr(text, '/');
    size_t name_length = slash ? (size_t)(slash - text) : strlen(text);
    struct slot *found = NULL;
    for (unsigned i = 0; i < slots->reader_count; i++) {
        struct reader *reader = &slots->reader[i];
        if (strlen(reader->options.name) != name_length ||
            memcmp(reader->options.name, text, name_length) != 0)
            continue;
        int number = slash ? parse_index(slash + 1, reader->options.slots) : 0;
        if (number < 0)
            continue;
        if (found || (!slash && reader->options.slots > 1)) {
            snprintf(error, error_size,
                     "slot '%s': there are several of that name; give its number ('cardrig "
                     "status' shows it)",
                     text);
            return NULL;
        }
        found = &reader->slots[number];
    }
    if (!found)
        name_slots(slots, error, error_size,
                   snprintf(error, error_size, "there is no slot '%.200s': there are", text));
    return found;
}

struct reader *slots_find_reader(struct slots *slots, const char *text, char *error, size_t error_size)
{
    bool any = !text || !*text;
    struct reader *found = NULL;
    for (struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++) {
        if (any ? !reader->options.usb : strcmp(reader->options.name, text) != 0)
            continue;
        if (found) {
            snprintf(error, error_size,
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
        snprintf(error, error_size, "there is no USB reader");
        return NULL;
    }
    const struct slot *slot = slots_find(slots, text, error, error_size);
    return slot ? slot->reader : NULL;
}

/* A card with its contacts, on its way into a slot. */
struct newcomer {
    struct card *card;
    struct contacts *contacts;
    char *file;
};

static void newcomer_free(struct newcomer *newcomer)
{
    contacts_free(newcomer->contacts);
    card_free(newcomer->card);
    free(newcomer->file);
}

/* Loads a card; file is as for slot_insert. */
static bool load(struct slots *slots, const struct slot *slot, const char *file, struct newcomer *newcomer,
                 char *error, size_t error_size)
{
    if (slot->reader->options.cards != READER_OWN_CARDS) {
        snprintf(error, error_size, "slot %s is for vpcd cards, which come and go by themselves",
                 slot_text(slot));
        return false;
    }
    if (!file)
        file = slot->file ? slot->file : "";
    *newcomer = (struct newcomer){0};
    newcomer->card = *file ? card_load_file(file, &slots->host, error, error_size)
                           : card_load_builtin(&slots->host, error, error_size);
    if (!newcomer->card)
        return false;
    newcomer->contacts = contacts_new(newcomer->card);
    newcomer->file = *file ? strdup(file) : NULL;
    if (newcomer->contacts && (newcomer->file || !*file))
        return true;
    snprintf(error, error_size, "out of memory");
    newcomer_free(newcomer);
    return false;
}

/* One movement: in, or with an empty newcomer out. The slot remembers the file of a card that is gone. */
static void move(struct slots *slots, struct slot *slot, const struct newcomer *newcomer)
{
    contacts_free(slot->contacts);
    card_free(slot->card);
    slot->card = newcomer->card;
    slot->contacts = newcomer->contacts;
    if (newcomer->card) {
        free(slot->file);
        slot->file = newcomer->file;
    }
    ifd_set_card(slot->ifd, slot->contacts, slots->trace, slot->text);
    trace_note(slots->trace, slot->text, 0, slot->card ? "card inserted: %s" : "card removed%s",
               slot->card ? card_name(slot->card) : "");
    trace_flush(slots->trace);
    slot->movement++;
    if (slots->moved)
        slots->moved(slots->moved_arg, slot);
}

static const struct newcomer nobody;

static bool check_no_token(const struct slot *slot, char *error, size_t error_size)
{
    if (slot->reader->options.token)
        snprintf(error, error_size, "%s is a token, reader and card in one: unplug it",
                 slot->reader->options.name);
    return !slot->reader->options.token;
}

bool slot_insert(struct slots *slots, struct slot *slot, const char *file, char *error, size_t error_size)
{
    if (slot->card) {
        if (!check_no_token(slot, error, error_size))
            return false;
        snprintf(error, error_size, "slot %s holds a card already ('%s'): remove it first, or swap",
                 slot_text(slot), card_name(slot->card));
        return false;
    }
    struct newcomer newcomer;
    if (!load(slots, slot, file, &newcomer, error, error_size))
        return false;
    move(slots, slot, &newcomer);
    return true;
}

bool slot_remove(struct slots *slots, struct slot *slot, char *error, size_t error_size)
{
    if (!slot->card) {
        snprintf(error, error_size, "slot %s is empty%s", slot_text(slot),
                 slot->reader->options.cards != READER_OWN_CARDS
                     ? ", or has a vpcd card, which goes by itself"
                     : "");
        return false;
    }
    if (!check_no_token(slot, error, error_size))
        return false;
    move(slots, slot, &nobody);
    return true;
}

bool slot_swap(struct slots *slots, struct slot *slot, const char *file, char *error, size_t error_size)
{
    struct newcomer newcomer;
    if (!check_no_token(slot, error, error_size) || !load(slots, slot, file, &newcomer, error, error_size))
        return false;
    if (slot->card)
        move(slots, slot, &nobody);
    move(slots, slot, &newcomer);
    return true;
}
