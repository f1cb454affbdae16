/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport.h"

#define SHORT_DATA_MAX     255u
#define SHORT_EXPECTED_MAX 256u
#define CLA_CHAINING       0x10u /* more commands of the chain follow */
#define CLA_READER         0xFFu /* PC/SC part 3: a command to the reader itself */

static size_t from_2_bytes(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

static uint32_t expected_of(size_t le, uint32_t if_zero)
{
    return le == 0 ? if_zero : (uint32_t)le;
}

/* The body of a command with length fields of 3 bytes. The first byte is 0. */
static bool parse_extended(const uint8_t *body, size_t length, struct command *command)
{
    if (length < 3)
        return false;
    size_t first = from_2_bytes(body + 1);
    if (length == 3) { /* only Le */
        command->expected = expected_of(first, COMMAND_RESPONSE_MAX);
        return true;
    }
    if (first == 0 || (length != 3 + first && length != 3 + first + 2))
        return false;
    command->data = body + 3;
    command->data_length = first;
    if (length > 3 + first)
        command->expected = expected_of(from_2_bytes(body + 3 + first), COMMAND_RESPONSE_MAX);
    return true;
}

bool transport_parse(const uint8_t *bytes, size_t length, struct command *command)
{
    if (length < 4)
        return false;
    *command = (struct command){.cla = bytes[0], .ins = bytes[1], .p1 = bytes[2], .p2 = bytes[3]};
    const uint8_t *body = bytes + 4;
    length -= 4;
    if (length == 0)
        return true;
    if (length == 1) { /* only Le */
        command->expected = expected_of(body[0], SHORT_EXPECTED_MAX);
        return true;
    }
    if (body[0] == 0)
        return parse_extended(body, length, command);
    if (length != 1u + body[0] && length != 2u + body[0])
        return false;
    command->data = body + 1;
    command->data_length = body[0];
    if (length > 1u + body[0])
        command->expected = expected_of(body[length - 1], SHORT_EXPECTED_MAX);
    return true;
}

bool transport_needs_chain(const struct command *command)
{
    return command->data_length > SHORT_DATA_MAX && command->cla != CLA_READER;
}

size_t transport_chain(const struct command *command, size_t offset, uint8_t out[COMMAND_SHORT_SIZE_MAX],
                       size_t *sent)
{
    struct command part = *command;
    size_t left = command->data_length - offset;
    bool is_last = left <= SHORT_DATA_MAX;
    part.data += offset;
    part.data_length = *sent = is_last ? left : SHORT_DATA_MAX;
    if (part.expected > SHORT_EXPECTED_MAX)
        part.expected = SHORT_EXPECTED_MAX;
    if (!is_last) {
        part.expected = 0;
        part.cla |= CLA_CHAINING;
    }
    return command_encode(&part, out);
}

size_t transport_correct_le(const struct command *command, uint8_t le, uint8_t out[COMMAND_SHORT_SIZE_MAX])
{
    struct command last = *command;
    size_t chained = 0; /* what the commands before the last one have sent */
    if (command->data_length > 0)
        chained = (command->data_length - 1) / SHORT_DATA_MAX * SHORT_DATA_MAX;
    if (chained > 0)
        last.data += chained;
    last.data_length -= chained;
    last.expected = expected_of(le, SHORT_EXPECTED_MAX);
    return command_encode(&last, out);
}

void transport_get_response(uint8_t cla, uint8_t le, uint8_t out[5])
{
    /* interindustry classes only; further ones have the channel in four bits */
    bool is_further = (cla & 0xC0) == 0x40;
    struct command get = {.cla = is_further ? (uint8_t)(0x40 | (cla & 0x0F)) : cla & 0x03,
                          .ins = 0xC0,
                          .expected = expected_of(le, SHORT_EXPECTED_MAX)};
    command_encode(&get, out);
}
