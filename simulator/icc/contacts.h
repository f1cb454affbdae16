/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's side of the contacts: what a card does with power, reset and characters, until they are commands
 * for its script, and with the script's answers, until they are characters again. ISO/IEC 7816-3 from the
 * card's end; the faults that the card has been asked for are committed here.
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
    CONTACTS_SILENT, /* nothing, until there is something for it to do */
    CONTACTS_WAIT,   /* nothing, unless timeout etu pass without a character: then contacts_timeout */
    CONTACTS_SEND,   /* it sends bytes, the first one delay etu after the last character that went */
};

struct contacts_output {
    enum contacts_kind kind;
    const uint8_t *bytes; /* until the next call */
    size_t length;
    uint32_t delay;
    uint32_t timeout;
};

/* The contacts of a card, which stays the caller's. NULL: out of memory. */
struct contacts *contacts_new(struct card *card);
void contacts_free(struct contacts *contacts);

/* Power comes, or there is a reset while there is power: the card answers to it. */
void contacts_reset(struct contacts *contacts, bool cold);
void contacts_power_off(struct contacts *contacts);

/*
 * What the header of T=0 that comes next does not say: the direction of its data, which a card knows of its
 * commands, and a script does not; and Ne, as in t0_tpdu, so that a card is given the same command in T=0 and
 * in T=1.
 */
void contacts_expect(struct contacts *contacts, bool data_to_card, uint32_t ne);

/*
 * After a reset: the bytes that the card answers, where they are not an ATR by which T=0 or T=1 can be run.
 * One whose TCK is wrong counts as an ATR with any_tck only. There are no characters then, and commands go
 * by contacts_exchange. NULL: the ATR comes as characters, if any.
 */
const uint8_t *contacts_as_is(struct contacts *contacts, bool any_tck, size_t *length);

/* A command APDU and its response, as they are, until the next call. False: the card does not answer. */
bool contacts_exchange(struct contacts *contacts, const uint8_t *command, size_t length,
                       const uint8_t **response, size_t *response_length);

/* Characters from the interface device, which the card does not interrupt: at least one. */
void contacts_bytes(struct contacts *contacts, const uint8_t *bytes, size_t count);
void contacts_timeout(struct contacts *contacts);
void contacts_next(struct contacts *contacts, struct contacts_output *output);

/* Whether any character of the card may have a parity error; each of them is asked for then. */
bool contacts_may_garble(struct contacts *contacts);

/* Whether the next character of the card has a parity error. */
bool contacts_parity_error(struct contacts *contacts);

/* Whether the card has been asked to be gone, in the middle of what was going on. */
bool contacts_wants_removal(const struct contacts *contacts);

#endif
