/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Response chaining (ISO/IEC 7816-4:2005, 5.3.4 and 7.6.1). A script may return more than Ne bytes of data.
 * The card then sends Ne bytes and 61XX. GET RESPONSE fetches the rest, at most Ne bytes at a time; the
 * script's own status word comes with the last of them. Any other command drops the rest.
 */
#ifndef CARDRIG_ICC_RESPONSE_H
#define CARDRIG_ICC_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/card.h"
#include "iso7816/apdu.h"

/* The rest of a response. All zeros: there is none. */
struct response {
    size_t at, length; /* offset and length of the data; the status word follows them */
    uint8_t bytes[CARD_RESPONSE_MAX];
};

/* Drops the rest. Call this after a reset, and before a command that response_continue does not take. */
void response_drop(struct response *response);

/*
 * Cuts a response of *length bytes, data and status word, to the Ne of its command, and keeps the rest.
 */
void response_cut_to_ne(struct response *response, uint32_t ne, uint8_t *bytes, size_t *length);

/*
 * Answers a GET RESPONSE, of any class, with the rest, at most ne bytes. bytes has room for capacity bytes, at least
 * 2. Returns false, without an answer, if there is no rest or the command is not GET RESPONSE.
 */
bool response_continue(struct response *response, const struct apdu_command *command, uint32_t ne,
                       uint8_t *bytes, size_t capacity, size_t *length);

#endif
