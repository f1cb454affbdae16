/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include "board.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* Returns whether pcscd has died of a known fault. pcscd 1.9.9 may crash when a reader is
 * unplugged: one thread walks the list of handles of the reader while another frees it
 * (readerfactory.c, 683-699 and 856-862). */
static bool pcscd_has_died(struct model *model)
{
    if (!model->pcscd_died && model->unplugged_recently && rig_service_has_died(&model->rig)) {
        model->pcscd_died = true;
        model->coverage->deaths++;
    }
    return model->pcscd_died;
}

bool model_check(struct model *model, bool condition, const char *what, ...)
{
    if (condition || model->failure[0] || pcscd_has_died(model))
        return condition;
    va_list arguments;
    va_start(arguments, what);
    int length = snprintf(model->failure, sizeof model->failure, "%s: ", model->action_name);
    vsnprintf(model->failure + length, sizeof model->failure - (size_t)length, what, arguments);
    va_end(arguments);
    return condition;
}

bool model_check_rig(struct model *model, bool done)
{
    if (!done && !pcscd_has_died(model))
        model_check(model, false, "%s", model->rig.error);
    return done;
}

/*
 * Observing
 */

/* A reset is an event for all parties except the one that caused it. */
static void add_reset_event(struct model *model, enum party by)
{
    for (unsigned i = 0; i < MODEL_USERS; i++)
        if (model->user[i].party != by && model->user[i].has_handle &&
            !world_handle_is_dead(&model->world, &model->user[i]))
            model->user[i].was_reset = true;
    if (by != PARTY_C && model->client_c.connected)
        model->client_c.has_event = true;
}

/* pcscd does not wait for an answer when it powers a card off, so the simulator sees it slightly
 * later. */
void model_observe_power_off(struct model *model, enum party by)
{
    unsigned off = model->rig_state.off;
    bool had_power = model->rig_state.powered;
    for (int64_t end = board_now() + CALL_MS; had_power && board_now() < end;) {
        struct rig_state state;
        if (!model_check_rig(model, rig_get_state(&model->rig, &state)) || state.off != off)
            break;
    }
    model_observe(model, by);
}

void model_observe(struct model *model, enum party by)
{
    struct rig_state before = model->rig_state, *now = &model->rig_state;
    struct world *world = &model->world;
    if (!model_check_rig(model, rig_get_state(&model->rig, now)))
        return;
    if (!now->present) {
        world->negotiated = false;
        world->powered = false;
        world->protocol = 0;
        world->atr = 0;
        return;
    }
    bool reset = now->cold != before.cold || now->warm != before.warm;
    /* an abandoned command may have been sent since; if the card does not answer it, the reader
     * powers the card off */
    if (model->abandoned_calls_end && world->unresponsive && !reset)
        by = NOBODY;
    if (world->unresponsive && !now->powered && by == NOBODY)
        world->lost_power_unnoticed = true;
    if (reset)
        world->lost_power_unnoticed = world->negotiated = false;
    if (!world->lost_power_unnoticed) {
        world->powered = now->powered;
        world->protocol = now->protocol;
    }
    if (now->powered)
        world->atr = now->atr;
    if (by != NOBODY && (now->cold != before.cold || now->warm != before.warm || now->off != before.off)) {
        add_reset_event(model, by);
        world->swallowed = world->unresponsive;
    }
    for (unsigned i = 0; i < MODEL_USERS; i++)
        if (model->user[i].has_seen_card && !world_was_removed(world, &model->user[i]))
            model->user[i].atrs_shown |= world->atr;
}

bool model_is_left_without_power(const struct model *model, LONG rv)
{
    return model->world.swallowed && rv == SCARD_W_UNPOWERED_CARD;
}

static bool is_call_blocked(const struct model *model, const struct user *user)
{
    return world_situation(&model->world, user) == STOPPED || world_is_busy(&model->world, user);
}

/* Patience with threads each of which may be the watch of an attachment, which stays. pcscd takes the power from a card
 * that nobody has connected to after 5 s, so this must be less. */
#define WATCH_MS 1000

/* Otherwise they would disturb the next action. */
static void let_abandoned_calls_end(struct model *model)
{
    const struct world *world = &model->world;
    unsigned attached = 0;
    for (unsigned i = 0; i < MODEL_USERS; i++) {
        attached += model->user[i].attached;
        if (model->user[i].call_running && !is_call_blocked(model, &model->user[i]))
            user_let_call_end(model, i);
    }
    if (!model->has_left_attachments || world->service == SERVICE_STOPPED || world->holder != NOBODY ||
        world->exclusive != NOBODY)
        return;
    unsigned threads = model->idle.threads + attached;
    struct process now = model->idle;
    for (int64_t begun = board_now(), limit = CALL_MS;
         process_look(&now) && now.threads > threads && board_now() - begun < limit; board_sleep(1))
        limit = now.threads > threads + attached ? CALL_MS : WATCH_MS;
    /* what a detachment could not release, the caller releases with the handle */
    if (model->b_handle_in_use && !model->user[1].attached && now.threads <= threads)
        user_close_b_handle(model);
    model->has_left_attachments = false;
    model_observe(model, NOBODY);
}

