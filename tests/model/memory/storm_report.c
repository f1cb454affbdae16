/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true of the report of a reconnect in a storm. */
#include "failures.h"
#include "pcscd.h"
#include "scheduler.h"
#include "storm.h"

#include <winscard.h>

#define NOTICE_LONG_US 400000 /* a wait looks at least so often */

bool storm_is_same_card(scardmanage_verdict verdict)
{
    return verdict == SCARDMANAGE_VERDICT_UNCHANGED || verdict == SCARDMANAGE_VERDICT_RESET;
}

static void check_verdict(const struct storm_call *call, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    unsigned first = call->before.noticed_events, last = truth_now.card_events;
    const char *verdict = scardmanage_verdict_name(report->verdict);
    if (storm_is_same_card(report->verdict))
        storm_check(user, !user->card.known || (user->card.max >= first && user->card.min <= last),
                    "%s: the verdict is '%s', but the card was out", call->name, verdict);
    /* if the card does not answer a command, the reader powers it off, and PC/SC does not know */
    if (report->verdict == SCARDMANAGE_VERDICT_UNCHANGED && truth_now.mutes == 0)
        storm_check(user, !user->session.known || user->session.max >= call->before.noticed_session,
                    "%s: the verdict is '%s', but the card was reset", call->name, verdict);
    const unsigned *rates = user->storm->rates;
    if (report->verdict == SCARDMANAGE_VERDICT_UNCHANGED && report->attempts <= 1 && !call->may_run &&
        !user->storm->has_exclusive && !user->storm->has_helpers && rates[CHOICE_UNLOCK_RESETS] == 0 &&
        rates[CHOICE_RESETS_IN_UNIT] == 0 &&
        truth_now.failed_steps[user->party] == call->before.failed_steps[user->party])
        storm_check(user, truth_now.resets_seen[user->party] == call->before.resets_seen[user->party],
                    "%s: the verdict is '%s', but PC/SC has said that the card was reset", call->name,
                    verdict);
    if (report->verdict == SCARDMANAGE_VERDICT_DIFFERENT)
        storm_check(user, user->call_options.accept_other_card, "%s has accepted another card", call->name);
    storm_check(user, !user->never_had_card || report->verdict == SCARDMANAGE_VERDICT_FIRST,
                "%s: the verdict is '%s', but the caller knows no card", call->name, verdict);
    if (report->verdict == SCARDMANAGE_VERDICT_FIRST)
        storm_check(user, !user->card.known, "%s: the verdict is '%s', but there was one", call->name,
                    verdict);
    if (report->verdict >= SCARDMANAGE_VERDICT_REINSERTED && report->verdict <= SCARDMANAGE_VERDICT_DIFFERENT)
        storm_check(user,
                    !user->card.known || last != user->synced.card_events ||
                        truth_now.noticed_events != user->synced.noticed_events ||
                        truth_now.services != user->synced.services ||
                        truth_now.plugs != user->synced.plugs || user->failed_since ||
                        user->found_identity, /* of a card that was accepted without one */
                    "%s: the verdict is '%s', but the card was not out", call->name, verdict);
}

static void check_atr(const struct storm_call *call, const scardmanage_report *report)
{
    const struct slot *slot = &card_slots[0];
    unsigned atr = cards_atr_bit(report->new_atr, report->new_atr_len);
    storm_check(call->user,
                report->new_protocol == SCARD_PROTOCOL_T0 || report->new_protocol == SCARD_PROTOCOL_T1,
                "%s succeeds with protocol %u", call->name, (unsigned)report->new_protocol);
    storm_check(call->user,
                call->user->call_options.protocols == 0 ||
                    report->new_protocol & call->user->call_options.protocols,
                "%s succeeds with protocol %u, but was to use another one", call->name,
                (unsigned)report->new_protocol);
    if (call->present && call->before.card_events == truth_now.card_events && slot->card)
        storm_check(call->user, atr & (slot->card->cold | slot->card->warm),
                    "%s: the new ATR is not one of this card", call->name);
    if (call->before.session == truth_now.session && slot->card && slot->powered)
        storm_check(call->user, atr == slot->atr, "%s: the new ATR is not the one that the card shows now",
                    call->name);
}

static unsigned resets_by_others(const struct storm_call *call)
{
    unsigned resets = 0;
    for (unsigned i = 0; i < TRUTH_PARTIES; i++)
        resets += i == (unsigned)call->user->party ? 0 : truth_now.resets[i] - call->before.resets[i];
    return resets;
}

