/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <limits.h>

scardmanage_lock_state lock_state(const attachment *at)
{
    if (at->lock_count == 0)
        return SCARDMANAGE_LOCK_NONE;
    return at->transacted ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_LOST;
}

scardmanage_result lock_begin(attachment *at)
{
    scardmanage_result result = handle_settle(at);
    if (result == SCARDMANAGE_S_OK)
        result = handle_event(at, handle_begin(at));
    if (result == SCARDMANAGE_S_OK)
        at->transacted = true;
    return result;
}

/* A removal that the caller has yet to hear of is graver. */
static void keep_reset(attachment *at)
{
    if (at->pending != SCARDMANAGE_W_REMOVED_CARD)
        at->pending = SCARDMANAGE_W_RESET_CARD;
}

/* pcscd does not end a transaction of a handle that has an event to hear of (SCardEndTransaction() in
 * winscard.c), and would leave the card locked. So the event is taken off the handle and kept here. */
static scardmanage_result end_after_reset(attachment *at, scardmanage_disposition disposition)
{
    scardmanage_result result = handle_event(at, SCARDMANAGE_W_RESET_CARD);
    if (result == SCARDMANAGE_W_REMOVED_CARD) /* the removal has released it */
        return result;
    result =
        pcsc_reconnect(at->handle, at->share, options_any_protocol(at->protocol), SCARDMANAGE_STEP_LEAVE);
    if (result == SCARDMANAGE_S_OK) {
        keep_reset(at);
        return pcsc_end(at->handle, disposition);
    }
    if (!at->by_handle && result != SCARDMANAGE_E_OUTOFMEMORY) {
        handle_close(at, disposition);
        keep_reset(at);
        at->card.unwatched = true; /* only a handle tells that the reader was unplugged and is back */
    } else {
        at->transacted = true; /* not to be ended now; the next reconnect that succeeds does it */
    }
    return result;
}

static bool resets(scardmanage_disposition disposition)
{
    return disposition == SCARDMANAGE_RESET || disposition == SCARDMANAGE_UNPOWER;
}

/* pcscd acts on the card, then ends the transaction even if that failed, and says SCARD_E_NOT_TRANSACTED
 * either if the action failed or if there was no transaction. There was one, unless the reader is in
 * exclusive use: then pcsc-lite keeps one transaction to itself that only closing the handle ends
 * (RFUnlockSharing() in readerfactory.c). */
static scardmanage_result meaning(attachment *at, scardmanage_disposition disposition,
                                  scardmanage_result result)
{
    bool failed = result == SCARDMANAGE_E_NOT_TRANSACTED;
    if (resets(disposition) && (failed || result == SCARDMANAGE_S_OK)) {
        at->own_reset = true;
        result = handle_acknowledge(at);                  /* this also tells whether the card answered */
        return at->own_reset ? SCARDMANAGE_S_OK : result; /* it is released, whatever comes after */
    }
    bool unsupported = result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE);
    if ((failed || unsupported) && disposition == SCARDMANAGE_EJECT)
        return SCARDMANAGE_E_CANT_DISPOSE;
    if (failed && at->share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    return result;
}

scardmanage_result lock_end(attachment *at, scardmanage_disposition disposition)
{
    at->transacted = false;
    scardmanage_result result = pcsc_end(at->handle, disposition);
    bool was_reset = result == SCARDMANAGE_W_RESET_CARD;
    if (was_reset)
        result = end_after_reset(at, disposition);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) {
        at->transacted = true;
        return result;
    }
    if (!was_reset)
        return meaning(at, disposition, result);
    if (result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_NOT_TRANSACTED)
        result = meaning(at, disposition, result);
    return result == SCARDMANAGE_S_OK ? SCARDMANAGE_W_RESET_CARD : result;
}

static scardmanage_result lock_job(attachment *at)
{
    pcsc_card card;
    if (!at->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    if (at->pending != SCARDMANAGE_S_OK)
        return handle_event(at, at->pending);
    if (at->lock_count == UINT_MAX)
        return SCARDMANAGE_E_FAIL;
    /* a transaction that is there already is not begun again, but it may be gone together with the card */
    scardmanage_result result = at->transacted ? handle_status(at, &card) : lock_begin(at);
    if (result == SCARDMANAGE_S_OK)
        at->lock_count++;
    at->io.locked = result == SCARDMANAGE_S_OK;
    return result;
}

static scardmanage_result unlock(attachment *at, scardmanage_disposition disposition)
{
    if (at->lock_count == 0)
        return SCARDMANAGE_E_NOT_TRANSACTED;
    if (disposition > at->disposition)
        at->disposition = disposition;
    if (at->lock_count > 1 || (at->borrowed && at->disposition == SCARDMANAGE_LEAVE)) {
        at->lock_count--;
        return SCARDMANAGE_S_OK;
    }
    at->lock_count = 0;
    disposition = at->disposition;
    at->disposition = SCARDMANAGE_LEAVE;
    if (!at->transacted)
        return at->pending != SCARDMANAGE_S_OK ? handle_event(at, at->pending) : SCARDMANAGE_W_REMOVED_CARD;
    scardmanage_result result = lock_end(at, disposition);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) { /* nothing was done */
        at->lock_count = 1;
        at->disposition = disposition;
    }
    /* what was acknowledged while it was locked, by a reconnect that came to nothing */
    if (result == SCARDMANAGE_S_OK && at->pending != SCARDMANAGE_S_OK)
        result = handle_event(at, at->pending);
    return result;
}

static scardmanage_result unlock_job(attachment *at)
{
    return unlock(at, at->io.disposition);
}

scardmanage_result lock_release_late(attachment *at)
{
    platform_lock(&at->m->mutex);
    scardmanage_disposition disposition = at->late_disposition;
    platform_unlock(&at->m->mutex);
    return unlock(at, disposition);
}

/* One that came too late for whoever wanted it. */
static scardmanage_result lock_undo(attachment *at)
{
    return at->io.locked ? unlock(at, SCARDMANAGE_LEAVE) : SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_lock(scardmanage *m)
{
    call c;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.locked = false;
    result = call_run(&c, lock_job, lock_undo);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition)
{
    call c;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    if ((int)disposition < SCARDMANAGE_LEAVE || (int)disposition > SCARDMANAGE_EJECT)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED)
        call_unlock_late(m, disposition);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.disposition = disposition;
    result = call_run(&c, unlock_job, NULL);
    call_end(&c);
    return result;
}
