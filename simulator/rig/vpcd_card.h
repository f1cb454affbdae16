/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rig's cards as cards of the vpcd protocol (link/vpcd.h), for somebody else's reader: each slot is at a
 * port of its own, slot i at the first one's number + i. A connection is a card in the slot. Either the
 * reader listens and we connect, again and again while nobody is there; or, in the reversed mode, we listen
 * as long as there is a card and no reader has it.
 *
 * Each card that is in has a thread, so that one that is at work delays no other. When it is taken out the
 * connection ends at once; the thread does when the card lets it go.
 *
 * The protocol has no way to say that something went wrong. What a reader is told then is chosen so that
 * libifdvpcd 3.3, the reader that comes with vsmartcard, goes on and makes the best of it (it never returns
 * from an empty message, and takes a closed connection for an answer):
 *
 *   a reset that the card did not answer, or garbled    an ATR of 34 bytes, longer than any: no answer
 *   a command, likewise, or without power               an answer of one byte: no response APDU
 *   a response APDU longer than a message can be        67 00
 */
#ifndef CARDRIG_RIG_VPCD_CARD_H
#define CARDRIG_RIG_VPCD_CARD_H

#include "base/error.h"
#include "base/threads.h"
#include "rig/address.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>

struct vpcd_cards;

/* The slots, whose number is not to change any more, as cards. address is where the first slot's reader is,
 * or, reversed (listen), where it comes to: the ports are taken then. NULL with error.
 */
struct vpcd_cards *vpcd_cards_new(struct slots *slots, const struct address *address, bool listen,
                                  struct error *error);

/* Begins to serve, with threads that outlive it. */
void vpcd_cards_start(struct vpcd_cards *cards, struct threads *threads);

/* Hangs up on all readers. The threads end when their cards let them go. */
void vpcd_cards_stop(struct vpcd_cards *cards);

/* When all the threads have ended. NULL is allowed. */
void vpcd_cards_free(struct vpcd_cards *cards);

/* From any thread: the slot has had a card event. */
void vpcd_cards_on_card_event(struct vpcd_cards *cards, const struct slot *slot);

/* Where the slot's card is, or its reader. Returns whether a reader is connected. */
bool vpcd_cards_address(struct vpcd_cards *cards, const struct slot *slot, struct address *address,
                        bool *listen);

#endif