/* Whether the card has stayed, and each step has succeeded. */
static bool nothing_has_failed(const struct storm_call *call)
{
    const struct storm_user *user = call->user;
    unsigned own = user->party;
    return storm_has_same_card(call) && resets_by_others(call) < 4 && failures_count() == call->failures &&
           truth_now.failed_steps[own] == call->before.failed_steps[own] && user->call_options.protocols == 0;
}

/* As storm_is_calm(), but the card may have been mute before. */
static bool is_quiet(const struct storm_call *call)
{
    const struct truth *before = &call->before, *now = &truth_now;
    return call->running && !call->stopped && call->plugged && call->present && !call->may_run &&
           call->protocol != 0 && storm_has_reader() && now->mutes == before->mutes && card_slots[0].card &&
           !card_slots[0].mute && now->card_events == before->card_events && resets_by_others(call) == 0 &&
           now->reset_events - before->reset_events ==
               now->resets[call->user->party] - before->resets[call->user->party] &&
           now->services == before->services && now->plugs == before->plugs &&
           failures_count() == call->failures &&
           now->failed_steps[call->user->party] == before->failed_steps[call->user->party];
}

static void check_resets(const struct storm_call *call, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    unsigned resets = truth_now.resets[user->party] - call->before.resets[user->party];
    /* the report is of the last reconnect, after which no function of the caller has lost the card */
    bool is_only_one = !user->call_options.rebuild && !user->call_options.identify;
    bool gentle =
        is_only_one && report->step <= SCARDMANAGE_STEP_LEAVE && report->attempts <= 1 && !call->may_run;
    if (gentle)
        storm_check(user, resets == 0, "%s has reset the card, but the step was '%s'", call->name,
                    scardmanage_step_name(report->step));
    scardmanage_step first = user->call_options.first_step;
    if (truth_now.plugs != call->before.plugs) /* a new reader powers the card by itself */
        return;
    if (first == SCARDMANAGE_STEP_WARM || first == SCARDMANAGE_STEP_COLD)
        storm_check(user, resets > 0, "%s should have reset the card", call->name);
    if (is_only_one && first <= SCARDMANAGE_STEP_WARM && nothing_has_failed(call) &&
        storm_is_same_card(report->verdict))
        storm_check(user, resets - (truth_now.colds[user->party] - call->before.colds[user->party]) <= 1,
                    "%s has reset the card %u times", call->name, resets);
    if (is_only_one && !user->has_not_answered && first == SCARDMANAGE_STEP_LEAVE && is_quiet(call) &&
        user->call_options.protocols == 0)
        storm_check(user, resets == truth_now.colds[user->party] - call->before.colds[user->party],
                    "%s has reset the card, but nothing has happened", call->name);
    if (is_only_one && nothing_has_failed(call) && storm_is_calm(call) && !user->has_not_answered &&
        user->call_options.share != SCARDMANAGE_SHARE_EXCLUSIVE)
        storm_check(user, report->attempts <= 1 + (report->step == SCARDMANAGE_STEP_RESTART),
                    "%s has taken %u steps, but nothing has happened", call->name,
                    (unsigned)report->attempts);
    if (first == SCARDMANAGE_STEP_COLD)
        storm_check(user, truth_now.colds[user->party] != call->before.colds[user->party],
                    "%s should have reset the card by a cold reset", call->name);
}

/* What stays as it was, if the options do not say otherwise. */
static void check_what_is_kept(const struct storm_call *call, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    const scardmanage_options *options = &user->call_options;
    unsigned offered = cards_atr_protocols(cards_atr_bit(report->new_atr, report->new_atr_len));
    if (user->storm->has_only_cards && options->protocols == 0 && user->last_report.known &&
        !user->failed_since && report->verdict >= SCARDMANAGE_VERDICT_UNCHANGED &&
        report->verdict <= SCARDMANAGE_VERDICT_REINSERTED && offered & report->old_protocol &&
        truth_now.failed_steps[user->party] == call->before.failed_steps[user->party])
        storm_check(user, report->new_protocol == report->old_protocol,
                    "%s succeeds with protocol %u, but the card has used %u", call->name,
                    (unsigned)report->new_protocol, (unsigned)report->old_protocol);
}

