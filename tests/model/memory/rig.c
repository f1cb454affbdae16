/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig in memory (rig.h). */
#include "rig.h"

#include "failures.h"
#include "libpcsclite.h"
#include "storm.h"
#include "truth.h"

#include <stdio.h>
#include <string.h>

#define WAIT_US (10 * 1000000)

struct begun {
    void (*run)(void *);
    void *argument;
};

static void begin(void *argument)
{
    struct begun *begun = argument;
    card_begin();
    pcscd_begin();
    client_begin();
    failures_begin();
    truth_begin();
    version_in_use = &version_list[scheduler_random(version_count)];
    pcscd_start();
    begun->run(begun->argument);
}

const char *rig_run(uint64_t seed, void (*run)(void *), void *argument)
{
    struct begun begun = {run, argument};
    return scheduler_run(seed, begin, &begun);
}

bool rig_is_new_for_each_run(void)
{
    return true;
}

void rig_use_version(const char *version)
{
    version_in_use = version_find(version);
}

void rig_run_storm(struct model *model, unsigned calls, FILE *log)
{
    storm_run(model, calls, log);
}

const scardmanage_allocator *rig_allocator(void)
{
    return &failures_allocator;
}

static bool fail(struct rig_connection *rig, const char *what)
{
    snprintf(rig->error, sizeof rig->error, "%s", what);
    return false;
}

static struct slot *slot_of(const char *reader)
{
    return strcmp(reader, RIG_KEY) == 0 ? &card_slots[0] : &card_slots[1];
}

bool rig_open(struct rig_connection *rig, const char *folder)
{
    (void)folder;
    *rig = (struct rig_connection){.pcscd = 1};
    return true;
}

void rig_close(struct rig_connection *rig)
{
    (void)rig;
}

bool rig_get_state(struct rig_connection *rig, struct rig_state *state)
{
    (void)rig;
    const struct slot *slot = &card_slots[0];
    *state = (struct rig_state){.present = slot->card != NULL};
    if (state->present)
        *state = (struct rig_state){.present = true,
                                    .powered = slot->powered,
                                    .atr = slot->powered ? slot->atr : 0,
                                    .protocol = slot->protocol,
                                    .commands = slot->commands,
                                    .cold = slot->cold,
                                    .warm = slot->warm,
                                    .off = slot->off};
    return true;
}

void rig_reader_name(unsigned index, char name[MAX_READERNAME])
{
    snprintf(name, MAX_READERNAME, RIG_KEY " %02X 00", index);
}

/*
 * Cards
 */

bool rig_insert(struct rig_connection *rig, const struct cards_kind *kind, bool pcscd_counts)
{
    if (card_slots[0].card)
        return fail(rig, "there is a card already");
    rig->events_pending += pcscd_counts;
    card_insert(&card_slots[0], kind);
    return true;
}

bool rig_remove(struct rig_connection *rig, bool pcscd_counts)
{
    if (!card_slots[0].card)
        return fail(rig, "there is no card");
    rig->events_pending += pcscd_counts;
    card_remove(&card_slots[0]);
    return true;
}

/* "mute@1", or "mute*0" for none. */
bool rig_fault(struct rig_connection *rig, const char *fault)
{
    (void)rig;
    card_slots[0].mute = card_slots[0].card && strcmp(fault, "mute@1") == 0;
    truth_now.mutes++;
    return true;
}

/*
 * Waiting for the service. What it has not done yet, it does within a moment.
 */

static const struct pcscd_reader *find_reader(const struct slot *slot)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].exists && pcscd_service.readers[i].slot == slot)
            return &pcscd_service.readers[i];
    return NULL;
}

static bool has_counted(const struct slot *slot)
{
    const struct pcscd_reader *reader = find_reader(slot);
    return reader && reader->initialized &&
           reader->state.counter == ((slot->events - slot->events_before) & 0xFFFF);
}

static bool is_gone(const struct slot *slot)
{
    return !find_reader(slot);
}

static bool wait_until(struct rig_connection *rig, bool (*reached)(const struct slot *),
                       const struct slot *slot, const char *what)
{
    for (uint64_t end = scheduler_now_us() + WAIT_US; !reached(slot); fiber_sleep(200))
        if (scheduler_now_us() > end)
            return fail(rig, what);
    return true;
}

bool rig_wait_for_events(struct rig_connection *rig, unsigned index)
{
    (void)index;
    rig->events_pending = 0;
    return wait_until(rig, has_counted, &card_slots[0], "the service does not notice the card");
}

bool rig_wait_for_service(struct rig_connection *rig)
{
    if (!pcscd_service.running && pcscd_service.starts_for_client)
        pcscd_start();
    rig->pcscd = 1;
    return pcscd_service.running || fail(rig, "the service does not start");
}

bool rig_wait_for_reader(struct rig_connection *rig, unsigned index)
{
    return rig_wait_for_events(rig, index);
}

/*
 * Readers and the service
 */

bool rig_unplug(struct rig_connection *rig, const char *reader, unsigned index)
{
    (void)index;
    struct slot *slot = slot_of(reader);
    card_unplug(slot);
    pcscd_notice_readers();
    return !pcscd_service.running ||
           wait_until(rig, is_gone, slot, "the service keeps the reader that was unplugged");
}

static bool is_there(const struct slot *slot)
{
    return find_reader(slot) != NULL;
}

bool rig_plug(struct rig_connection *rig, const char *reader)
{
    struct slot *slot = slot_of(reader);
    card_plug(slot);
    pcscd_notice_readers();
    return !pcscd_service.running ||
           wait_until(rig, is_there, slot, "the service does not notice the reader");
}

bool rig_is_plugged(struct rig_connection *rig, const char *reader, bool *plugged)
{
    (void)rig;
    *plugged = slot_of(reader)->plugged;
    return true;
}

bool rig_stop_service(struct rig_connection *rig)
{
    (void)rig;
    pcscd_stop();
    return true;
}

bool rig_continue_service(struct rig_connection *rig)
{
    (void)rig;
    pcscd_continue();
    return true;
}

bool rig_service_has_died(struct rig_connection *rig)
{
    (void)rig;
    return false; /* this one has no faults of memory management */
}

bool rig_end_service(struct rig_connection *rig, int signal, bool keep_socket)
{
    (void)signal;
    pcscd_end(keep_socket);
    rig->pcscd = 0;
    rig->events_pending = 0;
    return true;
}

bool rig_start_service(struct rig_connection *rig)
{
    pcscd_start();
    rig->pcscd = 1;
    return true;
}
