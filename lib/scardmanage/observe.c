/* SPDX-License-Identifier: BSD-3-Clause */
/* Observes the reader and the handle. */
#include "attempt.h"
#include "hook.h"

#include <string.h>

/* Reads the state of the reader. Without a context, the connection to the service was already lost. */
static scardmanage_result get_reader_state(struct attempt *a)
{
    bool any_index = a->options.accept_other_index != 0;
    if (!a->at->connection.has_context && !a->situation.restarted)
        return SCARDMANAGE_E_NO_SERVICE;
    uint64_t start = platform_now_us();
    scardmanage_result result = service_get_reader_state(a->at, any_index, &a->reader_state);
    if (a->situation.restarted)
        hook_step(a->at, SCARDMANAGE_STEP_RESTART, result, start);
    return result;
}

/* The lock has ended with the card. If the present card is locked, another client has locked it. */
static void observe_end_of_lock(struct attempt *a)
{
    struct attachment *at = a->at;
    bool is_counted = identity_was_removed(&at->card.identity, a->reader_state.counter);
    if (!a->reader_state.present || is_counted)
        lock_end_with_card(at, is_counted);
}

static void observe_reader(struct attempt *a)
{
    struct situation *s = &a->situation;
    struct attachment *at = a->at;
    if (at->connection.reader[0] == '\0')
        return;
    s->reader = attempt_publish_result(a, get_reader_state(a));
    s->is_observed = s->reader == SCARDMANAGE_S_OK;
    if (s->reader == SCARDMANAGE_E_NO_SERVICE && !s->may_restart)
        service_mark_unwatched(at);
    if (!s->is_observed)
        return;
    s->is_present = a->reader_state.present;
    s->is_mute = a->reader_state.mute;
    service_check_handle(at, &a->reader_state);
    if (at->connection.handle_lost) {
        s->handle = HANDLE_LOST;
        attempt_publish_result(a, SCARDMANAGE_E_INVALID_HANDLE);
        return;
    }
    observe_end_of_lock(a);
    if (s->is_present)
        return;
    if (at->card.identity.known)
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    attempt_publish_verdict(a, SCARDMANAGE_VERDICT_ABSENT);
}

/* Returns whether the round can end with what was observed of the reader. */
static bool is_reader_enough(const struct situation *s)
{
    return s->reader != SCARDMANAGE_S_OK || s->handle == HANDLE_LOST || (s->is_observed && !s->is_present);
}

/* The reader was unplugged, and may be back. If it is, the handle of the caller will not work again. */
static void observe_dead_handle(struct attempt *a, scardmanage_result result)
{
    service_mark_unwatched(a->at);
    if (!a->at->connection.by_handle)
        a->situation.handle = HANDLE_DEAD;
    else
        a->situation.handle_result = a->situation.is_observed ? SCARDMANAGE_E_INVALID_HANDLE : result;
}

/* Acknowledges the caller's own reset and calls SCardStatus() if there is a handle. Returns its event. */
static scardmanage_result observe_handle(struct attempt *a)
{
    struct situation *s = &a->situation;
    struct attachment *at = a->at;
    if (!at->connection.has_handle)
        return SCARDMANAGE_S_OK;
    s->handle = HANDLE_USABLE;
    scardmanage_result result = attempt_publish_result(a, handle_acknowledge_if_due(at));
    if (result == SCARDMANAGE_S_OK)
        result = attempt_publish_result(a, handle_get_status(at, &a->card));
    if (outcome_is_event(result))
        return result;
    if (result == SCARDMANAGE_E_INVALID_HANDLE || result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        observe_dead_handle(a, result);
    } else if (result == SCARDMANAGE_E_NO_SERVICE && at->connection.reader[0] == '\0') {
        service_disconnect(at); /* observe_reader() could not find out whether the service is back */
        result = attempt_publish_result(a, service_open_context(at));
        s->handle_result = result == SCARDMANAGE_S_OK ? SCARDMANAGE_E_INVALID_HANDLE : result;
    } else {
        if (result == SCARDMANAGE_E_NO_SERVICE)
            service_mark_unwatched(at); /* the context may be one of a service that has started since */
        s->handle_result = result;
    }
    return SCARDMANAGE_S_OK;
}

static void observe_verdict(struct attempt *a, scardmanage_result event)
{
    struct attachment *at = a->at;
    const struct identity *known = attempt_known_card(a);
    struct sighting sighting = {
        .is_observed = a->situation.is_observed,
        .event = event,
        .is_known = known->known,
        .was_removed = a->was_removed,
        .has_atr = a->reader_state.atr.length > 0,
        .has_known_atr = identity_has_atr(known, &a->reader_state.atr),
        .unreported_event = at->card.unreported_event,
        .unreported_verdict = at->card.unreported_verdict,
    };
    attempt_publish_verdict(a, decide_verdict(&sighting));
    attempt_refuse_other_card(a, &a->reader_state.atr);
}

