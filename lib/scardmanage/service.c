/* SPDX-License-Identifier: BSD-3-Clause */
/* The service and the reader can go away, too. A context dies with the service, a handle with
 * either. The attachment survives, and records that it could not watch its card in the meantime. */
#include "internal.h"

scardmanage_result service_open_context(struct attachment *at)
{
    scardmanage_result result = pcsc_establish_context(&at->connection.context);
    at->connection.has_context = result == SCARDMANAGE_S_OK;
    at->connection.contexts_opened += at->connection.has_context;
    return result;
}

bool service_may_restart(const struct attachment *at, const scardmanage_options *options)
{
    return at->connection.by_handle || options->last_step >= SCARDMANAGE_STEP_RESTART;
}

void service_lose_sight_of_card(struct attachment *at)
{
    at->connection.gaps += !at->card.identity.unwatched;
    at->card.identity.unwatched = true;
}

void service_mark_unwatched(struct attachment *at)
{
    at->transaction.is_open = false;
    at->connection.handle_lost = at->connection.by_handle;
    if (!at->card.identity.known)
        return;
    service_lose_sight_of_card(at);
    at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
}

void service_disconnect(struct attachment *at)
{
    service_mark_unwatched(at);
    if (!at->connection.by_handle)
        handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
    if (at->connection.has_context)
        pcsc_release_context(at->connection.context);
    at->connection.has_context = false;
}

scardmanage_result service_get_reader_state(struct attachment *at, bool any_index,
                                            struct pcsc_reader_state *state)
{
    if (!at->connection.has_context) {
        scardmanage_result opened = service_open_context(at);
        if (opened != SCARDMANAGE_S_OK)
            return opened;
    }
    scardmanage_result result = pcsc_get_reader_state(at->connection.context, at->connection.reader, state);
    if (result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        service_mark_unwatched(at);
        if (any_index &&
            pcsc_find_same_model(at->connection.context, at->connection.reader) == SCARDMANAGE_S_OK)
            result = pcsc_get_reader_state(at->connection.context, at->connection.reader, state);
    }
    return result;
}

void service_check_handle(struct attachment *at, const struct pcsc_reader_state *state)
{
    struct pcsc_card card;
    if (!state->present && at->connection.by_handle &&
        pcsc_get_status(at->connection.handle, &card) == SCARDMANAGE_E_INVALID_HANDLE)
        service_mark_unwatched(at);
}

void service_probe_handle(struct attachment *at)
{
    if (at->connection.has_handle && !at->card.identity.unwatched &&
        platform_attribute_reveals_transaction() &&
        pcsc_probe_transaction(at->connection.handle) == SCARDMANAGE_E_INVALID_HANDLE)
        service_mark_unwatched(at);
}
