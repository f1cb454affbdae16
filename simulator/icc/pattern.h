/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Patterns of commands: the beginning of a command APDU, in which some digits may be any. Written in hex,
 * with
 * '.' for any digit (hex_decode_pattern).
 */
#ifndef CARDRIG_ICC_PATTERN_H
#define CARDRIG_ICC_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern {
    const uint8_t *value, *mask; /* a bit of the value counts where the mask has it, and is 0 elsewhere */
    size_t length;
};

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
