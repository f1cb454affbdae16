/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to the reader. */
#include "internal.h"
#include "scardmanage_control.h"

#include <string.h>

#define FEATURES_MAX 256 /* bytes of a list of features; each has 6 */

/* SCardControl(). pcsc-lite returns SCARD_E_UNSUPPORTED_FEATURE as a code that Windows uses otherwise, and
 * SCARD_E_NOT_TRANSACTED if the driver does not know the code or has failed. */
static scardmanage_result control(SCARDHANDLE handle, uint32_t code, const uint8_t *input,
                                  size_t input_length, uint8_t *output, size_t *output_length)
{
    scardmanage_result result = pcsc_control(handle, code, input, input_length, output, output_length);
    return result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE) ? SCARDMANAGE_E_UNSUPPORTED_FEATURE
                                                                     : result;
}

/* Asks for the control code of a feature. The list has a tag, a length of 4, and the code, most significant byte first,
 * for each. */
static scardmanage_result find_feature(SCARDHANDLE handle, uint8_t feature, uint32_t *code)
{
    uint8_t list[FEATURES_MAX];
    size_t length = sizeof list;
    scardmanage_result result = control(handle, platform_feature_request_code(), NULL, 0, list, &length);
    if (result == SCARDMANAGE_E_NOT_TRANSACTED) /* the driver has no features */
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (result != SCARDMANAGE_S_OK)
        return result;
    for (size_t i = 0; i + 6 <= length && list[i + 1] == 4; i += 6)
        if (list[i] == feature) {
            *code = (uint32_t)list[i + 2] << 24 | (uint32_t)list[i + 3] << 16 | (uint32_t)list[i + 4] << 8 |
                    list[i + 5];
            return SCARDMANAGE_S_OK;
        }
    return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
}

static scardmanage_result control_with(struct attachment *at, SCARDHANDLE handle)
{
    uint32_t code = at->io.control_code;
    scardmanage_result result =
        at->io.feature != 0 ? find_feature(handle, at->io.feature, &code) : SCARDMANAGE_S_OK;
    if (result == SCARDMANAGE_S_OK)
        result = job_stop_reason(at);
    at->io.response_length = at->io.response_capacity;
    if (result == SCARDMANAGE_S_OK)
        result = control(handle, code, at->buffer, at->io.command_length, at->buffer + at->io.command_length,
                         &at->io.response_length);
    if (result != SCARDMANAGE_S_OK)
        at->io.response_length = 0;
    at->io.response_extent = at->io.response_length;
    return result;
}

/* Without a card there is no handle: connects to the reader only. */
static scardmanage_result control_without_handle(struct attachment *at)
{
    struct pcsc_reader_state state;
    SCARDHANDLE handle;
    if (at->connection.reader[0] == '\0')
        return at->card.unreported_event;
    scardmanage_result result = service_get_reader_state(at, false, &state);
    if (result == SCARDMANAGE_S_OK)
        result = pcsc_connect_direct(at->connection.context, at->connection.reader, &handle);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = control_with(at, handle);
    pcsc_disconnect(handle, SCARDMANAGE_DISPOSITION_LEAVE);
    return result;
}

static scardmanage_result control_job(struct attachment *at)
{
    at->io.response_length = at->io.response_extent = 0;
    if (!at->connection.has_handle)
        return control_without_handle(at);
    scardmanage_result result = handle_probe(at);
    return result == SCARDMANAGE_S_OK ? control_with(at, at->connection.handle) : result;
}

/* Its feature is 0 if it has a code. */
struct request {
    uint32_t code;
    uint8_t feature;
    const uint8_t *input;
    size_t input_length;
    uint8_t *output;
    size_t *output_length;
};

static scardmanage_result send_request(scardmanage *m, const struct request *r)
{
    struct call c;
    if (!m || !r->output_length || (!r->input && r->input_length > 0) ||
        (!r->output && *r->output_length > 0))
        return SCARDMANAGE_E_POINTER;
    size_t capacity =
        *r->output_length > SCARDMANAGE_CONTROL_MAX ? SCARDMANAGE_CONTROL_MAX : *r->output_length;
    *r->output_length = 0;
    if (r->input_length > SCARDMANAGE_CONTROL_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = transmit_reserve_buffer(c.at, r->input_length + capacity + 1); /* at least one byte */
    if (result == SCARDMANAGE_S_OK) {
        if (r->input_length > 0)
            memcpy(c.at->buffer, r->input, r->input_length);
        c.at->io.command_length = r->input_length;
        c.at->io.response_capacity = capacity;
        c.at->io.control_code = r->code;
        c.at->io.feature = r->feature;
        result = call_run(&c, control_job, transmit_wipe_buffer);
        if (result == SCARDMANAGE_S_OK && c.at->io.response_length > 0)
            memcpy(r->output, c.at->buffer + r->input_length, c.at->io.response_length);
        if (result == SCARDMANAGE_S_OK)
            *r->output_length = c.at->io.response_length;
        if (!c.left_running)
            transmit_wipe_buffer(c.at);
    }
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_control(scardmanage *m, uint32_t code, const uint8_t *input,
                                       size_t input_length, uint8_t *output, size_t *output_length)
{
    struct request r = {code, 0, input, input_length, output, output_length};
    return send_request(m, &r);
}

scardmanage_result scardmanage_control_feature(scardmanage *m, uint8_t feature, const uint8_t *input,
                                               size_t input_length, uint8_t *output, size_t *output_length)
{
    struct request r = {0, feature, input, input_length, output, output_length};
    return feature == 0 ? SCARDMANAGE_E_UNSUPPORTED_FEATURE : send_request(m, &r);
}
