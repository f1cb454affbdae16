/* SPDX-License-Identifier: BSD-3-Clause */
/* xorshift32. The numbers are the same on every machine, so that failures can be reproduced. */
#ifndef TESTS_SUPPORT_NEXT_RANDOM_H
#define TESTS_SUPPORT_NEXT_RANDOM_H

#include <stdint.h>

/* The initial *state must not be 0. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
