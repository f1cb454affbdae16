/* SPDX-License-Identifier: BSD-3-Clause */
/* The object: its memory, what others want to know of its attachment, and cancelling its calls. */
#include "internal.h"

static void object_destroy(scardmanage *m)
{
    scardmanage_allocator allocator = m->allocator; /* a copy: the original is in the block to release */
    platform_cond_destroy(&m->changed);
    platform_mutex_destroy(&m->mutex);
    allocator_release(&allocator, m);
}

void object_retain(scardmanage *m)
{
    platform_lock(&m->mutex);
    m->references++;
    platform_unlock(&m->mutex);
}

void object_release(scardmanage *m)
{
    platform_lock(&m->mutex);
    bool last = --m->references == 0;
    platform_unlock(&m->mutex);
    if (last)
        object_destroy(m);
}

void attachment_count_session(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    at->mark.session = ++at->m->sessions;
    platform_unlock(&at->m->mutex);
}

void attachment_count_transaction(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    at->mark.transaction++;
    platform_unlock(&at->m->mutex);
}

void attachment_count_command(struct attachment *at, bool may_select)
{
    platform_lock(&at->m->mutex);
    at->mark.commands++;
    at->mark.selections += may_select;
    platform_unlock(&at->m->mutex);
}

uint64_t attachment_session(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    uint64_t session = at->mark.session;
    platform_unlock(&at->m->mutex);
    return session;
}

scardmanage_result object_check_identity(scardmanage *m)
{
    platform_lock(&m->mutex);
    const struct attachment *at = m->at;
    platform_unlock(&m->mutex);
    return at && at->card.is_unidentified && !options_accept_unidentified(&at->options)
               ? SCARDMANAGE_W_REMOVED_CARD
               : SCARDMANAGE_S_OK;
}

void object_get_mark(scardmanage *m, struct card_mark *mark)
{
    static const struct card_mark detached;
    platform_lock(&m->mutex);
    *mark = m->at ? m->at->mark : detached;
    platform_unlock(&m->mutex);
}

bool card_mark_has_same_selection(const struct card_mark *a, const struct card_mark *b)
{
    return a->attachment == b->attachment && a->session == b->session && a->transaction == b->transaction &&
           a->selections == b->selections;
}

scardmanage_result scardmanage_get_session(scardmanage *m, uint64_t *session)
{
    struct card_mark mark;
    if (!m || !session)
        return SCARDMANAGE_E_POINTER;
    object_get_mark(m, &mark);
    *session = mark.session;
    return mark.attachment != 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALID_HANDLE;
}

scardmanage_result scardmanage_cancel(scardmanage *m)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->cancels++;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_set_cancelled(scardmanage *m, int cancelled)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->cancelled = cancelled != 0;
    m->cancels += m->cancelled;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}
