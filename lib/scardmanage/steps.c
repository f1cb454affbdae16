/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of a reconnect. */
#include "attempt.h"
#include "hook.h"

#include <string.h>

#define STEP_TRIES_MAX 4 /* how often other clients may reset the card during one step */

static uint32_t wanted_protocols(const struct attempt *a)
{
    bool same = a->situation.verdict <= SCARDMANAGE_VERDICT_REINSERTED;
    return options_protocols(&a->options, same ? a->at->card.protocol : 0);
}

/* pcsc-lite counts exclusive use as a transaction, and does not end it when the reader becomes
 * shared again (SCardReconnect() in winscard.c calls RFUnlockSharing(), which does not end the last
 * one). Other clients would wait forever. */
static void end_exclusive_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    if (!at->transaction.is_open)
        lock_end_doubtful_transaction(at); /* other stacks return E_NOT_TRANSACTED */
    at->connection.share = SCARDMANAGE_SHARE_SHARED;
}

/* Gives exclusive use back if the caller has stopped waiting for it: the other clients took too long to disconnect. If
 * the card does not answer then, closes the handle, unless it is the caller's. */
static scardmanage_result give_back_late_exclusive_use(struct attempt *a, uint32_t protocols)
{
    struct attachment *at = a->at;
    scardmanage_result stop = job_stop_reason(at);
    if (stop == SCARDMANAGE_S_OK)
        return SCARDMANAGE_S_OK;
    if (pcsc_reconnect(at->connection.handle, SCARDMANAGE_SHARE_SHARED, protocols, SCARDMANAGE_STEP_LEAVE) ==
        SCARDMANAGE_S_OK) {
        end_exclusive_transaction(a);
    } else if (!at->connection.by_handle) {
        handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
        service_lose_sight_of_card(at);
    }
    return stop;
}

static scardmanage_result request_exclusive_use(struct attempt *a, uint32_t protocols)
{
    struct attachment *at = a->at;
    scardmanage_result result = attempt_publish_result(
        a, handle_reconnect(at, SCARDMANAGE_SHARE_EXCLUSIVE, protocols, SCARDMANAGE_STEP_LEAVE));
    if (result != SCARDMANAGE_S_OK)
        return result;
    at->connection.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    return give_back_late_exclusive_use(a, protocols);
}

/* Requests exclusive use last, and without a reset: while other clients are connected, libpcsclite
 * repeats the call (SCardReconnect() in winscard_clnt.c), and would repeat the reset, too. Meanwhile the
 * card is not locked: a client that waits for the card would never disconnect. */
static scardmanage_result change_share(struct attempt *a, scardmanage_share taken, uint32_t protocols)
{
    struct attachment *at = a->at;
    if (at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE && taken == SCARDMANAGE_SHARE_SHARED)
        end_exclusive_transaction(a);
    if (a->options.share != SCARDMANAGE_SHARE_EXCLUSIVE ||
        at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    bool was_locked = at->transaction.is_open;
    scardmanage_result result =
        was_locked ? lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE) : SCARDMANAGE_S_OK;
    if (at->transaction.is_open)
        return attempt_publish_result(a, result);
    result = request_exclusive_use(a, protocols);
    if (result != SCARDMANAGE_S_OK && was_locked && !at->transaction.is_open)
        lock_begin_transaction(at);
    return result;
}

/* An event that was not observed: it came while the first step waited for another client. Later it may be that of an
 * own reset that has failed. */
static scardmanage_result notice_event(struct attempt *a, scardmanage_result event)
{
    if (a->situation.progress != PROGRESS_OBSERVED || !a->event_acknowledged || event == SCARDMANAGE_S_OK)
        return SCARDMANAGE_S_OK;
    if (event == SCARDMANAGE_W_REMOVED_CARD)
        return event;
    a->event_acknowledged = false;
    if (a->situation.verdict == SCARDMANAGE_VERDICT_UNCHANGED)
        attempt_publish_verdict(a, SCARDMANAGE_VERDICT_RESET);
    return SCARDMANAGE_S_OK;
}

/* Waits until no other client has a transaction. */
static scardmanage_result wait_turn(struct attempt *a)
{
    scardmanage_result event = SCARDMANAGE_S_OK;
    scardmanage_result result = handle_wait_turn_or_event(a->at, &event);
    if (result == SCARDMANAGE_S_OK)
        result = notice_event(a, handle_correct_event(a->at, event));
    return result == SCARDMANAGE_S_OK ? result : attempt_publish_result(a, result);
}

