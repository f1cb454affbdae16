/* SPDX-License-Identifier: BSD-3-Clause */
/* Identifies cards. */
#ifndef SCARDMANAGE_IDENTITY_H
#define SCARDMANAGE_IDENTITY_H

#include "pcsc.h"
#include "scardmanage_options.h"

/* How many ATRs to remember for a card. A card shows a cold and a warm ATR, and a few more if it
 * can be configured or switches its mode. */
#define IDENTITY_ATRS 8

/* Identifies a card: the one in the reader while the event counter of the reader has this value. */
struct identity {
    bool known; /* false: no card has been seen yet */
    /* The counter does not show whether the card was removed, because it may have started over: the
     * service or the reader was, or may have been, away. */
    bool unwatched;
    uint32_t counter;
    unsigned atr_count;
    struct pcsc_atr atrs[IDENTITY_ATRS]; /* the ATRs that the card has shown */
};

/* What the caller's identify function has returned. */
struct serial {
    bool known;
    bool is_current; /* the card has not been out of the reader since */
    size_t length;
    uint8_t bytes[SCARDMANAGE_IDENTITY_MAX];
};

void identity_clear(struct identity *card);
void identity_set(struct identity *card, uint32_t counter, const struct pcsc_atr *atr); /* for a new card */
void identity_add_atr(struct identity *card, const struct pcsc_atr *atr); /* adds an ATR of the same card */
bool identity_has_atr(const struct identity *card, const struct pcsc_atr *atr);
/* Returns whether the card was, or may have been, removed. counter is the current event counter of
 * the reader. */
bool identity_was_removed(const struct identity *card, uint32_t counter);
/* Returns whether the card may offer one of the protocols, if necessary after a reset. atr is what
 * it shows now. */
bool identity_may_offer_protocol(const struct identity *card, const struct pcsc_atr *atr, uint32_t protocols);

#endif
