/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers for vpcd cards (icc/vpcd.h). Each slot has its own port: slot i has the reader's port + i. It
 * either listens there or, in reversed mode, tries to connect to a card that listens there. A connection is
 * a card in the slot, and the end of the connection removes the card.
 */
#ifndef CARDRIG_RIG_VPCD_READER_H
#define CARDRIG_RIG_VPCD_READER_H

#include "base/error.h"
#include "rig/loop.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>

struct vpcd_readers;

/* Begins to listen for the slots of all readers with READER_VPCD_LISTEN. No slot may be added after this
 * call. A reader whose port is 0 gets consecutive free ports, and the first one is recorded in its options. A
 * card that connects before vpcd_readers_start waits. Returns NULL and sets *error on failure. */
struct vpcd_readers *vpcd_readers_new(struct slots *slots, struct error *error);

/* Begins to serve. Returns false with errno on failure. */
bool vpcd_readers_start(struct vpcd_readers *readers, struct loop *loop);

/* Frees the readers. Call this before loop_free. Accepts NULL. */
void vpcd_readers_free(struct vpcd_readers *readers);

/* Call this after each card event of a slot, from any thread. */
void vpcd_readers_on_card_event(struct vpcd_readers *readers, const struct slot *slot);

#endif
