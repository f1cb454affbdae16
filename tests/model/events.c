/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of the card, the reader and the service. */
#include "board.h"
#include "model.h"

#include <signal.h>
#include <string.h>

/* Returns whether pcscd will count a removal or insertion that happens now. If it is stopped, it
 * counts it later. */
static bool pcscd_counts(const struct model *model)
{
    return model->world.service != SERVICE_DOWN && model->world.plugged;
}

/* Waits until PC/SC has counted all removals and insertions. Returns at once if the service is
 * stopped. */
static bool wait_for_events(struct model *model)
{
    if (model->world.service != SERVICE_UP || !model->world.plugged)
        return true;
    return model_check_rig(model, rig_wait_for_events(&model->rig, model->world.index));
}

/* Transactions end when the card, the reader or the service goes away. */
static void lose_locks(struct model *model)
{
    model->world.holder = NOBODY;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        model->user[i].in_transaction = false;
}

static void lose_handles(struct model *model)
{
    lose_locks(model);
    model->world.exclusive = NOBODY;
    client_c_close(model);
}

static void clear_card(struct model *model)
{
    struct world *world = &model->world;
    world->card = NULL;
    world->atr = 0;
    world->unresponsive = world->swallowed = world->lost_power_unnoticed = false;
    world->may_be_powered_again = false;
    if (model->client_c.connected)
        model->client_c.has_event = true;
    lose_locks(model);
}

void model_set_card(struct model *model, enum cards_number kind)
{
    struct world *world = &model->world;
    world->card = &cards_kinds[kind];
    world->insertion++;
    world->negotiated = false;
    model->identity_known = false;
}

bool event_insert_card(struct model *model, unsigned kind)
{
    if (model->world.card ||
        !model_check_rig(model, rig_insert(&model->rig, &cards_kinds[kind], pcscd_counts(model))))
        return false;
    model_set_card(model, kind);
    wait_for_events(model);
    model_observe(model, NOBODY);
    return true;
}

bool event_remove_card(struct model *model)
{
    if (!model->world.card || !model_check_rig(model, rig_remove(&model->rig, pcscd_counts(model))))
        return false;
    clear_card(model);
    wait_for_events(model);
    model_observe(model, NOBODY);
    return true;
}

bool event_swap_card(struct model *model, unsigned kind)
{
    if (!model->world.card || !model_check_rig(model, rig_remove(&model->rig, pcscd_counts(model))))
        return false;
    clear_card(model);
    if (!model_check_rig(model, rig_insert(&model->rig, &cards_kinds[kind], pcscd_counts(model))))
        return false;
    model_set_card(model, kind);
    wait_for_events(model);
    model_observe(model, NOBODY);
    return true;
}

bool event_mute_card(struct model *model)
{
    if (!model->world.card || model->world.unresponsive ||
        !model_check_rig(model, rig_fault(&model->rig, "mute@1")))
        return false;
    model->world.unresponsive = true;
    return true;
}

bool event_unmute_card(struct model *model)
{
    if (!model->world.unresponsive || !model_check_rig(model, rig_fault(&model->rig, "mute*0")))
        return false;
    model->world.unresponsive = false;
    return true;
}

/*
 * The reader
 */

bool event_unplug_reader(struct model *model)
{
    struct world *world = &model->world;
    /* while a client waits in SCardConnect() for the transaction of another, pcscd cannot remove
     * the reader */
    if (!world->plugged || world->service != SERVICE_UP || model->may_wait_in_connect)
        return false;
    model->unplugged_recently = 2;
    bool done = model_check_rig(model, rig_unplug(&model->rig, RIG_KEY, world->index));
    world->plugged = false;
    world->swallowed = false;
    lose_handles(model);
    model_observe(model, NOBODY);
    return done;
}

static unsigned free_reader_number(const struct world *world)
{
    return world->other_plugged && world->other_index == 0 ? 1 : 0;
}

