/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/response.h"

#include <string.h>

#define GET_RESPONSE 0xC0

void response_drop(struct response *response)
{
    response->at = response->length = 0;
}

/* Writes 61XX for a rest of `left` bytes. XX is 00 for 256 or more. */
static void set_left(uint8_t *sw, size_t left)
{
    sw[0] = 0x61;
    sw[1] = (uint8_t)(left < 256 ? left : 0);
}

void response_cut_to_ne(struct response *response, uint32_t ne, uint8_t *bytes, size_t *length)
{
    size_t data = *length - 2;

    if (data <= ne)
        return;
    response->at = 0;
    response->length = data - ne;
    memcpy(response->bytes, bytes + ne, *length - ne);
    set_left(bytes + ne, response->length);
    *length = ne + 2;
}

bool response_continue(struct response *response, const struct apdu_command *command, uint32_t ne,
                       uint8_t *bytes, size_t capacity, size_t *length)
{
    size_t count = response->length;

    if (count == 0 || command->ins != GET_RESPONSE || command->p1 != 0 || command->p2 != 0)
        return false;
    if (count > ne)
        count = ne;
    if (count > capacity - 2)
        count = capacity - 2;
    /* after the last data, the two more bytes are the status word; otherwise set_left replaces them */
    memcpy(bytes, response->bytes + response->at, count + 2);
    *length = count + 2;
    response->at += count;
    response->length -= count;
    if (response->length > 0)
        set_left(bytes + count, response->length);
    return true;
}
