/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/slot.h"

#include "base/clock.h"
#include "base/thread.h"
#include "icc/relay.h"
#include "icc/script_card.h"
#include "rig/log.h"
#include "rig/random.h"
#include "rig/relay_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a new relay waits for its card if another program uses it. That program may be this rig, which
 * releases a removed card in the background. */
#define RELAY_PATIENCE_MS 3000

/* Returns a USB reader that has these IDs and another name, or NULL. Two names for the same IDs are an
 * error, because pcscd finds a USB reader's name by its IDs. */
static const struct reader *other_with_ids(const struct slots *slots, const struct reader_options *options)
{
    for (const struct reader *reader = slots->reader; reader < slots->reader + slots->reader_count; reader++)
        if (reader->options.usb && reader->options.vendor_id == options->vendor_id &&
            reader->options.product_id == options->product_id &&
            strcmp(reader->options.name, options->name) != 0)
            return reader;
    return NULL;
}

/* Gives a USB reader without IDs the first of our IDs that no reader of another name has. Returns false and
 * sets *error if the IDs that it asks for belong to a reader of another name. */
static bool choose_ids(const struct slots *slots, struct reader_options *options, struct error *error)
{
    if (options->product_id == 0)
        do
            options->product_id++;
        while (other_with_ids(slots, options));
    const struct reader *other = other_with_ids(slots, options);
    if (other)
        error_set(
            error,
            "reader '%s': its USB IDs, %04X:%04X, are those of reader '%s', which has another name: pcscd could not tell them apart",
            options->name, options->vendor_id, options->product_id, other->options.name);
    return !other;
}

/* Returns the number of readers that are on USB or, with usb false, of those that are not: pcscd numbers
 * the two kinds separately. */
static unsigned count_alike(const struct slots *slots, bool usb)
{
    unsigned count = 0;
    for (unsigned i = 0; i < slots->reader_count; i++)
        count += slots->reader[i].options.usb == usb;
    return count;
}

/* Each slot has its own source of random numbers, so that the numbers of one card do not depend on what
 * others draw. */
static void draw_random(void *arg, uint8_t *out, size_t length)
{
    struct slot *slot = arg;
    pthread_mutex_lock(&slot->lock);
    random_bytes(&slot->random, out, length);
    pthread_mutex_unlock(&slot->lock);
    if (slot->slots->random_drawn)
        slot->slots->random_drawn(slot->slots->arg);
}

static void log_line(void *arg, const char *line)
{
    struct slot *slot = arg;
    if (slot->slots->log)
        slot->slots->log(slot->slots->arg, line);
}

void slots_init(struct slots *slots, uint64_t seed)
{
    memset(slots, 0, offsetof(struct slots, reader));
    slots->seed = seed;
    slots->keep_store = keep_store_new();
    pthread_mutex_init(&slots->plug_lock, NULL);
}

static void set_slot_text(struct slot *slot, const char *reader)
{
    char text[sizeof slot->text];
    snprintf(text, sizeof text, "%s/%u", reader, slot->number);
    memcpy(slot->text, text, sizeof text);
}

static bool slot_init(struct slots *slots, struct reader *reader, unsigned number)
{
    struct slot *slot = &slots->slot[slots->slot_count];
    uint32_t start = (uint32_t)random_seed(); /* not from the rig's seed: no user sees it */
    *slot = (struct slot){.slots = slots, .reader = reader, .number = number, .card_event = start & ~1u};
    slot->host = (struct card_host){
        .arg = slot, .random = draw_random, .log = log_line, .keep_store = slots->keep_store};
    set_slot_text(slot, reader->options.name);
    random_start(&slot->random, slots->seed + slots->slot_count);
    pthread_mutex_init(&slot->lock, NULL);
    thread_condition_init(&slot->changed);
    slots->slot_count++;
    slot->ifd = calloc(1, sizeof *slot->ifd);
    if (!slot->ifd)
        return false;
    slot->ifd->options = reader->options.ifd;
    ifd_set_card(slot->ifd, NULL, NULL, slot->text);
    return true;
}

