/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to the card over libscardmanage. */
#include "link.h"

#include <scardmanage.h>
#include <stdlib.h>

struct link {
    scardmanage *card;
    struct link_functions functions;
};

static scardmanage_result identify(scardmanage *card, uint8_t *identity, size_t *length, void *context)
{
    struct link *l = context;
    (void)card;
    return (scardmanage_result)l->functions.identify(l, identity, length);
}

static scardmanage_result rebuild(scardmanage *card, const scardmanage_report *report, void *context)
{
    struct link *l = context;
    (void)card;
    (void)report;
    return (scardmanage_result)l->functions.prepare(l, l->functions.context);
}

static scardmanage_result attach(struct link *l, const char *reader)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.protocols = SCARDMANAGE_PROTOCOL_T1;
    options.timeout_ms = LINK_LIMIT_MS;
    options.wait_ms = LINK_LIMIT_MS / 2;
    options.accept_other_index = 1;
    options.identify = identify;
    options.identify_context = l;
    options.rebuild = rebuild;
    options.rebuild_context = l;
    options.rebuild_at_attach = 1;
    scardmanage_result result = scardmanage_set_options(l->card, &options);
    return result == SCARDMANAGE_S_OK ? scardmanage_attach_by_ifd(l->card, reader) : result;
}

uint32_t link_open(const char *reader, const struct link_functions *functions, struct link **out)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return (uint32_t)SCARDMANAGE_E_OUTOFMEMORY;
    l->functions = *functions;
    scardmanage_result result = scardmanage_create(&l->card);
    if (result == SCARDMANAGE_S_OK)
        result = attach(l, reader);
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

struct unit {
    struct link *link;
    link_function *function;
    void *context;
};

static scardmanage_result call_unit(scardmanage *card, const scardmanage_report *report, void *context)
{
    struct unit *unit = context;
    (void)card;
    (void)report;
    return (scardmanage_result)unit->function(unit->link, unit->context);
}

uint32_t link_run(struct link *l, link_function *function, void *context)
{
    struct unit unit = {l, function, context};
    return (uint32_t)scardmanage_run(l->card, call_unit, &unit, 0, NULL, NULL);
}

uint32_t link_transmit(struct link *l, const uint8_t *command, size_t command_len, uint8_t *answer,
                       size_t *length)
{
    return (uint32_t)scardmanage_transmit(l->card, command, command_len, answer, length);
}
