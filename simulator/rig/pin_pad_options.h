/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PIN pad can do. */
#ifndef CARDRIG_RIG_PIN_PAD_OPTIONS_H
#define CARDRIG_RIG_PIN_PAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define PIN_PAD_CONDITIONS 7 /* bEntryValidationCondition: each condition is supported */

struct pin_pad_options {
    bool exists;
    bool start;                /* it has the features START, FINISH, GET_KEY_PRESSED and ABORT, too */
    uint8_t min, max;          /* digits */
    uint8_t timeout;           /* seconds, where the application leaves it to the reader */
    uint8_t lines, characters; /* of the display; 0: none */
};

/* Returns whether a PIN pad with these options has the feature of PC/SC part 10. */
bool pin_pad_has_feature(const struct pin_pad_options *options, unsigned feature);

#endif
