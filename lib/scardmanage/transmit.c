/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

/* More than any extended APDU takes. */
#define TRANSMIT_MAX ((size_t)0x20000)

#define SENDS        4 /* how often a repeatable command is sent */
#define LOSSES       8 /* how often the card may get lost before it is, or while it is */

/* Commands may hold PINs. */
static scardmanage_result wipe(attachment *at)
{
    platform_wipe(at->buffer, at->io.command_len + at->io.response_len);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result transmit_job(attachment *at)
{
    at->io.response_len = 0;
    at->io.sent = false;
    if (!at->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = job_stopped(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_settle(at);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (at->pending != SCARDMANAGE_S_OK)
        return handle_event(at, at->pending);
    if (at->protocol == 0) /* when last looked at, another client was resetting it */
        result = handle_status(at, &at->io.card);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_event(at, handle_transmit(at));
    at->silent = at->io.sent && outcome_harder_step_may_cure(result);
    return result;
}

typedef struct exchange {
    const uint8_t *command;
    size_t command_len;
    uint8_t *response;
    size_t *response_len;
    size_t room;
    bool probe; /* the handle is asked first */
    bool sent;  /* may have reached the card */
} exchange;

/* The thread's own buffer, as the caller's may be gone before PC/SC is done with it. */
static scardmanage_result make_room(attachment *at, size_t size)
{
    const scardmanage_allocator *allocator = &at->m->allocator;
    if (size <= at->buffer_size)
        return SCARDMANAGE_S_OK;
    uint8_t *buffer = at->buffer == NULL ? allocator_get(allocator, size)
                                         : allocator->reallocate(allocator->context, at->buffer, size);
    if (buffer == NULL)
        return SCARDMANAGE_E_OUTOFMEMORY;
    at->buffer = buffer;
    at->buffer_size = size;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result send_once(call *c, exchange *x)
{
    attachment *at = c->at;
    x->sent = false;
    scardmanage_result result = make_room(at, x->command_len + x->room);
    if (result != SCARDMANAGE_S_OK)
        return result;
    memcpy(at->buffer, x->command, x->command_len);
    at->io.command_len = x->command_len;
    at->io.room = x->room;
    at->io.probe = x->probe;
    result = call_run(c, transmit_job, wipe);
    if (c->left) {
        x->sent = true;
        return result;
    }
    x->sent = at->io.sent;
    if (result == SCARDMANAGE_S_OK) {
        *x->response_len = at->io.response_len;
        memcpy(x->response, at->buffer + x->command_len, at->io.response_len);
    }
    wipe(at);
    return result;
}

/* A failure that leaves no event would look as if there was nothing to do. */
static void begin_harder(scardmanage_options *options, scardmanage_result result)
{
    if (!outcome_is_event(result) && options->first_step < SCARDMANAGE_STEP_COLD)
        options->first_step = (scardmanage_step)((int)options->first_step + 1);
    if (options->first_step > options->last_step)
        options->first_step = options->last_step;
}

static scardmanage_result send_and_recover(call *c, exchange *x, bool repeatable,
                                           scardmanage_options *options, scardmanage_report *report)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int lost = 0; lost < LOSSES; lost++) {
        uint32_t sent = report->sent;
        result = send_once(c, x);
        report->sent = sent + x->sent;
        report->last_result = result;
        bool lost_card = outcome_is_loss(result) || outcome_harder_step_may_cure(result);
        if (!lost_card || (x->sent && (!repeatable || report->sent >= SENDS)))
            return result;
        if (x->sent)
            begin_harder(options, result);
        sent = report->sent;
        scardmanage_result back = reconnect_in_call(c, options, true, report);
        report->sent = sent;
        if (back != SCARDMANAGE_S_OK)
            return back;
    }
    return result;
}

static scardmanage_result check(exchange *x)
{
    *x->response_len = 0;
    if (x->command_len == 0 || x->command_len > TRANSMIT_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    if (x->room < 2) /* pcscd says so before it looks at the card */
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (x->room > TRANSMIT_MAX)
        x->room = TRANSMIT_MAX;
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command, size_t command_len,
                                        uint8_t *response, size_t *response_len)
{
    call c;
    if (m == NULL || command == NULL || response == NULL || response_len == NULL)
        return SCARDMANAGE_E_POINTER;
    exchange x = {command, command_len, response, response_len, *response_len, false, false};
    scardmanage_result result = check(&x);
    if (result == SCARDMANAGE_S_OK)
        result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = send_once(&c, &x);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_transmit_ex(scardmanage *m, const uint8_t *command, size_t command_len,
                                           uint8_t *response, size_t *response_len, int repeatable,
                                           const scardmanage_options *options, scardmanage_report *report)
{
    call c;
    scardmanage_options read;
    scardmanage_report own = SCARDMANAGE_REPORT_INIT;
    if (m == NULL || command == NULL || response == NULL || response_len == NULL)
        return SCARDMANAGE_E_POINTER;
    exchange x = {command, command_len, response, response_len, *response_len, true, false};
    scardmanage_result result = check(&x);
    if (result == SCARDMANAGE_S_OK && !reconnect_report_valid(report))
        result = SCARDMANAGE_E_INVALIDARG;
    if (result == SCARDMANAGE_S_OK)
        result = options_read(m, options, &read);
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint64_t start = platform_now_us();
    result = call_begin_alone(&c, m, read.timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = send_and_recover(&c, &x, repeatable != 0, &read, &own);
        if (c.left || c.at->borrowed)
            call_finish(&c, reconnect_give_back);
        call_end(&c);
    } else {
        own.lock = call_lock(m);
    }
    own.elapsed_us = platform_now_us() - start;
    reconnect_write_report(&own, report);
    return result;
}
