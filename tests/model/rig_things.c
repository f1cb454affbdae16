/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to card, reader and service, by nobody's doing. */
#include "board.h"
#include "model.h"

#include <signal.h>
#include <string.h>

static bool hears(const struct model *model)
{
    return model->world.service != SERVICE_DOWN && model->world.plugged;
}

/* PC/SC has heard of the card's movements, or will when it goes on. */
static bool heard(struct model *model)
{
    if (model->world.service != SERVICE_UP || !model->world.plugged)
        return true;
    return model_rig(model, rig_hear(&model->rig, model->world.index));
}

/* The transaction goes with the card, the reader or the service. */
static void lose_locks(struct model *model)
{
    model->world.holder = NOBODY;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        model->x[i].held = false;
}

static void lose_handles(struct model *model)
{
    lose_locks(model);
    model->world.exclusive = NOBODY;
    other_leave(model);
}

static void take_out(struct model *model)
{
    struct world *world = &model->world;
    world->card = NULL;
    world->atr = 0;
    world->silent = world->swallowed = world->limp = false;
    if (model->other.open)
        model->other.event = true;
    lose_locks(model);
}

void thing_put_in(struct model *model, unsigned kind)
{
    struct world *world = &model->world;
    world->card = &cards_kinds[kind];
    world->insertion++;
    world->negotiated = false;
    model->identified = false;
}

bool thing_insert(struct model *model, unsigned kind)
{
    if (model->world.card || !model_rig(model, rig_insert(&model->rig, &cards_kinds[kind], hears(model))))
        return false;
    thing_put_in(model, kind);
    heard(model);
    model_observe(model, NOBODY);
    return true;
}

bool thing_remove(struct model *model, unsigned unused)
{
    (void)unused;
    if (!model->world.card || !model_rig(model, rig_remove(&model->rig, hears(model))))
        return false;
    take_out(model);
    heard(model);
    model_observe(model, NOBODY);
    return true;
}

bool thing_swap(struct model *model, unsigned kind)
{
    if (!model->world.card || !model_rig(model, rig_remove(&model->rig, hears(model))))
        return false;
    take_out(model);
    if (!model_rig(model, rig_insert(&model->rig, &cards_kinds[kind], hears(model))))
        return false;
    thing_put_in(model, kind);
    heard(model);
    model_observe(model, NOBODY);
    return true;
}

bool thing_silence(struct model *model, unsigned unused)
{
    (void)unused;
    if (!model->world.card || model->world.silent || !model_rig(model, rig_fault(&model->rig, "mute@1")))
        return false;
    model->world.silent = true;
    return true;
}

bool thing_wake(struct model *model, unsigned unused)
{
    (void)unused;
    if (!model->world.silent || !model_rig(model, rig_fault(&model->rig, "mute*0")))
        return false;
    model->world.silent = false;
    return true;
}

/*
 * The reader
 */

bool thing_unplug(struct model *model, unsigned unused)
{
    (void)unused;
    struct world *world = &model->world;
    /* while a client waits in SCardConnect() for another's transaction, pcscd 1.9.9 cannot let go of the
     * reader */
    if (!world->plugged || world->service != SERVICE_UP || model->waits_to_connect)
        return false;
    model->unplugged_lately = 2;
    bool done = model_rig(model, rig_unplug(&model->rig, RIG_KEY, world->index));
    world->plugged = false;
    world->swallowed = false;
    lose_handles(model);
    model_observe(model, NOBODY);
    return done;
}

static unsigned next_index(const struct world *world)
{
    return world->other_plugged && world->other_index == 0 ? 1 : 0;
}

bool thing_plug(struct model *model, unsigned before_it)
{
    struct world *world = &model->world;
    if (world->plugged || world->service != SERVICE_UP)
        return false;
    if (before_it && !world->other_plugged) {
        if (!model_rig(model, rig_plug(&model->rig, RIG_OTHER)))
            return false;
        world->other_plugged = true;
        world->other_index = 0;
    }
    if (!model_rig(model, rig_plug(&model->rig, RIG_KEY)))
        return false;
    world->index = next_index(world);
    world->plugged = true;
    world->plugging++;
    world->swallowed = world->silent;
    model_rig(model, rig_meet(&model->rig, world->index));
    model_observe(model, NOBODY);
    return true;
}

/* Takes the other reader away again; when that was plugged in first, the number that it had is free then. */
bool thing_unplug_other(struct model *model, unsigned unused)
{
    (void)unused;
    struct world *world = &model->world;
    if (!world->other_plugged || world->service != SERVICE_UP)
        return false;
    model->unplugged_lately = 2;
    world->other_plugged = false;
    return model_rig(model, rig_unplug(&model->rig, RIG_OTHER, 0));
}

/*
 * The service
 */

bool thing_stop(struct model *model, unsigned unused)
{
    (void)unused;
    if (model->world.service != SERVICE_UP || !model_rig(model, rig_stop(&model->rig)))
        return false;
    model->world.service = SERVICE_STOPPED;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        model->x[i].stuck = model->x[i].stuck || model->x[i].cancelled;
    return true;
}

bool thing_continue(struct model *model, unsigned unused)
{
    (void)unused;
    if (model->world.service != SERVICE_STOPPED || !model_rig(model, rig_continue(&model->rig)))
        return false;
    model->world.service = SERVICE_UP;
    if (model->rig.unheard > 0 && model->world.silent) /* put in meanwhile: it is switched on now */
        model->world.swallowed = true;
    heard(model);
    model_observe(model, NOBODY);
    return true;
}

static bool end(struct model *model, int number, bool keep)
{
    if (model->world.service == SERVICE_DOWN || !model_rig(model, rig_end(&model->rig, number, keep)))
        return false;
    model->world.service = SERVICE_DOWN;
    model->world.swallowed = false;
    lose_handles(model);
    return true;
}

/* pcscd numbers what it finds when it starts, in this order: the two readers as they lie in the rig. */
static bool meet(struct model *model)
{
    struct world *world = &model->world;
    world->service = SERVICE_UP;
    world->incarnation++;
    world->other_index = world->plugged ? 1 : 0;
    if (!model_rig(model, rig_greet(&model->rig)))
        return false;
    if (!world->plugged)
        return true;
    world->index = 0;
    world->swallowed = world->silent;
    bool done = model_rig(model, rig_meet(&model->rig, world->index));
    model_observe(model, NOBODY);
    return done;
}

bool thing_down(struct model *model, unsigned number)
{
    if (!end(model, (int)number, false))
        return false;
    model_observe(model, NOBODY);
    return true;
}

bool thing_up(struct model *model, unsigned unused)
{
    (void)unused;
    if (model->world.service != SERVICE_DOWN || !model_rig(model, rig_start(&model->rig)))
        return false;
    return meet(model);
}

bool thing_restart(struct model *model, unsigned number)
{
    return end(model, (int)number, false) && model_rig(model, rig_start(&model->rig)) && meet(model);
}

bool thing_activate(struct model *model, unsigned number)
{
    return end(model, (int)number, true) && meet(model);
}
