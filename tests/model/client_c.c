/* SPDX-License-Identifier: BSD-3-Clause */
/* C: a client that uses PC/SC directly. The model knows which party has a transaction, so C only
 * makes calls that PC/SC does not block. */
#include "model.h"

#include <string.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static bool check_code(struct model *model, const char *call, LONG rv, LONG expected)
{
    return model_check(model, rv == expected, "%s of another client says %s, not %s", call,
                       pcsc_stringify_error(rv),
                       expected == SCARD_S_SUCCESS ? "success" : pcsc_stringify_error(expected));
}

/* Returns whether calls of C return at once. */
static bool nothing_blocks_calls(const struct model *model)
{
    const struct world *world = &model->world;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        if (model->user[i].call_running && world->holder != PARTY_C)
            return false;
    return world->service == SERVICE_UP && world->plugged && world->card && !world->unresponsive &&
           (world->holder == NOBODY || world->holder == PARTY_C);
}

static bool establish_context(struct model *model)
{
    struct client_c *c = &model->client_c;
    if (!c->has_context)
        c->has_context =
            check_code(model, "SCardEstablishContext",
                       SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &c->context), SCARD_S_SUCCESS);
    return c->has_context;
}

/* Returns whether A or B has a handle that is not dead. */
static bool others_are_connected(const struct model *model)
{
    for (unsigned i = 0; i < MODEL_USERS; i++)
        if (model->user[i].has_handle && !world_handle_is_dead(&model->world, &model->user[i]))
            return true;
    return model->b_has_handle && !world_handle_is_dead(&model->world, &model->user[1]);
}

bool client_c_connect(struct model *model, unsigned share)
{
    struct world *world = &model->world;
    struct client_c *c = &model->client_c;
    char name[MAX_READERNAME];
    DWORD protocol;
    bool exclusive = share == SCARD_SHARE_EXCLUSIVE;
    /* an abandoned call may have opened a handle since */
    bool alone = !others_are_connected(model) && !model->may_wait_in_connect;
    if (c->connected || !nothing_blocks_calls(model) || (exclusive && !alone) || !establish_context(model))
        return false;
    rig_reader_name(world->index, name);
    LONG rv = SCardConnect(c->context, name, share, ANY, &c->handle, &protocol);
    if (model_is_left_without_power(model, rv) || !check_code(model, "SCardConnect", rv, SCARD_S_SUCCESS))
        return false;
    c->connected = true;
    c->has_event = world->swallowed = false;
    if (exclusive)
        world->exclusive = world->holder = PARTY_C;
    model_observe(model, NOBODY); /* if the call has powered the card, that is not an event for others */
    world->negotiated = true;
    return true;
}

static bool connect_if_needed(struct model *model)
{
    return nothing_blocks_calls(model) &&
           (model->client_c.connected || client_c_connect(model, SCARD_SHARE_SHARED));
}

bool client_c_disconnect(struct model *model, unsigned disposition)
{
    struct world *world = &model->world;
    struct client_c *c = &model->client_c;
    if (!c->connected || world->service != SERVICE_UP ||
        (disposition != SCARD_LEAVE_CARD && !nothing_blocks_calls(model)))
        return false;
    bool had_power = world->powered;
    LONG rv = SCardDisconnect(c->handle, disposition);
    c->connected = c->has_event = false;
    if (disposition == SCARD_RESET_CARD && !had_power)
        world->may_be_powered_again = true;
    if (world->holder == PARTY_C)
        world->holder = NOBODY;
    if (world->exclusive == PARTY_C)
        world->exclusive = NOBODY;
    if (disposition == SCARD_UNPOWER_CARD)
        model_observe_power_off(model, PARTY_C);
    else
        model_observe(model, disposition == SCARD_LEAVE_CARD ? NOBODY : PARTY_C);
    return check_code(model, "SCardDisconnect", rv, SCARD_S_SUCCESS);
}

static LONG reconnect(struct model *model, unsigned initialization, unsigned protocols)
{
    DWORD protocol;
    unsigned share = model->world.exclusive == PARTY_C ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;
    LONG rv = SCardReconnect(model->client_c.handle, share, protocols, initialization, &protocol);
    model->client_c.has_event = model->client_c.has_event && rv != SCARD_S_SUCCESS;
    model_observe(model, PARTY_C);
    model->world.negotiated = model->world.negotiated || rv == SCARD_S_SUCCESS;
    return rv;
}

bool client_c_reset(struct model *model, unsigned initialization)
{
    return connect_if_needed(model) &&
           check_code(model, "SCardReconnect", reconnect(model, initialization, ANY), SCARD_S_SUCCESS);
}

bool client_c_reset_three_times(struct model *model)
{
    return connect_if_needed(model) && client_c_reset(model, SCARD_RESET_CARD) &&
           client_c_reset(model, SCARD_UNPOWER_CARD) && client_c_reset(model, SCARD_RESET_CARD);
}

/* Resets the card in the way that offers both protocols: after a warm reset, the changing card
 * offers only T=0. */
bool client_c_choose_protocol(struct model *model, unsigned protocol)
{
    if (!connect_if_needed(model) || !(model->world.card->protocols & protocol))
        return false;
    unsigned how = model->world.card->warm != model->world.card->cold ? SCARD_UNPOWER_CARD : SCARD_RESET_CARD;
    return check_code(model, "SCardReconnect", reconnect(model, how, protocol), SCARD_S_SUCCESS);
}

/* Acknowledges the event of C's handle. If the card is not powered, only a reset works: see "A card
 * without power" in scardmanage-pcsclite(7). */
static bool acknowledge_event(struct model *model)
{
    return client_c_reset(model, model->world.powered ? SCARD_LEAVE_CARD : SCARD_RESET_CARD);
}

bool client_c_begin_transaction(struct model *model)
{
    if (!connect_if_needed(model) || model->world.holder == PARTY_C)
        return false;
    if (model->client_c.has_event && !acknowledge_event(model))
        return false;
    if (!check_code(model, "SCardBeginTransaction", SCardBeginTransaction(model->client_c.handle),
                    SCARD_S_SUCCESS))
        return false;
    model->world.holder = PARTY_C;
    return true;
}

bool client_c_end_transaction(struct model *model, unsigned disposition)
{
    struct world *world = &model->world;
    if (!model->client_c.connected || world->service != SERVICE_UP || world->holder != PARTY_C ||
        world->exclusive == PARTY_C || model->client_c.has_event || world->unresponsive)
        return false;
    LONG rv = SCardEndTransaction(model->client_c.handle, disposition);
    world->holder = NOBODY;
    model_observe(model, PARTY_C);
    model->client_c.has_event = disposition != SCARD_LEAVE_CARD; /* C itself also gets the event */
    return check_code(model, "SCardEndTransaction", rv, SCARD_S_SUCCESS);
}

int client_c_is_locked_out(struct model *model)
{
    BYTE value[256];
    DWORD size = sizeof value;
    if (!model->client_c.connected || model->world.service != SERVICE_UP || !model->world.plugged)
        return -1;
    return SCardGetAttrib(model->client_c.handle, SCARD_ATTR_VENDOR_NAME, value, &size) ==
           SCARD_E_SHARING_VIOLATION;
}

void client_c_close(struct model *model)
{
    struct client_c *c = &model->client_c;
    if (c->has_context)
        SCardReleaseContext(c->context);
    *c = (struct client_c){0};
    if (model->world.holder == PARTY_C)
        model->world.holder = NOBODY;
    if (model->world.exclusive == PARTY_C)
        model->world.exclusive = NOBODY;
}
