/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card: what is on the card side of the contacts, from the command APDU inwards. It has power or has not,
 * answers to reset with an ATR and to a command with a response. There are several kinds of card, each in a
 * file of its own (script_card.h is one); who uses a card need not know which it is. Cards know nothing of
 * transmission protocols, readers or the contacts' time.
 *
 * A card belongs to one thread at a time, except card_interrupt.
 */
#ifndef CARDRIG_ICC_CARD_H
#define CARDRIG_ICC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/fault.h"
#include "iso7816/apdu.h"
#include "iso7816/atr.h"

/* the longest response: 65,536 bytes of data and the status word */
#define CARD_DATA_MAX     APDU_NE_MAX
#define CARD_RESPONSE_MAX (CARD_DATA_MAX + 2u)

enum card_power {
    CARD_COLD, /* activation, with a cold reset */
    CARD_WARM, /* a warm reset */
    CARD_OFF   /* deactivation */
};

/* What a card gets from its rig. */
struct card_host {
    void *arg; /* handed to the functions */
    /* Fills buf with length random bytes. Required. */
    void (*random)(void *arg, uint8_t *buf, size_t length);
    /*
     * One line, no newline, at most 1,023 bytes, no control characters: what the card says, and what was
     * wrong with it. NULL if nobody wants to know.
     */
    void (*log)(void *arg, const char *line);
};

struct card;

/* What is peculiar to a kind of card. The functions are called as those of the same name below. */
struct card_kind {
    bool takes_case_3;
    void (*free)(struct card *card);
    const char *(*name)(const struct card *card);
    const uint8_t *(*atr)(const struct card *card, enum card_power how, size_t *length);
    uint8_t (*t1_ifsc)(const struct card *card); /* NULL: the ATR says it */
    bool (*gone)(const struct card *card);       /* NULL: it never goes by itself */
    void (*power)(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_length);
    void (*protocol)(struct card *card, uint8_t protocol); /* NULL: the card does not care */
    void (*command)(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                    size_t *resp_length);
    void (*interrupt)(struct card *card);
};

/* The first member of each kind's own struct. */
struct card {
    const struct card_kind *kind;
    struct faults faults; /* that the card has been asked for */
};

/* Frees the card, without a call of its power function. NULL is allowed. */
void card_free(struct card *card);

/* The card's name: UTF-8, 1 to 128 bytes, no control characters. Lives as long as the card. Also of a dead
 * card. */
const char *card_name(const struct card *card);

/*
 * The ATR after a cold or a warm reset (for CARD_OFF: none, *length is 0), as far as it is known without a
 * reset: *length is 0 where it is not. Lives as long as the card. Also of a dead card.
 */
const uint8_t *card_atr(const struct card *card, enum card_power how, size_t *length);

/* The IFSC of the card in T=1, 1 to 254, where the ATR is not to say it; else 0. */
uint8_t card_t1_ifsc(const struct card *card);

/*
 * What the card is given for a TPDU of T=0 with data, which does not say whether an answer is expected: a
 * case 3 command, as the program that is the card gets it from other readers; or, for a script, a case 4
 * one of Ne 256, so that it answers as it does in T=1.
 */
bool card_takes_case_3(const struct card *card);

/* The faults that somebody has asked for. They live as long as the card. */
struct faults *card_faults(struct card *card);

/* Has the card gone by itself, as one behind a connection does, so that it is to be taken out? */
bool card_gone(const struct card *card);

/* Gives power, resets, or takes power away. `atr` is what the card answers to reset; *atr_length is 0 when it
 * does not, and for CARD_OFF. */
void card_power(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_length);

/* After a reset: T=0 or T=1 is used from now on. A card whose ATR is as it is (contacts.h) does not hear of
 * it. */
void card_protocol(struct card *card, uint8_t protocol);

/*
 * Gives one command APDU to the card and takes its response APDU, data and status word: *resp_length is 2 to
 * CARD_RESPONSE_MAX. `resp` has room for `resp_capacity` bytes, CARD_RESPONSE_MAX if nothing is to be
 * missed, at least 2. `resp` and `cmd` must not overlap. *resp_length 0 means that the card does not
 * answer.
 */
void card_command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                  size_t *resp_length);

/*
 * From any thread: has a card_power or card_command that is under way, or that is yet to come, return soon,
 * with whatever result. For a card that is to be freed, whose thread must not keep anybody waiting.
 */
void card_interrupt(struct card *card);

#endif
