/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

void identity_clear(identity *card)
{
    memset(card, 0, sizeof *card);
}

void identity_set(identity *card, uint32_t counter, const pcsc_atr *atr)
{
    identity_clear(card);
    card->known = true;
    card->counter = counter;
    identity_add(card, atr);
}

void identity_add(identity *card, const pcsc_atr *atr)
{
    if (atr->length == 0 || identity_has(card, atr))
        return;
    if (card->atr_count == IDENTITY_ATRS) /* the first is its cold ATR: keep that, and the latest */
        card->atr_count--;
    card->atrs[card->atr_count++] = *atr;
}

bool identity_moved(const identity *card, uint32_t counter)
{
    return card->known && (card->unwatched || counter != card->counter);
}

bool identity_has(const identity *card, const pcsc_atr *atr)
{
    for (unsigned i = 0; i < card->atr_count; i++)
        if (card->atrs[i].length == atr->length && memcmp(card->atrs[i].bytes, atr->bytes, atr->length) == 0)
            return true;
    return false;
}

/* The protocols that an ATR offers (ISO/IEC 7816-3:2006, 8.2.3), 0 if that can't be said: it is cut short, or
 * it fixes a specific mode with TA2, and the card may leave that mode at the next reset (6.3.1). */
static uint32_t atr_protocols(const pcsc_atr *atr)
{
    if (atr->length < 2)
        return 0;
    uint32_t offered = 0;
    size_t at = 1;
    uint8_t presence =
        atr->bytes[at++]; /* T0, then TD1, TD2, … say in their high nibble which of TA to TD follow */
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

/* Whether this card, which shows this ATR now, may speak one of the protocols, if need be after a reset. */
bool identity_may_offer(const identity *card, const pcsc_atr *atr, uint32_t protocols)
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