/* What a report of a failure says about the card that is there. */
static void check_new_card(const struct storm_call *call, scardmanage_result result,
                           const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    if (storm_was_abandoned(result))
        return;
    if (report->verdict == SCARDMANAGE_VERDICT_ABSENT)
        storm_check(user, report->new_atr_len == 0 && report->new_protocol == 0,
                    "%s reports an ATR, but no card", call->name);
    /* an attachment by a handle that had an event does not know its reader */
    if (result == SCARDMANAGE_W_REMOVED_CARD && report->verdict == SCARDMANAGE_VERDICT_DIFFERENT &&
        (user->party == PARTY_A || user->card.known) && storm_is_calm(call) && card_slots[0].powered)
        storm_check(user, cards_atr_bit(report->new_atr, report->new_atr_len) != 0,
                    "%s refuses another card, and does not report its ATR", call->name);
}

/* No step helps against an ATR that does not offer the protocols. */
static void check_protocols(const struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    uint32_t protocols = user->call_options.protocols;
    const struct cards_kind *kind = card_slots[0].card;
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && protocols != 0 && storm_is_calm(call) && kind &&
        user->card.known && user->card.min == truth_now.card_events &&
        !(cards_atr_protocols(kind->cold | kind->warm) & protocols))
        storm_check(user, truth_now.resets[user->party] == call->before.resets[user->party],
                    "%s has reset the card, whose ATR does not offer protocol %u", call->name,
                    (unsigned)protocols);
}

/* The report says that the card is locked only if it is. */
static void check_lock_of_report(const struct storm_call *call, scardmanage_result result,
                                 const scardmanage_report *report)
{
    const struct truth *before = &call->before, *now = &truth_now;
    bool has_failed = failures_count() > 0; /* then the library may be in doubt */
    bool says_so = report->lock == SCARDMANAGE_LOCK_KEPT || report->lock == SCARDMANAGE_LOCK_REACQUIRED;
    bool is_known = call->running && !call->stopped && call->plugged && storm_has_reader() &&
                    before->noticed_events == before->card_events &&
                    now->noticed_events == before->noticed_events && now->services == before->services &&
                    now->plugs == before->plugs && !call->may_run && !storm_was_abandoned(result) &&
                    result != SCARDMANAGE_E_OUTOFMEMORY;
    storm_check(call->user, !says_so || !is_known || storm_has_lock(call->user) || storm_is_exclusive(),
                "%s reports the lock as '%s', but the card is not locked", call->name,
                scardmanage_lock_name(report->lock));
    storm_check(call->user,
                report->lock != SCARDMANAGE_LOCK_REACQUIRED || !is_known || !call->had_lock || has_failed ||
                    call->user->storm->has_exclusive || now->locks != before->locks,
                "%s reports the lock as '%s', but it was never lost", call->name,
                scardmanage_lock_name(report->lock));
    storm_check(call->user,
                report->lock != SCARDMANAGE_LOCK_KEPT || !is_known || storm_is_exclusive() ||
                    now->locks == before->locks,
                "%s reports the lock as '%s', but it was lost", call->name,
                scardmanage_lock_name(report->lock));
}

/* The reader was replugged while the caller waited: its handle does not work again. */
static void check_dead_handle(const struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    bool is_sure = user->party == PARTY_B && user->card.known && pcscd_service.running &&
                   !pcscd_service.stopped && !call->stopped && !call->may_run && storm_has_reader() &&
                   scheduler_now_us() - truth_now.noticed_us > NOTICE_LONG_US;
    storm_check(user, result != SCARDMANAGE_E_NO_SMARTCARD || !is_sure || !storm_handle_is_dead(user),
                "%s says that there is no card, but the handle does not work any more", call->name);
}

/* A reconnect that fails because of what happens to the card has tried several times. */
static void check_rounds(const struct storm_call *call, scardmanage_result result,
                         const scardmanage_report *report)
{
    const struct storm_user *user = call->user;
    const struct truth *before = &call->before, *now = &truth_now;
    bool is_refused = report->verdict == SCARDMANAGE_VERDICT_DIFFERENT || user->call_options.identify ||
                      user->call_options.rebuild;
    bool is_event = result == SCARDMANAGE_W_REMOVED_CARD || result == SCARDMANAGE_W_RESET_CARD,
         has_not_answered = result == SCARDMANAGE_W_UNRESPONSIVE_CARD && storm_service_has_atr() &&
                            now->noticed_events == now->card_events && !user->storm->has_client &&
                            user->call_options.last_step >= SCARDMANAGE_STEP_WARM;
    if ((!is_event && !has_not_answered) || is_refused || user->call_options.session != 0 ||
        user->has_not_answered || call->may_run || now->mutes > 0 || now->services != before->services ||
        now->plugs != before->plugs || !call->running || call->stopped || !call->plugged ||
        failures_count() != call->failures || (user->party == PARTY_B && !user->card.known))
        return;
    storm_check(
        call->user,
        now->card_events - before->card_events + (is_event ? now->reset_events - before->reset_events : 0) >=
            4,
        "%s gives up with %08X, after %u removals and insertions, and %u resets", call->name,
        (unsigned)result, now->card_events - before->card_events, now->reset_events - before->reset_events);
}

