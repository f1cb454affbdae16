/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards in a reader of another PC/SC service (the machine's own, or another rig's): its
 * ATR, resets and answers are passed on. Such a card is for the rig alone: its other
 * service gives it to nobody else while it is here. A card that is not in the other reader
 * any more does not answer, until it is taken out here, too.
 *
 * The other service chooses its own protocol with the card. When another one is chosen
 * here, the card is reset once more there, in the same way as before, and that one is used.
 */
#ifndef CARDRIG_ICC_RELAY_H
#define CARDRIG_ICC_RELAY_H

#include "base/error.h"
#include "icc/card.h"
#include "icc/pcsc_client.h"

/* Where a card is named: "relay=READER". */
#define RELAY_PREFIX "relay="

/* The reader in such a name, or NULL: it is another kind of card. */
const char *relay_reader(const char *name);

/*
 * The card in the reader, as of pcsc_client_new, with the reader's count of card events
 * when it was found. host is copied. A program that uses the card is given patience_ms to
 * let it go. NULL with *result and error, one line for people; after PCSC_NO_CARD and
 * PCSC_IN_USE there may be one later.
 */
struct card *relay_load(const char *reader, const struct card_host *host, int patience_ms, uint32_t *counter,
                        enum pcsc_result *result, struct error *error);

#endif
