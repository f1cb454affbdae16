/* SPDX-License-Identifier: BSD-3-Clause */
/* The lock: at most one PC/SC transaction, whatever happens to the card. */
#include "internal.h"

#include <limits.h>

scardmanage_lock_state lock_state(const struct attachment *at)
{
    if (at->transaction.lock_count == 0)
        return SCARDMANAGE_LOCK_NONE;
    return at->transaction.is_open && !at->transaction.is_doubtful ? SCARDMANAGE_LOCK_KEPT
                                                                   : SCARDMANAGE_LOCK_LOST;
}

bool lock_is_wanted(const struct attachment *at)
{
    return at->transaction.lock_count > 0 || at->transaction.unit_lock;
}

scardmanage_result lock_begin_transaction(struct attachment *at)
{
    scardmanage_result result = handle_acknowledge_if_due(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_correct_event(at, handle_begin_transaction(at));
    if (result == SCARDMANAGE_S_OK) {
        at->transaction.is_open = true;
        at->transaction.is_doubtful = false;
        attachment_count_transaction(at);
    }
    return result;
}

/* Closes the handle, because its event cannot be acknowledged. If it is the caller's, the next successful reconnect
 * ends the transaction. */
static void end_transaction_with_handle(struct attachment *at, scardmanage_disposition disposition)
{
    if (at->connection.by_handle) {
        at->transaction.is_open = at->transaction.is_doubtful = true;
        return;
    }
    handle_close(at, disposition);
    service_lose_sight_of_card(at); /* without a handle, an unplugged reader goes unnoticed */
}

scardmanage_result lock_end_doubtful_transaction(struct attachment *at)
{
    scardmanage_result result = pcsc_end_transaction(at->connection.handle, SCARDMANAGE_DISPOSITION_LEAVE);
    if (result == SCARDMANAGE_E_OUTOFMEMORY)
        at->transaction.is_open = at->transaction.is_doubtful = true;
    return result;
}

/* The removal of the card ends the transaction. But pcscd also says that there is no card if a reset finds none, before
 * it has noticed the removal. The event of the reset then keeps the transaction from ending. */
static void end_transaction_without_card(struct attachment *at)
{
    if (lock_end_doubtful_transaction(at) == SCARDMANAGE_W_RESET_CARD)
        end_transaction_with_handle(at, SCARDMANAGE_DISPOSITION_LEAVE);
}

/* While a handle has an event, pcscd does not end its transaction (SCardEndTransaction() in
 * winscard.c), and the card would stay locked. Therefore this function acknowledges the event,
 * keeps it for the caller, and then ends the transaction. */
static scardmanage_result end_transaction_after_reset(struct attachment *at,
                                                      scardmanage_disposition disposition)
{
    scardmanage_result event = handle_correct_event(at, SCARDMANAGE_W_RESET_CARD);
    if (event == SCARDMANAGE_W_REMOVED_CARD && !at->transaction.is_new) /* the removal has ended it */
        return event;
    scardmanage_result result =
        pcsc_reconnect(at->connection.handle, at->connection.share, options_any_protocol(at->card.protocol),
                       SCARDMANAGE_STEP_LEAVE);
    if (event == SCARDMANAGE_W_REMOVED_CARD) {
        if (result == SCARDMANAGE_S_OK) {
            at->card.unreported_event = event;
            lock_end_doubtful_transaction(at);
        }
        return event;
    }
    if (result == SCARDMANAGE_S_OK) {
        handle_set_reset_unreported(at);
        return pcsc_end_transaction(at->connection.handle, disposition);
    }
    if (result == SCARDMANAGE_E_NO_SMARTCARD) { /* the reset came after the removal */
        end_transaction_without_card(at);
        return SCARDMANAGE_W_REMOVED_CARD;
    }
    if (result == SCARDMANAGE_E_OUTOFMEMORY) {
        at->transaction.is_open = at->transaction.is_doubtful = true;
        return result;
    }
    end_transaction_with_handle(at, disposition);
    if (!at->connection.by_handle)
        handle_set_reset_unreported(at);
    return result;
}

static bool disposition_resets(scardmanage_disposition disposition)
{
    return disposition == SCARDMANAGE_DISPOSITION_RESET || disposition == SCARDMANAGE_DISPOSITION_UNPOWER;
}

/* After SCardEndTransaction(): acknowledges the reset that it did, and converts its result to that
 * of an unlock.
 *
 * pcscd resets or ejects the card, and then ends the transaction, even if the former failed. It
 * returns SCARD_E_NOT_TRANSACTED if resetting or ejecting failed, and if there was no transaction.
 * There was one, except in exclusive use: pcsc-lite counts exclusive use as a transaction that only
 * ends when the handle is closed (RFUnlockSharing() in readerfactory.c). */
static scardmanage_result acknowledge_own_reset_and_translate(struct attachment *at,
                                                              scardmanage_disposition disposition,
                                                              scardmanage_result result)
{
    bool failed = result == SCARDMANAGE_E_NOT_TRANSACTED;
    if (disposition_resets(disposition) && (failed || result == SCARDMANAGE_S_OK)) {
        at->card.own_reset = true;
        at->card.own_reset_acknowledged = false;
        attachment_count_session(at);              /* now, although it may be acknowledged later */
        result = handle_acknowledge_own_reset(at); /* also shows whether the card has answered */
        return at->card.own_reset ? SCARDMANAGE_S_OK : result; /* the lock is released in any case */
    }
    bool unsupported = result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE);
    if ((failed || unsupported) && disposition == SCARDMANAGE_DISPOSITION_EJECT)
        return SCARDMANAGE_E_CANT_DISPOSE;
    if (failed && at->connection.share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    return result;
}

scardmanage_result lock_end_transaction(struct attachment *at, scardmanage_disposition disposition)
{
    bool may_have_ended = at->transaction.is_doubtful;
    at->transaction.is_open = at->transaction.is_doubtful = false;
    scardmanage_result result = pcsc_end_transaction(at->connection.handle, disposition);
    if (may_have_ended && result == SCARDMANAGE_E_NOT_TRANSACTED && !disposition_resets(disposition))
        return SCARDMANAGE_S_OK;
    bool was_reset = result == SCARDMANAGE_W_RESET_CARD;
    if (result == SCARDMANAGE_S_OK)
        at->transaction.ended_us = platform_now_us();
    if (was_reset)
        result = end_transaction_after_reset(at, disposition);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) {
        at->transaction.is_open = true;
        at->transaction.is_doubtful |= may_have_ended;
        return result;
    }
    if (!was_reset)
        return acknowledge_own_reset_and_translate(at, disposition, result);
    if (result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_NOT_TRANSACTED ||
        result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE))
        result = acknowledge_own_reset_and_translate(at, disposition, result);
    return result == SCARDMANAGE_S_OK ? SCARDMANAGE_W_RESET_CARD : result;
}

