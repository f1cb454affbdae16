/* SPDX-License-Identifier: BSD-3-Clause */
/* Actions with two threads: while A or B waits in a call, a helper thread cancels the call, or
 * inserts the card that the call waits for. */
#include "model.h"
#include "thread.h"

struct helper {
    struct thread *thread;
    struct model *model;
    unsigned i;
    bool (*act)(struct helper *helper); /* called repeatedly until it returns true, or end is set */
    const struct cards_kind *kind;
    atomic_bool end;
    bool failed;
};

static void run_helper(void *argument)
{
    struct helper *helper = argument;
    do
        thread_sleep_us(2000);
    while (!helper->act(helper) && !helper->end);
}

static bool start_helper(struct helper *helper)
{
    helper->thread = thread_start(run_helper, helper);
    return model_check(helper->model, helper->thread != NULL, "cannot start a thread");
}

static void join_helper(struct helper *helper)
{
    helper->end = true;
    thread_join(helper->thread);
}

/*
 * Cancelling
 */

/* Cancelling does not affect calls that begin later, so the helper repeats it until the call has
 * returned. */
static bool cancel(struct helper *helper)
{
    scardmanage_cancel(helper->model->object[helper->i]);
    return false;
}

bool concurrent_cancel(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    struct expectation locking = expect_lock(&model->world, user), waiting = expect_wait(&model->world, user);
    struct helper helper = {.model = model, .i = i, .act = cancel};
    bool lock = expect_only(&locking, SCARDMANAGE_E_TIMEOUT),
         wait = expect_only(&waiting, SCARDMANAGE_E_TIMEOUT);
    if ((!lock && !wait) || !start_helper(&helper))
        return false;
    model->call_is_cancelled = true;
    if (lock)
        user_lock(model, i);
    else
        user_wait_for_card(model, i);
    model->call_is_cancelled = false;
    join_helper(&helper);
    return true;
}

/*
 * Waiting
 */

static bool insert(struct helper *helper)
{
    helper->failed = !rig_insert(&helper->model->helper_rig, helper->kind, false);
    return true;
}

/* The reconnect succeeds when the card is there, so the model has the card from the beginning. */
bool concurrent_insert(struct model *model, unsigned i, unsigned kind)
{
    struct world *world = &model->world;
    struct helper helper = {.model = model, .i = i, .act = insert, .kind = &cards_kinds[kind]};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.wait_ms = CALL_MS;
    if (world->service != SERVICE_UP || !world->plugged || world->card || model->user[i].call_running ||
        !model->user[i].attached || model->user[i].index != world->index ||
        world_handle_is_dead(world, &model->user[i]) || !start_helper(&helper))
        return false;
    model_set_card(model, kind);
    world->atr = world->card->cold;
    world->powered = true;
    world->protocol = 0;
    model->card_is_coming = true;
    user_reconnect(model, i, &options);
    model->card_is_coming = false;
    join_helper(&helper);
    model_check(model, !helper.failed, "%s", model->helper_rig.error);
    model->rig.events_pending++;
    model_check_rig(model, rig_wait_for_events(&model->rig, world->index));
    model_observe(model, NOBODY);
    return true;
}
