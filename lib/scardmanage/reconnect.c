/* SPDX-License-Identifier: BSD-3-Clause */
/* Reconnecting. PC/SC cannot do that atomically, so if something happens to the card in between, another round follows. */
#include "attempt.h"

#include <string.h>

#define SERVICE_RETRY_US 5000u /* pause before the next round when the service has gone away again */

/* Keeps the event for the caller after a reconnect that failed in the end, or whose caller stopped waiting. */
static void set_card_unreported(struct attachment *at)
{
    bool was_removed = at->io.event_before == SCARDMANAGE_W_REMOVED_CARD; /* or refused as another one */
    if (was_removed || at->card.unreported_verdict != SCARDMANAGE_VERDICT_UNKNOWN)
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    else
        handle_set_reset_unreported(at);
}

void reconnect_save_reported_card(struct attachment *at)
{
    if (at->card.reported.saved && at->card.unreported_event != SCARDMANAGE_S_OK)
        return;
    at->card.reported.saved = true;
    at->card.reported.atr = at->card.atr;
    at->card.reported.protocol = at->card.protocol;
}

static void begin_round(struct attempt *a)
{
    unsigned round = a->situation.round;
    a->situation = (struct situation){.round = round + 1};
    observe_round(a);
}

static void end_step(struct attempt *a, enum progress progress, scardmanage_step step,
                     scardmanage_result result)
{
    struct situation *s = &a->situation;
    s->progress = progress;
    s->step = step;
    s->result = result;
    s->is_unresponsive = a->at->card.is_unresponsive;
    a->step_failed |= progress == PROGRESS_STEP && outcome_harder_step_may_cure(result);
}

/* Restores the lock. If that succeeds, so does the reconnect. */
static void lock(struct attempt *a)
{
    struct attachment *at = a->at;
    if (a->situation.progress == PROGRESS_OBSERVED) { /* no step was needed */
        at->card.atr = a->card.atr;
        at->card.protocol = a->card.protocol;
    }
    scardmanage_result result = steps_restore_lock(a);
    end_step(a, PROGRESS_LOCKED, a->situation.step, result);
    if (result != SCARDMANAGE_S_OK)
        return;
    at->card.unreported_event = SCARDMANAGE_S_OK;
    at->card.is_unresponsive = false;
}

/* Begins another round. Returns why the job must stop, or S_OK. */
static scardmanage_result observe_again(struct attempt *a, scardmanage_result result)
{
    const struct situation *s = &a->situation;
    bool lost = s->is_observed && s->is_present && result == SCARDMANAGE_E_NO_SERVICE;
    scardmanage_result stop = lost ? job_pause(a->at, SERVICE_RETRY_US) : job_stop_reason(a->at);
    if (stop == SCARDMANAGE_S_OK)
        begin_round(a);
    return stop;
}

static void act(struct attempt *a, const struct decision *d)
{
    struct situation *s = &a->situation;
    switch (d->action) {
    case ACTION_RESTART:
        steps_restart(a);
        s->restarted = true;
        observe_round(a);
        break;
    case ACTION_OPEN:
        end_step(a, PROGRESS_OPENED, SCARDMANAGE_STEP_REOPEN, steps_take(a, SCARDMANAGE_STEP_REOPEN));
        break;
    case ACTION_OPEN_ANY:
        end_step(a, PROGRESS_OPENED, SCARDMANAGE_STEP_REOPEN, steps_open_any(a));
        s->accepts_any_protocol = true;
        break;
    case ACTION_STEP:
        end_step(a, PROGRESS_STEP, d->step, steps_take(a, d->step));
        break;
    case ACTION_CHECK_REMOVAL:
        s->result = observe_removal(a, s->result);
        s->removal_checked = true;
        break;
    case ACTION_LOCK:
        lock(a);
        break;
    case ACTION_OBSERVE:
    case ACTION_WAIT:
    case ACTION_FINISH: /* the caller of this function does these */
        break;
    }
}

static bool may_wait(const struct attempt *a)
{
    return a->at->connection.reader[0] != '\0' && platform_now_us() < a->at->io.wait_until;
}

/* Has the call wait, and then make another job. */
static void leave_wait_to_call(struct attempt *a, scardmanage_result result)
{
    const struct situation *s = &a->situation;
    struct reconnect_progress *progress = a->progress;
    progress->condition =
        (struct wait_condition){.what = s->is_refused ? WAIT_OTHER_CARD : WAIT_CARD_OR_DEAD_HANDLE,
                                .any_index = a->options.accept_other_index != 0,
                                .no_restart = !a->situation.may_restart,
                                .counter = a->reader_state.counter};
    progress->card_was_there = s->is_observed && s->is_present && !s->is_refused;
    progress->service_lost = result == SCARDMANAGE_E_NO_SERVICE;
    progress->worth_waiting = true;
}

