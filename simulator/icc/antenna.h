/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a card with an antenna is for a contactless reader: a card of ISO/IEC 14443-4, which takes APDUs, or a
 * storage card, which takes frames of its own kind.
 */
#ifndef CARDRIG_ICC_ANTENNA_H
#define CARDRIG_ICC_ANTENNA_H

#include "iso7816/atr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANTENNA_UID_MAX     10
#define ANTENNA_ATS_MAX     20 /* TL, T0, TA1, TB1, TC1 and as many historical bytes as an ATR has */
#define ANTENNA_PMM_SIZE    8
#define ANTENNA_STORAGE_MAX 15 /* the length of the name of a kind of storage card */

struct antenna {
    uint8_t uid[ANTENNA_UID_MAX]; /* of FeliCa: the IDm */
    size_t uid_length;
    uint8_t ats[ANTENNA_ATS_MAX]; /* from TL on, without CRC; a storage card has none */
    size_t ats_length;
    uint8_t pmm[ANTENNA_PMM_SIZE]; /* of FeliCa */
    size_t pmm_length;
    char storage[ANTENNA_STORAGE_MAX + 1]; /* the kind of storage card, or "" */
    uint8_t standard;                      /* of a storage card: SS of PC/SC part 3, */
    uint16_t card_name;                    /* and NN */
};

/* Finds a kind of storage card by its name. Returns false if there is no such kind. */
bool antenna_find_storage(struct antenna *antenna, const char *name);

/* Returns the kinds of storage card, for messages. */
const char *antenna_storage_names(void);

/* Returns NULL if the UID has a length that the kind of card has, or what is wrong with it. */
const char *antenna_check_uid(const struct antenna *antenna);

/* Returns NULL if the ATS is one of ISO/IEC 14443-4:2018, 5.2, and its historical bytes fit into an ATR, or
 * what is wrong with it. */
const char *antenna_check_ats(const struct antenna *antenna);

/* Writes the ATR that a contactless reader makes for the card: PC/SC part 3, 3.1.3.2.3. Returns its length.
 * The checks above have passed. */
size_t antenna_atr(const struct antenna *antenna, uint8_t atr[ATR_MAX]);

#endif
