#include "internal.h"

#include <string.h>

/* What there is to see without the handle's help. */
static scardmanage_result see(scardmanage *m, scardmanage_result event, pcsc_card *card)
{
    pcsc_look look;
    memset(card, 0, sizeof *card);
    if (m->reader[0] == '\0')
        return event;
    scardmanage_result result = pcsc_look_at(m->context, m->reader, &look);
    if (result != SCARDMANAGE_S_OK)
        return result == SCARDMANAGE_E_UNKNOWN_READER ? SCARDMANAGE_E_READER_UNAVAILABLE : result;
    if (!look.present) {
        card->state = SCARDMANAGE_STATE_ABSENT;
        return SCARDMANAGE_S_OK;
    }
    card->state = look.mute ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
    card->atr = look.atr;
    return event;
}

static scardmanage_result observe(scardmanage *m, pcsc_card *card)
{
    memset(card, 0, sizeof *card);
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (!m->has_handle)
        return see(m, m->pending, card);
    scardmanage_result result = handle_status(m, card);
    if (result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD)
        return see(m, result, card);
    return result;
}

scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state, uint32_t *protocol)
{
    pcsc_card card;
    if (m == NULL || state == NULL || protocol == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = observe(m, &card);
    *state = card.state;
    *protocol = card.protocol;
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length)
{
    pcsc_card card;
    if (m == NULL || atr == NULL || length == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = observe(m, &card);
    platform_unlock(&m->mutex);
    if (result == SCARDMANAGE_S_OK && card.state == SCARDMANAGE_STATE_ABSENT)
        result = SCARDMANAGE_E_NO_SMARTCARD;
    size_t room = *length;
    *length = card.atr.length;
    if (card.atr.length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(atr, card.atr.bytes, card.atr.length);
    return result;
}

static scardmanage_result reader_locked(const scardmanage *m, char *name, size_t *length)
{
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (m->reader[0] == '\0')
        return m->pending;
    size_t room = *length;
    *length = strlen(m->reader) + 1;
    if (name == NULL)
        return SCARDMANAGE_S_OK;
    if (*length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(name, m->reader, *length);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length)
{
    if (m == NULL || length == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = reader_locked(m, name, length);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle)
{
    if (m == NULL || handle == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (m->attachment == ATTACHED_NOT)
        result = SCARDMANAGE_E_INVALID_HANDLE;
    else if (!m->has_handle)
        result = SCARDMANAGE_E_NO_SMARTCARD;
    else
        *handle = m->handle;
    platform_unlock(&m->mutex);
    return result;
}
