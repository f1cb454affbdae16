/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates, attaches, detaches and frees objects. */
#include "attempt.h"
#include "wait.h"

#include <string.h>

scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *source, scardmanage **out)
{
    scardmanage_allocator checked;
    if (!out)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    scardmanage_result result = allocator_check_and_copy(source, &checked);
    if (result != SCARDMANAGE_S_OK)
        return result;
    scardmanage *m = allocator_allocate(&checked, sizeof *m);
    if (!m)
        return SCARDMANAGE_E_OUTOFMEMORY;
    m->allocator = checked;
    m->references = 1;
    options_set_defaults(&m->options);
    if (platform_mutex_init(&m->mutex) != 0)
        goto free;
    if (platform_cond_init(&m->changed) != 0)
        goto destroy_mutex;
    *out = m;
    return SCARDMANAGE_S_OK;
destroy_mutex:
    platform_mutex_destroy(&m->mutex);
free:
    allocator_release(&checked, m);
    return SCARDMANAGE_E_OUTOFMEMORY;
}

scardmanage_result scardmanage_create(scardmanage **out)
{
    return scardmanage_create_with_allocator(NULL, out);
}

void scardmanage_free(scardmanage *m)
{
    if (!m)
        return;
    scardmanage_detach(m);
    interface_forget_all(m);
    object_release(m);
}

scardmanage_result attach_end_job(struct attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    wait_end(at);
    if (at->transaction.is_open) /* unlike SCardDisconnect(), this resets no card that was inserted since */
        result = lock_end_transaction(at, at->transaction.disposition);
    if (!at->connection.by_handle)
        handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
    if (!at->transaction.is_open)
        result = SCARDMANAGE_S_OK;
    else if (result != SCARDMANAGE_E_OUTOFMEMORY)
        result = SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (at->connection.has_context)
        pcsc_release_context(at->connection.context);
    at->connection.has_context = false;
    return result;
}

static void set_card(struct attachment *at, uint32_t counter, const struct pcsc_atr *atr, uint32_t protocol)
{
    identity_set(&at->card.identity, counter, atr);
    at->card.atr = *atr;
    at->card.protocol = protocol;
    attachment_count_session(at);
}

static scardmanage_result attach_handle_job(struct attachment *at)
{
    struct pcsc_card card;
    struct pcsc_reader_state state = {.exclusive = false};
    at->connection.by_handle = true;
    at->connection.handle = at->io.handle;
    at->connection.has_handle = true;
    scardmanage_result result = handle_get_status(at, &card);
    if (result == SCARDMANAGE_E_INVALID_HANDLE)
        return SCARDMANAGE_E_INVALIDARG;
    bool event = outcome_is_event(result);
    if (result != SCARDMANAGE_S_OK && !event)
        return result;
    scardmanage_result opened = service_open_context(at);
    if (opened != SCARDMANAGE_S_OK)
        return opened;
    if (event) { /* PC/SC returns nothing but the event; see scardmanage_attach_by_handle() */
        at->card.unreported_event = result;
        return SCARDMANAGE_S_OK;
    }
    memcpy(at->connection.reader, card.reader, sizeof at->connection.reader);
    if (card.state != SCARDMANAGE_STATE_ABSENT)
        set_card(at, card.counter, &card.atr, card.protocol);
    /* the caller's handle is connected, so if the reader is used exclusively, that handle uses it */
    result = pcsc_get_reader_state(at->connection.context, at->connection.reader, &state);
    if (result == SCARDMANAGE_E_OUTOFMEMORY)
        return result;
    if (result == SCARDMANAGE_S_OK && state.exclusive)
        at->connection.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    state.counter = card.counter; /* a wait for a change is to report what has happened since then */
    wait_remember(at, result, &state);
    return SCARDMANAGE_S_OK;
}

/* Returns whether this result of SCardConnect() means that there is no usable card at the moment. */
static bool means_no_usable_card(scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SMARTCARD || result == SCARDMANAGE_W_REMOVED_CARD ||
           result == SCARDMANAGE_W_UNPOWERED_CARD || result == SCARDMANAGE_W_UNRESPONSIVE_CARD;
}

static scardmanage_result connect_to_card(struct attachment *at, const struct pcsc_reader_state *state)
{
    struct pcsc_card card;
    scardmanage_result result = handle_open(at, &at->options, options_protocols(&at->options, 0));
    if (means_no_usable_card(result) || (result == SCARDMANAGE_E_PROTO_MISMATCH && observe_missing_atr(at)))
        return SCARDMANAGE_S_OK;
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_get_status(at, &card);
    if (outcome_ends_call(result))
        return result;
    if (result == SCARDMANAGE_S_OK)
        set_card(at, card.counter, &card.atr, card.protocol);
    else /* the card was removed or reset in between: the next call returns the event */
        set_card(at, state->counter, &state->atr, 0);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result attach_reader_job(struct attachment *at)
{
    struct pcsc_reader_state state;
    if (at->connection.reader[0] == '\0') /* the name was too long */
        return SCARDMANAGE_E_UNKNOWN_READER;
    scardmanage_result result = service_get_reader_state(at, false, &state);
    if (result == SCARDMANAGE_E_READER_UNAVAILABLE)
        return SCARDMANAGE_E_UNKNOWN_READER;
    wait_remember(at, result, &state);
    return result == SCARDMANAGE_S_OK && state.present ? connect_to_card(at, &state) : result;
}

/* Begins a call, and detaches the object if it is attached. Also returns E_OUTOFMEMORY if there was
 * no memory to release the lock on the caller's old handle: that lock would block the new
 * attachment. */
static scardmanage_result begin_attachment(struct call *c, scardmanage *m)
{
    scardmanage_result result = call_begin_to_attach(c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (c->at)
        result = call_detach(c);
    if (result != SCARDMANAGE_E_OUTOFMEMORY)
        result = call_attach(c);
    if (result != SCARDMANAGE_S_OK)
        call_end(c);
    return result;
}

static scardmanage_result run_attach_job(struct call *c, attachment_job attach_job)
{
    scardmanage_result result = call_run(c, attach_job, NULL);
    if (result == SCARDMANAGE_S_OK)
        result = reconnect_begin_first_session(c);
    if (result != SCARDMANAGE_S_OK)
        call_detach(c);
    call_end(c);
    return result;
}

scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle)
{
    struct call c;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = begin_attachment(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.handle = handle;
    return run_attach_job(&c, attach_handle_job);
}

scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader)
{
    struct call c;
    if (!m || !reader)
        return SCARDMANAGE_E_POINTER;
    size_t length = strlen(reader);
    if (length == 0)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = begin_attachment(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (length < sizeof c.at->connection.reader)
        memcpy(c.at->connection.reader, reader, length + 1);
    return run_attach_job(&c, attach_reader_job);
}

scardmanage_result scardmanage_detach(scardmanage *m)
{
    struct call c;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin_to_detach(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = c.at ? call_detach(&c) : SCARDMANAGE_E_INVALID_HANDLE;
    call_end(&c);
    return result;
}
