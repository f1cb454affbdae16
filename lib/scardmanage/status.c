/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

/* What there is to see without the handle's help. */
static scardmanage_result see(attachment *at, scardmanage_result event, pcsc_card *card)
{
    pcsc_look look;
    memset(card, 0, sizeof *card);
    if (at->reader[0] == '\0')
        return event;
    scardmanage_result result = service_look(at, false, &look);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!look.present) {
        card->state = SCARDMANAGE_STATE_ABSENT;
        return SCARDMANAGE_S_OK;
    }
    card->state = look.mute ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
    card->atr = look.atr;
    return event;
}

static scardmanage_result observe_job(attachment *at)
{
    pcsc_card *card = &at->io.card;
    memset(card, 0, sizeof *card);
    if (!at->has_handle)
        return see(at, at->pending, card);
    scardmanage_result result = handle_status(at, card);
    if (outcome_is_event(result))
        return see(at, result, card);
    return result;
}

/* The card is all zero if nothing was found out. */
static scardmanage_result observe(scardmanage *m, pcsc_card *card)
{
    call c;
    memset(card, 0, sizeof *card);
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = call_run(&c, observe_job, NULL);
    if (!c.left)
        *card = c.at->io.card;
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state, uint32_t *protocol)
{
    pcsc_card card;
    if (m == NULL || state == NULL || protocol == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = observe(m, &card);
    *state = card.state;
    *protocol = card.protocol;
    return result;
}

scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length)
{
    pcsc_card card;
    if (m == NULL || atr == NULL || length == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = observe(m, &card);
    if (result == SCARDMANAGE_S_OK && card.state == SCARDMANAGE_STATE_ABSENT)
        result = SCARDMANAGE_E_NO_SMARTCARD;
    size_t room = *length;
    *length = card.atr.length;
    if (card.atr.length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(atr, card.atr.bytes, card.atr.length);
    return result;
}

static scardmanage_result reader_of(const attachment *at, char *name, size_t *length)
{
    if (at->reader[0] == '\0')
        return at->pending;
    size_t room = *length;
    *length = strlen(at->reader) + 1;
    if (name == NULL)
        return SCARDMANAGE_S_OK;
    if (*length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(name, at->reader, *length);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length)
{
    call c;
    if (m == NULL || length == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = reader_of(c.at, name, length);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle)
{
    call c;
    if (m == NULL || handle == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (c.at->has_handle)
        *handle = c.at->handle;
    else
        result = SCARDMANAGE_E_NO_SMARTCARD;
    call_end(&c);
    return result;
}
