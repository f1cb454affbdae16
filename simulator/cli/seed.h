/* The option --seed of `cardrig run` and `serve`. */
#ifndef CARDRIG_CLI_SEED_H
#define CARDRIG_CLI_SEED_H

#include <stdbool.h>
#include <stdint.h>

/* False: text is no seed, which has been said. */
bool seed_parse(const char *text, uint64_t *seed);

#endif
