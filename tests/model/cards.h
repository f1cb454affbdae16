/* SPDX-License-Identifier: BSD-3-Clause */
/* The cards of the model test, and their scripts. */
#ifndef CARDRIG_MODEL_CARDS_H
#define CARDRIG_MODEL_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ATRs of all cards, as bits. */
enum cards_atr {
    ATR_RED = 1 << 0,
    ATR_BLUE = 1 << 1,
    ATR_GREEN = 1 << 2,
    ATR_COLD = 1 << 3,
    ATR_WARM = 1 << 4,
};

struct cards_kind {
    const char *name;
    enum cards_atr cold, warm;
    unsigned protocols; /* SCARD_PROTOCOL_ bits that it offers after a cold reset */
};

/* red and twin have one ATR, blue another; green speaks T=0 only; changing shows another ATR after
 * a warm reset. */
enum cards_number { CARD_RED, CARD_TWIN, CARD_BLUE, CARD_GREEN, CARD_CHANGING, CARDS };
extern const struct cards_kind cards_kinds[CARDS];

/* Each card answers cards_command with its number, an identity that is another one after each
 * insertion, the number of such commands since the last reset, this one included, and 90 00. */
#define CARDS_IDENTITY 4
#define CARDS_ANSWER   (1 + CARDS_IDENTITY + 2 + 2)
extern const uint8_t cards_command[5];

/* Writes their scripts to FOLDER/NAME.lua; false with errno. */
bool cards_write(const char *folder);
void cards_remove(const char *folder);

/* The bit of an ATR, or 0. */
unsigned cards_atr_bit(const uint8_t *atr, size_t length);

#endif
