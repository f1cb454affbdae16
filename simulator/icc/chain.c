/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/chain.h"

#include <string.h>

#define CLASS_CHAINED     0x10
#define CLASS_PROPRIETARY 0x80

void chain_drop(struct chain *chain)
{
    chain->has_begun = chain->is_too_long = false;
    chain->length = 0;
}

/* Writes the joined command, with extended lengths if it needs them. */
static bool join(struct chain *chain, uint32_t ne, size_t *length)
{
    struct apdu_command joined = {.cla = chain->header[0],
                                  .ins = chain->header[1],
                                  .p1 = chain->header[2],
                                  .p2 = chain->header[3],
                                  .data = chain->length > 0 ? chain->data : NULL,
                                  .nc = chain->length,
                                  .ne = ne};
    return apdu_shortest_case(joined.nc, ne, &joined.kind) == APDU_OK &&
           apdu_encode(&joined, chain->command, sizeof chain->command, length) == APDU_OK;
}

enum chain_result chain_take(struct chain *chain, const struct apdu_command *command, size_t *length)
{
    bool may_chain = (command->cla & CLASS_PROPRIETARY) == 0;
    bool goes_on = may_chain && (command->cla & CLASS_CHAINED);
    const uint8_t header[4] = {(uint8_t)(may_chain ? command->cla & ~CLASS_CHAINED : command->cla),
                               command->ins, command->p1, command->p2};

    if (chain->has_begun && memcmp(header, chain->header, sizeof header) != 0)
        chain_drop(chain);
    if (!chain->has_begun && !goes_on)
        return CHAIN_NOT_PART;
    memcpy(chain->header, header, sizeof header);
    chain->has_begun = true;
    chain->is_too_long |= command->nc > sizeof chain->data - chain->length;
    if (chain->is_too_long) { /* and so are the parts that follow */
        if (!goes_on)
            chain_drop(chain);
        return CHAIN_TOO_LONG;
    }
    if (command->nc > 0)
        memcpy(chain->data + chain->length, command->data, command->nc);
    chain->length += command->nc;
    if (goes_on)
        return CHAIN_PART;
    bool fits = join(chain, command->ne, length);
    chain_drop(chain);
    return fits ? CHAIN_COMPLETE : CHAIN_TOO_LONG;
}
