/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pattern: the beginning of a command APDU in hexadecimal, in which '.' stands for any digit
 * (hex_decode_pattern).
 */
#ifndef CARDRIG_ICC_PATTERN_H
#define CARDRIG_ICC_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern {
    const uint8_t *value, *mask; /* only the bits in mask are compared; the others are 0 in value */
    size_t length;               /* bytes */
};

/* Returns whether the APDU begins with the pattern. */
static inline bool pattern_matches(const struct pattern *pattern, const uint8_t *apdu, size_t length)
{
    if (pattern->length > length)
        return false;
    for (size_t i = 0; i < pattern->length; i++)
        if ((apdu[i] & pattern->mask[i]) != pattern->value[i])
            return false;
    return true;
}

#endif
