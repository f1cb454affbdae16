/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends commands, and reconnects if necessary. */
#include "command.h"
#include "hook.h"

#include <string.h>

/* More than an extended APDU can have. */
#define TRANSMIT_MAX ((size_t)0x20000)

scardmanage_result transmit_wipe_buffer(struct attachment *at)
{
    platform_wipe(at->buffer, at->io.command_length + at->io.response_extent);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result transmit_job(struct attachment *at)
{
    at->io.response_length = at->io.response_extent = 0;
    at->io.sent = false;
    if (!at->connection.has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = job_stop_reason(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_acknowledge_if_due(at);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_check_session(at);
    if (result == SCARDMANAGE_S_OK &&
        at->card.protocol == 0) /* another client was resetting the card when its status was last read */
        result = handle_get_status_for_caller(at, &at->io.card);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_correct_event(at, exchange_run(at));
    at->card.is_unresponsive = at->io.sent && outcome_harder_step_may_cure(result);
    if (at->io.sent)
        attachment_count_command(at, !command_keeps_selection(at->buffer, at->io.command_length));
    return result;
}

struct exchange {
    const uint8_t *command;
    size_t command_length;
    uint8_t *response;
    size_t *response_length;
    size_t response_capacity;
    bool probe_first; /* check the handle before sending */
    size_t secret_offset, secret_length;
};

scardmanage_result transmit_reserve_buffer(struct attachment *at, size_t size)
{
    const scardmanage_allocator *allocator = &at->m->allocator;
    if (size <= at->buffer_size)
        return SCARDMANAGE_S_OK;
    uint8_t *buffer = at->buffer ? allocator->reallocate(allocator->context, at->buffer, size)
                                 : allocator_allocate(allocator, size);
    if (!buffer)
        return SCARDMANAGE_E_OUTOFMEMORY;
    at->buffer = buffer;
    at->buffer_size = size;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result send_once(struct call *c, const struct exchange *x)
{
    struct attachment *at = c->at;
    if (at->unit.runs && at->unit.loss != SCARDMANAGE_S_OK)
        return at->unit.loss;
    scardmanage_result result = transmit_reserve_buffer(at, x->command_length + x->response_capacity +
                                                                hook_room(at, x->command_length));
    if (result != SCARDMANAGE_S_OK)
        return result;
    memcpy(at->buffer, x->command, x->command_length);
    at->io.command_length = x->command_length;
    at->io.response_capacity = x->response_capacity;
    at->io.probe_first = x->probe_first;
    at->io.secret_offset = x->secret_offset;
    at->io.secret_length = x->secret_length;
    result = call_run(c, transmit_job, transmit_wipe_buffer);
    unit_record(at, c->left_running || at->io.sent, result);
    if (c->left_running)
        return result;
    if (result == SCARDMANAGE_S_OK) {
        *x->response_length = at->io.response_length;
        memcpy(x->response, at->buffer + x->command_length, at->io.response_length);
    }
    transmit_wipe_buffer(at);
    return result;
}

struct command_unit {
    struct unit unit;
    struct exchange exchange;
};

static scardmanage_result send_in_unit(struct unit *unit, struct call *c, const scardmanage_report *report)
{
    (void)report;
    return send_once(c, &((struct command_unit *)unit)->exchange);
}

static scardmanage_result check_exchange(struct exchange *x)
{
    *x->response_length = 0;
    if (x->command_length == 0 || x->command_length > TRANSMIT_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    if (x->response_capacity < 2) /* pcscd also checks that first */
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (x->response_capacity > TRANSMIT_MAX)
        x->response_capacity = TRANSMIT_MAX;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result transmit(scardmanage *m, struct exchange *x)
{
    struct call c;
    scardmanage_result result = check_exchange(x);
    if (result == SCARDMANAGE_S_OK)
        result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = send_once(&c, x);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command, size_t command_length,
                                        uint8_t *response, size_t *response_length)
{
    if (!m || !command || !response || !response_length)
        return SCARDMANAGE_E_POINTER;
    struct exchange x = {command, command_length, response, response_length, *response_length, false, 0, 0};
    return transmit(m, &x);
}

scardmanage_result scardmanage_transmit_secret(scardmanage *m, const uint8_t *command, size_t command_length,
                                               size_t secret_offset, size_t secret_length, uint8_t *response,
                                               size_t *response_length)
{
    if (!m || !command || !response || !response_length)
        return SCARDMANAGE_E_POINTER;
    if (secret_length == 0 || secret_offset > command_length ||
        secret_length > command_length - secret_offset) {
        *response_length = 0;
        return SCARDMANAGE_E_INVALIDARG;
    }
    struct exchange x = {command,          command_length, response,      response_length,
                         *response_length, false,          secret_offset, secret_length};
    return transmit(m, &x);
}

scardmanage_result scardmanage_set_transport(scardmanage *m, uint32_t transport)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    if (transport & ~(SCARDMANAGE_TRANSPORT_GET_RESPONSE | SCARDMANAGE_TRANSPORT_CHAINING))
        return SCARDMANAGE_E_INVALIDARG;
    platform_lock(&m->mutex);
    m->transport = transport;
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_transmit_ex(scardmanage *m, const uint8_t *command, size_t command_length,
                                           uint8_t *response, size_t *response_length, int repeatable,
                                           const scardmanage_options *options, scardmanage_report *report)
{
    scardmanage_options read;
    if (!m || !command || !response || !response_length)
        return SCARDMANAGE_E_POINTER;
    struct command_unit u = {
        {send_in_unit, repeatable != 0, false},
        {command, command_length, response, response_length, *response_length, true, 0, 0},
    };
    scardmanage_result result = check_exchange(&u.exchange);
    if (result == SCARDMANAGE_S_OK && !reconnect_report_is_valid(report))
        result = SCARDMANAGE_E_INVALIDARG;
    if (result == SCARDMANAGE_S_OK)
        result = options_read(m, options, &read);
    return result == SCARDMANAGE_S_OK ? unit_run(m, &u.unit, &read, report) : result;
}