/* A protocol that the card offers can be chosen after a reset. */
static void check_that_protocol_was_tried(const struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    const scardmanage_options *options = &user->call_options;
    const struct cards_kind *kind = card_slots[0].card;
    if (result != SCARDMANAGE_E_PROTO_MISMATCH || options->protocols == 0 || options->session != 0 ||
        options->last_step < SCARDMANAGE_STEP_WARM || options->first_step >= SCARDMANAGE_STEP_REOPEN ||
        !storm_has_same_card(call) || failures_count() != call->failures ||
        (user->party == PARTY_B && !user->card.known))
        return;
    storm_check(user,
                truth_now.resets[user->party] != call->before.resets[user->party] ||
                    !(cards_atr_protocols(kind->cold) & cards_atr_protocols(kind->warm) & options->protocols),
                "%s says that the card does not offer protocol %u, and has not reset it", call->name,
                (unsigned)options->protocols);
}

/* After a success. The service has ended meanwhile, so the context is a new one. */
static void check_restart(const struct storm_call *call, const scardmanage_report *report)
{
    const struct storm_user *user = call->user;
    bool has_handle = false;
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        for (unsigned j = 0; j < PCSCD_HANDLES; j++)
            has_handle |= pcscd_service.readers[i].handles[j].number != 0 &&
                          pcscd_service.readers[i].handles[j].owner == user->party;
    storm_check(call->user,
                user->party == PARTY_B || user->call_options.rebuild || user->call_options.identify ||
                    user->storm->has_helpers || !has_handle || call->may_run || !call->running ||
                    truth_now.service_ends == call->before.service_ends ||
                    report->step == SCARDMANAGE_STEP_RESTART,
                "%s reports the step '%s', but the service has started again", call->name,
                scardmanage_step_name(report->step));
}

/* A protocol does not help if the card answers nothing. */
static void check_mute_card(const struct storm_call *call, scardmanage_result result)
{
    const struct truth *before = &call->before, *now = &truth_now;
    bool is_mute = call->running && !call->stopped && call->plugged && !call->may_run && card_slots[0].card &&
                   card_slots[0].mute && now->mutes == before->mutes &&
                   now->card_events == before->card_events && now->services == before->services &&
                   now->plugs == before->plugs && call->present &&
                   (call->user->party == PARTY_A || call->user->card.known);
    storm_check(call->user,
                result != SCARDMANAGE_E_PROTO_MISMATCH || !is_mute || call->user->call_options.protocols != 0,
                "%s says that no protocol fits, but the card answers nothing", call->name);
}

/* The caller knows the card before from the last report, if no other call came in between. */
static void check_card_before(const struct storm_call *call, scardmanage_result result,
                              const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    storm_check(user, !user->never_had_card || report->old_atr_len == 0,
                "%s has an old ATR, but the caller knows no card", call->name);
    if (!user->last_report.known || call->may_run ||
        storm_was_abandoned(result)) /* perhaps before it began */
        return;
    storm_check(user, cards_atr_bit(report->old_atr, report->old_atr_len) == user->last_report.atr,
                "%s: the old ATR is not the new one of the report before", call->name);
    storm_check(user, user->last_report.protocol == 0 || report->old_protocol == user->last_report.protocol,
                "%s: the old protocol is %u, but the new one of the report before was %u", call->name,
                (unsigned)report->old_protocol, (unsigned)user->last_report.protocol);
}

#define TIME_TO_RETURN_US 3000
#define TIME_TO_LOOK_US   5000 /* at the reader, at the end of a wait */
#define TIME_OF_JOBS_US   50000

static bool may_look_slowly(const struct storm_call *call)
{
    const struct storm *storm = call->user->storm;
    return storm->has_services || storm->has_plugs || storm->has_helpers || storm->has_mutes ||
           call->may_run || truth_now.slow_looks != call->before.slow_looks_ended;
}

