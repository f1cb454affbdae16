/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/random.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

uint64_t random_seed(void)
{
    uint32_t seed; /* only 32 bits: short enough to type */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec;
    }
    return seed;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* xoshiro256** by Blackman and Vigna, as published. splitmix64 fills its state, as they recommend. */
static uint64_t next(struct rig_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

void random_start(struct rig_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        random->state[i] = z ^ z >> 31;
    }
}

void random_bytes(struct rig_random *random, uint8_t *out, size_t length)
{
    while (length > 0) {
        uint64_t word = next(random);
        size_t part = length < sizeof word ? length : sizeof word;
        for (size_t i = 0; i < part; i++)
            out[i] = (uint8_t)(word >> 8 * i);
        out += part;
        length -= part;
    }
}
