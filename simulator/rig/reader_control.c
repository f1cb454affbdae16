/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_control.h"

#include "rig/feature.h"
#include "rig/pin_pad.h"
#include "rig/reader_call.h"

#include <stdio.h>

uint8_t reader_link_status(enum ifd_result result)
{
    static const uint8_t statuses[] = {
        [IFD_RESULT_OK] = LINK_OK,
        [IFD_RESULT_NO_CARD] = LINK_REMOVED,
        [IFD_RESULT_UNPOWERED] = LINK_UNPOWERED,
        [IFD_RESULT_MUTE] = LINK_MUTE,
        [IFD_RESULT_GARBLED] = LINK_GARBLED,
        [IFD_RESULT_PROTOCOL_UNAVAILABLE] = LINK_PROTOCOL_UNAVAILABLE,
        [IFD_RESULT_PPS_FAILED] = LINK_PPS_FAILED,
        [IFD_RESULT_WRONG_PROTOCOL] = LINK_GARBLED,
        [IFD_RESULT_BAD_COMMAND] = LINK_GARBLED,
    };
    return statuses[result];
}

/* Card and PIN pad, as a function of the script reaches them. */
struct path {
    struct slot_use *use;
    uint32_t card_event; /* of the request */
    uint8_t protocol;
    enum ifd_result result; /* of the last command */
    bool of_storage;        /* the card is a storage card: the script sends frames */
};

/* Sends a frame. Frames and their answers may have keys in them: the trace has two bytes of each frame, which say
 * what it is for. */
static enum ifd_result transmit_frame(struct ifd *ifd, const uint8_t *frame, size_t frame_length,
                                      uint8_t *response, size_t *length)
{
    struct trace *trace = ifd->line.trace;
    trace_note(trace, ifd->line.label, 0, "frame %02X %02X (%zu bytes)", frame_length > 0 ? frame[0] : 0,
               frame_length > 1 ? frame[1] : 0, frame_length);
    ifd->line.trace = NULL;
    enum ifd_result result =
        ifd_transmit(ifd, IFD_RAW, frame, frame_length, response, LINK_MAX_RESPONSE, length);
    ifd->line.trace = trace;
    return result;
}

/* Sends what the card takes: a frame, or a command. */
static enum ifd_result send_to_card(const struct path *path, const uint8_t *command, size_t command_length,
                                    uint8_t *response, size_t *length)
{
    struct ifd *ifd = path->use->ifd;
    if (path->of_storage)
        return transmit_frame(ifd, command, command_length, response, length);
    return ifd_transmit(ifd, path->protocol, command, command_length, response, LINK_MAX_RESPONSE, length);
}

static const char *perform(void *arg, enum reader_operation operation, const uint8_t *input,
                           size_t input_length, uint8_t *response, size_t *length)
{
    static const char *const words[] = {
        [IFD_RESULT_NO_CARD] = "removed",
        [IFD_RESULT_UNPOWERED] = "unpowered",
        [IFD_RESULT_MUTE] = "mute",
        [IFD_RESULT_GARBLED] = "garbled",
        [IFD_RESULT_PROTOCOL_UNAVAILABLE] = "protocol",
        [IFD_RESULT_PPS_FAILED] = "protocol",
        [IFD_RESULT_WRONG_PROTOCOL] = "protocol",
        [IFD_RESULT_BAD_COMMAND] = "command",
    };
    struct path *path = arg;
    if (operation == READER_TRANSMIT)
        path->result = send_to_card(path, input, input_length, response, length);
    else if (!pin_pad_ask(path->use, path->card_event, operation == READER_MODIFY_PIN, input, input_length,
                          response, length, &path->result))
        return "no-pinpad";
    return words[path->result];
}

static struct reader_slot describe(struct path *path)
{
    const struct ifd *ifd = path->use->ifd;
    bool at_antenna = path->use->card && card_interface(path->use->card) == CARD_ANTENNA;
    const struct antenna *antenna = at_antenna ? card_antenna(path->use->card) : NULL;
    path->of_storage = antenna && *antenna->storage;
    return (struct reader_slot){.number = path->use->slot->number,
                                .present = path->use->card,
                                .powered = ifd->powered,
                                .protocol = ifd->protocol == IFD_NO_PROTOCOL ? -1 : ifd->protocol,
                                .atr = ifd->atr.raw,
                                .atr_length = ifd->atr.length,
                                .antenna = antenna,
                                .perform = perform,
                                .arg = path};
}

uint8_t reader_control(struct slot_use *use, uint32_t card_event, uint32_t code, const uint8_t *input,
                       size_t input_length, uint8_t *out, size_t *length)
{
    struct reader_script *script = use->slot->reader->script;
    struct path path = {.use = use, .card_event = card_event, .protocol = IFD_RAW};
    struct reader_slot slot = describe(&path);
    enum reader_result result = READER_PASSED;
    enum ifd_result of_pin_pad;
    if (script)
        result =
            reader_call_control(script, &slot, code, input, input_length, out, LINK_MAX_RESPONSE, length);
    switch (result) {
    case READER_ANSWERED:
        return LINK_OK;
    case READER_REFUSED:
        return LINK_UNSUPPORTED;
    case READER_FAILED:
        return LINK_GARBLED;
    case READER_PASSED:
        break;
    }
    if (pin_pad_control(use, card_event, code, input, input_length, out, length, &of_pin_pad))
        return reader_link_status(of_pin_pad);
    return feature_control(use, code, out, length) ? LINK_OK : LINK_UNSUPPORTED;
}

/* The script has given no answer. */
static enum ifd_result fail(struct ifd *ifd, const struct path *path)
{
    if (path->result != IFD_RESULT_OK)
        return path->result;
    snprintf(ifd->last_error, sizeof ifd->last_error, "the reader's script has not answered a command");
    return IFD_RESULT_GARBLED;
}

enum ifd_result reader_transmit(struct slot_use *use, uint8_t protocol, const uint8_t *command,
                                size_t command_length, uint8_t *out, size_t *length)
{
    struct reader_script *script = use->slot->reader->script;
    struct path path = {.use = use, .card_event = use->card_event, .protocol = protocol};
    struct reader_slot slot = describe(&path);
    enum reader_result result = READER_PASSED;
    if (script)
        result = reader_call_command(script, &slot, command, command_length, out, LINK_MAX_RESPONSE, length);
    if (result == READER_ANSWERED)
        return IFD_RESULT_OK;
    if (result != READER_PASSED)
        return fail(use->ifd, &path);
    return send_to_card(&path, command, command_length, out, length);
}
