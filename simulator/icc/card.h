/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card, at the level of APDUs: it is powered or not, answers a reset with an ATR and a command APDU with a
 * response APDU. Transmission protocols, readers and timing are not part of it; contacts.h adds them. Each
 * kind of card has a file of its own, such as script_card.h, and a struct card_kind. The functions below are
 * the same for every kind.
 *
 * Only one thread at a time may use a card. card_interrupt is the exception.
 */
#ifndef CARDRIG_ICC_CARD_H
#define CARDRIG_ICC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/antenna.h"
#include "icc/fault.h"
#include "icc/keep.h"
#include "iso7816/apdu.h"
#include "iso7816/atr.h"

/* The longest response in bytes: 65,536 bytes of data and the status word. */
#define CARD_DATA_MAX     APDU_NE_MAX
#define CARD_RESPONSE_MAX (CARD_DATA_MAX + 2u)

#define CARD_WORK_MAX_MS  600000u

enum card_power {
    CARD_COLD, /* activation, with a cold reset */
    CARD_WARM, /* a warm reset */
    CARD_OFF   /* deactivation */
};

/* By what a reader uses a card. */
enum card_interface { CARD_CONTACTS, CARD_ANTENNA };

/* What the rig provides to a card. */
struct card_host {
    void *arg; /* the first argument of the functions */
    /* Fills buf with length random bytes. Required. */
    void (*random)(void *arg, uint8_t *buf, size_t length);
    /*
     * Logs one line: output of the card, or an error in it. The line has at most 1,023 bytes, no newline and
     * no control characters. May be NULL.
     */
    void (*log)(void *arg, const char *line);
    struct keep_store
        *keep_store; /* for what cards keep while they are out, with arg as place; NULL: nothing */
};

struct card;

/*
 * One kind of card. Each function implements the card_ function of the same name below, and does what the
 * comment of that function says. All functions are required, unless a comment here says what NULL means.
 */
struct card_kind {
    bool takes_case_3; /* what card_takes_case_3() returns */
    void (*free)(struct card *card);
    const char *(*name)(const struct card *card);
    const uint8_t *(*atr)(const struct card *card, enum card_power how, size_t *length);
    const struct antenna *(*antenna)(const struct card *card); /* NULL: the card never has one */
    bool (*has_contacts)(const struct card *card);             /* NULL: the card has contacts */
    uint8_t (*t1_ifsc)(const struct card *card);               /* NULL: the IFSC is always that of the ATR */
    bool (*gone)(const struct card *card);                     /* NULL: the card never removes itself */
    void (*power)(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_length);
    void (*protocol)(struct card *card, uint8_t protocol); /* NULL: the card ignores the protocol */
    void (*command)(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                    size_t *resp_length);
    uint32_t (*work_ms)(const struct card *card); /* NULL: always 0 */
    void (*interrupt)(struct card *card);
};

/* The first member of the struct of each kind. The kind's constructor sets kind; all other bytes of this
 * struct must be 0, as calloc leaves them. */
struct card {
    const struct card_kind *kind;
    enum card_interface interface;
    struct faults faults; /* all zeros: no faults are set */
};

/* Frees the card. Does not power it off first. card may be NULL. */
void card_free(struct card *card);

/* Returns the card's name: UTF-8, 1 to 128 bytes, no control characters. It is valid as long as the card.
 * Works for a dead card (card_dead in script_card.h), too. */
const char *card_name(const struct card *card);

/*
 * Returns the ATR after a cold or a warm reset, without a reset. Sets *length to 0 for CARD_OFF, and if the
 * ATR is known only after a reset. The bytes are valid as long as the card. Works for a dead card, too.
 */
const uint8_t *card_atr(const struct card *card, enum card_power how, size_t *length);

/* Returns what the card is for a contactless reader, or NULL if it has no antenna. Valid as long as the card. */
const struct antenna *card_antenna(const struct card *card);

/* Says, before the first use of the card, by what it will be used. Without a call these are its contacts. Returns
 * false if the card does not have that. */
bool card_set_interface(struct card *card, enum card_interface interface);
enum card_interface card_interface(const struct card *card);

/* Returns the IFSC, 1 to 254, that the card announces in T=1 with S(IFS request). Returns 0 if the card uses
 * the IFSC of its ATR. */
uint8_t card_t1_ifsc(const struct card *card);

/*
 * Returns which command the card gets for a T=0 TPDU with data to the card, which leaves open whether the
 * application expects response data. True: a case 3 command, which is what the card's program gets from other
 * readers. False: a case 4 command with Ne 256, so that a script answers as it does in T=1.
 */
bool card_takes_case_3(const struct card *card);

/* Returns the faults that are set for the card. They are valid as long as the card. */
struct faults *card_faults(struct card *card);

/* Returns whether the card has removed itself, as a card behind a connection does when the connection ends.
 * The caller must then remove it from its slot. */
bool card_gone(const struct card *card);

/* Activates, resets or deactivates the card. Writes its answer to reset to atr. Sets *atr_length to 0 if the
 * card does not answer, and for CARD_OFF. */
void card_power(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_length);

/* Tells the card, after a reset, that T=0 (protocol 0) or T=1 (protocol 1) is in use from now on. Is not
 * called for an ATR that no protocol can be run with (contacts_as_is). */
void card_protocol(struct card *card, uint8_t protocol);

/*
 * Gives one command APDU to the card and writes its response APDU, data and status word, to resp. Sets
 * *resp_length to 2 to CARD_RESPONSE_MAX, or to 0 if the card does not answer. A storage card at an antenna takes and
 * answers frames instead, without their CRC; an answer has at least 1 byte. resp has room for
 * resp_capacity bytes, at least 2; CARD_RESPONSE_MAX is enough for any response. resp and cmd must not
 * overlap.
 */
void card_command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                  size_t *resp_length);

/* Returns how long a real card would have worked on the last command, in milliseconds up to CARD_WORK_MAX_MS. The
 * caller makes that time pass on the contacts: card_command() returns as soon as it can. */
uint32_t card_work_ms(const struct card *card);

/*
 * Makes the card_power or card_command in progress, and every later one, return soon; their results are then
 * meaningless. Call it before the card is freed, so that nobody has to wait for the card's thread. May be
 * called from any thread.
 */
void card_interrupt(struct card *card);

#endif
