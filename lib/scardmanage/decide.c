/* SPDX-License-Identifier: BSD-3-Clause */
#include "decide.h"

#include "outcome.h"

/* For a handle that already had an event when it was attached: nothing else is known about its card. */
static scardmanage_verdict verdict_from_event(const struct sighting *s)
{
    return s->event == SCARDMANAGE_W_REMOVED_CARD || s->unreported_event == SCARDMANAGE_W_REMOVED_CARD
               ? SCARDMANAGE_VERDICT_DIFFERENT
               : SCARDMANAGE_VERDICT_RESET;
}

scardmanage_verdict decide_verdict(const struct sighting *s)
{
    if (!s->is_observed)
        return verdict_from_event(s);
    if (!s->is_known)
        return SCARDMANAGE_VERDICT_FIRST;
    if (!s->was_removed && s->unreported_verdict != SCARDMANAGE_VERDICT_UNKNOWN)
        return s->unreported_verdict;
    if (!s->was_removed)
        return s->event == SCARDMANAGE_S_OK && s->unreported_event == SCARDMANAGE_S_OK
                   ? SCARDMANAGE_VERDICT_UNCHANGED
                   : SCARDMANAGE_VERDICT_RESET;
    if (!s->has_atr) /* the card cannot be identified before it answers */
        return SCARDMANAGE_VERDICT_UNKNOWN;
    return s->has_known_atr ? SCARDMANAGE_VERDICT_REINSERTED : SCARDMANAGE_VERDICT_DIFFERENT;
}

static struct decision act(enum action action)
{
    return (struct decision){.action = action};
}

static struct decision finish(scardmanage_result result)
{
    return (struct decision){.action = ACTION_FINISH, .result = result};
}

static struct decision step(scardmanage_step step)
{
    return (struct decision){.action = ACTION_STEP, .step = step};
}

/* Returns whether another round may help: the card was removed, exchanged or reset during this one, or the
 * service or the reader went away. */
static bool is_worth_another_round(const struct situation *s, scardmanage_result result)
{
    if (result == SCARDMANAGE_E_NO_SERVICE || (result == SCARDMANAGE_E_INVALID_HANDLE && !s->by_handle))
        return s->is_observed;
    return !s->is_refused && s->verdict != SCARDMANAGE_VERDICT_ABSENT && s->is_observed &&
           (outcome_is_event(result) || result == SCARDMANAGE_E_NO_SMARTCARD);
}

bool decide_is_worth_waiting(const struct situation *s, scardmanage_result result)
{
    return (s->is_refused && s->waits_for_own_card) || result == SCARDMANAGE_E_NO_SMARTCARD ||
           result == SCARDMANAGE_E_READER_UNAVAILABLE ||
           (result == SCARDMANAGE_E_NO_SERVICE && s->may_restart);
}

static struct decision end_round(const struct situation *s, scardmanage_result result)
{
    struct decision d = finish(result);
    if (s->may_wait && decide_is_worth_waiting(s, result))
        d.action = ACTION_WAIT;
    else if (is_worth_another_round(s, result) && s->round < DECIDE_ROUNDS_MAX)
        d.action = ACTION_OBSERVE;
    return d;
}

/* The first step to take with a handle. A card that did not answer the last command needs at least a reset. */
static scardmanage_step first_step(const struct situation *s)
{
    if (s->accepts_any_protocol) /* also instead of REOPEN, which is done */
        return s->first_step == SCARDMANAGE_STEP_COLD ? SCARDMANAGE_STEP_COLD : SCARDMANAGE_STEP_WARM;
    bool needs_reset = s->is_unresponsive && s->last_step >= SCARDMANAGE_STEP_WARM;
    return needs_reset && s->first_step < SCARDMANAGE_STEP_WARM ? SCARDMANAGE_STEP_WARM : s->first_step;
}