void lock_end_with_card(struct attachment *at, bool is_counted)
{
    bool ends = at->transaction.is_open && at->connection.has_handle &&
                at->connection.share != SCARDMANAGE_SHARE_EXCLUSIVE;
    at->transaction.is_open = false;
    if (ends && is_counted)
        lock_end_doubtful_transaction(at);
    else if (ends)
        end_transaction_without_card(at);
}

/* Ends the transaction that the outermost lock or the unit has begun. */
static scardmanage_result end_outermost_transaction(struct attachment *at)
{
    scardmanage_disposition disposition = at->transaction.disposition;
    at->transaction.disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    return lock_end_transaction(at, disposition);
}

static scardmanage_result lock_job(struct attachment *at)
{
    struct pcsc_card card;
    scardmanage_result result = handle_check_session(at);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (at->transaction.lock_count == UINT_MAX)
        return SCARDMANAGE_E_FAIL;
    /* the removal of the card may have ended an earlier transaction */
    result = at->transaction.is_open ? handle_get_status_for_caller(at, &card) : lock_begin_transaction(at);
    if (result == SCARDMANAGE_S_OK)
        at->transaction.lock_count++;
    at->io.locked = result == SCARDMANAGE_S_OK;
    return result;
}

static void raise_disposition(struct attachment *at, scardmanage_disposition disposition)
{
    if (disposition > at->transaction.disposition)
        at->transaction.disposition = disposition;
}

/* Returns the event that has ended the transaction of a lock. */
static scardmanage_result event_that_ended_lock(struct attachment *at)
{
    return at->card.unreported_event != SCARDMANAGE_S_OK ? handle_correct_event(at, at->card.unreported_event)
                                                         : SCARDMANAGE_W_REMOVED_CARD;
}

