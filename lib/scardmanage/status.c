/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of the card, the reader and the handle. */
#include "internal.h"

#include <string.h>

/* Reads the state of the reader if the handle cannot be used. Returns event if there is a card. */
static scardmanage_result get_state_without_handle(struct attachment *at, scardmanage_result event,
                                                   struct pcsc_card *card)
{
    struct pcsc_reader_state state;
    memset(card, 0, sizeof *card);
    if (at->connection.reader[0] == '\0')
        return event;
    scardmanage_result result = service_get_reader_state(at, false, &state);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!state.present) {
        card->state = SCARDMANAGE_STATE_ABSENT;
        return SCARDMANAGE_S_OK;
    }
    card->state = state.mute ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
    card->atr = state.atr;
    return event;
}

static scardmanage_result status_job(struct attachment *at)
{
    struct pcsc_card *card = &at->io.card;
    memset(card, 0, sizeof *card);
    if (!at->connection.has_handle)
        return get_state_without_handle(at, at->card.unreported_event, card);
    scardmanage_result result = handle_get_status_for_caller(at, card);
    if (outcome_is_event(result))
        return get_state_without_handle(at, result, card);
    return result;
}

/* On failure *card is zero, unless the failure is an event and there is a card. */
static scardmanage_result get_card_status(scardmanage *m, struct pcsc_card *card)
{
    struct call c;
    memset(card, 0, sizeof *card);
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = call_run_brief(&c, status_job, NULL);
    if (!c.left_running)
        *card = c.at->io.card;
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state, uint32_t *protocol)
{
    struct pcsc_card card;
    if (!m || !state || !protocol)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = get_card_status(m, &card);
    *state = card.state;
    *protocol = card.protocol;
    return result;
}

scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length)
{
    struct pcsc_card card;
    if (!m || !atr || !length)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = get_card_status(m, &card);
    if (result == SCARDMANAGE_S_OK && card.state == SCARDMANAGE_STATE_ABSENT)
        result = SCARDMANAGE_E_NO_SMARTCARD;
    size_t room = *length;
    *length = card.atr.length;
    if (card.atr.length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(atr, card.atr.bytes, card.atr.length);
    return result;
}

static scardmanage_result copy_reader_name(const struct attachment *at, char *name, size_t *length)
{
    if (at->connection.reader[0] == '\0')
        return at->card.unreported_event;
    size_t room = *length;
    *length = strlen(at->connection.reader) + 1;
    if (!name)
        return SCARDMANAGE_S_OK;
    if (*length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    memcpy(name, at->connection.reader, *length);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length)
{
    struct call c;
    if (!m || !length)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = copy_reader_name(c.at, name, length);
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle)
{
    struct call c;
    if (!m || !handle)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin(&c, m, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (c.at->connection.has_handle)
        *handle = c.at->connection.handle;
    else
        result = SCARDMANAGE_E_NO_SMARTCARD;
    call_end(&c);
    return result;
}