static scardmanage_step last_step(const struct situation *s)
{
    scardmanage_step highest = s->by_handle ? SCARDMANAGE_STEP_COLD : SCARDMANAGE_STEP_REOPEN;
    return s->last_step < highest ? s->last_step : highest;
}

static struct decision begin_steps(const struct situation *s)
{
    scardmanage_step first = first_step(s);
    return first <= last_step(s) ? step(first) : end_round(s, SCARDMANAGE_W_RESET_CARD);
}

static struct decision after_observing(const struct situation *s)
{
    if (s->reader == SCARDMANAGE_E_NO_SERVICE && s->may_restart && !s->restarted)
        return act(ACTION_RESTART);
    if (s->reader != SCARDMANAGE_S_OK)
        return end_round(s, s->reader);
    if (s->handle == HANDLE_LOST)
        return end_round(s, SCARDMANAGE_E_INVALID_HANDLE);
    if (s->is_observed && !s->is_present)
        return end_round(s, SCARDMANAGE_E_NO_SMARTCARD);
    if (s->handle_result != SCARDMANAGE_S_OK)
        return end_round(s, s->handle_result);
    if (s->is_refused)
        return end_round(s, SCARDMANAGE_W_REMOVED_CARD);
    if (s->verdict == SCARDMANAGE_VERDICT_UNCHANGED && s->handle == HANDLE_USABLE && s->is_ready &&
        first_step(s) == SCARDMANAGE_STEP_LEAVE)
        return act(ACTION_LOCK);
    if (!s->may_offer_protocol) /* no step would help */
        return end_round(s, SCARDMANAGE_E_PROTO_MISMATCH);
    if (s->handle == HANDLE_DEAD && last_step(s) < SCARDMANAGE_STEP_REOPEN)
        return finish(SCARDMANAGE_E_INVALID_HANDLE);
    return s->handle == HANDLE_USABLE ? begin_steps(s) : act(ACTION_OPEN);
}

/* A step also fails if the card is removed during it. */
static struct decision after_failure(const struct situation *s)
{
    bool may_be_removal = outcome_harder_step_may_cure(s->result) &&
                          s->result != SCARDMANAGE_E_PROTO_MISMATCH && s->is_observed && !s->is_mute;
    return may_be_removal && !s->removal_checked ? act(ACTION_CHECK_REMOVAL) : end_round(s, s->result);
}

/* Opening a handle is the gentlest step if there is none, and is allowed even if the last step is below REOPEN. */
static struct decision after_opening(const struct situation *s)
{
    if (s->result == SCARDMANAGE_E_PROTO_MISMATCH && s->last_step >= SCARDMANAGE_STEP_WARM &&
        !s->accepts_any_protocol)
        return act(
            ACTION_OPEN_ANY); /* another client has chosen another protocol; a reset allows a new choice */
    if (s->result != SCARDMANAGE_S_OK)
        return after_failure(s);
    bool is_enough = !s->accepts_any_protocol &&
                     (s->first_step == SCARDMANAGE_STEP_LEAVE || s->first_step == SCARDMANAGE_STEP_REOPEN);
    return is_enough ? act(ACTION_LOCK) : begin_steps(s);
}

static struct decision after_step(const struct situation *s)
{
    if (s->result == SCARDMANAGE_S_OK)
        return act(ACTION_LOCK);
    if (!s->removal_checked && outcome_harder_step_may_cure(s->result) && s->step < last_step(s))
        return step((scardmanage_step)((int)s->step + 1));
    return after_failure(s);
}

struct decision decide(const struct situation *s)
{
    switch (s->progress) {
    case PROGRESS_OPENED:
        return after_opening(s);
    case PROGRESS_STEP:
        return after_step(s);
    case PROGRESS_LOCKED:
        return s->result == SCARDMANAGE_S_OK ? finish(SCARDMANAGE_S_OK) : end_round(s, s->result);
    case PROGRESS_OBSERVED:
    default:
        return after_observing(s);
    }
}
