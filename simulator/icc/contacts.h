/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card side of the contacts: ISO/IEC 7816-3 as a card implements it. It turns power, reset and characters
 * into commands for the card, and the card's answers into characters. The faults that are set for the card
 * happen here.
 *
 * Times are in etu.
 */
#ifndef CARDRIG_ICC_CONTACTS_H
#define CARDRIG_ICC_CONTACTS_H

#include "icc/card.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct contacts;

/* What the card does next. */
enum contacts_kind {
    CONTACTS_SILENT, /* nothing, until the interface device does something */
    CONTACTS_WAIT,   /* it waits; call contacts_timeout if no character comes within timeout etu */
    CONTACTS_SEND,   /* it sends bytes, the first one delay etu after the last character on the line */
};

struct contacts_output {
    enum contacts_kind kind;
    const uint8_t *bytes; /* valid until the next call */
    size_t length;
    uint32_t delay;
    uint32_t timeout;
};

/* Returns new contacts for the card, which the caller still owns. Returns NULL if out of memory. */
struct contacts *contacts_new(struct card *card);
void contacts_free(struct contacts *contacts);

/* Returns whether the card is at an antenna: it then has T=1 only, and no characters (contacts_as_is). */
bool contacts_at_antenna(const struct contacts *contacts);

/* Activates the card with a cold reset, or does a warm reset. The card then answers to reset. */
void contacts_reset(struct contacts *contacts, bool cold);
void contacts_power_off(struct contacts *contacts);

/*
 * Sets what the next T=0 header does not say: the direction of its data, which a real card knows from its
 * commands, but a script does not; and Ne, as in t0_tpdu, so that the card gets the same command in T=0 and
 * in T=1.
 */
void contacts_expect(struct contacts *contacts, bool data_to_card, uint32_t ne);

/*
 * Returns, after a reset, the bytes that the card answers if neither T=0 nor T=1 can be run with them as an
 * ATR, or the card is at an antenna. An ATR in which only the TCK is wrong is among these unless any_tck is true. There are no characters
 * then: contacts_exchange takes the commands. Returns NULL if the card answers with characters or not at all.
 */
const uint8_t *contacts_as_is(struct contacts *contacts, bool any_tck, size_t *length);

/* Exchanges a command APDU for its response without characters. *response is valid until the next call.
 * Returns false if the card does not answer. */
bool contacts_exchange(struct contacts *contacts, const uint8_t *command, size_t length,
                       const uint8_t **response, size_t *response_length);

/* Takes count characters, at least one, from the interface device. The card does not interrupt them. */
void contacts_bytes(struct contacts *contacts, const uint8_t *bytes, size_t count);
/* No character came within the timeout of CONTACTS_WAIT. */
void contacts_timeout(struct contacts *contacts);
/* Writes what the card does next to *output. */
void contacts_next(struct contacts *contacts, struct contacts_output *output);

/* Returns whether characters of the card may have parity errors. If so, the caller must call
 * contacts_take_parity_error for each of them. */
bool contacts_may_garble(struct contacts *contacts);

/* Returns whether the next character of the card has a parity error. */
bool contacts_take_parity_error(struct contacts *contacts);

/* Returns whether the fault `removal` has happened: the caller must remove the card, even within an
 * operation. */
bool contacts_wants_removal(const struct contacts *contacts);

#endif