static scardmanage_result reconnect_handle(struct attempt *a, scardmanage_step step)
{
    struct attachment *at = a->at;
    bool stays_exclusive = attempt_wanted_share(a) == SCARDMANAGE_SHARE_EXCLUSIVE &&
                           at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_share share = stays_exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    uint32_t protocols = wanted_protocols(a);
    scardmanage_result result = wait_turn(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->report.attempts++;
    uint64_t start = platform_now_us();
    result = attempt_publish_result(a, pcsc_reconnect(at->connection.handle, share, protocols, step));
    hook_step(at, step, result, start);
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->situation.is_observed && observe_missing_atr(at))
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0) {
        /* the protocol in use is no longer available: accept any other, without another reset */
        protocols = PCSC_PROTOCOL_ANY;
        result = attempt_publish_result(a, handle_reconnect(at, share, protocols, SCARDMANAGE_STEP_LEAVE));
    }
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!platform_reconnect_keeps_transaction())
        at->transaction.is_open = false;
    if (!a->event_acknowledged || step > SCARDMANAGE_STEP_LEAVE)
        attempt_set_event_unreported(a);
    a->event_acknowledged = true;
    return change_share(a, share, protocols);
}

/* Opens a new handle. If the card did not answer after the previous step, closes the old handle
 * with UNPOWER, so that pcscd powers the card when the new handle is opened. */
static scardmanage_result reopen_handle(struct attempt *a, uint32_t protocols)
{
    struct attachment *at = a->at;
    if (at->connection.has_handle && a->situation.handle != HANDLE_DEAD) {
        /* SCardConnect() would wait, too, but could not be stopped */
        scardmanage_result turn = wait_turn(a);
        if (turn != SCARDMANAGE_S_OK)
            return turn;
    }
    if (at->connection.has_handle)
        attempt_set_event_unreported(a);
    handle_close(at, a->step_failed && a->situation.handle != HANDLE_DEAD ? SCARDMANAGE_DISPOSITION_UNPOWER
                                                                          : SCARDMANAGE_DISPOSITION_LEAVE);
    a->situation.handle = HANDLE_NONE;
    a->report.attempts++;
    uint64_t start = platform_now_us();
    scardmanage_result result = attempt_publish_result(a, handle_open(at, &a->options, protocols));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0)
        result = attempt_publish_result(a, handle_open(at, &a->options, PCSC_PROTOCOL_ANY));
    hook_step(at, SCARDMANAGE_STEP_REOPEN, result, start);
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && observe_missing_atr(at))
        result = SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (result != SCARDMANAGE_S_OK)
        service_lose_sight_of_card(at); /* without a handle, an unplugged reader goes unnoticed */
    else if (at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE)
        result = give_back_late_exclusive_use(a, protocols);
    return result;
}

/* Makes this card the card of the attachment. */
static void adopt_card(struct attempt *a, const struct pcsc_card *card)
{
    struct attachment *at = a->at;
    struct identity before = *attempt_known_card(a);
    at->card.identity = before;
    if (a->situation.verdict >= SCARDMANAGE_VERDICT_DIFFERENT || !before.known) {
        at->card.reported_card = before;
        identity_set(&at->card.identity, card->counter, &card->atr);
    }
    if (a->situation.verdict >= SCARDMANAGE_VERDICT_REINSERTED)
        at->card.unreported_verdict = a->situation.verdict;
    at->connection.gaps += card->counter != at->connection.seen.state.counter;
    at->card.identity.counter = card->counter;
    at->card.identity.unwatched = false;
    /* the reader may have been replugged before the new handle was opened, and count the same as before */
    if (a->report.step == SCARDMANAGE_STEP_REOPEN && !identity_has_atr(&at->card.identity, &card->atr))
        at->card.serial.is_current = false;
    identity_add_atr(&at->card.identity, &card->atr);
    attachment_count_session(at);
}

/* After a step: calls SCardStatus(), and checks that the card was not removed or exchanged since it
 * was observed. Nothing keeps it in the reader in between. */
static scardmanage_result check_card_after_step(struct attempt *a)
{
    struct attachment *at = a->at;
    struct pcsc_card card;
    scardmanage_result result = attempt_publish_result(a, handle_get_status(at, &card));
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->reset_in_progress =
        card.state == SCARDMANAGE_STATE_POWERED || card.state == SCARDMANAGE_STATE_NEGOTIABLE;
    if (a->situation.is_observed && card.counter != a->reader_state.counter) {
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
        return SCARDMANAGE_W_REMOVED_CARD;
    }
    switch (card.state) {
    case SCARDMANAGE_STATE_ABSENT:
        return SCARDMANAGE_E_NO_SMARTCARD;
    case SCARDMANAGE_STATE_SWALLOWED:
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    case SCARDMANAGE_STATE_SPECIFIC:
        if (card.atr.length == 0) /* another client's SCardConnect() has failed to power it meanwhile */
            return SCARDMANAGE_W_UNRESPONSIVE_CARD;
        break;
    default: /* another client has powered the card off, or no protocol is active */
        return card.state < SCARDMANAGE_STATE_POWERED ? SCARDMANAGE_W_UNPOWERED_CARD
                                                      : SCARDMANAGE_E_PROTO_MISMATCH;
    }
    if (a->options.protocols != 0 && !(a->options.protocols & card.protocol))
        return SCARDMANAGE_E_PROTO_MISMATCH;
    if (a->situation.verdict == SCARDMANAGE_VERDICT_UNKNOWN)
        attempt_publish_verdict(a, identity_has_atr(attempt_known_card(a), &card.atr)
                                       ? SCARDMANAGE_VERDICT_REINSERTED
                                       : SCARDMANAGE_VERDICT_DIFFERENT);
    result = attempt_refuse_other_card(a, &card.atr);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!a->situation.is_observed)
        memcpy(at->connection.reader, card.reader, sizeof at->connection.reader);
    adopt_card(a, &card);
    at->card.atr = card.atr;
    at->card.protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

