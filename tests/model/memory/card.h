/* SPDX-License-Identifier: BSD-3-Clause */
/* A USB reader with its card: what the simulator and its driver are on the real stack. */
#ifndef CARDRIG_MODEL_CARD_H
#define CARDRIG_MODEL_CARD_H

#include "cards.h"

#include <winscard.h>

struct slot {
    const char *key; /* the beginning of its name */
    bool plugged;
    unsigned plugging;             /* how often it was plugged in */
    const struct cards_kind *card; /* null if there is none */
    unsigned insertion;            /* number of the insertion, of all cards so far */
    uint8_t identity[CARDS_IDENTITY];
    unsigned count; /* commands since the last reset */
    bool mute;      /* the card answers nothing */
    bool lapses;    /* it does not answer the next command, and stays powered */
    bool powered;
    enum cards_atr atr;
    uint32_t protocol; /* in use, as an SCARD_PROTOCOL_ value, or 0 */
    bool negotiable;   /* the protocol can be chosen */
    /* The protocol that the driver takes for the one in use without asking the reader, since the last reset, while
     * it shows the same card; or 0. */
    uint32_t ready;
    unsigned ready_event;
    unsigned commands, cold, warm, off;
    uint8_t last_instruction; /* of the last command */
    unsigned parts[4];        /* of each party: what its command in parts has sent so far */

    /* Insertions and removals so far: a card is in if the number is odd. The driver shows pcscd one after the
     * other. Until it has shown the last one, the card cannot be reached. */
    unsigned events, shown;
    unsigned events_before; /* pcscd has connected to the driver */
    unsigned connections;   /* of pcscd to the driver so far */
    bool connected;         /* pcscd is connected to the driver */
    bool is_woken;          /* card_wait() returns at once */
};

/* Instructions that take two parts, and end with the answer to cards_command. */
#define CARD_LATE         0x40 /* a byte and 61XX, then GET RESPONSE */
#define CARD_GET_RESPONSE 0xC0
#define CARD_EXACT        0x50 /* 6CXX, then again with that Le */
#define CARD_LONG         0x60 /* a chain of two; P2 is how many bytes the second has. With this P1, then 6CXX: */
#define CARD_LONG_EXACT   1
#define CARD_LONG_FIRST   255u /* bytes of the first */
#define CARD_LATER        0x42 /* 61XX with too much, GET RESPONSE, 6CXX, and GET RESPONSE again */
#define CARD_REFUSES      0x62 /* a chain whose first part the card refuses */

extern struct slot card_slots[2]; /* RIG_KEY and RIG_OTHER */
extern bool card_resets_slowly;   /* those of clients, so that others meet one that is under way */

/* Empties both slots. Only the first one is plugged in. */
void card_begin(void);
void card_plug(struct slot *slot);
void card_unplug(struct slot *slot);
void card_insert(struct slot *slot, const struct cards_kind *kind);
void card_remove(struct slot *slot);

/*
 * The driver. The functions return a code of ifdhandler.h.
 */

LONG card_presence(const struct slot *slot);
/* Waits for the next insertion or removal, and shows it. */
LONG card_wait(struct slot *slot, unsigned ms);
void card_wake(struct slot *slot); /* ends card_wait(), or the next one */
/* The attributes that readers of the rig have besides their names: only the ATR is of use to clients here. */
LONG card_attribute(const struct slot *slot, DWORD tag, uint8_t value[MAX_ATR_SIZE], DWORD *length);
LONG card_power(struct slot *slot, bool cold, uint8_t atr[MAX_ATR_SIZE], DWORD *length);
LONG card_power_off(struct slot *slot);
LONG card_set_protocol(struct slot *slot, uint32_t protocol);
LONG card_transmit(struct slot *slot, uint32_t protocol, const uint8_t *command, size_t length,
                   uint8_t *response, size_t *response_length);
/* The connection to pcscd begins or ends. */
void card_open(struct slot *slot);
void card_close(struct slot *slot);

#endif
