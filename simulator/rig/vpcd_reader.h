/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers for vpcd cards (icc/vpcd.h): each slot listens at a port of its own, slot i at the reader's port
 * + i, or connects to where a card listens, again and again. A connection is a card in the slot, and its
 * end takes the card out.
 */
#ifndef CARDRIG_RIG_VPCD_READER_H
#define CARDRIG_RIG_VPCD_READER_H

#include "base/error.h"
#include "rig/loop.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>

struct vpcd_readers;

/* Listens for the slots of all such readers, of which there are to be no more; one whose port is 0 gets
 * free ones, one after the other, which are put down in its options. A card that comes before they serve
 * waits. NULL with error. */
struct vpcd_readers *vpcd_readers_new(struct slots *slots, struct error *error);

/* Begins to serve. False with errno. */
bool vpcd_readers_start(struct vpcd_readers *readers, struct loop *loop);

/* Before the loop is freed. NULL is allowed. */
void vpcd_readers_free(struct vpcd_readers *readers);

/* From any thread: the slot has had a card event. */
void vpcd_readers_on_card_event(struct vpcd_readers *readers, const struct slot *slot);

#endif