static void observe_card(struct attempt *a, scardmanage_result event)
{
    struct situation *s = &a->situation;
    struct attachment *at = a->at;
    const scardmanage_options *options = &a->options;
    if (s->handle == HANDLE_USABLE && s->is_observed)
        at->connection.share =
            a->reader_state.exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    a->event_acknowledged = event == SCARDMANAGE_S_OK;
    a->was_removed = event == SCARDMANAGE_W_REMOVED_CARD || s->handle == HANDLE_DEAD ||
                     (s->is_observed && identity_was_removed(&at->card.identity, a->reader_state.counter));
    if (a->was_removed)
        lock_end_with_card(at, true);
    if (a->was_removed && at->card.identity.known)
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    if (event != SCARDMANAGE_S_OK || a->was_removed)
        at->card.is_unresponsive = false; /* it was reset since */
    observe_verdict(a, event);
    s->is_ready = a->card.state == SCARDMANAGE_STATE_SPECIFIC && a->card.atr.length > 0 &&
                  attempt_wanted_share(a) == at->connection.share &&
                  (options->protocols == 0 || (options->protocols & a->card.protocol));
    s->may_offer_protocol =
        options->protocols == 0 || !s->is_observed || s->verdict == SCARDMANAGE_VERDICT_DIFFERENT ||
        identity_may_offer_protocol(&at->card.identity, &a->reader_state.atr, options->protocols);
    s->is_unresponsive = at->card.is_unresponsive;
}

void observe_round(struct attempt *a)
{
    struct situation *s = &a->situation;
    *s = (struct situation){
        .by_handle = a->at->connection.by_handle,
        .may_restart = service_may_restart(a->at, &a->options),
        .waits_for_own_card = a->options.wait_for_my_card != 0,
        .first_step = a->options.first_step,
        .last_step = a->options.last_step,
        .restarted = s->restarted,
        .round = s->round,
    };
    memset(&a->card, 0, sizeof a->card);
    a->report.verdict = a->gravest_verdict;
    observe_reader(a);
    if (is_reader_enough(s))
        return;
    scardmanage_result event = observe_handle(a);
    if (s->handle_result == SCARDMANAGE_S_OK)
        observe_card(a, event);
}

/* Returns whether the reader has a card without an ATR. pcscd also returns SCARD_E_PROTO_MISMATCH
 * for a card that did not answer to reset and was then powered off by another client: without an
 * ATR no protocol matches (PHSetProtocol() in prothandler.c). */
bool observe_missing_atr(const struct attachment *at)
{
    struct pcsc_reader_state state;
    return pcsc_get_reader_state(at->connection.context, at->connection.reader, &state) == SCARDMANAGE_S_OK &&
           state.present && state.atr.length == 0;
}

#define REMOVAL_NOTICE_MS 400u /* pcsc-lite notices a removal within this time if it polls the reader */

scardmanage_result observe_late_removal(struct attachment *at, uint32_t counter)
{
    struct pcsc_reader_state now = {.present = true, .counter = counter};
    uint64_t end = platform_now_us() + REMOVAL_NOTICE_MS * 1000;
    do {
        pcsc_wait_for_change(at->connection.context, at->connection.reader, &now, REMOVAL_NOTICE_MS);
        scardmanage_result queried = service_get_reader_state(at, false, &now);
        if (queried != SCARDMANAGE_S_OK)
            return queried;
        if (!now.present || now.counter != counter) {
            at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
            return SCARDMANAGE_W_REMOVED_CARD;
        }
    } while (platform_now_us() < end && job_stop_reason(at) == SCARDMANAGE_S_OK);
    return SCARDMANAGE_S_OK;
}

/* A step also fails if the card is removed during it. Returns W_REMOVED_CARD if it was, so that the next
 * round observes what is there now. Does not wait if the card had not answered before the step either. */
scardmanage_result observe_removal(struct attempt *a, scardmanage_result result)
{
    if (!outcome_harder_step_may_cure(result) || result == SCARDMANAGE_E_PROTO_MISMATCH ||
        !a->situation.is_observed || a->reader_state.mute)
        return result;
    scardmanage_result late = observe_late_removal(a->at, a->reader_state.counter);
    return late == SCARDMANAGE_S_OK ? result : late;
}
