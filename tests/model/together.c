/* SPDX-License-Identifier: BSD-3-Clause */
/* What A and B wait for comes while they wait for it: a card, the reader, the service, or that somebody
 * cancels. */
#include "board.h"
#include "model.h"

#include <pthread.h>
#include <time.h>

struct helper {
    pthread_t thread;
    struct model *model;
    unsigned i;
    bool (*act)(struct helper *helper); /* true: once is enough */
    const struct cards_kind *kind;
    atomic_bool end;
    bool failed;
};

static void doze(long us)
{
    struct timespec time = {.tv_nsec = us * 1000};
    nanosleep(&time, NULL);
}

static void *help(void *argument)
{
    struct helper *helper = argument;
    do
        doze(2000);
    while (!helper->act(helper) && !helper->end);
    return NULL;
}

static bool start(struct helper *helper)
{
    return model_check(helper->model, pthread_create(&helper->thread, NULL, help, helper) == 0,
                       "cannot start a thread");
}

static void join(struct helper *helper)
{
    helper->end = true;
    pthread_join(helper->thread, NULL);
}

/*
 * Cancelling
 */

/* Calls that begin later are not affected by it: so again and again, until this one has come back. */
static bool cancel(struct helper *helper)
{
    scardmanage_cancel(helper->model->m[helper->i]);
    return false;
}

bool together_cancel(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    struct expectation locking = expect_lock(&model->world, x), waiting = expect_wait(&model->world, x);
    struct helper helper = {.model = model, .i = i, .act = cancel};
    bool lock = expect_only(&locking, SCARDMANAGE_E_TIMEOUT),
         wait = expect_only(&waiting, SCARDMANAGE_E_TIMEOUT);
    if ((!lock && !wait) || !start(&helper))
        return false;
    model->cancels = true;
    if (lock)
        user_lock(model, i);
    else
        user_wait(model, i);
    model->cancels = false;
    join(&helper);
    return true;
}

/*
 * Waiting
 */

static bool insert(struct helper *helper)
{
    helper->failed = !rig_insert(&helper->model->aside, helper->kind, false);
    return true;
}

/* The world in which the reconnect succeeds is the one with the card. */
bool together_insert(struct model *model, unsigned argument)
{
    unsigned i = argument % 2;
    struct world *world = &model->world;
    struct helper helper = {.model = model, .i = i, .act = insert, .kind = &cards_kinds[argument / 2]};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.wait_ms = CALL_MS;
    if (world->service != SERVICE_UP || !world->plugged || world->card || model->x[i].stuck ||
        !model->x[i].attached || model->x[i].index != world->index ||
        world_handle_is_dead(world, &model->x[i]) || !start(&helper))
        return false;
    thing_put_in(model, argument / 2);
    world->atr = world->card->cold;
    world->powered = true;
    world->protocol = 0;
    model->arrives = true;
    user_reconnect(model, i, &options);
    model->arrives = false;
    join(&helper);
    model_check(model, !helper.failed, "%s", model->aside.error);
    model->rig.unheard++;
    model_rig(model, rig_hear(&model->rig, world->index));
    model_observe(model, NOBODY);
    return true;
}
