/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Offers the rig's cards as cards of the vpcd protocol (link/vpcd.h), to vpcd readers of other projects.
 * Each slot has its own port: slot i has the port of the first slot + i. To the reader, a connection is an
 * inserted card. Either the reader listens, and the simulator tries to connect until it succeeds; or, in
 * reversed mode, the simulator listens while a card is in the slot and no reader is connected.
 *
 * Each inserted card has a thread, so that a busy card delays no other. When a card is removed, its
 * connection ends at once, and the thread ends when the interrupted operation of the card returns.
 *
 * The protocol has no message for an error. The simulator sends the following instead, with which
 * libifdvpcd 3.3, vsmartcard's own reader, can continue. (That reader never returns from an empty
 * message, and takes a closed connection for an answer.)
 *
 *   the card does not answer to a reset, or the answer is garbled    an ATR of 34 bytes, longer than any ATR
 *   the same with a command, or the card has no power                one byte, too short for a response APDU
 *   a response APDU is longer than a message can be                  67 00
 */
#ifndef CARDRIG_RIG_VPCD_CARD_H
#define CARDRIG_RIG_VPCD_CARD_H

#include "base/error.h"
#include "base/threads.h"
#include "rig/address.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>

struct vpcd_offers;

/* Offers the slots as cards; no slot may be added after this call. address is that of the first slot's
 * reader. In reversed mode (listen) it is the address to which that reader connects, and this call binds
 * the ports of all slots. Returns NULL and sets *error on failure. */
struct vpcd_offers *vpcd_offers_new(struct slots *slots, const struct address *address, bool listen,
                                    struct error *error);

/* Begins to serve. threads must outlive the offers. */
void vpcd_offers_start(struct vpcd_offers *offers, struct threads *threads);

/* Disconnects all readers. The threads end when the operations of their cards return. */
void vpcd_offers_stop(struct vpcd_offers *offers);

/* Frees the offers. All their threads must have ended. Accepts NULL. */
void vpcd_offers_free(struct vpcd_offers *offers);

/* Call this after each card event of a slot, from any thread. */
void vpcd_offers_on_card_event(struct vpcd_offers *offers, const struct slot *slot);

/* Sets *listen to whether the mode is reversed, and *address to the address at which the slot's card listens
 * or, in normal mode, that of its reader. Returns whether a reader is connected. */
bool vpcd_offers_address(struct vpcd_offers *offers, const struct slot *slot, struct address *address,
                         bool *listen);

#endif
