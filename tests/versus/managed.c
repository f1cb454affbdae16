/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to the card over libscardmanage. */
#include "link.h"

#include <scardmanage.h>
#include <stdlib.h>

struct link {
    scardmanage *card;
    scardmanage_options options;
    link_prepare *prepare;
    void *prepare_context;
    int silent; /* the last command failed, and not because of anything that PC/SC tells of */
};

static scardmanage_result rebuild(scardmanage *card, const scardmanage_report *report, void *context)
{
    struct link *l = context;
    (void)card;
    (void)report;
    return (scardmanage_result)l->prepare(l, l->prepare_context);
}

uint32_t link_recover(struct link *l)
{
    l->options.first_step = l->silent ? SCARDMANAGE_STEP_WARM : SCARDMANAGE_STEP_LEAVE;
    return (uint32_t)scardmanage_reconnect_ex(l->card, &l->options, NULL);
}

uint32_t link_open(const char *reader, link_prepare *prepare, void *context, struct link **out)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return (uint32_t)SCARDMANAGE_E_OUTOFMEMORY;
    l->prepare = prepare;
    l->prepare_context = context;
    l->options = (scardmanage_options)SCARDMANAGE_OPTIONS_INIT;
    l->options.protocols = SCARDMANAGE_PROTOCOL_T1;
    l->options.timeout_ms = LINK_LIMIT_MS;
    l->options.wait_ms = LINK_LIMIT_MS / 2;
    l->options.accept_other_index = 1;
    l->options.rebuild = rebuild;
    l->options.rebuild_context = l;
    l->options.accept_unidentified = 1; /* a purse does not say which one it is */
    scardmanage_result result = scardmanage_create(&l->card);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_set_options(l->card, &l->options);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_attach_by_ifd(l->card, reader);
    *out = l;
    if (result != SCARDMANAGE_S_OK)
        link_close(l);
    return (uint32_t)result;
}

void link_close(struct link *l)
{
    scardmanage_free(l->card);
    free(l);
}

uint32_t link_lock(struct link *l)
{
    return (uint32_t)scardmanage_lock(l->card);
}

uint32_t link_unlock(struct link *l)
{
    return (uint32_t)scardmanage_unlock(l->card, SCARDMANAGE_DISPOSITION_LEAVE);
}

uint32_t link_transmit(struct link *l, const uint8_t *command, size_t command_len, uint8_t *answer,
                       size_t *length)
{
    scardmanage_result result = scardmanage_transmit(l->card, command, command_len, answer, length);
    l->silent = result == SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED);
    return (uint32_t)result;
}
