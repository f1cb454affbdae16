#include "internal.h"

#include <limits.h>

scardmanage_result lock_begin(scardmanage *m)
{
    scardmanage_result result = handle_settle(m);
    if (result == SCARDMANAGE_S_OK)
        result = handle_event(m, pcsc_begin(m->handle));
    if (result == SCARDMANAGE_S_OK)
        m->transacted = true;
    return result;
}

/* pcscd does not end a transaction of a handle that has an event to hear of (SCardEndTransaction() in
 * winscard.c), and would leave the card locked. So the event is taken off the handle and kept here. */
static scardmanage_result end_after_reset(scardmanage *m, scardmanage_disposition disposition)
{
    scardmanage_result result = handle_event(m, SCARDMANAGE_W_RESET_CARD);
    if (result == SCARDMANAGE_W_REMOVED_CARD) /* the removal has released it */
        return result;
    result = pcsc_reconnect(m->handle, m->share, options_any_protocol(m->protocol), SCARDMANAGE_STEP_LEAVE);
    if (result == SCARDMANAGE_S_OK) {
        m->pending = SCARDMANAGE_W_RESET_CARD;
        return pcsc_end(m->handle, disposition);
    }
    if (m->attachment == ATTACHED_BY_IFD && result != SCARDMANAGE_E_OUTOFMEMORY)
        handle_close(m, disposition);
    else
        m->transacted = true; /* not to be ended now; the next reconnect that succeeds does it */
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
static scardmanage_result meaning(scardmanage *m, scardmanage_disposition disposition,
                                  scardmanage_result result)
{
    bool failed = result == SCARDMANAGE_E_NOT_TRANSACTED;
    if (resets(disposition) && (failed || result == SCARDMANAGE_S_OK)) {
        m->own_reset = true;
        result = handle_acknowledge(m);                  /* this also tells whether the card answered */
        return m->own_reset ? SCARDMANAGE_S_OK : result; /* it is released, whatever comes after */
    }
    bool unsupported = result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE);
    if ((failed || unsupported) && disposition == SCARDMANAGE_EJECT)
        return SCARDMANAGE_E_CANT_DISPOSE;
    if (failed && m->share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    return result;
}

scardmanage_result lock_end(scardmanage *m, scardmanage_disposition disposition)
{
    m->transacted = false;
    scardmanage_result result = pcsc_end(m->handle, disposition);
    bool was_reset = result == SCARDMANAGE_W_RESET_CARD;
    if (was_reset)
        result = end_after_reset(m, disposition);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) {
        m->transacted = true;
        return result;
    }
    if (!was_reset)
        return meaning(m, disposition, result);
    if (result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_NOT_TRANSACTED)
        result = meaning(m, disposition, result);
    return result == SCARDMANAGE_S_OK ? SCARDMANAGE_W_RESET_CARD : result;
}

static scardmanage_result lock_locked(scardmanage *m)
{
    pcsc_card card;
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (!m->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    if (m->pending != SCARDMANAGE_S_OK)
        return m->pending;
    if (m->lock_count == UINT_MAX)
        return SCARDMANAGE_E_FAIL;
    /* a transaction that is there already is not begun again, but it may be gone together with the card */
    scardmanage_result result = m->transacted ? handle_status(m, &card) : lock_begin(m);
    if (result == SCARDMANAGE_S_OK)
        m->lock_count++;
    return result;
}

scardmanage_result scardmanage_lock(scardmanage *m)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = lock_locked(m);
    platform_unlock(&m->mutex);
    return result;
}

static scardmanage_result unlock_locked(scardmanage *m, scardmanage_disposition disposition)
{
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (m->lock_count == 0)
        return SCARDMANAGE_E_NOT_TRANSACTED;
    if (disposition > m->disposition)
        m->disposition = disposition;
    if (--m->lock_count > 0)
        return SCARDMANAGE_S_OK;
    disposition = m->disposition;
    m->disposition = SCARDMANAGE_LEAVE;
    if (!m->transacted)
        return m->pending != SCARDMANAGE_S_OK ? m->pending : SCARDMANAGE_W_REMOVED_CARD;
    scardmanage_result result = lock_end(m, disposition);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) { /* nothing was done */
        m->lock_count = 1;
        m->disposition = disposition;
    }
    return result;
}

scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    if ((int)disposition < SCARDMANAGE_LEAVE || (int)disposition > SCARDMANAGE_EJECT)
        return SCARDMANAGE_E_INVALIDARG;
    platform_lock(&m->mutex);
    scardmanage_result result = unlock_locked(m, disposition);
    platform_unlock(&m->mutex);
    return result;
}
