/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include "board.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>

/* pcscd 1.9.9 walks the list of a handle's reader while it takes that reader from it: readerfactory.c,
 * 683-699 and 856-862. Nobody can do anything about it. */
static bool has_died_of_its_own(struct model *model)
{
    if (!model->died && model->unplugged_lately && rig_has_died(&model->rig)) {
        model->died = true;
        model->coverage->deaths++;
    }
    return model->died;
}

bool model_check(struct model *model, bool condition, const char *what, ...)
{
    if (condition || model->failure[0] || has_died_of_its_own(model))
        return condition;
    va_list arguments;
    va_start(arguments, what);
    int length = snprintf(model->failure, sizeof model->failure, "%s: ", model->step);
    vsnprintf(model->failure + length, sizeof model->failure - (size_t)length, what, arguments);
    va_end(arguments);
    return condition;
}

bool model_rig(struct model *model, bool done)
{
    if (!done && !has_died_of_its_own(model))
        model_check(model, false, "%s", model->rig.error);
    return done;
}

/*
 * What is true
 */

static void hear_of_reset(struct model *model, enum party by)
{
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        if (model->x[i].party != by && model->x[i].open && !world_handle_is_dead(&model->world, &model->x[i]))
            model->x[i].reset = true;
    if (by != PARTY_C && model->other.open)
        model->other.event = true;
}

/* The simulator hears of a lost power some time after pcscd has taken it away: that has no answer to wait
 * for. */
void model_observe_off(struct model *model, enum party by)
{
    unsigned off = model->truth.off;
    bool had_power = model->truth.powered;
    for (int64_t end = board_now() + CALL_MS; had_power && board_now() < end;) {
        struct rig_truth truth;
        if (!model_rig(model, rig_look(&model->rig, &truth)) || truth.off != off)
            break;
    }
    model_observe(model, by);
}

void model_observe(struct model *model, enum party by)
{
    struct rig_truth before = model->truth, *truth = &model->truth;
    struct world *world = &model->world;
    if (!model_rig(model, rig_look(&model->rig, truth)))
        return;
    if (!truth->present) {
        world->negotiated = false;
        world->powered = false;
        world->protocol = 0;
        world->atr = 0;
        return;
    }
    bool reset = truth->cold != before.cold || truth->warm != before.warm;
    /* a command that was given up may have been sent since: a silent card loses its power by it */
    if (model->settles && world->silent && !reset)
        by = NOBODY;
    if (world->silent && !truth->powered && by == NOBODY)
        world->limp = true;
    if (reset)
        world->limp = world->negotiated = false;
    if (!world->limp) {
        world->powered = truth->powered;
        world->protocol = truth->protocol;
    }
    if (truth->powered)
        world->atr = truth->atr;
    if (by != NOBODY &&
        (truth->cold != before.cold || truth->warm != before.warm || truth->off != before.off)) {
        hear_of_reset(model, by);
        world->swallowed = world->silent;
    }
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        if (model->x[i].known && !world_moved(world, &model->x[i]))
            model->x[i].shown |= world->atr;
}

bool model_is_left_without_power(const struct model *model, LONG rv)
{
    return model->world.swallowed && rv == SCARD_W_UNPOWERED_CARD;
}

void model_settle(struct model *model)
{
    bool quiet = true;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++) {
        struct attachment *x = &model->x[i];
        if (!x->stuck)
            continue;
        if (world_situation(&model->world, x) == STOPPED || world_is_busy(&model->world, x)) {
            quiet = false;
            continue;
        }
        x->stuck = false;
        model->settles = true;
        if (x->anywhere)
            user_learn_reader(model, i);
        user_status(model, i);
        model_observe(model, x->party);
        model->settles = false;
    }
    enum party holder = model->world.holder;
    bool locks = holder == PARTY_A || holder == PARTY_B;
    int locked_out = quiet && !model->failure[0] ? other_is_locked_out(model) : -1;
    /* a call that was given up, and whose attachment is gone, may come to its turn now, for a moment */
    for (int64_t end = board_now() + CALL_MS;
         locked_out == 1 && !locks && model->waits_to_connect && board_now() < end;
         locked_out = other_is_locked_out(model))
        board_sleep(1);
    if (locked_out >= 0)
        model_check(model, locked_out == locks, "another client is %s",
                    locked_out ? "locked out, and nobody has a lock" : "not locked out, and there is a lock");
}

