/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

scardmanage_result handle_open(attachment *at, const scardmanage_options *options, uint32_t protocols)
{
    scardmanage_share share = options->share == SCARDMANAGE_SHARE_KEEP ? at->share : options->share;
    scardmanage_result result = pcsc_connect(at->context, at->reader, share, protocols, &at->handle);
    if (result == SCARDMANAGE_S_OK) {
        at->has_handle = true;
        at->share = share;
    }
    return result;
}

#define TURN_US 2000u /* between two looks at whether another client's transaction has ended */

static bool is_dead(scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SERVICE || result == SCARDMANAGE_E_INVALID_HANDLE;
}

/* PC/SC calls would wait, too, but could not be stopped, and would then do what nobody wants any more. One
 * that begins between the look and the call still makes us wait there. */
scardmanage_result handle_turn(attachment *at)
{
    if (at->transacted || at->share == SCARDMANAGE_SHARE_EXCLUSIVE || !platform_attribute_tells_transaction())
        return SCARDMANAGE_S_OK;
    scardmanage_result result;
    while ((result = pcsc_probe(at->handle)) == SCARDMANAGE_E_SHARING_VIOLATION) {
        scardmanage_result stop = job_pause(at, TURN_US);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
    return is_dead(result) ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_reconnect(attachment *at, scardmanage_share share, uint32_t protocols,
                                    scardmanage_step step)
{
    scardmanage_result result = handle_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_reconnect(at->handle, share, protocols, step) : result;
}

scardmanage_result handle_begin(attachment *at)
{
    scardmanage_result result = handle_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_begin(at->handle) : result;
}

scardmanage_result handle_card(attachment *at, pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    scardmanage_result result = handle_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_status(at->handle, card) : result;
}

/* A handle that died before is no reason to think that the command was sent. */
static scardmanage_result ask_first(attachment *at)
{
    if (!at->transacted)
        return handle_turn(at);
    scardmanage_result result = pcsc_probe(at->handle);
    return is_dead(result) ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_transmit(attachment *at)
{
    uint8_t *response = at->buffer + at->io.command_len;
    at->io.response_len = at->io.room;
    scardmanage_result result = at->io.probe ? ask_first(at) : handle_turn(at);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = pcsc_transmit(at->handle, at->protocol, at->buffer, at->io.command_len, response,
                           &at->io.response_len);
    bool refused = outcome_is_event(result) || result == SCARDMANAGE_E_INVALID_HANDLE ||
                   result == SCARDMANAGE_E_PROTO_MISMATCH;
    at->io.sent = !(refused && platform_refusal_precedes_transmit());
    return result;
}

/* Closing a handle releases its transaction, on every stack. */
void handle_close(attachment *at, scardmanage_disposition disposition)
{
    if (at->has_handle)
        pcsc_disconnect(at->handle, disposition);
    at->has_handle = false;
    at->transacted = false;
    at->own_reset = false;
    at->silent = false;
}

scardmanage_result handle_event(attachment *at, scardmanage_result result)
{
    pcsc_look look;
    if (result != SCARDMANAGE_W_RESET_CARD || at->reader[0] == '\0' || !at->card.known)
        return result;
    if (pcsc_look_at(at->context, at->reader, &look) != SCARDMANAGE_S_OK)
        return result;
    return identity_moved(&at->card, look.counter) ? SCARDMANAGE_W_REMOVED_CARD : result;
}

scardmanage_result handle_acknowledge(attachment *at)
{
    pcsc_card card;
    uint32_t protocols = options_protocols(&at->options, at->protocol);
    scardmanage_result result = handle_reconnect(at, at->share, protocols, SCARDMANAGE_STEP_LEAVE);
    /* another client was first to choose, and took the other protocol */
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && at->options.protocols == 0)
        result = handle_reconnect(at, at->share, options_any_protocol(at->protocol), SCARDMANAGE_STEP_LEAVE);
    /* then it is tried again at the next call */
    at->own_reset = result == SCARDMANAGE_E_SHARING_VIOLATION || outcome_ends_call(result);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_card(at, &card);
    at->own_reset = outcome_ends_call(result);
    if (result != SCARDMANAGE_S_OK)
        return handle_event(at, result);
    if (identity_moved(&at->card, card.counter)) {
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
        return at->pending;
    }
    identity_add(&at->card, &card.atr);
    at->atr = card.atr;
    at->protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

scardmanage_result handle_settle(attachment *at)
{
    scardmanage_result result = at->own_reset ? handle_acknowledge(at) : SCARDMANAGE_S_OK;
    return outcome_ends_call(result) ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_status(attachment *at, pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    if (!at->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = handle_settle(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_event(at, handle_card(at, card));
    if (result == SCARDMANAGE_W_RESET_CARD && at->pending == SCARDMANAGE_W_REMOVED_CARD)
        return at->pending; /* that came first, and is graver */
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (identity_moved(&at->card, card->counter))
        return SCARDMANAGE_W_REMOVED_CARD;
    if (at->pending != SCARDMANAGE_S_OK)
        return at->pending;
    if (card->state >= SCARDMANAGE_STATE_POWERED) {
        identity_add(&at->card, &card->atr);
        at->atr = card->atr;
        at->protocol = card->protocol; /* none, while another client is in the middle of a reset */
    }
    return SCARDMANAGE_S_OK;
}