/* Begins a transaction unless there is one. After that, no other client can begin a reset. */
static scardmanage_result begin_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    if (at->transaction.is_open && at->transaction.is_doubtful &&
        lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE) == SCARDMANAGE_E_OUTOFMEMORY)
        return attempt_publish_result(a, SCARDMANAGE_E_OUTOFMEMORY);
    if (at->transaction.is_open) {
        if (!lock_is_wanted(at)) /* it could not be ended before */
            at->transaction.is_temporary = true;
        return SCARDMANAGE_S_OK;
    }
    scardmanage_result result = attempt_publish_result(a, lock_begin_transaction(at));
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->lock_reacquired |= at->transaction.lock_count > 0;
    at->transaction.is_temporary = !lock_is_wanted(at);
    return SCARDMANAGE_S_OK;
}

#define RESET_CHECKS_MAX 200
#define RESET_CHECK_US   1000u

/* Checks the card, and repeats that while another client's reset is under way. pcsc-lite reports a
 * reset to all handles before it performs it (SCardReconnect() in winscard.c), and does not report
 * it again. So the reset that the library has acknowledged may not be complete. Between the reset and
 * the PPS no protocol is active. */
static scardmanage_result wait_for_reset_by_others(struct attempt *a)
{
    for (int i = 0; i < RESET_CHECKS_MAX; i++) {
        a->reset_in_progress = false;
        scardmanage_result result = handle_finish_operations(a->at);
        if (result != SCARDMANAGE_S_OK)
            return attempt_publish_result(a, result);
        result = check_card_after_step(a);
        if (!a->reset_in_progress || outcome_is_event(result))
            return result;
        result = job_pause(a->at, RESET_CHECK_US);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    return SCARDMANAGE_E_PROTO_MISMATCH;
}

/* Begins a transaction unless there is one, and checks the card within it. On failure, ends the
 * transaction if it was begun here. An earlier transaction stays: if the card was removed, it has
 * ended with the removal. */
static scardmanage_result check_card_in_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    bool had_transaction = at->transaction.is_open;
    scardmanage_result result = begin_transaction(a);
    if (result == SCARDMANAGE_S_OK)
        result = wait_for_reset_by_others(a);
    if (result != SCARDMANAGE_S_OK && !had_transaction && at->transaction.is_open) {
        at->transaction.is_new = true;
        lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE);
        at->transaction.is_new = false;
        at->transaction.is_temporary = at->transaction.is_open;
    }
    return result;
}

scardmanage_result steps_take(struct attempt *a, scardmanage_step step)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    a->report.step = step;
    for (int i = 0; i < STEP_TRIES_MAX; i++) {
        scardmanage_result stop = job_stop_reason(a->at);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
        bool open = step == SCARDMANAGE_STEP_REOPEN;
        result = open ? reopen_handle(a, wanted_protocols(a)) : reconnect_handle(a, step);
        if (result == SCARDMANAGE_S_OK) {
            result = check_card_in_transaction(a);
            /* if another client has reset the card since, only acknowledge that */
            step = SCARDMANAGE_STEP_LEAVE;
            a->event_acknowledged = false;
        }
        if (result != SCARDMANAGE_W_RESET_CARD || !a->at->connection.has_handle)
            return result; /* the handle was closed if its event could not be acknowledged */
    }
    return result;
}

scardmanage_result steps_open_any(struct attempt *a)
{
    return reopen_handle(a, PCSC_PROTOCOL_ANY);
}

void steps_restart(struct attempt *a)
{
    service_disconnect(a->at);
    attempt_count_restart(a);
}

scardmanage_result steps_restore_lock(struct attempt *a)
{
    struct attachment *at = a->at;
    bool functions = (a->options.rebuild || a->options.identify) && a->report.step != SCARDMANAGE_STEP_NONE;
    if (lock_is_wanted(at) || functions || at->io.functions_due)
        return begin_transaction(a);
    /* a transaction that exists now is one that could not be ended before */
    scardmanage_result result =
        at->transaction.is_open
            ? attempt_publish_result(a, lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE))
            : SCARDMANAGE_S_OK;
    at->transaction.is_temporary = at->transaction.is_open;
    return result;
}
