/* SPDX-License-Identifier: BSD-3-Clause */
/* PC/SC calls with the card handle of an attachment. */
#include "internal.h"

#include <string.h>

scardmanage_result handle_open(struct attachment *at, const scardmanage_options *options, uint32_t protocols)
{
    scardmanage_share share =
        options->share == SCARDMANAGE_SHARE_KEEP ? at->connection.share : options->share;
    scardmanage_result result =
        pcsc_connect(at->connection.context, at->connection.reader, share, protocols, &at->connection.handle);
    if (result == SCARDMANAGE_S_OK) {
        at->connection.has_handle = true;
        at->connection.share = share;
    }
    return result;
}

#define TURN_POLL_US 2000u /* interval between two checks whether another client's transaction has ended */

static bool says_handle_is_dead(scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SERVICE || result == SCARDMANAGE_E_INVALID_HANDLE;
}

/* The PC/SC call that follows would wait, too. But it could not be stopped, and might reset the
 * card after the caller has stopped waiting. It still waits if a transaction begins between this
 * check and the call. */
scardmanage_result handle_wait_turn_or_event(struct attachment *at, scardmanage_result *event)
{
    *event = SCARDMANAGE_S_OK;
    if (at->transaction.is_open || at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE ||
        !platform_attribute_reveals_transaction())
        return SCARDMANAGE_S_OK;
    scardmanage_result result;
    while ((result = pcsc_probe_transaction(at->connection.handle)) == SCARDMANAGE_E_SHARING_VIOLATION) {
        scardmanage_result stop = job_pause(at, TURN_POLL_US);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
    if (outcome_is_event(result))
        *event = result;
    return says_handle_is_dead(result) ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_wait_turn(struct attachment *at)
{
    scardmanage_result event;
    return handle_wait_turn_or_event(at, &event);
}

scardmanage_result handle_reconnect(struct attachment *at, scardmanage_share share, uint32_t protocols,
                                    scardmanage_step step)
{
    scardmanage_result result = handle_wait_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_reconnect(at->connection.handle, share, protocols, step)
                                      : result;
}

/* For so long after a transaction of the handle has ended, it is not asked whether another client has one: the
 * answer would be about as old when the call that follows it begins. */
#define TURN_KNOWN_US 100u

scardmanage_result handle_begin_transaction(struct attachment *at)
{
    bool turn_is_known = platform_now_us() - at->transaction.ended_us < TURN_KNOWN_US;
    scardmanage_result result = turn_is_known ? SCARDMANAGE_S_OK : handle_wait_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_begin_transaction(at->connection.handle) : result;
}

scardmanage_result handle_get_status(struct attachment *at, struct pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    scardmanage_result result = handle_wait_turn(at);
    return result == SCARDMANAGE_S_OK ? pcsc_get_status(at->connection.handle, card) : result;
}

scardmanage_result handle_probe(struct attachment *at)
{
    if (!at->transaction.is_open)
        return handle_wait_turn(at);
    scardmanage_result result = pcsc_probe_transaction(at->connection.handle);
    return says_handle_is_dead(result) ? result : SCARDMANAGE_S_OK;
}

/* On every PC/SC stack, closing a handle releases its transaction. */
void handle_close(struct attachment *at, scardmanage_disposition disposition)
{
    if (at->connection.has_handle)
        pcsc_disconnect(at->connection.handle, disposition);
    at->connection.has_handle = false;
    at->transaction.is_open = false;
    at->card.own_reset = false;
    at->card.is_unresponsive = false;
}

scardmanage_result handle_correct_event(struct attachment *at, scardmanage_result result)
{
    struct pcsc_reader_state state;
    if (result != SCARDMANAGE_W_RESET_CARD || at->connection.reader[0] == '\0' || !at->card.identity.known)
        return result;
    scardmanage_result queried = pcsc_get_reader_state(at->connection.context, at->connection.reader, &state);
    if (queried == SCARDMANAGE_E_NO_SERVICE) /* nobody has watched the card since */
        return SCARDMANAGE_W_REMOVED_CARD;
    if (queried != SCARDMANAGE_S_OK)
        return result;
    return identity_was_removed(&at->card.identity, state.counter) ? SCARDMANAGE_W_REMOVED_CARD : result;
}

scardmanage_result handle_check_session(struct attachment *at)
{
    if (!at->connection.has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    if (at->card.unreported_event != SCARDMANAGE_S_OK)
        return handle_correct_event(at, at->card.unreported_event);
    return at->card.identity.known ? SCARDMANAGE_S_OK : SCARDMANAGE_E_NO_SMARTCARD;
}

void handle_set_reset_unreported(struct attachment *at)
{
    if (at->card.unreported_event != SCARDMANAGE_W_REMOVED_CARD)
        at->card.unreported_event = SCARDMANAGE_W_RESET_CARD;
}

scardmanage_result handle_finish_operations(struct attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int i = 0; i < 2 && result != SCARDMANAGE_E_OUTOFMEMORY; i++)
        result = pcsc_probe_transaction(at->connection.handle);
    return result == SCARDMANAGE_E_OUTOFMEMORY ? result : SCARDMANAGE_S_OK;
}

static scardmanage_result acknowledge_own_reset(struct attachment *at)
{
    uint32_t protocols = options_protocols(&at->options, at->card.protocol);
    scardmanage_result result = handle_reconnect(at, at->connection.share, protocols, SCARDMANAGE_STEP_LEAVE);
    /* another client has reconnected first, and has chosen the other protocol */
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && at->options.protocols == 0)
        result = handle_reconnect(at, at->connection.share, options_any_protocol(at->card.protocol),
                                  SCARDMANAGE_STEP_LEAVE);
    return result;
}

scardmanage_result handle_acknowledge_own_reset(struct attachment *at)
{
    struct pcsc_card card;
    scardmanage_result result =
        at->card.own_reset_acknowledged ? SCARDMANAGE_S_OK : acknowledge_own_reset(at);
    /* in these cases the next call tries again */
    at->card.own_reset = result == SCARDMANAGE_E_SHARING_VIOLATION || outcome_ends_call(result);
    at->card.own_reset_acknowledged = result == SCARDMANAGE_S_OK;
    if (result != SCARDMANAGE_S_OK)
        return result;
    /* another client may have begun a reset after the own one, which has been acknowledged, too; see
     * wait_for_reset_by_others() */
    result = handle_finish_operations(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_get_status(at, &card);
    at->card.own_reset = outcome_ends_call(result);
    if (result != SCARDMANAGE_S_OK)
        return handle_correct_event(at, result);
    if (identity_was_removed(&at->card.identity, card.counter)) {
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
        return at->card.unreported_event;
    }
    if (card.state != SCARDMANAGE_STATE_SPECIFIC) /* another client has powered the card off */
        handle_set_reset_unreported(at);
    identity_add_atr(&at->card.identity, &card.atr);
    at->card.atr = card.atr;
    at->card.protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

scardmanage_result handle_acknowledge_if_due(struct attachment *at)
{
    scardmanage_result result = at->card.own_reset ? handle_acknowledge_own_reset(at) : SCARDMANAGE_S_OK;
    return outcome_ends_call(result) ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_get_status_for_caller(struct attachment *at, struct pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    if (!at->connection.has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = handle_acknowledge_if_due(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_correct_event(at, handle_get_status(at, card));
    if (result == SCARDMANAGE_W_RESET_CARD && at->card.unreported_event == SCARDMANAGE_W_REMOVED_CARD)
        return at->card.unreported_event; /* the removal came first, and is more serious */
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (identity_was_removed(&at->card.identity, card->counter))
        return SCARDMANAGE_W_REMOVED_CARD;
    if (at->card.unreported_event != SCARDMANAGE_S_OK)
        return at->card.unreported_event;
    if (card->state >= SCARDMANAGE_STATE_POWERED) {
        identity_add_atr(&at->card.identity, &card->atr);
        at->card.atr = card->atr;
        at->card.protocol = card->protocol; /* 0 while another client is resetting the card */
    }
    return SCARDMANAGE_S_OK;
}