/*
 * A sequence
 */

static bool clear_reader(struct model *model)
{
    struct world *world = &model->world;
    if (world->service == SERVICE_STOPPED && !thing_continue(model, 0))
        return false;
    if (world->service == SERVICE_DOWN && !thing_up(model, 0))
        return false;
    if (!world->plugged && !thing_plug(model, 0))
        return false;
    if (world->other_plugged && !thing_unplug_other(model, 0))
        return false;
    if (world->index != 0)
        thing_unplug(model, 0), thing_plug(model, 0);
    if (world->card)
        thing_remove(model, 0);
    return thing_insert(model, CARD_RED);
}

static bool create(struct model *model)
{
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++) {
        scardmanage_free(model->m[i]);
        model->m[i] = NULL;
        model->timeout_ms[i] = 0;
        model->x[i] = (struct attachment){.party = i == 0 ? PARTY_A : PARTY_B};
        if (scardmanage_create(&model->m[i]) != SCARDMANAGE_S_OK)
            return model_check(model, false, "scardmanage_create() has failed");
    }
    return true;
}

bool model_begin(struct model *model)
{
    model->failure[0] = '\0';
    model->died = model->waits_to_connect = false;
    model->unplugged_lately -= model->unplugged_lately > 0;
    model->step = "the beginning";
    model->since = board_now();
    if (!create(model) || !clear_reader(model))
        return false;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        user_attach(model, i);
    model_settle(model);
    return !model->failure[0];
}

bool model_await_idle(const struct model *model, struct process *now)
{
    *now = model->idle;
    for (int64_t end = board_now() + CALL_MS; board_now() < end; board_sleep(10))
        if (process_look(now) && now->descriptors <= model->idle.descriptors &&
            now->threads <= model->idle.threads)
            return true;
    return false;
}

void model_end(struct model *model)
{
    struct process now;
    model->step = "the end";
    if (model->world.service == SERVICE_STOPPED)
        thing_continue(model, 0);
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        user_leave(model, i);
    if (model->world.holder == PARTY_A || model->world.holder == PARTY_B)
        model->world.holder = NOBODY;
    other_leave(model);
    if (model->idle.pid != 0)
        model_await_idle(model, &now); /* who calls this looks again, and says so */
    if (!model->failure[0] && !model->died && other_begin(model, 0))
        other_end(model, SCARD_LEAVE_CARD);
    other_leave(model);
}

bool model_recover(struct model *model)
{
    model->failure[0] = '\0';
    model->died = false;
    model->hung = false;
    model->step = "the recovery";
    model->since = board_now();
    struct world *world = &model->world;
    if (model->rig.pcscd && !rig_has_died(&model->rig) && !rig_end(&model->rig, SIGKILL, false))
        return false;
    for (unsigned i = 0; i < MODEL_ATTACHMENTS; i++)
        user_leave(model, i);
    other_leave(model);
    world->service = SERVICE_DOWN;
    world->holder = world->exclusive = NOBODY;
    rig_fault(&model->rig, "mute*0");
    world->silent = false;
    if (!model_rig(model, rig_is_plugged(&model->rig, RIG_KEY, &world->plugged) &&
                              rig_is_plugged(&model->rig, RIG_OTHER, &world->other_plugged)) ||
        !thing_up(model, 0))
        return false;
    model_observe(model, NOBODY);
    return true;
}
