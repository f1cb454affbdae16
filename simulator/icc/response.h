/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Response chaining (ISO/IEC 7816-4:2005, 5.3.4 and 7.6.1): a script may answer as much as it likes, but what
 * goes out are at most Ne bytes, with 61XX when there are more. GET RESPONSE fetches these, at most Ne at a
 * time; the script's own status word comes with the last ones. Any other command drops what is left.
 */
#ifndef CARDRIG_ICC_RESPONSE_H
#define CARDRIG_ICC_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/card.h"
#include "iso7816/apdu.h"

/* What is left of a response; all zero: nothing. */
struct response {
    size_t at, length; /* data that are left, and where */
    uint8_t bytes[CARD_RESPONSE_MAX];
};

/* After a reset, and before a command that is not for response_continue. */
void response_drop(struct response *response);

/*
 * Cuts a response of *length bytes, data and status word, to the Ne of its command, and keeps what is left.
 */
void response_hold(struct response *response, uint32_t ne, uint8_t *bytes, size_t *length);

/*
 * Whether the command is GET RESPONSE (of any class) while something is left. If it is, `bytes`, of
 * `capacity` bytes, at least 2, gets the answer.
 */
bool response_continue(struct response *response, const struct apdu_command *command, uint8_t *bytes,
                       size_t capacity, size_t *length);

#endif
