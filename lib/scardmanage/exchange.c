/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exchanges a command and its response with the card, in the thread of the attachment. If the caller has
 * asked for it, one command may take several exchanges of PC/SC: see transport.h.
 */
#include "hook.h"
#include "transport.h"

#include <string.h>

static uint16_t status_word(const uint8_t *response, size_t length)
{
    if (length < 2)
        return 0;
    return (uint16_t)(response[length - 2] << 8 | response[length - 1]);
}

/* One SCardTransmit(). */
static scardmanage_result exchange(struct attachment *at, const uint8_t *command, size_t length,
                                   uint8_t *response, size_t *response_length)
{
    uint64_t start = platform_now_us();
    size_t room = *response_length;
    hook_command(at, command, length);
    scardmanage_result result =
        pcsc_transmit(at->connection.handle, at->card.protocol, command, length, response, response_length);
    bool refused = outcome_is_event(result) || result == SCARDMANAGE_E_INVALID_HANDLE ||
                   result == SCARDMANAGE_E_PROTO_MISMATCH;
    at->io.sent |= !(refused && platform_refusal_precedes_transmit());
    size_t written = result == SCARDMANAGE_S_OK ? *response_length : room; /* PC/SC may have begun to write */
    size_t extent = (size_t)(response - at->buffer) - at->io.command_length + written;
    if (extent > at->io.response_extent)
        at->io.response_extent = extent;
    hook_response(at, result, response, *response_length, start);
    return result;
}

/* Sends a part of the command of the caller. Overwrites it afterwards: it may contain a PIN. */
static scardmanage_result exchange_part(struct attachment *at, uint8_t *part, size_t length,
                                        uint8_t *response, size_t *response_length)
{
    scardmanage_result result = job_stop_reason(at);
    if (result == SCARDMANAGE_S_OK)
        result = exchange(at, part, length, response, response_length);
    else
        *response_length = 0;
    platform_wipe(part, length);
    return result;
}

/* Sends the command as a chain. Ends early with the response of a command that the card has not accepted. */
static scardmanage_result send_chain(struct attachment *at, const struct command *command, uint8_t *response,
                                     size_t *length)
{
    uint8_t part[COMMAND_SHORT_SIZE_MAX];
    size_t capacity = *length, sent;
    for (size_t offset = 0; offset < command->data_length; offset += sent) {
        size_t part_length = transport_chain(command, offset, part, &sent);
        *length = capacity;
        scardmanage_result result = exchange_part(at, part, part_length, response, length);
        bool is_last = offset + sent == command->data_length;
        if (result != SCARDMANAGE_S_OK || is_last || status_word(response, *length) != 0x9000)
            return result;
    }
    return SCARDMANAGE_S_OK;
}

/* After 6CXX: sends the command, or the last one of its chain, with the Le that the card asked for. */
static scardmanage_result send_with_le(struct attachment *at, const struct command *command, uint8_t le,
                                       uint8_t *response, size_t *length)
{
    uint8_t part[COMMAND_SHORT_SIZE_MAX];
    return exchange_part(at, part, transport_correct_le(command, le, part), response, length);
}

/* One GET RESPONSE. Asks again if the card wants another Le. */
static scardmanage_result get_part(struct attachment *at, uint8_t cla, uint8_t le, uint8_t *response,
                                   size_t *length)
{
    uint8_t command[5];
    size_t capacity = *length;
    transport_get_response(cla, le, command);
    scardmanage_result result = exchange_part(at, command, sizeof command, response, length);
    uint16_t sw = status_word(response, *length);
    if (result != SCARDMANAGE_S_OK || sw >> 8 != 0x6C)
        return result;
    *length = capacity;
    transport_get_response(cla, (uint8_t)sw, command);
    return exchange_part(at, command, sizeof command, response, length);
}

/* After 61XX: gets the rest. response has length bytes already. */
static scardmanage_result get_rest(struct attachment *at, uint8_t cla, uint8_t *response, size_t capacity,
                                   size_t *length)
{
    for (uint16_t sw = status_word(response, *length); sw >> 8 == 0x61; sw = status_word(response, *length)) {
        size_t data = *length - 2, more = capacity - data;
        if (more < 2)
            return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
        scardmanage_result result = get_part(at, cla, (uint8_t)sw, response + data, &more);
        if (result != SCARDMANAGE_S_OK)
            return result;
        *length = data + more;
        if (more == 2) /* no more data, whatever the status word says */
            break;
    }
    return SCARDMANAGE_S_OK;
}

static scardmanage_result exchange_with_transport(struct attachment *at, uint8_t *response, size_t capacity,
                                                  size_t *length)
{
    struct command command;
    bool chains = false, asks = (at->transport & SCARDMANAGE_TRANSPORT_GET_RESPONSE) != 0;
    bool is_command = transport_parse(at->buffer, at->io.command_length, &command);
    *length = capacity;
    if (is_command && at->transport & SCARDMANAGE_TRANSPORT_CHAINING)
        chains = transport_needs_chain(&command);
    scardmanage_result result = chains ? send_chain(at, &command, response, length)
                                       : exchange(at, at->buffer, at->io.command_length, response, length);
    uint16_t sw = status_word(response, *length);
    if (result != SCARDMANAGE_S_OK || !is_command || !asks)
        return result;
    if (sw >> 8 == 0x6C && (chains || !transport_needs_chain(&command))) {
        *length = capacity;
        result = send_with_le(at, &command, (uint8_t)sw, response, length);
    }
    return result == SCARDMANAGE_S_OK ? get_rest(at, command.cla, response, capacity, length) : result;
}

/* Several exchanges only make sense if no other client comes between them. */
static scardmanage_result exchange_locked(struct attachment *at, uint8_t *response, size_t *length)
{
    bool begins = !at->transaction.is_open;
    scardmanage_result result = begins ? lock_begin_transaction(at) : SCARDMANAGE_S_OK;
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = exchange_with_transport(at, response, at->io.response_capacity, length);
    if (begins && at->transaction.is_open) /* if it cannot be ended, the next reconnect ends it */
        lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE);
    return result;
}

scardmanage_result exchange_run(struct attachment *at)
{
    uint8_t *response = at->buffer + at->io.command_length;
    size_t length = 0;
    scardmanage_result result = at->io.probe_first ? handle_probe(at) : handle_wait_turn(at);
    if (result == SCARDMANAGE_S_OK && at->transport != 0) {
        result = exchange_locked(at, response, &length);
    } else if (result == SCARDMANAGE_S_OK) {
        length = at->io.response_capacity;
        result = exchange(at, at->buffer, at->io.command_length, response, &length);
    }
    at->io.response_length = result == SCARDMANAGE_S_OK ? length : 0;
    return result;
}
