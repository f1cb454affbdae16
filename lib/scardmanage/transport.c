/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport.h"

#include <string.h>

#define SHORT_DATA_MAX 255u
#define CLA_CHAINING   0x10u /* more commands of the chain follow */
#define CLA_READER     0xFFu /* PC/SC part 3: a command to the reader itself */

static size_t from_2_bytes(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

static uint32_t expected_of(size_t le, uint32_t if_zero)
{
    return le == 0 ? if_zero : (uint32_t)le;
}

/* The body of a command with length fields of 3 bytes. The first byte is 0. */
static bool parse_extended(const uint8_t *body, size_t length, struct transport_command *command)
{
    if (length < 3)
        return false;
    size_t first = from_2_bytes(body + 1);
    if (length == 3) { /* only Le */
        command->has_le = true;
        command->expected = expected_of(first, 65536);
        return true;
    }
    if (first == 0 || (length != 3 + first && length != 3 + first + 2))
        return false;
    command->data = body + 3;
    command->data_length = first;
    command->has_le = length > 3 + first;
    if (command->has_le)
        command->expected = expected_of(from_2_bytes(body + 3 + first), 65536);
    return true;
}

bool transport_parse(const uint8_t *bytes, size_t length, struct transport_command *command)
{
    if (length < 4)
        return false;
    *command = (struct transport_command){.header = bytes, .data = bytes + length};
    const uint8_t *body = bytes + 4;
    length -= 4;
    if (length == 0)
        return true;
    if (length == 1) { /* only Le */
        command->has_le = true;
        command->expected = expected_of(body[0], 256);
        return true;
    }
    if (body[0] == 0)
        return parse_extended(body, length, command);
    if (length != 1u + body[0] && length != 2u + body[0])
        return false;
    command->data = body + 1;
    command->data_length = body[0];
    command->has_le = length > 1u + body[0];
    if (command->has_le)
        command->expected = expected_of(body[length - 1], 256);
    return true;
}

bool transport_needs_chain(const struct transport_command *command)
{
    return command->data_length > SHORT_DATA_MAX && command->header[0] != CLA_READER;
}

static size_t write_short(const struct transport_command *command, size_t offset, size_t data_length,
                          bool has_le, uint8_t le, uint8_t out[TRANSPORT_SHORT_MAX])
{
    size_t length = 4;
    memcpy(out, command->header, 4);
    if (data_length > 0) {
        out[length++] = (uint8_t)data_length;
        memcpy(out + length, command->data + offset, data_length);
        length += data_length;
    }
    if (has_le)
        out[length++] = le;
    return length;
}

size_t transport_chain(const struct transport_command *command, size_t offset,
                       uint8_t out[TRANSPORT_SHORT_MAX], size_t *sent)
{
    size_t left = command->data_length - offset;
    *sent = left > SHORT_DATA_MAX ? SHORT_DATA_MAX : left;
    bool is_last = *sent == left;
    uint8_t le = command->expected >= 256 ? 0 : (uint8_t)command->expected;
    size_t length = write_short(command, offset, *sent, is_last && command->has_le, le, out);
    if (!is_last)
        out[0] |= CLA_CHAINING;
    return length;
}

size_t transport_correct_le(const struct transport_command *command, uint8_t le,
                            uint8_t out[TRANSPORT_SHORT_MAX])
{
    size_t chained = command->data_length - command->data_length % SHORT_DATA_MAX;
    if (chained == command->data_length && chained > 0) /* the last command of a chain, if it was one */
        chained -= SHORT_DATA_MAX;
    return write_short(command, chained, command->data_length - chained, true, le, out);
}

void transport_get_response(uint8_t cla, uint8_t le, uint8_t out[5])
{
    /* interindustry classes only; further ones have the channel in four bits */
    bool is_further = (cla & 0xC0) == 0x40;
    out[0] = is_further ? (uint8_t)(0x40 | (cla & 0x0F)) : cla & 0x03;
    out[1] = 0xC0;
    out[2] = out[3] = 0x00;
    out[4] = le;
}
