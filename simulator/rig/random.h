/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's random numbers. They all follow from one seed, so that a run can be repeated. */
#ifndef CARDRIG_RIG_RANDOM_H
#define CARDRIG_RIG_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct rig_random {
    uint64_t state[4];
};

/* Returns a random seed, for a rig whose user has chosen none. */
uint64_t random_seed(void);

void random_start(struct rig_random *random, uint64_t seed);
void random_bytes(struct rig_random *random, uint8_t *out, size_t length);

#endif
