/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <string.h>

bool command_keeps_selection(const uint8_t *apdu, size_t length)
{
    static const uint8_t instructions[] = {
        0x20, 0x21, 0x24, 0x26, 0x28, 0x2C, /* VERIFY and its relatives */
        0x22, 0x2A,                         /* MANAGE SECURITY ENVIRONMENT, PERFORM SECURITY OPERATION */
        0x82, 0x84, 0x86, 0x87, 0x88,       /* authentication */
        0xC0, 0xCA,                         /* GET RESPONSE, GET DATA */
    };
    return length >= 4 && (apdu[0] & 0x80) == 0 && memchr(instructions, apdu[1], sizeof instructions);
}

static bool is_valid(const struct command *command)
{
    return command->data_length <= COMMAND_DATA_MAX && command->expected <= COMMAND_RESPONSE_MAX;
}

/* The forms are never mixed: ISO/IEC 7816-4:2013, 5.1. */
static bool is_extended(const struct command *command)
{
    return command->data_length > 255 || command->expected > 256;
}

size_t command_size(const struct command *command)
{
    if (!is_valid(command))
        return 0;
    size_t lc = command->data_length == 0 ? 0 : is_extended(command) ? 3 : 1;
    size_t le = command->expected == 0 ? 0 : !is_extended(command) ? 1 : lc > 0 ? 2 : 3;
    return 4 + lc + command->data_length + le;
}

static uint8_t *put_length(uint8_t *out, size_t length)
{
    *out++ = (uint8_t)(length >> 8);
    *out++ = (uint8_t)length;
    return out;
}

size_t command_encode(const struct command *command, uint8_t *out)
{
    const uint8_t header[] = {command->cla, command->ins, command->p1, command->p2};
    size_t size = command_size(command);
    if (size == 0)
        return 0;
    memcpy(out, header, sizeof header);
    out += sizeof header;
    if (is_extended(command))
        *out++ = 0; /* the first length field begins with 00 */
    if (command->data_length > 0) {
        if (is_extended(command))
            out = put_length(out, command->data_length);
        else
            *out++ = (uint8_t)command->data_length;
        memcpy(out, command->data, command->data_length);
        out += command->data_length;
    }
    /* the maximum is coded as zero */
    if (command->expected > 0 && is_extended(command))
        put_length(out, command->expected);
    else if (command->expected > 0)
        *out = (uint8_t)command->expected;
    return size;
}