bool slots_add_reader(struct slots *slots, const struct reader_options *options, struct error *error)
{
    const char *name = options->name;
    unsigned slot_count = options->slots;
    if (slot_count == 0 || slots->slot_count + slot_count > LINK_MAX_SLOTS)
        return error_set(error,
                         "reader '%s' with %u slots: a reader has at least 1, and there can be %u in all "
                         "(%u are taken)",
                         name, slot_count, LINK_MAX_SLOTS, slots->slot_count);
    struct reader *reader = &slots->reader[slots->reader_count];
    *reader = (struct reader){
        .pcsc_number = count_alike(slots, options->usb),
        .plugged = !options->usb,
        .slots = &slots->slot[slots->slot_count],
        .options = *options,
    };
    if (options->usb && !choose_ids(slots, &reader->options, error))
        return false;
    reader->number = slots->reader_count++;
    for (unsigned i = 0; i < slot_count; i++)
        if (!slot_init(slots, reader, i))
            return error_set(error, "out of memory");
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
        pthread_mutex_destroy(&slot->lock);
        pthread_cond_destroy(&slot->changed);
    }
    for (unsigned i = 0; i < slots->reader_count; i++)
        reader_free(&slots->reader[i]);
    slots->slot_count = slots->reader_count = 0;
    keep_store_free(slots->keep_store);
    slots->keep_store = NULL;
    trace_close(slots->trace);
    slots->trace = NULL;
}