void model_check_after_action(struct model *model)
{
    bool quiet = true;
    let_abandoned_calls_end(model);
    for (unsigned i = 0; i < MODEL_USERS; i++) {
        struct user *user = &model->user[i];
        if (!user->call_running)
            continue;
        if (is_call_blocked(model, user)) {
            quiet = false;
            continue;
        }
        user->call_running = false;
        model->abandoned_calls_end = true;
        if (user->reader_uncertain)
            user_check_reader_name(model, i);
        user_status(model, i);
        model_observe(model, user->party);
        model->abandoned_calls_end = false;
    }
    enum party holder = model->world.holder;
    bool locks = holder == PARTY_A || holder == PARTY_B;
    int locked_out = quiet && !model->failure[0] ? client_c_is_locked_out(model) : -1;
    /* an abandoned call whose attachment has ended may still have a transaction for a moment */
    for (int64_t end = board_now() + CALL_MS;
         locked_out == 1 && !locks && (model->may_wait_in_connect || model->b_handle_in_use) &&
         board_now() < end;
         locked_out = client_c_is_locked_out(model))
        board_sleep(1);
    if (locked_out >= 0)
        model_check(model, locked_out == locks, "C is %s",
                    locked_out ? "locked out, but nobody has a lock" : "not locked out, but there is a lock");
}

/*
 * Beginning and ending a sequence
 */

bool model_open(struct model *model, const char *cards)
{
    struct coverage *coverage = model->coverage;
    *model = (struct model){.coverage = coverage, .action_begun = board_now(), .action_name = "the opening"};
    model->world = (struct world){.plugged = true, .incarnation = 1};
    if (!rig_open(&model->rig, cards) || !rig_open(&model->helper_rig, cards))
        return model_check(model, false, "%s%s", model->rig.error, model->helper_rig.error);
    if (!rig_unplug(&model->rig, RIG_OTHER, 1) || !rig_wait_for_reader(&model->rig, 0))
        return model_check_rig(model, false);
    model_observe(model, NOBODY);
    if (model->rig_state.present)
        model->world.card = &cards_kinds[CARD_RED];
    if (rig_is_new_for_each_run()) /* on the real stack, the first sequence opens what stays open */
        model_set_idle(model);
    return !model->failure[0];
}

void model_set_idle(struct model *model)
{
    model->idle = (struct process){.pid = getpid()};
    process_look(&model->idle);
}

void model_close(struct model *model)
{
    rig_close(&model->rig);
    rig_close(&model->helper_rig);
}

static bool restore_reader(struct model *model)
{
    struct world *world = &model->world;
    if (world->service == SERVICE_STOPPED && !event_continue_service(model))
        return false;
    if (world->service == SERVICE_DOWN && !event_start_service(model))
        return false;
    if (!world->plugged && !event_plug_reader(model))
        return false;
    if (world->other_plugged && !event_unplug_other_reader(model))
        return false;
    if (world->index != 0)
        event_unplug_reader(model), event_plug_reader(model);
    if (world->card)
        event_remove_card(model);
    return event_insert_card(model, CARD_RED);
}

static bool create_objects(struct model *model)
{
    for (unsigned i = 0; i < MODEL_USERS; i++) {
        scardmanage_free(model->object[i]);
        model->object[i] = NULL;
        model->timeout_ms[i] = 0;
        model->user[i] = (struct user){.party = i == 0 ? PARTY_A : PARTY_B};
        if (scardmanage_create_with_allocator(rig_allocator(), &model->object[i]) != SCARDMANAGE_S_OK)
            return model_check(model, false, "scardmanage_create_with_allocator() has failed");
    }
    return true;
}

bool model_begin(struct model *model)
{
    model->failure[0] = '\0';
    model->pcscd_died = model->may_wait_in_connect = model->has_left_attachments = false;
    model->unplugged_recently -= model->unplugged_recently > 0;
    model->action_name = "the beginning";
    model->action_begun = board_now();
    if (!create_objects(model) || !restore_reader(model))
        return false;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        user_attach(model, i);
    model_check_after_action(model);
    return !model->failure[0];
}

bool model_wait_until_idle(const struct model *model, struct process *now)
{
    *now = model->idle;
    for (int64_t end = board_now() + CALL_MS; board_now() < end; board_sleep(10))
        if (process_look(now) && now->descriptors <= model->idle.descriptors + model->b_has_context &&
            now->threads <= model->idle.threads)
            return true;
    return false;
}

/* Waits first: libpcsclite does not allow a handle to be closed while a call uses it. */
static void close_b_handle(struct model *model)
{
    struct process now;
    if (model->idle.pid != 0)
        model_wait_until_idle(model, &now); /* main.c checks for leaks after the sequence */
    user_close_b_handle(model);
}

void model_end(struct model *model)
{
    model->action_name = "the end";
    if (model->world.service == SERVICE_STOPPED)
        event_continue_service(model);
    for (unsigned i = 0; i < MODEL_USERS; i++)
        user_free(model, i);
    if (model->world.holder == PARTY_A || model->world.holder == PARTY_B)
        model->world.holder = NOBODY;
    client_c_close(model);
    close_b_handle(model);
    if (!model->failure[0] && !model->pcscd_died && client_c_begin_transaction(model))
        client_c_end_transaction(model, SCARD_LEAVE_CARD);
    client_c_close(model);
}

bool model_recover(struct model *model)
{
    model->failure[0] = '\0';
    model->pcscd_died = false;
    model->hung = false;
    model->action_name = "the recovery";
    model->action_begun = board_now();
    struct world *world = &model->world;
    if (model->rig.pcscd && !rig_service_has_died(&model->rig) &&
        !rig_end_service(&model->rig, SIGKILL, false))
        return false;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        user_free(model, i);
    client_c_close(model);
    close_b_handle(model);
    world->service = SERVICE_DOWN;
    world->holder = world->exclusive = NOBODY;
    rig_fault(&model->rig, "mute*0");
    world->unresponsive = false;
    if (!model_check_rig(model, rig_is_plugged(&model->rig, RIG_KEY, &world->plugged) &&
                                    rig_is_plugged(&model->rig, RIG_OTHER, &world->other_plugged)) ||
        !event_start_service(model))
        return false;
    model_observe(model, NOBODY);
    return true;
}