static scardmanage_result run(struct attempt *a)
{
    begin_round(a);
    for (;;) {
        a->situation.may_wait = may_wait(a);
        struct decision d = decide(&a->situation);
        scardmanage_result stop = SCARDMANAGE_S_OK;
        if (d.action == ACTION_WAIT)
            leave_wait_to_call(a, d.result);
        if (d.action == ACTION_WAIT || d.action == ACTION_FINISH)
            return d.result;
        if (d.action == ACTION_OBSERVE)
            stop = observe_again(a, d.result);
        else
            act(a, &d);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
}

scardmanage_result reconnect_end_temporary_transaction(struct attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (at->transaction.is_temporary && at->transaction.is_open && !lock_is_wanted(at))
        result = lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE);
    at->transaction.is_temporary = false;
    return result;
}

/* After a reconnect that did not succeed, or whose caller stopped waiting: the caller does not know of a card yet. */
static void forget_first_card(struct attachment *at)
{
    if (at->connection.by_handle) {
        set_card_unreported(at);
        return;
    }
    handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
    identity_clear(&at->card.identity);
    at->card.atr = (struct pcsc_atr){.length = 0};
    at->card.protocol = 0;
    at->card.unreported_event = SCARDMANAGE_S_OK;
    at->card.unreported_verdict = SCARDMANAGE_VERDICT_UNKNOWN;
}

scardmanage_result reconnect_job(struct attachment *at)
{
    struct attempt a = {.at = at, .options = at->io.options, .progress = &at->io.progress};
    if (a.progress->begun)
        attempt_resume(&a);
    else
        attempt_begin_report(&a);
    a.progress->worth_waiting = false;
    job_publish(at, &a.report);
    if (a.progress->begun && a.progress->service_lost && a.progress->card_was_there)
        job_pause(at, SERVICE_RETRY_US);
    scardmanage_result result = run(&a);
    scardmanage_result stop = job_stop_reason(at);
    if (decide_is_worth_waiting(&a.situation, result) && stop != SCARDMANAGE_S_OK)
        result = stop; /* there was no time left to wait */
    if (result != SCARDMANAGE_S_OK)
        reconnect_end_temporary_transaction(at);
    if (outcome_ends_call(result) && a.report.step != SCARDMANAGE_STEP_NONE && at->card.identity.known)
        set_card_unreported(at); /* the step may have acknowledged an event that was not observed */
    attempt_finish_report(&a);
    if (result != SCARDMANAGE_S_OK && at->io.first_card &&
        (at->card.identity.known || !at->connection.by_handle))
        forget_first_card(at);
    attempt_save_progress(&a);
    job_publish(at, &a.report);
    return result;
}

scardmanage_result reconnect_check_after_functions(struct attachment *at)
{
    struct pcsc_card card;
    bool stopped =
        at->rebuild_result == SCARDMANAGE_E_TIMEOUT || at->rebuild_result == SCARDMANAGE_E_CANCELLED;
    scardmanage_result result = stopped ? SCARDMANAGE_S_OK : handle_get_status_for_caller(at, &card);
    scardmanage_result ended = reconnect_end_temporary_transaction(at);
    if (result == SCARDMANAGE_S_OK)
        result = ended;
    if (result == SCARDMANAGE_S_OK && !stopped && at->card.is_unresponsive &&
        at->connection.reader[0] != '\0')
        result = observe_late_removal(at, at->card.identity.counter);
    if (outcome_is_event(result))
        at->card.unreported_event = result;
    else if (at->rebuild_result == SCARDMANAGE_W_REMOVED_CARD) /* the card is not the one that it should be */
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    if (result != SCARDMANAGE_S_OK || at->rebuild_result != SCARDMANAGE_S_OK)
        set_card_unreported(at);
    return result;
}

scardmanage_result reconnect_undo_after_functions(struct attachment *at)
{
    set_card_unreported(at);
    return SCARDMANAGE_S_OK;
}

scardmanage_result reconnect_undo(struct attachment *at)
{
    scardmanage_result result = reconnect_end_temporary_transaction(at);
    if (at->io.first_card && !at->connection.by_handle) {
        forget_first_card(at);
        return result;
    }
    bool locked = at->transaction.is_open && at->report.lock == SCARDMANAGE_LOCK_REACQUIRED;
    bool did_nothing = at->report.step == SCARDMANAGE_STEP_NONE && result == SCARDMANAGE_S_OK && !locked;
    if (did_nothing)
        at->card.is_unresponsive = at->io.was_unresponsive; /* the caller has not heard of success */
    else
        set_card_unreported(at);
    return locked ? lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE) : result;
}
