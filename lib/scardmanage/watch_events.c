/* SPDX-License-Identifier: BSD-3-Clause */
/* What a watch has seen, and what the caller has not been told of it. */
#include "watch.h"

#include <string.h>

#define SERVICE 0 /* the index of its entry */

void watch_events_init(struct watch_events *events)
{
    memset(events, 0, sizeof *events);
    events->entries[SERVICE].used = true;
    events->entries[SERVICE].event.service = SCARDMANAGE_E_NO_SERVICE;
}

static void add(struct watch_events *events, struct watch_entry *entry, uint32_t happened, uint32_t changes)
{
    if (happened == 0)
        return;
    entry->event.happened |= happened;
    entry->event.changes += changes;
    events->changes += changes;
    if (entry->turn == 0)
        entry->turn = ++events->turns;
}

static bool same_atr(const struct pcsc_atr *a, const struct pcsc_atr *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Returns how often a card was inserted or removed. Versions of pcscd set the state first and the counter
 * afterwards, and may be seen in between: then the counter is odd although the card is where it was, or the reverse. */
static uint32_t card_events(struct watch_entry *entry, const struct pcsc_reader_state *now)
{
    uint32_t counted = (now->counter - entry->state.counter) & 0xFFFFu;
    if (entry->counter_lags && counted > 0) {
        counted--;
        entry->counter_lags = false;
    }
    bool moved = now->present != entry->state.present;
    if (moved == (counted % 2 == 1))
        return counted;
    entry->counter_lags = true;
    return counted + 1;
}

static void update_card(struct watch_events *events, struct watch_entry *entry,
                        const struct pcsc_reader_state *now)
{
    uint32_t happened = 0, changes = card_events(entry, now);
    if (changes > 0 && (now->present || changes > 1))
        happened |= SCARDMANAGE_WATCH_CARD_INSERTED;
    if (changes > 0 && (entry->state.present || changes > 1))
        happened |= SCARDMANAGE_WATCH_CARD_REMOVED;
    if (changes == 0 && now->present &&
        (now->mute != entry->state.mute || !same_atr(&now->atr, &entry->state.atr))) {
        happened = SCARDMANAGE_WATCH_CARD_CHANGED;
        changes = 1;
    }
    add(events, entry, happened, changes);
}

static scardmanage_state state_of(const struct pcsc_reader_state *now)
{
    if (!now->present)
        return SCARDMANAGE_STATE_ABSENT;
    return now->mute ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
}

static void update_reader(struct watch_events *events, struct watch_entry *entry,
                          const struct pcsc_reader_state *now)
{
    scardmanage_watch_event *event = &entry->event;
    if (entry->there) {
        update_card(events, entry, now);
    } else {
        add(events, entry, SCARDMANAGE_WATCH_READER_ADDED, 1);
        if (now->present)
            add(events, entry, SCARDMANAGE_WATCH_CARD_INSERTED, 1);
        entry->counter_lags = false;
    }
    entry->there = true;
    entry->state = *now;
    event->service = SCARDMANAGE_S_OK;
    event->state = state_of(now);
    event->counter = now->counter;
    event->exclusive = now->exclusive;
    event->atr_len = now->atr.length;
    memset(event->atr, 0, sizeof event->atr);
    memcpy(event->atr, now->atr.bytes, now->atr.length);
}

static void remove_reader(struct watch_events *events, struct watch_entry *entry, scardmanage_result service)
{
    scardmanage_watch_event *event = &entry->event;
    if (entry->state.present)
        add(events, entry, SCARDMANAGE_WATCH_CARD_REMOVED, 1);
    add(events, entry, SCARDMANAGE_WATCH_READER_REMOVED, 1);
    entry->there = false;
    memset(&entry->state, 0, sizeof entry->state);
    event->service = service;
    event->state = SCARDMANAGE_STATE_UNKNOWN;
    event->counter = event->exclusive = event->atr_len = 0;
    memset(event->atr, 0, sizeof event->atr);
}

static const struct pcsc_reader *find_reader(const struct pcsc_reader *readers, size_t count,
                                             const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(readers[i].name, name) == 0)
            return &readers[i];
    return NULL;
}

/* Returns the entry of the reader. If it has none, takes a free one, or the oldest of a reader that is
 * no longer there. */
static struct watch_entry *entry_for(struct watch_events *events, const char *name)
{
    struct watch_entry *best = NULL;
    for (struct watch_entry *entry = events->entries + 1; entry < events->entries + WATCH_ENTRIES_MAX;
         entry++) {
        if (entry->used && strcmp(entry->event.reader, name) == 0)
            return entry;
        if (!entry->there && (!best || (best->used && (!entry->used || entry->turn < best->turn))))
            best = entry;
    }
    memset(best, 0, sizeof *best); /* not null: there are more entries than readers */
    best->used = true;
    memcpy(best->event.reader, name, strlen(name) + 1);
    return best;
}

bool watch_events_update(struct watch_events *events, scardmanage_result result,
                         const struct pcsc_reader *readers, size_t count)
{
    struct watch_entry *service = &events->entries[SERVICE];
    uint64_t changes = events->changes;
    if (result != service->event.service || changes == 0)
        add(events, service,
            result == SCARDMANAGE_S_OK ? SCARDMANAGE_WATCH_SERVICE_STARTED : SCARDMANAGE_WATCH_SERVICE_LOST,
            1);
    service->event.service = result;
    for (size_t i = 1; i < WATCH_ENTRIES_MAX; i++) {
        struct watch_entry *entry = &events->entries[i];
        if (entry->there && !find_reader(readers, count, entry->event.reader))
            remove_reader(events, entry, result);
    }
    for (size_t i = 0; i < count; i++)
        update_reader(events, entry_for(events, readers[i].name), &readers[i].state);
    return changes != events->changes;
}

/* Returns the index of the entry whose event comes next, or WATCH_ENTRIES_MAX. */
static size_t oldest(const struct watch_events *events)
{
    size_t found = WATCH_ENTRIES_MAX;
    for (size_t i = 0; i < WATCH_ENTRIES_MAX; i++) {
        uint64_t turn = events->entries[i].turn;
        if (turn != 0 && (found == WATCH_ENTRIES_MAX || turn < events->entries[found].turn))
            found = i;
    }
    return found;
}

bool watch_events_are_due(const struct watch_events *events)
{
    return oldest(events) != WATCH_ENTRIES_MAX;
}

bool watch_events_take(struct watch_events *events, scardmanage_watch_event *event)
{
    size_t index = oldest(events);
    if (index == WATCH_ENTRIES_MAX)
        return false;
    struct watch_entry *entry = &events->entries[index];
    *event = entry->event;
    entry->event.happened = entry->event.changes = 0;
    entry->turn = 0;
    entry->used = entry->there || index == SERVICE;
    return true;
}

const scardmanage_watch_event *watch_events_next_reader(const struct watch_events *events, size_t *position)
{
    while (++*position < WATCH_ENTRIES_MAX)
        if (events->entries[*position].there)
            return &events->entries[*position].event;
    return NULL;
}