/* Of a reconnect, where nothing else keeps it waiting. */
static void check_rest_of_time(const struct storm_call *call, const scardmanage_report *report)
{
    enum party own = call->user->party;
    if (call->user->storm->has_only_cards && !may_look_slowly(call) &&
        truth_now.failed_steps[own] == call->before.failed_steps[own])
        storm_check(call->user, report->elapsed_us - report->waited_us <= TIME_OF_JOBS_US,
                    "%s took %llu us, but has waited for only %llu us of them", call->name,
                    (unsigned long long)report->elapsed_us, (unsigned long long)report->waited_us);
}

static void check_times(const struct storm_call *call, scardmanage_result result,
                        const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    const scardmanage_options *options = &user->call_options;
    uint64_t took = scheduler_now_us() - call->begun_us;
    storm_check(user, report->elapsed_us <= took && report->elapsed_us + TIME_TO_RETURN_US >= took,
                "%s took %llu us, and reports %llu us", call->name, (unsigned long long)took,
                (unsigned long long)report->elapsed_us);
    storm_check(user,
                report->waited_us <= report->elapsed_us && (options->wait_ms > 0 || report->waited_us == 0),
                "%s reports that it has waited %llu us of %llu us", call->name,
                (unsigned long long)report->waited_us, (unsigned long long)report->elapsed_us);
    storm_check(user,
                may_look_slowly(call) ||
                    report->waited_us <= options->wait_ms * UINT64_C(1000) + TIME_TO_LOOK_US,
                "%s has waited %llu us, but may wait %u ms", call->name,
                (unsigned long long)report->waited_us, (unsigned)options->wait_ms);
    /* if it does not know the reader yet, or cannot connect to what the reader shows, it does not wait */
    bool may_wait = (user->party == PARTY_A || user->card.known) && truth_now.plugs == call->before.plugs &&
                    truth_now.services == call->before.services && !call->cancelling &&
                    truth_now.cancels[user->party] == call->before.cancels[user->party];
    bool is_empty = result == SCARDMANAGE_E_NO_SMARTCARD && report->verdict == SCARDMANAGE_VERDICT_ABSENT &&
                    truth_now.card_events == call->before.card_events;
    bool is_other = result == SCARDMANAGE_W_REMOVED_CARD &&
                    report->verdict == SCARDMANAGE_VERDICT_DIFFERENT && options->wait_for_my_card &&
                    !options->accept_other_card;
    bool waits = may_wait && (is_empty || is_other);
    /* what is known when the time is up is told, too */
    uint32_t least_ms = options->wait_ms < options->timeout_ms ? options->wait_ms : options->timeout_ms;
    storm_check(user, !waits || took >= (uint64_t)least_ms * 1000,
                "%s says %08X after %llu us, but may wait %u ms", call->name, (unsigned)result,
                (unsigned long long)took, (unsigned)options->wait_ms);
    bool never_waits = call->present && !user->storm->has_plugs && !options->wait_for_my_card &&
                       call->plugged && may_wait && truth_now.card_events == call->before.card_events &&
                       call->running && !call->stopped &&
                       call->before.service_ends == user->synced.service_ends &&
                       truth_now.noticed_events == call->before.noticed_events && !call->may_run;
    storm_check(user, !never_waits || report->waited_us == 0,
                "%s has waited %llu us for the card that is there", call->name,
                (unsigned long long)report->waited_us);
    /* it waits from the moment when it has seen that there is no card */
    if (waits && is_empty && !may_look_slowly(call) && !call->stopped && options->wait_ms > 50 &&
        truth_now.failed_steps[user->party] == call->before.failed_steps[user->party])
        storm_check(user, report->waited_us > 0, "%s has waited %u ms, and does not report it", call->name,
                    (unsigned)options->wait_ms);
}

#define NOTICE_US 20000 /* a wait notices a reader in this time */

/* A wait for the reader must not miss that it has come back with its card, perhaps with another number. */
static void check_reader(const struct storm_call *call, scardmanage_result result,
                         const scardmanage_report *report)
{
    const struct storm *storm = call->user->storm;
    bool has_card = card_slots[0].card && !storm->has_events && !storm->has_mutes;
    bool is_back = storm_has_reader() && has_card && scheduler_now_us() - truth_now.plugs_us >= NOTICE_US;
    storm_check(call->user,
                result != SCARDMANAGE_E_READER_UNAVAILABLE || report->waited_us < NOTICE_US || !is_back ||
                    !call->user->call_options.accept_other_index || storm->has_services,
                "%s has waited %llu us for the reader, and says that it is not there, but it has come back",
                call->name, (unsigned long long)report->waited_us);
}

