/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches the reader of another PC/SC service for a slot's relay: a card that comes there
 * is put into the slot, and one that goes is taken out; so are those of a reader that goes,
 * or a service that ends, and comes back.
 */
#ifndef CARDRIG_RIG_RELAY_WATCH_H
#define CARDRIG_RIG_RELAY_WATCH_H

#include "base/error.h"
#include "icc/card.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_watch;

/* The slot that it watches for. All functions but start are called in the watch's thread. */
struct relay_watch_host {
    void *arg;
    const char *name;                  /* in log lines */
    const struct card_host *card_host; /* for the cards */
    /* Has work(work_arg) called in a thread. False with errno. */
    bool (*start)(void *arg, void (*work)(void *work_arg), void *work_arg);
    /* Takes the card over, and puts it into the slot. False: it is not in. */
    bool (*insert)(void *arg, const struct relay_watch *watch, struct card *card);
    void (*remove)(void *arg, const struct relay_watch *watch);
    void (*ended)(void *arg, const struct relay_watch *watch);
};

/*
 * Begins to watch, under the slot's lock; reader as of relay_load. card_in: the reader's card
 * is in the slot, and counter is what relay_load said then. The watch ends, and is freed, some
 * time after it has been interrupted. NULL with error.
 */
struct relay_watch *relay_watch_new(const struct relay_watch_host *host, const char *reader, bool card_in,
                                    uint32_t counter, struct error *error);

/* Under the slot's lock. */
void relay_watch_interrupt(struct relay_watch *watch);

#endif
