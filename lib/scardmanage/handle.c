#include "internal.h"

#include <string.h>

scardmanage_result handle_open(scardmanage *m, const scardmanage_options *options, uint32_t protocols)
{
    scardmanage_share share = options->share == SCARDMANAGE_SHARE_KEEP ? m->share : options->share;
    scardmanage_result result = pcsc_connect(m->context, m->reader, share, protocols, &m->handle);
    if (result == SCARDMANAGE_S_OK) {
        m->has_handle = true;
        m->share = share;
    }
    return result;
}

/* Closing a handle releases its transaction, on every stack. */
void handle_close(scardmanage *m, scardmanage_disposition disposition)
{
    if (m->has_handle)
        pcsc_disconnect(m->handle, disposition);
    m->has_handle = false;
    m->transacted = false;
    m->own_reset = false;
}

scardmanage_result handle_event(scardmanage *m, scardmanage_result result)
{
    pcsc_look look;
    if (result != SCARDMANAGE_W_RESET_CARD || m->reader[0] == '\0' || !m->card.known)
        return result;
    if (pcsc_look_at(m->context, m->reader, &look) != SCARDMANAGE_S_OK)
        return result;
    return look.counter == m->card.counter ? result : SCARDMANAGE_W_REMOVED_CARD;
}

scardmanage_result handle_acknowledge(scardmanage *m)
{
    pcsc_card card;
    uint32_t protocols = options_protocols(&m->options, m->protocol);
    scardmanage_result result = pcsc_reconnect(m->handle, m->share, protocols, SCARDMANAGE_STEP_LEAVE);
    /* another client was first to choose, and took the other protocol */
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && m->options.protocols == 0)
        result =
            pcsc_reconnect(m->handle, m->share, options_any_protocol(m->protocol), SCARDMANAGE_STEP_LEAVE);
    /* then it is tried again at the next call */
    m->own_reset = result == SCARDMANAGE_E_SHARING_VIOLATION || result == SCARDMANAGE_E_OUTOFMEMORY;
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = pcsc_status(m->handle, &card);
    m->own_reset = result == SCARDMANAGE_E_OUTOFMEMORY;
    if (result != SCARDMANAGE_S_OK)
        return handle_event(m, result);
    if (m->card.known && card.counter != m->card.counter) {
        m->pending = SCARDMANAGE_W_REMOVED_CARD;
        return m->pending;
    }
    identity_add(&m->card, &card.atr);
    m->atr = card.atr;
    m->protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

scardmanage_result handle_settle(scardmanage *m)
{
    scardmanage_result result = m->own_reset ? handle_acknowledge(m) : SCARDMANAGE_S_OK;
    return result == SCARDMANAGE_E_OUTOFMEMORY ? result : SCARDMANAGE_S_OK;
}

scardmanage_result handle_status(scardmanage *m, pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    if (!m->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = handle_settle(m);
    if (result == SCARDMANAGE_S_OK)
        result = handle_event(m, pcsc_status(m->handle, card));
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (m->pending != SCARDMANAGE_S_OK)
        return m->pending;
    if (m->card.known && card->counter != m->card.counter)
        return SCARDMANAGE_W_REMOVED_CARD;
    if (card->state >= SCARDMANAGE_STATE_POWERED) {
        identity_add(&m->card, &card->atr);
        m->atr = card->atr;
        m->protocol = card->protocol;
    }
    return SCARDMANAGE_S_OK;
}