/* After a success. */
static void check_steps(const struct storm_call *call, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    uint64_t number = 0;
    storm_check(user, (report->attempts == 0) == (report->step == SCARDMANAGE_STEP_NONE),
                "%s: %u attempts, but the step is '%s'", call->name, (unsigned)report->attempts,
                scardmanage_step_name(report->step));
    storm_check(user, report->last_result == SCARDMANAGE_S_OK, "%s succeeds, but PC/SC has said %08X last",
                call->name, (unsigned)report->last_result);
    bool is_attached = scardmanage_get_session(user->m, &number) == SCARDMANAGE_S_OK;
    storm_check(user, user->unit_resets || (is_attached && report->session == number),
                "%s reports session %llu, but it is %llu", call->name, (unsigned long long)report->session,
                (unsigned long long)number);
}

static void log_report(const struct storm_call *call, const scardmanage_report *report)
{
    const scardmanage_options *options = &call->user->call_options;
    storm_log(
        call->user->storm,
        "      steps %d to %d, protocols %u, share %d%s%s%s%s, wait %u ms, timeout %u ms: %s, %s, lock %s, %u attempts",
        (int)options->first_step, (int)options->last_step, (unsigned)options->protocols, (int)options->share,
        options->accept_other_card ? ", any card" : "", options->accept_unidentified ? ", unidentified" : "",
        options->identify ? ", identifies" : "", options->rebuild ? ", rebuilds" : "",
        (unsigned)options->wait_ms, (unsigned)options->timeout_ms, scardmanage_step_name(report->step),
        scardmanage_verdict_name(report->verdict), scardmanage_lock_name(report->lock),
        (unsigned)report->attempts);
}

void storm_check_report(struct storm_call *call, scardmanage_result result, const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    log_report(call, report);
    user->may_have_lost_sight |= result != SCARDMANAGE_S_OK || report->attempts > 1;
    check_card_before(call, result, report);
    check_times(call, result, report);
    check_reader(call, result, report);
    check_rest_of_time(call, report);
    check_protocols(call, result);
    check_new_card(call, result, report);
    check_rounds(call, result, report);
    storm_check(user,
                report->step != SCARDMANAGE_STEP_RESTART || user->party == PARTY_B ||
                    user->storm->has_helpers || user->call_options.last_step == SCARDMANAGE_STEP_RESTART,
                "%s reports a restart, but was not to take that step", call->name);
    check_lock_of_report(call, result, report);
    check_dead_handle(call, result);
    check_mute_card(call, result);
    check_that_protocol_was_tried(call, result);
    if (result != SCARDMANAGE_S_OK) {
        user->failed_since = true;
        return;
    }
    check_steps(call, report);
    storm_check_steps_of_hook(call, report);
    if (call->plugged && storm_has_reader()) { /* otherwise PC/SC may still show what was there before */
        check_verdict(call, report);
        check_atr(call, report);
    }
    check_resets(call, report);
    check_what_is_kept(call, report);
    check_restart(call, report);
    bool locked = report->lock == SCARDMANAGE_LOCK_KEPT || report->lock == SCARDMANAGE_LOCK_REACQUIRED;
    storm_check(user, locked == (user->locks > 0) && report->lock != SCARDMANAGE_LOCK_LOST,
                "%s, locked %u times: the lock is '%s'", call->name, user->locks,
                scardmanage_lock_name(report->lock));
}

void storm_check_report_of_commands(const struct storm_call *call, scardmanage_result result,
                                    const scardmanage_report *report, unsigned sent, unsigned parts)
{
    struct storm_user *user = call->user;
    log_report(call, report);
    user->may_have_lost_sight |= result != SCARDMANAGE_S_OK || report->attempts > 1;
    check_times(call, result, report);
    check_reader(call, result, report);
    bool has_functions = user->call_options.rebuild || user->call_options.identify; /* which may still send */
    if (call->may_run || (storm_was_abandoned(result) && (has_functions || user->transport != 0)))
        return;
    storm_check(user, sent <= report->sent * parts, "%s reports %u commands, but the card has got %u",
                call->name, (unsigned)report->sent, sent);
    if (result != SCARDMANAGE_S_OK)
        return;
    storm_check(user,
                report->attempts > 0 || report->verdict != SCARDMANAGE_VERDICT_UNKNOWN ||
                    sent == report->sent * parts,
                "%s reports %u commands, but the card has got %u", call->name, (unsigned)report->sent, sent);
    check_steps(call, report);
}
