/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A relay: a card in a reader of another PC/SC service, which is the system's or another rig's. The relay
 * passes resets and commands to that card, and its ATR and responses back. It connects exclusively, so no
 * other client of that service can use the card. When the card is removed from the other reader, the relay no
 * longer answers, until it is removed from its slot, too.
 *
 * The other service chooses a protocol of its own with the card. If a different one is chosen here, the relay
 * resets the card once more, warm or cold as before, and has the other service use that protocol.
 */
#ifndef CARDRIG_ICC_RELAY_H
#define CARDRIG_ICC_RELAY_H

#include "base/error.h"
#include "icc/card.h"
#include "icc/pcsc_client.h"

/* The prefix of a relay's name: "relay=READER". */
#define RELAY_PREFIX "relay="

/* Returns the READER in "relay=READER", or NULL if name names another kind of card. */
const char *relay_reader(const char *name);

/*
 * Returns a relay of the card in the reader; reader is a name as for pcsc_client_new. Sets *counter to the
 * reader's event counter at that time. Copies host. If another program uses the card, waits up to patience_ms
 * for it to disconnect. Returns NULL with *result, and one line for the user in error, on failure. After
 * PCSC_NO_CARD or PCSC_IN_USE the call may succeed later.
 */
struct card *relay_connect(const char *reader, const struct card_host *host, int patience_ms,
                           uint32_t *counter, enum pcsc_result *result, struct error *error);

#endif