/* A unit can only release what it has locked. */
static scardmanage_result release_lock(struct attachment *at, scardmanage_disposition disposition,
                                       bool in_unit)
{
    bool is_own = at->transaction.unit_lock && at->transaction.lock_count > at->transaction.unit_lock_count;
    if (at->transaction.lock_count == 0 || (in_unit && !is_own))
        return SCARDMANAGE_E_NOT_TRANSACTED;
    raise_disposition(at, disposition);
    if (at->transaction.lock_count > 1 || at->transaction.unit_lock ||
        (at->transaction.is_temporary && at->transaction.disposition == SCARDMANAGE_DISPOSITION_LEAVE)) {
        at->transaction.lock_count--;
        return SCARDMANAGE_S_OK;
    }
    at->transaction.lock_count = 0;
    if (!at->transaction.is_open) {
        at->transaction.disposition = SCARDMANAGE_DISPOSITION_LEAVE;
        return event_that_ended_lock(at);
    }
    scardmanage_result result = end_outermost_transaction(at);
    if (result == SCARDMANAGE_E_NOT_TRANSACTED) /* a reconnect that failed has acknowledged the removal */
        return event_that_ended_lock(at);
    /* a reconnect that failed may have acknowledged an event while the card was locked */
    if (result == SCARDMANAGE_S_OK && at->card.unreported_event != SCARDMANAGE_S_OK)
        result = handle_correct_event(at, at->card.unreported_event);
    return result;
}

scardmanage_result lock_begin_unit_job(struct attachment *at)
{
    scardmanage_result result = handle_check_session(at);
    return result == SCARDMANAGE_S_OK && !at->transaction.is_open ? lock_begin_transaction(at) : result;
}

/* Unlocks of the unit that timed out before they began have only left their disposition. */
static void take_late_disposition(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    raise_disposition(at, at->worker.late_disposition);
    at->worker.late_disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    platform_unlock(&at->m->mutex);
}

scardmanage_result lock_end_unit_job(struct attachment *at)
{
    take_late_disposition(at);
    at->transaction.unit_lock = false;
    if (at->transaction.lock_count > 0)
        return SCARDMANAGE_S_OK;
    if (at->transaction.is_open)
        return end_outermost_transaction(at);
    at->transaction.disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    return SCARDMANAGE_S_OK;
}

scardmanage_result lock_end_failed_unit_job(struct attachment *at)
{
    if (at->transaction.unit_lock)
        at->transaction.lock_count = at->transaction.unit_lock_count;
    return lock_end_unit_job(at);
}

static scardmanage_result unlock_job(struct attachment *at)
{
    struct transaction before = at->transaction;
    scardmanage_result result = release_lock(at, at->io.disposition, at->io.in_unit);
    at->io.locked = result == SCARDMANAGE_E_OUTOFMEMORY;
    if (at->io.locked) { /* nothing was released */
        at->transaction.lock_count = before.lock_count;
        at->transaction.disposition = before.disposition;
    }
    return result;
}

/* For an unlock that failed after the caller had stopped waiting: the next reconnect ends the transaction. */
static scardmanage_result undo_unlock_job(struct attachment *at)
{
    if (at->io.locked) {
        at->transaction.lock_count = 0;
        at->transaction.disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    }
    return SCARDMANAGE_S_OK;
}

scardmanage_result unlock_late_job(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    scardmanage_disposition disposition = at->worker.late_disposition;
    platform_unlock(&at->m->mutex);
    return release_lock(at, disposition, false);
}

/* For a lock that succeeded after the caller had stopped waiting. */
static scardmanage_result undo_lock_job(struct attachment *at)
{
    return at->io.locked ? release_lock(at, SCARDMANAGE_DISPOSITION_LEAVE, at->transaction.unit_lock)
                         : SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_lock(scardmanage *m)
{
    struct call c;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.locked = false;
    result = call_run_brief(&c, lock_job, undo_lock_job);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition)
{
    struct call c;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    if ((int)disposition < SCARDMANAGE_DISPOSITION_LEAVE || (int)disposition > SCARDMANAGE_DISPOSITION_EJECT)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = call_begin_to_unlock(&c, m);
    if (result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED)
        call_post_late_unlock(m, disposition);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.disposition = disposition;
    c.at->io.in_unit = c.nested && c.at->transaction.unit_lock;
    result = call_run_brief(&c, unlock_job, undo_unlock_job);
    call_end(&c);
    return result;
}
