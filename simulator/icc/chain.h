/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command chaining (ISO/IEC 7816-4:2005, 5.1.1.1). Commands that belong together have bit 5 of the class, except
 * the last one, and the same INS, P1 and P2. They become one command with the data of all of them.
 */
#ifndef CARDRIG_ICC_CHAIN_H
#define CARDRIG_ICC_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iso7816/apdu.h"

/* The commands so far. All zeros: there are none. */
struct chain {
    uint8_t header[4]; /* CLA without bit 5, INS, P1, P2 */
    bool has_begun, is_too_long;
    size_t length; /* of the data */
    uint8_t data[APDU_NC_MAX];
    uint8_t command[APDU_COMMAND_MAX]; /* the joined command */
};

enum chain_result {
    CHAIN_NOT_PART, /* a command of its own: answer it */
    CHAIN_PART,     /* part of a chain that goes on: answer 90 00 */
    CHAIN_COMPLETE, /* the last part: answer *joined, which is in chain->command */
    CHAIN_TOO_LONG  /* more data than a command can have: answer 67 00 */
};

/* Drops the chain. Call this after a reset. */
void chain_drop(struct chain *chain);

/*
 * Takes a command. One that does not belong to the chain drops the chain. A class of a proprietary command
 * (bit 8) has no bit for chaining. *length is set to the length of the joined command.
 */
enum chain_result chain_take(struct chain *chain, const struct apdu_command *command, size_t *length);

#endif
