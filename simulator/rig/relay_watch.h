/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches the reader of another PC/SC service for a slot's relay: a card that comes there
 * is put into the slot, and one that goes is taken out; so are those of a reader that goes,
 * or a service that ends, and comes back.
 */
#ifndef CARDRIG_RIG_RELAY_WATCH_H
#define CARDRIG_RIG_RELAY_WATCH_H

#include "rig/slot.h"

struct relay_watch;

/*
 * Begins to watch for the slot, under its lock; reader as of relay_load. card_in: the
 * reader's card is in the slot, and counter is what relay_load said then. The watch ends,
 * and is freed, some time after it is not slot->watch any more and has been interrupted.
 * NULL with error.
 */
struct relay_watch *relay_watch_new(struct slot *slot, const char *reader, bool card_in, uint32_t counter,
                                    char *error, size_t error_size);

/* Under the slot's lock. */
void relay_watch_interrupt(struct relay_watch *watch);

#endif
