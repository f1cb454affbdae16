/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PIN structures of PC/SC part 10 (v2.02.09): what an application asks of a PIN pad, and the command APDU
 * that it makes with the PINs that a person has entered. Pure: no I/O, no clock, no allocation.
 *
 * The structures leave open what follows here:
 *
 * - A template without data is a frame that grows: a PIN takes its block, or the bytes that it needs if the
 *   block size is 0, new bytes are FF, and a new PIN begins behind the old one. Lc is set at the end.
 * - A template with data is a frame of that length. A block that reaches beyond its end is shorter, and a PIN
 *   leaves what it does not cover as it is.
 */
#ifndef CARDRIG_IFD_PIN_REQUEST_H
#define CARDRIG_IFD_PIN_REQUEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIN_DIGITS_MAX    32
#define PIN_VERIFY_HEADER 19u /* bytes before abData */
#define PIN_MODIFY_HEADER 24u
#define PIN_APDU_MAX      261u /* header, Lc, 255 bytes, Le */
#define PIN_STRUCTURE_MAX (PIN_MODIFY_HEADER + PIN_APDU_MAX)
#define PIN_MESSAGES      3
#define PIN_NO_MESSAGE    0xFF

enum pin_format { PIN_BINARY, PIN_BCD, PIN_ASCII };

/* bEntryValidationCondition: what ends the entry of a PIN. */
enum pin_condition { PIN_BY_LENGTH = 1, PIN_BY_KEY = 2, PIN_BY_TIMEOUT = 4 };

/* A PIN as digits from 0 to 9. */
struct pin {
    uint8_t digit[PIN_DIGITS_MAX];
    uint8_t length;
};

struct pin_request {
    bool modifies;             /* a PIN_MODIFY_STRUCTURE */
    uint8_t timeout, timeout2; /* seconds until the first key, and after it; 0: the reader's */
    enum pin_format format;
    bool right;                     /* the PIN stands at the end of its block */
    unsigned position;              /* of the block, in bits from its insertion offset */
    unsigned block_size;            /* in bytes; 0: that of the PIN */
    unsigned length_size;           /* of the PIN's length in the frame, in bits; 0: it is not there */
    unsigned length_position;       /* in bits from the insertion offset */
    uint8_t min, max;               /* digits */
    uint8_t conditions;             /* a set of enum pin_condition */
    bool asks_old, confirms;        /* the old PIN is asked for; the new one is asked for twice */
    uint8_t offset_old, offset_new; /* in bytes */
    uint8_t message[PIN_MESSAGES];  /* index of the message at each entry; PIN_NO_MESSAGE: none */
    uint16_t language;
    uint8_t header[4]; /* CLA INS P1 P2 */
    const uint8_t *data;
    uint8_t data_length; /* 0: the frame grows */
    bool has_le;
    uint8_t le;
};

/* Reads a structure, which must stay valid. Returns false if it is not one, or asks for what cannot be; then
 * *error says what is wrong. */
bool pin_request_parse(struct pin_request *request, bool modifies, const uint8_t *bytes, size_t length,
                       struct error *error);

/* Writes the command with the PINs: the PIN to verify, or the old one (if it is asked for) and the new one.
 * Returns its length, or 0 if there is no room for a PIN. The caller wipes out. */
size_t pin_request_build(const struct pin_request *request, const struct pin *old, const struct pin *new_pin,
                         uint8_t out[PIN_APDU_MAX]);

#endif
