/* SPDX-License-Identifier: BSD-3-Clause */
/* The cards of the model test and their scripts. */
#ifndef CARDRIG_MODEL_CARDS_H
#define CARDRIG_MODEL_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bit for each ATR that a card can show. */
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
    unsigned protocols; /* SCARD_PROTOCOL_ bits offered after a cold reset */
};

/* red and twin have the same ATR, blue has a different one. green offers only T=0. changing shows
 * another ATR after a warm reset. */
enum cards_number { CARD_RED, CARD_TWIN, CARD_BLUE, CARD_GREEN, CARD_CHANGING, CARDS };
extern const struct cards_kind cards_kinds[CARDS];

/* Each card answers cards_command with its number, an identity that changes with each insertion,
 * the number of these commands since the last reset (this one included), and 90 00. */
#define CARDS_IDENTITY 4
#define CARDS_ANSWER   (1 + CARDS_IDENTITY + 2 + 2)
extern const uint8_t cards_command[5];

/* Writes the scripts to FOLDER/NAME.lua. Returns false and sets errno on failure. */
bool cards_write(const char *folder);
void cards_remove(const char *folder);

/* Returns the bit of an ATR, or 0 if it is not known. */
unsigned cards_atr_bit(const uint8_t *atr, size_t length);
/* The reverse. Returns the length, of 33 bytes at most. */
size_t cards_atr_bytes(enum cards_atr bit, uint8_t *atr);
/* Returns the SCARD_PROTOCOL_ bits that a card with this ATR offers. */
unsigned cards_atr_protocols(unsigned bit);

#endif
