/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *source, scardmanage **out)
{
    scardmanage_allocator read;
    if (out == NULL)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    scardmanage_result result = allocator_read(source, &read);
    if (result != SCARDMANAGE_S_OK)
        return result;
    scardmanage *m = allocator_get(&read, sizeof *m);
    if (m == NULL)
        return SCARDMANAGE_E_OUTOFMEMORY;
    m->allocator = read;
    m->references = 1;
    options_default(&m->options);
    if (platform_mutex_init(&m->mutex) != 0)
        goto free;
    if (platform_cond_init(&m->changed) != 0)
        goto destroy_mutex;
    *out = m;
    return SCARDMANAGE_S_OK;
destroy_mutex:
    platform_mutex_destroy(&m->mutex);
free:
    allocator_put(&read, m);
    return SCARDMANAGE_E_OUTOFMEMORY;
}

scardmanage_result scardmanage_create(scardmanage **out)
{
    return scardmanage_create_with_allocator(NULL, out);
}

void scardmanage_free(scardmanage *m)
{
    if (m == NULL)
        return;
    scardmanage_detach(m);
    object_release(m);
}

scardmanage_result attach_end(attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (!at->by_handle)
        handle_close(at, at->transacted ? at->disposition : SCARDMANAGE_LEAVE);
    else if (at->transacted)
        result = lock_end(at, at->disposition);
    if (!at->transacted)
        result = SCARDMANAGE_S_OK;
    else if (result != SCARDMANAGE_E_OUTOFMEMORY)
        result = SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (at->has_context)
        pcsc_close(at->context);
    at->has_context = false;
    return result;
}

static void adopt(attachment *at, uint32_t counter, const pcsc_atr *atr, uint32_t protocol)
{
    identity_set(&at->card, counter, atr);
    at->atr = *atr;
    at->protocol = protocol;
}

static scardmanage_result adopt_handle(attachment *at)
{
    pcsc_card card;
    pcsc_look look = {.exclusive = false};
    at->by_handle = true;
    at->handle = at->io.handle;
    at->has_handle = true;
    scardmanage_result result = handle_card(at, &card);
    if (result == SCARDMANAGE_E_INVALID_HANDLE)
        return SCARDMANAGE_E_INVALIDARG;
    bool event = outcome_is_event(result);
    if (result != SCARDMANAGE_S_OK && !event)
        return result;
    scardmanage_result opened = service_open(at);
    if (opened != SCARDMANAGE_S_OK)
        return opened;
    if (event) { /* PC/SC tells nothing more; see scardmanage_attach_by_handle() */
        at->pending = result;
        return SCARDMANAGE_S_OK;
    }
    memcpy(at->reader, card.reader, sizeof at->reader);
    if (card.state != SCARDMANAGE_STATE_ABSENT)
        adopt(at, card.counter, &card.atr, card.protocol);
    /* there is an open handle, ours: so if the reader is in exclusive use, it is by that handle */
    if (pcsc_look_at(at->context, at->reader, &look) == SCARDMANAGE_S_OK && look.exclusive)
        at->share = SCARDMANAGE_SHARE_EXCLUSIVE;
    return SCARDMANAGE_S_OK;
}

/* What SCardConnect() says of a reader with no card that could be used at the moment. */
static bool no_usable_card(scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SMARTCARD || result == SCARDMANAGE_W_REMOVED_CARD ||
           result == SCARDMANAGE_W_UNPOWERED_CARD || result == SCARDMANAGE_W_UNRESPONSIVE_CARD;
}

static scardmanage_result open_card(attachment *at, const pcsc_look *look)
{
    pcsc_card card;
    scardmanage_result result = handle_open(at, &at->options, options_protocols(&at->options, 0));
    if (no_usable_card(result))
        return SCARDMANAGE_S_OK;
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = handle_card(at, &card);
    if (outcome_ends_call(result))
        return result;
    if (result == SCARDMANAGE_S_OK)
        adopt(at, card.counter, &card.atr, card.protocol);
    else /* moved or reset since: the next call will hear of it */
        adopt(at, look->counter, &look->atr, 0);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result adopt_reader(attachment *at)
{
    pcsc_look look;
    if (at->reader[0] == '\0') /* its name was too long for any */
        return SCARDMANAGE_E_UNKNOWN_READER;
    scardmanage_result result = service_look(at, false, &look);
    if (result == SCARDMANAGE_E_READER_UNAVAILABLE)
        return SCARDMANAGE_E_UNKNOWN_READER;
    return result == SCARDMANAGE_S_OK && look.present ? open_card(at, &look) : result;
}

/* Detached, whatever it was. If there was no memory to release the lock on the caller's old handle, that is
 * told: it would lock us out. */
static scardmanage_result begin_anew(call *c, scardmanage *m)
{
    scardmanage_result result = call_begin_anew(c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (c->at != NULL)
        result = call_detach(c);
    if (result != SCARDMANAGE_E_OUTOFMEMORY)
        result = call_attach(c);
    if (result != SCARDMANAGE_S_OK)
        call_end(c);
    return result;
}

static scardmanage_result attach(call *c, attachment_job adopt_job)
{
    scardmanage_result result = call_run(c, adopt_job, NULL);
    if (result != SCARDMANAGE_S_OK)
        call_detach(c);
    call_end(c);
    return result;
}

scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle)
{
    call c;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = begin_anew(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.handle = handle;
    return attach(&c, adopt_handle);
}

scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader)
{
    call c;
    if (m == NULL || reader == NULL)
        return SCARDMANAGE_E_POINTER;
    size_t length = strlen(reader);
    if (length == 0)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = begin_anew(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (length < sizeof c.at->reader)
        memcpy(c.at->reader, reader, length + 1);
    return attach(&c, adopt_reader);
}

scardmanage_result scardmanage_detach(scardmanage *m)
{
    call c;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = call_begin_anew(&c, m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = c.at != NULL ? call_detach(&c) : SCARDMANAGE_E_INVALID_HANDLE;
    call_end(&c);
    return result;
}
