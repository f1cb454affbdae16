/* SPDX-License-Identifier: BSD-3-Clause */
/* What the library and its caller know of the card. The library may know more until a reconnect succeeds. */
#ifndef SCARDMANAGE_CARD_H
#define SCARDMANAGE_CARD_H

#include "identity.h"

struct card {
    struct identity identity;
    struct serial serial; /* of the card that the caller knows */
    bool
        is_unidentified; /* the card was out of the reader, and since then nothing but its ATR says who it is */
    struct pcsc_atr atr; /* the latest that the card has shown */
    uint32_t protocol;   /* the protocol that was last seen active */
    /* The verdict of a reconnect that has accepted a new card but has not succeeded yet: REINSERTED
     * or higher, otherwise UNKNOWN. If the card is a different one, reported_card is the card that
     * the caller knows. */
    scardmanage_verdict unreported_verdict;
    struct identity reported_card;
    /* The ATR and the protocol that the caller knows: those before the reconnects that have not
     * succeeded. */
    struct {
        bool saved;
        struct pcsc_atr atr;
        uint32_t protocol;
    } reported;
    /* An event that the library had to acknowledge, so that PC/SC has forgotten it, but that the
     * caller has not been told yet; otherwise S_OK. Until a reconnect succeeds, nothing is sent to
     * the card. */
    scardmanage_result unreported_event;
    bool own_reset; /* the caller asked for a reset, and what the card is since then is not known */
    bool own_reset_acknowledged; /* otherwise it is the next event from PC/SC */
    bool is_unresponsive;        /* the card did not answer the last command; PC/SC does not remember that */
};

#endif
