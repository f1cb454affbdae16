/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches a reader of another PC/SC service for a slot's relay. When a card is inserted there, the watch
 * inserts it into the slot, and when the card is removed there, it removes it from the slot. It does the same
 * when the reader or the service disappears and comes back.
 */
#ifndef CARDRIG_RIG_RELAY_WATCH_H
#define CARDRIG_RIG_RELAY_WATCH_H

#include "base/error.h"
#include "icc/card.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_watch;

/* The slot of the watch. All functions except start are called in the watch's thread. */
struct relay_watch_host {
    void *arg;
    const char *name;                  /* of the slot, in log lines */
    const struct card_host *card_host; /* for the cards that are inserted */
    /* Runs work(work_arg) in a thread. Returns false with errno on failure. */
    bool (*start)(void *arg, void (*work)(void *work_arg), void *work_arg);
    /* Takes over the card and inserts it into the slot. Returns false if that fails. */
    bool (*insert)(void *arg, const struct relay_watch *watch, struct card *card);
    void (*remove)(void *arg, const struct relay_watch *watch);
    void (*ended)(void *arg, const struct relay_watch *watch);
};

/*
 * Begins to watch reader, a name as for relay_connect. The caller holds the slot's lock. card_in means that
 * the reader's card is in the slot, or is about to be; counter is then the one that relay_connect returned.
 * The watch ends and frees itself some time after relay_watch_interrupt. Returns NULL and sets *error on
 * failure.
 */
struct relay_watch *relay_watch_new(const struct relay_watch_host *host, const char *reader, bool card_in,
                                    uint32_t counter, struct error *error);

/* Ends the watch. The caller holds the slot's lock. */
void relay_watch_interrupt(struct relay_watch *watch);

#endif
