/* SPDX-License-Identifier: BSD-3-Clause */
/* What the hook of A and B sees: each command, its response and each step, as they were. */
#include "scheduler.h"
#include "storm.h"

#include <string.h>
#include <winscard.h>

#define MUTEX_US 1000 /* the library may wait for a mutex before it calls the hook */

/* Whether the event says that it has begun between these times. */
static bool has_begun(const scardmanage_event *event, uint64_t from_us, uint64_t to_us)
{
    uint64_t now = scheduler_now_us();
    return event->elapsed_us <= now && now - event->elapsed_us + MUTEX_US >= from_us &&
           now - event->elapsed_us <= to_us + MUTEX_US;
}

static bool is_masked(const scardmanage_event *event)
{
    size_t zeros = 0;
    for (size_t i = 4; i < event->length; i++)
        zeros += event->bytes[i] == 0;
    return event->hidden == event->length - 4 && zeros == event->hidden;
}

static void see_command(struct storm_user *user, const scardmanage_event *event)
{
    user->hook.commands++;
    user->hook.session = event->session;
    user->hook.command_us = scheduler_now_us();
    storm_check(user, event->bytes[1] != truth_verify[1] || is_masked(event), "the hook sees a PIN");
}

/* A command of a unit that the card did not answer: the next reconnect begins with a harder step, unless the card was
 * exchanged. */
static void expect_harder_step(struct storm_user *user)
{
    struct storm_hook_counts *hook = &user->hook;
    if (hook->first_step < SCARDMANAGE_STEP_COLD)
        hook->first_step = (scardmanage_step)((int)hook->first_step + 1);
    if (hook->first_step > user->call_options.last_step)
        hook->first_step = user->call_options.last_step;
    hook->is_step_due = !user->storm->has_helpers;
}

static void see_response(struct storm_user *user, const scardmanage_event *event)
{
    user->hook.responses++;
    user->hook.result = event->result;
    storm_check(user, user->has_old_thread || has_begun(event, user->hook.command_us, user->hook.command_us),
                "the hook sees that a command took %llu us", (unsigned long long)event->elapsed_us);
    if (event->result == SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED) && !user->in_function)
        expect_harder_step(user);
    storm_check(user, event->result != SCARDMANAGE_S_OK || event->length >= 2,
                "the hook sees a response of %zu bytes", event->length);
    storm_check(user, !user->hook.hides_response || event->length <= 2, "the hook sees a secret response");
}

static void see_step(struct storm_user *user, const scardmanage_event *event)
{
    const struct truth_step *last = &truth_last_step[user->party];
    user->hook.restarts += event->step == SCARDMANAGE_STEP_RESTART;
    user->hook.steps += event->step != SCARDMANAGE_STEP_RESTART;
    if (event->step == SCARDMANAGE_STEP_RESTART || user->has_old_thread)
        return;
    storm_check(user,
                !user->hook.is_step_due || user->hook.card_events != truth_now.card_events || user->may_run ||
                    event->step >= user->hook.first_step,
                "the hook sees the step '%s', but the card did not answer: '%s' was due",
                scardmanage_step_name(event->step), scardmanage_step_name(user->hook.first_step));
    user->hook.is_step_due = false;
    storm_check(user, event->step == last->step, "the hook sees the step '%s', but it was '%s'",
                scardmanage_step_name(event->step), scardmanage_step_name(last->step));
    /* a new handle may take two tries, and its context may be lost in the meantime */
    bool may_repeat = event->step == SCARDMANAGE_STEP_REOPEN;
    storm_check(user,
                (event->result == SCARDMANAGE_S_OK) == last->succeeded ||
                    (may_repeat && event->result == SCARDMANAGE_E_NO_SERVICE),
                "the hook sees the step '%s' with %08X", scardmanage_step_name(event->step),
                (unsigned)event->result);
    storm_check(user, has_begun(event, may_repeat ? 0 : last->begun_us, last->begun_us),
                "the hook sees that the step '%s' took %llu us", scardmanage_step_name(event->step),
                (unsigned long long)event->elapsed_us);
}

void storm_hook(const scardmanage_event *event, void *argument)
{
    struct storm_user *user = argument;
    if (event->kind == SCARDMANAGE_EVENT_COMMAND)
        see_command(user, event);
    else if (event->kind == SCARDMANAGE_EVENT_RESPONSE)
        see_response(user, event);
    else
        see_step(user, event);
}

void storm_check_steps_of_hook(const struct storm_call *call, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    const struct storm_hook_counts *now = &user->hook, *before = &call->hook;
    unsigned steps = now->steps - before->steps, restarts = now->restarts - before->restarts;
    /* otherwise the report is only of the last of several reconnects */
    if (!user->has_hook || call->may_run || user->call_options.rebuild || user->call_options.identify)
        return;
    storm_check(user, user->storm->has_services ? steps <= report->attempts : steps == report->attempts,
                "%s reports %u attempts, but the hook has seen %u", call->name, (unsigned)report->attempts,
                steps);
    if (user->party == PARTY_B)
        return;
    storm_check(user, steps + restarts <= report->attempts,
                "%s reports %u attempts, but the hook has seen %u, and %u restarts", call->name,
                (unsigned)report->attempts, steps, restarts);
    storm_check(user, restarts == 0 || report->step == SCARDMANAGE_STEP_RESTART,
                "%s reports the step '%s', but the hook has seen a restart", call->name,
                scardmanage_step_name(report->step));
    storm_check(user, report->step != SCARDMANAGE_STEP_RESTART || report->waited_us > 0 || restarts > 0,
                "%s reports a restart, but the hook has not seen it", call->name);
}
