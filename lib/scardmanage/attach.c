#include "internal.h"

#include <string.h>

scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *allocator,
                                                     scardmanage **out)
{
    scardmanage_allocator read;
    if (out == NULL)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    scardmanage_result result = allocator_read(allocator, &read);
    if (result != SCARDMANAGE_S_OK)
        return result;
    scardmanage *m = allocator_get(&read, sizeof *m);
    if (m == NULL)
        return SCARDMANAGE_E_OUTOFMEMORY;
    m->allocator = read;
    if (platform_mutex_init(&m->mutex) != 0) {
        allocator_put(&read, m);
        return SCARDMANAGE_E_OUTOFMEMORY;
    }
    options_default(&m->options);
    *out = m;
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_create(scardmanage **out)
{
    return scardmanage_create_with_allocator(NULL, out);
}

void scardmanage_free(scardmanage *m)
{
    if (m == NULL)
        return;
    scardmanage_allocator allocator = m->allocator; /* it lies in what it is to release */
    attach_end(m);
    platform_mutex_destroy(&m->mutex);
    allocator_put(&allocator, m);
}

static void forget(scardmanage *m)
{
    m->attachment = ATTACHED_NOT;
    m->reader[0] = '\0';
    m->has_handle = false;
    m->share = SCARDMANAGE_SHARE_SHARED;
    identity_clear(&m->card);
    memset(&m->atr, 0, sizeof m->atr);
    m->protocol = 0;
    m->lock_count = 0;
    m->transacted = false;
    m->disposition = SCARDMANAGE_LEAVE;
    m->pending = SCARDMANAGE_S_OK;
    m->own_reset = false;
}

scardmanage_result attach_end(scardmanage *m)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (m->attachment == ATTACHED_BY_IFD)
        handle_close(m, m->transacted ? m->disposition : SCARDMANAGE_LEAVE);
    else if (m->transacted)
        result = lock_end(m, m->disposition);
    if (!m->transacted)
        result = SCARDMANAGE_S_OK;
    else if (result != SCARDMANAGE_E_OUTOFMEMORY)
        result = SCARDMANAGE_W_UNRESPONSIVE_CARD;
    pcsc_close(m->context);
    forget(m);
    return result;
}

/* Detached, whatever it was. A lock that stays on the caller's old handle is told, it would lock us out. */
static scardmanage_result begin_anew(scardmanage *m)
{
    scardmanage_result result = attach_end(m);
    forget(m);
    return result == SCARDMANAGE_E_OUTOFMEMORY ? result : SCARDMANAGE_S_OK;
}

static void adopt(scardmanage *m, uint32_t counter, const pcsc_atr *atr, uint32_t protocol)
{
    identity_set(&m->card, counter, atr);
    m->atr = *atr;
    m->protocol = protocol;
}

static scardmanage_result adopt_handle(scardmanage *m, SCARDHANDLE handle)
{
    pcsc_card card;
    pcsc_look look = {.exclusive = false};
    scardmanage_result result = pcsc_status(handle, &card);
    if (result == SCARDMANAGE_E_INVALID_HANDLE)
        return SCARDMANAGE_E_INVALIDARG;
    bool event = result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
    if (result != SCARDMANAGE_S_OK && !event)
        return result;
    scardmanage_result opened = pcsc_open(&m->context);
    if (opened != SCARDMANAGE_S_OK)
        return opened;
    m->attachment = ATTACHED_BY_HANDLE;
    m->handle = handle;
    m->has_handle = true;
    if (event) { /* PC/SC tells nothing more; see scardmanage_attach_by_handle() */
        m->pending = result;
        return SCARDMANAGE_S_OK;
    }
    memcpy(m->reader, card.reader, sizeof m->reader);
    if (card.state != SCARDMANAGE_STATE_ABSENT)
        adopt(m, card.counter, &card.atr, card.protocol);
    /* there is an open handle, ours: so if the reader is in exclusive use, it is by that handle */
    if (pcsc_look_at(m->context, m->reader, &look) == SCARDMANAGE_S_OK && look.exclusive)
        m->share = SCARDMANAGE_SHARE_EXCLUSIVE;
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = begin_anew(m);
    if (result == SCARDMANAGE_S_OK)
        result = adopt_handle(m, handle);
    platform_unlock(&m->mutex);
    return result;
}

/* What SCardConnect() says of a reader with no card that could be used at the moment. */
static bool no_usable_card(scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SMARTCARD || result == SCARDMANAGE_W_REMOVED_CARD ||
           result == SCARDMANAGE_W_UNPOWERED_CARD || result == SCARDMANAGE_W_UNRESPONSIVE_CARD;
}

static scardmanage_result open_card(scardmanage *m, const pcsc_look *look)
{
    pcsc_card card;
    scardmanage_result result = handle_open(m, &m->options, options_protocols(&m->options, 0));
    if (no_usable_card(result))
        return SCARDMANAGE_S_OK;
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (pcsc_status(m->handle, &card) == SCARDMANAGE_S_OK)
        adopt(m, card.counter, &card.atr, card.protocol);
    else /* moved or reset since: the next call will hear of it */
        adopt(m, look->counter, &look->atr, 0);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result adopt_reader(scardmanage *m, const char *reader, size_t length)
{
    pcsc_look look;
    scardmanage_result result = pcsc_open(&m->context);
    if (result != SCARDMANAGE_S_OK)
        return result;
    m->attachment = ATTACHED_BY_IFD;
    memcpy(m->reader, reader, length + 1);
    result = pcsc_look_at(m->context, m->reader, &look);
    if (result == SCARDMANAGE_S_OK && look.present)
        result = open_card(m, &look);
    if (result != SCARDMANAGE_S_OK)
        attach_end(m);
    return result;
}

scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader)
{
    if (m == NULL || reader == NULL)
        return SCARDMANAGE_E_POINTER;
    size_t length = strlen(reader);
    if (length == 0)
        return SCARDMANAGE_E_INVALIDARG;
    platform_lock(&m->mutex);
    scardmanage_result result = begin_anew(m);
    if (result == SCARDMANAGE_S_OK)
        result = length < sizeof m->reader ? adopt_reader(m, reader, length) : SCARDMANAGE_E_UNKNOWN_READER;
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result scardmanage_detach(scardmanage *m)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    scardmanage_result result = attach_end(m);
    platform_unlock(&m->mutex);
    return result;
}