void slots_leave(struct slots *slots)
{
    keep_store_leave(slots->keep_store);
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

void incoming_free(struct incoming *incoming)
{
    contacts_free(incoming->contacts);
    card_free(incoming->card);
    free(incoming->file);
    *incoming = (struct incoming){0};
}

/* Returns a copy of the file name that slot_insert uses for file, or NULL if there is no memory. */
static char *file_meant(struct slot *slot, const char *file)
{
    pthread_mutex_lock(&slot->lock);
    char *copy = strdup(file ? file : slot->file ? slot->file : "");
    pthread_mutex_unlock(&slot->lock);
    return copy;
}

/* Makes contacts for the incoming card, if it can be used in this slot. */
static bool add_contacts(const struct slot *slot, struct incoming *incoming, struct error *error)
{
    enum card_interface interface = reader_interface(slot->reader, slot->number);
    if (!card_set_interface(incoming->card, interface))
        return error_set(error,
                         interface == CARD_ANTENNA
                             ? "slot %s has an antenna, and the card '%s' has only contacts"
                             : "slot %s has contacts, and the card '%s' has only an antenna: it needs a "
                               "reader like --reader contactless",
                         slot_text(slot), card_name(incoming->card));
    incoming->contacts = contacts_new(incoming->card);
    return incoming->contacts || error_set(error, "out of memory");
}

/* Does what slot_load does, with the patience of relay_connect. */
static bool load(struct slot *slot, const char *file, int patience_ms, struct incoming *incoming,
                 struct error *error)
{
    *incoming = (struct incoming){.file = file_meant(slot, file)};
    error_set(error, "out of memory");
    if (!incoming->file)
        return false;
    const char *reader = relay_reader(incoming->file);
    enum pcsc_result result = PCSC_OK;
    if (reader && slot->reader->options.token)
        error_set(error, "%s is a token, whose card cannot be removed as a relay's can: leave 'token' out",
                  slot->reader->options.name);
    else if (reader && reader_interface(slot->reader, slot->number) == CARD_ANTENNA)
        error_set(error, "slot %s has an antenna, and a relay's card has contacts", slot_text(slot));
    else if (reader)
        incoming->card =
            relay_connect(reader, &slot->host, patience_ms, &incoming->relay_counter, &result, error);
    else if (*incoming->file)
        incoming->card = card_load(incoming->file, &slot->host, error);
    else
        incoming->card = card_load_builtin(&slot->host, error);
    if (!incoming->card || !add_contacts(slot, incoming, error)) {
        incoming_free(incoming);
        incoming->relay_result = result;
        return false;
    }
    if (!*incoming->file) {
        free(incoming->file);
        incoming->file = NULL;
    }
    return true;
}

bool slot_load(struct slot *slot, const char *file, struct incoming *incoming, struct error *error)
{
    return load(slot, file, RELAY_PATIENCE_MS, incoming, error);
}

/* Under the lock: removes a card that is in use. Leaves the card, its contacts and its interface device to
 * the use, which frees them at its end, interrupts the card, and gives the slot a new interface device.
 * Returns false if there is no memory. */
static bool leave_to_user(struct slot *slot)
{
    struct slot_use *use = slot->current_use;
    struct ifd *ifd = calloc(1, sizeof *ifd);
    if (!ifd)
        return false;
    ifd->options = use->ifd->options;
    slot->ifd = ifd;
    slot->card = NULL;
    slot->contacts = NULL;
    slot->current_use = NULL;
    use->removed = true;
    if (use->card)
        card_interrupt(use->card);
    if (use->on_removal)
        use->on_removal(use);
    pthread_cond_broadcast(&slot->changed);
    return true;
}

/* Under the lock: ends the watch, which no longer inserts and removes the slot's cards. */
static void end_watch(struct slot *slot)
{
    if (slot->watch)
        relay_watch_interrupt(slot->watch);
    slot->watch = NULL;
}

/* Under the lock: makes one card event. Inserts the incoming card or, if incoming is empty, removes the
 * card of the slot. The slot remembers the file of a removed card. Afterwards *incoming has the number of
 * the card event and, for the caller to free, what it has replaced, unless that is left to a use. Returns
 * false if there is no memory. */
static bool change_card(struct slot *slot, struct incoming *incoming)
{
    struct trace *trace = slot->slots->trace;
    if (slot->current_use && !leave_to_user(slot))
        return false;
    struct incoming before = {.card = slot->card, .contacts = slot->contacts};
    slot->card = incoming->card;
    slot->contacts = incoming->contacts;
    if (incoming->card) {
        before.file = slot->file;
        slot->file = incoming->file;
    }
    ifd_set_card(slot->ifd, slot->contacts, trace, slot->text);
    trace_note(trace, slot->text, 0, slot->card ? "card inserted: %s" : "card removed%s",
               slot->card ? card_name(slot->card) : "");
    before.card_event = ++slot->card_event;
    *incoming = before;
    return true;
}

static bool check_no_token(const struct slot *slot, struct error *error)
{
    if (slot->reader->options.token)
        error_set(error, "%s is a token, reader and card in one: unplug it", slot->reader->options.name);
    return !slot->reader->options.token;
}

/* The caller holds the lock. */
static bool check_put(const struct slot *slot, bool swap, struct error *error)
{
    if ((swap || slot->card) && !check_no_token(slot, error))
        return false;
    if (swap || !slot->card)
        return true;
    return error_set(error, "slot %s holds a card already ('%s'): remove it first, or swap", slot_text(slot),
                     card_name(slot->card));
}

/* The caller holds the lock. */
static bool check_remove(const struct slot *slot, struct error *error)
{
    if (slot->card)
        return check_no_token(slot, error);
    return error_set(error, "slot %s is empty", slot_text(slot));
}

bool slot_check(struct slot *slot, bool swap, struct error *error)
{
    if (slot->reader->options.cards != READER_OWN_CARDS)
        return error_set(error, "slot %s is for vpcd cards: a card is inserted when its program connects",
                         slot_text(slot));
    pthread_mutex_lock(&slot->lock);
    bool ok = check_put(slot, swap, error);
    pthread_mutex_unlock(&slot->lock);
    return ok;
}

/* Reports one or two card events. The caller must not hold the lock. */
static void report_card_event(struct slot *slot)
{
    trace_flush(slot->slots->trace);
    if (slot->slots->on_card_event)
        slot->slots->on_card_event(slot->slots->arg, slot);
}

/* For the watch: inserts its card or, if incoming is empty, removes it. Returns false, and changes nothing,
 * if the slot no longer belongs to the watch. */
static bool change_relay_card(struct slot *slot, const struct relay_watch *watch, struct incoming *incoming)
{
    pthread_mutex_lock(&slot->lock);
    bool ok = slot->watch == watch && !slot->card == !!incoming->card;
    if (ok && incoming->card) /* the slot keeps its file name */
        incoming->file = slot->file;
    ok = ok && change_card(slot, incoming);
    if (ok || incoming->file == slot->file)
        incoming->file = NULL;
    pthread_mutex_unlock(&slot->lock);
    if (ok)
        report_card_event(slot);
    return ok;
}

static bool watch_insert(void *arg, const struct relay_watch *watch, struct card *card)
{
    struct incoming incoming = {.card = card, .contacts = contacts_new(card)};
    bool ok = incoming.contacts && change_relay_card(arg, watch, &incoming);
    incoming_free(&incoming);
    return ok;
}

static void watch_remove(void *arg, const struct relay_watch *watch)
{
    struct incoming before = {0};
    change_relay_card(arg, watch, &before);
    incoming_free(&before);
}

static void watch_ended(void *arg, const struct relay_watch *watch)
{
    struct slot *slot = arg;
    pthread_mutex_lock(&slot->lock);
    if (slot->watch == watch)
        slot->watch = NULL;
    pthread_mutex_unlock(&slot->lock);
}

static bool watch_start(void *arg, void (*work)(void *work_arg), void *work_arg)
{
    const struct slots *slots = ((struct slot *)arg)->slots;
    return slots->start && slots->start(slots->arg, work, work_arg);
}

static struct relay_watch *watch_new(struct slot *slot, const char *reader, bool card_in, uint32_t counter,
                                     struct error *error)
{
    const struct relay_watch_host host = {.arg = slot,
                                          .name = slot_text(slot),
                                          .card_host = &slot->host,
                                          .start = watch_start,
                                          .insert = watch_insert,
                                          .remove = watch_remove,
                                          .ended = watch_ended};
    return relay_watch_new(&host, reader, card_in, counter, error);
}

/* Under the lock: ends the present watch, and starts one for the incoming card if that is a relay. Returns
 * false and sets *error on failure. */
static bool begin_watch(struct slot *slot, const struct incoming *incoming, struct error *error)
{
    const char *reader = incoming->file ? relay_reader(incoming->file) : NULL;
    struct relay_watch *watch = reader ? watch_new(slot, reader, true, incoming->relay_counter, error) : NULL;
    if (reader && !watch)
        return false;
    end_watch(slot);
    slot->watch = watch;
    return true;
}

bool slot_put(struct slot *slot, bool swap, struct incoming *incoming, struct error *error)
{
    struct incoming before = {0};
    pthread_mutex_lock(&slot->lock);
    bool ok = check_put(slot, swap, error) && begin_watch(slot, incoming, error);
    if (ok)
        error_set(error, "out of memory");
    bool changed = ok && (!slot->card || change_card(slot, &before));
    ok = changed && change_card(slot, incoming);
    if (!ok && changed)
        end_watch(slot);
    pthread_mutex_unlock(&slot->lock);
    if (changed)
        report_card_event(slot);
    incoming_free(&before);
    return ok;
}

static bool put_file(struct slot *slot, bool swap, const char *file, struct error *error)
{
    struct incoming incoming;
    bool ok = slot_check(slot, swap, error) && slot_load(slot, file, &incoming, error);
    if (!ok)
        return false;
    ok = slot_put(slot, swap, &incoming, error);
    incoming_free(&incoming);
    return ok;
}

bool slot_insert(struct slot *slot, const char *file, struct error *error)
{
    return put_file(slot, false, file, error);
}

bool slot_swap(struct slot *slot, const char *file, struct error *error)
{
    return put_file(slot, true, file, error);
}

/* Removes the card. If card_event is not NULL, removes it only if it was inserted by that card event. */
static bool remove_card(struct slot *slot, const uint32_t *card_event, struct error *error)
{
    struct incoming before = {0};
    pthread_mutex_lock(&slot->lock);
    bool ok = (!card_event || *card_event == slot->card_event) && check_remove(slot, error);
    if (ok) {
        error_set(error, "out of memory");
        ok = change_card(slot, &before);
        end_watch(slot);
    }
    pthread_mutex_unlock(&slot->lock);
    if (ok)
        report_card_event(slot);
    incoming_free(&before);
    return ok;
}

bool slot_remove(struct slot *slot, struct error *error)
{
    return remove_card(slot, NULL, error);
}

bool slot_remove_at(struct slot *slot, uint32_t card_event)
{
    struct error error;
    return remove_card(slot, &card_event, &error);
}

/* Starts a watch for an empty slot, which inserts the relay's card when it becomes available. */
static bool await_relay(struct slot *slot, const char *file, struct error *error)
{
    char *copy = strdup(file);
    pthread_mutex_lock(&slot->lock);
    struct relay_watch *watch = copy ? watch_new(slot, relay_reader(copy), false, 0, error) : NULL;
    if (watch) {
        free(slot->file);
        slot->file = copy;
        slot->watch = watch;
    }
    pthread_mutex_unlock(&slot->lock);
    if (!watch)
        free(copy);
    return watch != NULL;
}

bool slot_insert_relay(struct slot *slot, const char *file, struct error *error)
{
    struct incoming incoming = {0};
    if (!slot_check(slot, false, error))
        return false;
    if (load(slot, file, 0, &incoming, error)) {
        bool ok = slot_put(slot, false, &incoming, error);
        incoming_free(&incoming);
        return ok;
    }
    if (incoming.relay_result != PCSC_NO_CARD && incoming.relay_result != PCSC_IN_USE)
        return false;
    rig_log("%s: %s; waiting for it", slot_text(slot), error->text);
    return await_relay(slot, file, error);
}

/* Makes the card's time real: waits until time_us, a time of clock_us, or until the card is removed or the
 * use is abandoned. */
static void wait_until(void *arg, int64_t time_us)
{
    struct slot_use *use = arg;
    struct slot *slot = use->slot;
    struct timespec end = {.tv_sec = (time_t)(time_us / 1000000),
                           .tv_nsec = (long)(time_us % 1000000) * 1000};
    if (clock_us() >= time_us)
        return;
    pthread_mutex_lock(&slot->lock);
    while (!use->removed && !use->abandoned && pthread_cond_timedwait(&slot->changed, &slot->lock, &end) == 0)
        ;
    pthread_mutex_unlock(&slot->lock);
}

void slot_use_begin(struct slot *slot, struct slot_use *use)
{
    pthread_mutex_lock(&slot->lock);
    while (slot->current_use)
        pthread_cond_wait(&slot->changed, &slot->lock);
    slot->current_use = use;
    use->slot = slot;
    use->removed = false;
    use->abandoned = slot->ending;
    use->pace = (struct pace){wait_until, use};
    use->card_event = slot->card_event;
    use->card = slot->card;
    use->contacts = slot->contacts;
    use->ifd = slot->ifd;
    ifd_view(slot->ifd, &slot->view);
    ifd_set_pace(slot->ifd, slot->reader->options.real_time ? &use->pace : NULL);
    pthread_mutex_unlock(&slot->lock);
}

bool slot_use_end(struct slot_use *use)
{
    struct slot *slot = use->slot;
    pthread_mutex_lock(&slot->lock);
    bool removed = use->removed;
    if (!removed) {
        ifd_set_pace(use->ifd, NULL);
        slot->current_use = NULL;
        pthread_cond_signal(&slot->changed);
    }
    pthread_mutex_unlock(&slot->lock);
    if (!removed)
        return true;
    contacts_free(use->contacts);
    card_free(use->card);
    free(use->ifd);
    return false;
}

bool slot_use_wants_removal(const struct slot_use *use)
{
    return use->card && (contacts_wants_removal(use->contacts) || card_gone(use->card));
}

void slot_use_report(const struct slot_use *use)
{
    const struct ifd *ifd = use->ifd;
    pthread_mutex_lock(&use->slot->lock);
    bool awaited = !use->removed && !use->abandoned && !use->slot->interrupted;
    pthread_mutex_unlock(&use->slot->lock);
    if (awaited && ifd->last_error[0] && !slot_use_wants_removal(use))
        rig_log("%s: %s (after %.3f s of the card's time, %.1f ms of real time)", slot_text(use->slot),
                ifd->last_error, (double)ifd->last_us / 1e6, (double)ifd->last_real_us / 1e3);
}

void slot_use_abandon(struct slot_use *use)
{
    pthread_mutex_lock(&use->slot->lock);
    use->abandoned = true;
    pthread_mutex_unlock(&use->slot->lock);
}

void slot_lose_power(struct slot *slot)
{
    struct slot_use use = {0};
    slot_use_begin(slot, &use);
    if (use.card && !slot->reader->plugged)
        ifd_power_down(use.ifd);
    slot_use_end(&use);
}

/* Does what slot_abandon does. The caller holds the lock. */
static bool abandon(struct slot *slot)
{
    struct slot_use *use = slot->current_use;
    if (!use || !(slot->reader->options.real_time || slot->asks_person) || use->abandoned)
        return false;
    use->abandoned = true;
    pthread_cond_broadcast(&slot->changed);
    return true;
}

bool slot_abandon(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    bool used = abandon(slot);
    pthread_mutex_unlock(&slot->lock);
    return used;
}

void slots_interrupt(struct slots *slots)
{
    for (unsigned i = 0; i < slots->reader_count; i++)
        reader_interrupt(&slots->reader[i]);
    for (struct slot *slot = slots->slot; slot < slots->slot + slots->slot_count; slot++) {
        pthread_mutex_lock(&slot->lock);
        slot->interrupted = true;
        slot->ending = slot->reader->options.real_time;
        abandon(slot);
        if (slot->card)
            card_interrupt(slot->card);
        end_watch(slot);
        pthread_mutex_unlock(&slot->lock);
    }
}

const struct ifd_view *slot_view(struct slot *slot)
{
    if (!slot->current_use)
        ifd_view(slot->ifd, &slot->view);
    return &slot->view;
}
