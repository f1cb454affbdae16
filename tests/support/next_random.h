/* SPDX-License-Identifier: BSD-3-Clause */
/* xorshift32: the same numbers on every machine, so that a failure can be repeated. */
#ifndef TESTS_SUPPORT_NEXT_RANDOM_H
#define TESTS_SUPPORT_NEXT_RANDOM_H

#include <stdint.h>

/* *state must not be 0 to begin with. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
