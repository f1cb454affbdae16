/* SPDX-License-Identifier: BSD-3-Clause */
/* splitmix64 (Steele, Lea, Flood 2014), because it works well with any seed. */
#ifndef CARDRIG_MODEL_RANDOM64_H
#define CARDRIG_MODEL_RANDOM64_H

#include <stdint.h>

static inline uint64_t random64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

#endif
