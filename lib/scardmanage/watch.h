/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a watch. Its thread looks at all readers, and publishes what it has seen; calls take the
 * events from there.
 */
#ifndef SCARDMANAGE_WATCH_INTERNAL_H
#define SCARDMANAGE_WATCH_INTERNAL_H

#include "internal.h"
#include "scardmanage_watch.h"

/*
 * watch_events.c: what was seen last, and what the caller has not been told of it. One entry for each
 * reader and one for the service, which has no name. An entry outlives its reader until its event is
 * taken.
 */

#define WATCH_ENTRIES_MAX (PCSC_READERS_MAX + 32)

struct watch_entry {
    scardmanage_watch_event event; /* its state is current; size is not set */
    struct pcsc_reader_state state;
    bool used;
    bool there;        /* the reader is there */
    bool counter_lags; /* pcscd has reported the card event, but has not counted it yet */
    uint64_t turn;     /* events are taken in this order; 0: there is none to take */
};

struct watch_events {
    struct watch_entry entries[WATCH_ENTRIES_MAX]; /* the first one is the service */
    uint64_t turns;
    uint64_t changes; /* in all */
};

void watch_events_init(struct watch_events *events);
/* Records what the thread has seen: the result is S_OK, or says why the service cannot be used; then no
 * reader is there. Returns whether anything has happened. */
bool watch_events_update(struct watch_events *events, scardmanage_result result,
                         const struct pcsc_reader *readers, size_t count);
bool watch_events_are_due(const struct watch_events *events);
/* Takes the oldest event. Returns false if there is none. */
bool watch_events_take(struct watch_events *events, scardmanage_watch_event *event);
/* Returns the next reader that is there, from *position on, and moves that on; null after the last. */
const scardmanage_watch_event *watch_events_next_reader(const struct watch_events *events, size_t *position);

/*
 * watch.c
 */

/* Called by the thread of the watch when anything has happened, with the watch locked. */
typedef void watch_listener(void *context);

/* once: the thread looks at the readers once, and ends. listener may be null. */
scardmanage_result watch_create(const scardmanage_allocator *source, bool once, watch_listener *listener,
                                void *context, scardmanage_watch **out);
/* Waits until the thread has looked at the readers, and locks the watch if it returns S_OK. */
scardmanage_result watch_lock_after_first_look(scardmanage_watch *w, uint32_t timeout_ms);
void watch_unlock(scardmanage_watch *w);
const struct watch_events *watch_get_events(const scardmanage_watch *w);

#endif
