/* SPDX-License-Identifier: BSD-3-Clause */
/* Identifies a card by the event counter of the reader, and by the ATRs that the card has shown. */
#include "identity.h"

#include <string.h>

void identity_clear(struct identity *card)
{
    memset(card, 0, sizeof *card);
}

void identity_set(struct identity *card, uint32_t counter, const struct pcsc_atr *atr)
{
    identity_clear(card);
    card->known = true;
    card->counter = counter;
    identity_add_atr(card, atr);
}

void identity_add_atr(struct identity *card, const struct pcsc_atr *atr)
{
    if (atr->length == 0 || identity_has_atr(card, atr))
        return;
    if (card->atr_count == IDENTITY_ATRS) /* keep the first one, the cold ATR, and replace the latest */
        card->atr_count--;
    card->atrs[card->atr_count++] = *atr;
}

bool identity_was_removed(const struct identity *card, uint32_t counter)
{
    return card->known && (card->unwatched || counter != card->counter);
}

bool identity_has_atr(const struct identity *card, const struct pcsc_atr *atr)
{
    for (unsigned i = 0; i < card->atr_count; i++)
        if (card->atrs[i].length == atr->length && memcmp(card->atrs[i].bytes, atr->bytes, atr->length) == 0)
            return true;
    return false;
}

/* Returns the protocols that an ATR offers (ISO/IEC 7816-3:2006, 8.2.3). Returns 0 if the ATR does
 * not show them: it is truncated, or TA2 sets specific mode, which the card may leave at the next
 * reset (6.3.1). */
static uint32_t atr_protocols(const struct pcsc_atr *atr)
{
    if (atr->length < 2)
        return 0;
    uint32_t offered = 0;
    size_t at = 1;
    /* the high nibble of T0, TD1, TD2, ... shows which of TA to TD follow */
    uint8_t presence = atr->bytes[at++];
    if (!(presence & 0x80))
        return SCARDMANAGE_PROTOCOL_T0;
    for (unsigned group = 1;; group++) {
        if (group == 2 && presence & 0x10)
            return 0;
        for (uint8_t bit = 0x10; bit <= 0x40; bit = (uint8_t)(bit << 1))
            at += (presence & bit) != 0;
        if (!(presence & 0x80))
            break;
        if (at >= atr->length)
            return 0;
        presence = atr->bytes[at++];
        uint8_t type = presence & 0x0F;
        if (type <= 1)
            offered |= 1u << type;
    }
    return offered;
}

bool identity_may_offer_protocol(const struct identity *card, const struct pcsc_atr *atr, uint32_t protocols)
{
    if (protocols & SCARDMANAGE_PROTOCOL_RAW)
        return true;
    uint32_t offered = atr_protocols(atr);
    if (offered == 0 || offered & protocols)
        return true;
    for (unsigned i = 0; i < card->atr_count; i++) {
        offered = atr_protocols(&card->atrs[i]);
        if (offered == 0 || offered & protocols)
            return true;
    }
    return false;
}