bool event_plug_reader(struct model *model)
{
    struct world *world = &model->world;
    if (world->plugged || world->service != SERVICE_UP)
        return false;
    if (!model_check_rig(model, rig_plug(&model->rig, RIG_KEY)))
        return false;
    world->index = free_reader_number(world);
    world->plugged = true;
    world->plugging++;
    world->swallowed = world->unresponsive;
    model_check_rig(model, rig_wait_for_reader(&model->rig, world->index));
    model_observe(model, NOBODY);
    return true;
}

bool event_plug_both_readers(struct model *model)
{
    struct world *world = &model->world;
    if (world->plugged || world->service != SERVICE_UP)
        return false;
    if (!world->other_plugged) {
        if (!model_check_rig(model, rig_plug(&model->rig, RIG_OTHER)))
            return false;
        world->other_plugged = true;
        world->other_index = 0;
    }
    return event_plug_reader(model);
}

/* This frees the number of that reader. */
bool event_unplug_other_reader(struct model *model)
{
    struct world *world = &model->world;
    if (!world->other_plugged || world->service != SERVICE_UP)
        return false;
    model->unplugged_recently = 2;
    world->other_plugged = false;
    return model_check_rig(model, rig_unplug(&model->rig, RIG_OTHER, 0));
}

/*
 * The service
 */

bool event_stop_service(struct model *model)
{
    if (model->world.service != SERVICE_UP || !model_check_rig(model, rig_stop_service(&model->rig)))
        return false;
    model->world.service = SERVICE_STOPPED;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        model->user[i].call_running = model->user[i].call_running || model->user[i].cancelled;
    return true;
}

bool event_continue_service(struct model *model)
{
    if (model->world.service != SERVICE_STOPPED || !model_check_rig(model, rig_continue_service(&model->rig)))
        return false;
    model->world.service = SERVICE_UP;
    /* a card that was inserted in the meantime is powered now */
    if (model->rig.events_pending > 0 && model->world.unresponsive)
        model->world.swallowed = true;
    model->world.may_be_powered_again = model->rig.events_pending > 0;
    wait_for_events(model);
    model_observe(model, NOBODY);
    return true;
}

static bool end_service(struct model *model, int signal, bool keep_socket)
{
    if (model->world.service == SERVICE_DOWN ||
        !model_check_rig(model, rig_end_service(&model->rig, signal, keep_socket)))
        return false;
    model->world.service = SERVICE_DOWN;
    model->world.swallowed = false;
    lose_handles(model);
    return true;
}

/* pcscd numbers the readers that it finds at its start in the order in which the rig has them. */
static bool wait_for_new_service(struct model *model)
{
    struct world *world = &model->world;
    world->service = SERVICE_UP;
    world->incarnation++;
    world->other_index = world->plugged ? 1 : 0;
    if (!model_check_rig(model, rig_wait_for_service(&model->rig)))
        return false;
    if (!world->plugged)
        return true;
    world->index = 0;
    world->swallowed = world->unresponsive;
    bool done = model_check_rig(model, rig_wait_for_reader(&model->rig, world->index));
    model_observe(model, NOBODY);
    return done;
}

bool event_end_service(struct model *model, unsigned signal)
{
    if (!end_service(model, (int)signal, false))
        return false;
    model_observe(model, NOBODY);
    return true;
}

bool event_start_service(struct model *model)
{
    if (model->world.service != SERVICE_DOWN || !model_check_rig(model, rig_start_service(&model->rig)))
        return false;
    return wait_for_new_service(model);
}

bool event_restart_service(struct model *model, unsigned signal)
{
    return end_service(model, (int)signal, false) && model_check_rig(model, rig_start_service(&model->rig)) &&
           wait_for_new_service(model);
}

bool event_end_service_until_used(struct model *model, unsigned signal)
{
    return end_service(model, (int)signal, true) && wait_for_new_service(model);
}
