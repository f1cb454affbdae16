/* SPDX-License-Identifier: BSD-3-Clause */
/* C: another client of the same reader, with PC/SC as it is. It calls only what PC/SC cannot block: the model
 * knows who has the card. */
#include "model.h"

#include <string.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static bool says(struct model *model, const char *call, LONG rv, LONG expected)
{
    return model_check(model, rv == expected, "%s of another client says %s, not %s", call,
                       pcsc_stringify_error(rv),
                       expected == SCARD_S_SUCCESS ? "success" : pcsc_stringify_error(expected));
}

/* Nobody keeps it from calling. */
static bool is_free(const struct model *model)
{
    const struct world *world = &model->world;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        if (model->x[i].stuck && world->holder != PARTY_C)
            return false;
    return world->service == SERVICE_UP && world->plugged && world->card && !world->silent &&
           (world->holder == NOBODY || world->holder == PARTY_C);
}

static bool has_context(struct model *model)
{
    struct other *other = &model->other;
    if (!other->has_context)
        other->has_context =
            says(model, "SCardEstablishContext",
                 SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other->context), SCARD_S_SUCCESS);
    return other->has_context;
}

/* Whether an attachment has a handle that lives. */
static bool has_company(const struct model *model)
{
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        if (model->x[i].open && !world_handle_is_dead(&model->world, &model->x[i]))
            return true;
    return model->has_handle && !world_handle_is_dead(&model->world, &model->x[1]);
}

bool other_connect(struct model *model, unsigned share)
{
    struct world *world = &model->world;
    struct other *other = &model->other;
    char name[MAX_READERNAME];
    DWORD protocol;
    bool alone = share == SCARD_SHARE_EXCLUSIVE;
    /* a call that was given up may have got its handle since, or not */
    bool has_reader_for_itself = !has_company(model) && !model->waits_to_connect;
    if (other->open || !is_free(model) || (alone && !has_reader_for_itself) || !has_context(model))
        return false;
    rig_reader_name(world->index, name);
    LONG rv = SCardConnect(other->context, name, share, ANY, &other->handle, &protocol);
    if (model_is_left_without_power(model, rv) || !says(model, "SCardConnect", rv, SCARD_S_SUCCESS))
        return false;
    other->open = true;
    other->event = world->swallowed = false;
    if (alone)
        world->exclusive = world->holder = PARTY_C;
    model_observe(model, NOBODY); /* that it has switched the card on is no news */
    world->negotiated = true;
    return true;
}

/* For whoever needs a handle. */
static bool is_ready(struct model *model)
{
    return is_free(model) && (model->other.open || other_connect(model, SCARD_SHARE_SHARED));
}

bool other_disconnect(struct model *model, unsigned disposition)
{
    struct world *world = &model->world;
    struct other *other = &model->other;
    if (!other->open || world->service != SERVICE_UP || (disposition != SCARD_LEAVE_CARD && !is_free(model)))
        return false;
    LONG rv = SCardDisconnect(other->handle, disposition);
    other->open = other->event = false;
    if (world->holder == PARTY_C)
        world->holder = NOBODY;
    if (world->exclusive == PARTY_C)
        world->exclusive = NOBODY;
    if (disposition == SCARD_UNPOWER_CARD)
        model_observe_off(model, PARTY_C);
    else
        model_observe(model, disposition == SCARD_LEAVE_CARD ? NOBODY : PARTY_C);
    return says(model, "SCardDisconnect", rv, SCARD_S_SUCCESS);
}

static LONG reconnect(struct model *model, unsigned initialization, unsigned protocols)
{
    DWORD protocol;
    unsigned share = model->world.exclusive == PARTY_C ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;
    LONG rv = SCardReconnect(model->other.handle, share, protocols, initialization, &protocol);
    model->other.event = model->other.event && rv != SCARD_S_SUCCESS;
    model_observe(model, PARTY_C);
    model->world.negotiated = model->world.negotiated || rv == SCARD_S_SUCCESS;
    return rv;
}

bool other_reset(struct model *model, unsigned initialization)
{
    return is_ready(model) &&
           says(model, "SCardReconnect", reconnect(model, initialization, ANY), SCARD_S_SUCCESS);
}

bool other_reset_often(struct model *model, unsigned unused)
{
    (void)unused;
    return is_ready(model) && other_reset(model, SCARD_RESET_CARD) &&
           other_reset(model, SCARD_UNPOWER_CARD) && other_reset(model, SCARD_RESET_CARD);
}

/* A warm reset, and this protocol from then on; after it each card here speaks T=0. */
bool other_choose(struct model *model, unsigned protocol)
{
    if (!is_ready(model) || !(model->world.card->protocols & protocol))
        return false;
    unsigned how = model->world.card->warm != model->world.card->cold ? SCARD_UNPOWER_CARD : SCARD_RESET_CARD;
    return says(model, "SCardReconnect", reconnect(model, how, protocol), SCARD_S_SUCCESS);
}

/* Of a card without power pcscd says that it does not answer: see "A card without power" in
 * scardmanage-pcsclite(7). */
static bool acknowledge(struct model *model)
{
    return other_reset(model, model->world.powered ? SCARD_LEAVE_CARD : SCARD_RESET_CARD);
}

bool other_begin(struct model *model, unsigned unused)
{
    (void)unused;
    if (!is_ready(model) || model->world.holder == PARTY_C)
        return false;
    if (model->other.event && !acknowledge(model))
        return false;
    if (!says(model, "SCardBeginTransaction", SCardBeginTransaction(model->other.handle), SCARD_S_SUCCESS))
        return false;
    model->world.holder = PARTY_C;
    return true;
}

bool other_end(struct model *model, unsigned disposition)
{
    struct world *world = &model->world;
    if (!model->other.open || world->service != SERVICE_UP || world->holder != PARTY_C ||
        world->exclusive == PARTY_C || model->other.event || world->silent)
        return false;
    LONG rv = SCardEndTransaction(model->other.handle, disposition);
    world->holder = NOBODY;
    model_observe(model, PARTY_C);
    model->other.event =
        disposition != SCARD_LEAVE_CARD; /* pcsc-lite tells of it who has asked for it, too */
    return says(model, "SCardEndTransaction", rv, SCARD_S_SUCCESS);
}

int other_is_locked_out(struct model *model)
{
    BYTE value[256];
    DWORD size = sizeof value;
    if (!model->other.open || model->world.service != SERVICE_UP || !model->world.plugged)
        return -1;
    return SCardGetAttrib(model->other.handle, SCARD_ATTR_VENDOR_NAME, value, &size) ==
           SCARD_E_SHARING_VIOLATION;
}

void other_leave(struct model *model)
{
    struct other *other = &model->other;
    if (other->has_context)
        SCardReleaseContext(other->context);
    *other = (struct other){0};
    if (model->world.holder == PARTY_C)
        model->world.holder = NOBODY;
    if (model->world.exclusive == PARTY_C)
        model->world.exclusive = NOBODY;
}
