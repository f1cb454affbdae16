/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands, reconnects and units of A and B in a storm. */
#include "failures.h"
#include "pcscd.h"
#include "storm.h"

#include <string.h>

static void begin_reconnecting(struct storm_user *user, const scardmanage_options *options)
{
    user->call_options = *options;
    user->hook.first_step = options->first_step;
    user->found_identity = false;
    user->function_commands = user->extra_parts = 0;
    user->unit_resets = user->must_recover = false;
}

/* After a call that may have identified the card. */
static void note_refusal(struct storm_user *user, scardmanage_result result)
{
    /* a function may have been told that the card is accepted, even if the call failed then */
    const scardmanage_options *options = &user->call_options;
    bool accepts = options->accept_other_card || (options->accept_unidentified && !options->identify);
    bool is_own = user->found_identity && user->has_identity && user->found == user->identity;
    if (accepts || is_own || storm_was_abandoned(result))
        user->is_refused = false;
    else if (result == SCARDMANAGE_W_REMOVED_CARD && user->found_identity && user->has_identity)
        user->is_refused |= user->found != user->identity;
}

/* After a command that was answered in the session that the library had before the call. */
static void check_known_session(const struct storm_call *call)
{
    struct storm_user *user = call->user;
    const struct truth_command *last = &truth_last[user->party];
    /* without a transaction, another client may begin a reset after pcscd has checked the handle for events */
    bool is_reset = (!last->is_locked && truth_now.reset_events != call->before.reset_events) ||
                    storm_was_announced(user, last->session);
    storm_check(user, storm_in_range(&user->card, last->card), "a command was answered by another card");
    storm_check(user, is_reset || storm_in_range(&user->session, last->session),
                "a command was answered in another session: %u, not %u to %u", last->session,
                user->session.min, user->session.max);
    if (!is_reset)
        storm_check_command(user);
    user->card = (struct storm_range){true, last->card, last->card};
    user->session = (struct storm_range){true, last->session, last->session};
}

scardmanage_result storm_send_command(struct storm_user *user, uint32_t timeout_ms)
{
    struct storm_call call = storm_begin_call(user, "a command", timeout_ms);
    call.needs_lock = true;
    bool in_parts = user->transport != 0 && storm_chooses(user->storm, CHOICE_PARTS);
    scardmanage_result result =
        in_parts ? storm_transmit_in_parts(user) : storm_transmit(user, cards_command, sizeof cards_command);
    storm_end_call(&call, result);
    storm_check(user, call.may_run || truth_now.resets[user->party] == call.before.resets[user->party],
                "a command has reset the card");
    storm_check_refusal(&call, result);
    user->must_recover =
        !in_parts && result == SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED) && !call.may_run && !user->may_run;
    storm_check(user,
                result != SCARDMANAGE_E_PROTO_MISMATCH || !user->session.known || !storm_is_calm(&call) ||
                    call.before.reset_events != user->synced.reset_events,
                "a command says that no protocol is active");
    storm_check(user,
                result != SCARDMANAGE_E_PROTO_MISMATCH || !storm_is_calm(&call) || call.protocol == 0 ||
                    storm_protocol_of_service() == 0 || truth_last_protocol[user->party] != 0 ||
                    user->storm->has_helpers,
                "a command says that no protocol is active, but does not look");
    if (result == SCARDMANAGE_S_OK)
        check_known_session(&call);
    storm_check_lock(&call, result);
    return result;
}

static uint32_t any_timeout(void)
{
    static const uint32_t timeouts[] = {2, 10, 50, 300, 2000};
    return timeouts[scheduler_random(5)];
}

/* Two calls that wait for exclusive use wait for each other for ever, even if they are abandoned. */
static bool may_wait_for_exclusive_use(const struct storm_user *user)
{
    unsigned own = 2; /* the user, and the thread of its attachment */
    return user->party == PARTY_A && fiber_count_of_owner(PARTY_A) <= own;
}

/* Sometimes the session before. */
static uint64_t any_session(const struct storm_user *user)
{
    uint64_t number;
    if (scardmanage_get_session(user->m, &number) != SCARDMANAGE_S_OK || number == 0)
        return 0;
    return number > 1 && scheduler_once_in(3) ? number - 1 : number;
}

scardmanage_options storm_any_options(struct storm_user *user)
{
    static const scardmanage_step steps[] = {SCARDMANAGE_STEP_WARM, SCARDMANAGE_STEP_COLD,
                                             SCARDMANAGE_STEP_REOPEN};
    scardmanage_options options = user->options;
    if (storm_chooses(user->storm, CHOICE_FIRST_STEP))
        options.first_step = steps[scheduler_random(user->party == PARTY_A ? 3 : 2)];
    if (storm_chooses(user->storm, CHOICE_LAST_STEP))
        options.last_step = (scardmanage_step)(SCARDMANAGE_STEP_LEAVE + scheduler_random(5));
    if (options.last_step < options.first_step)
        options.last_step = options.first_step;
    if (storm_chooses(user->storm, CHOICE_PROTOCOLS))
        options.protocols = scheduler_once_in(2) ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
    if (user->storm->has_exclusive && storm_chooses(user->storm, CHOICE_SHARE))
        options.share = may_wait_for_exclusive_use(user) && scheduler_once_in(2) ? SCARDMANAGE_SHARE_EXCLUSIVE
                                                                                 : SCARDMANAGE_SHARE_SHARED;
    if (storm_chooses(user->storm, CHOICE_NO_IDENTIFY))
        options.identify = NULL;
    if (storm_chooses(user->storm, CHOICE_UNIDENTIFIED))
        options.accept_unidentified = options.rebuild && !options.accept_unidentified;
    options.accept_other_card = storm_chooses(user->storm, CHOICE_OTHER_CARD);
    options.wait_for_my_card = storm_chooses(user->storm, CHOICE_OWN_CARD);
    options.accept_other_index = storm_chooses(user->storm, CHOICE_OTHER_INDEX);
    options.timeout_ms = any_timeout();
    if (storm_chooses(user->storm, CHOICE_SESSION))
        options.session = any_session(user);
    if (storm_chooses(user->storm, CHOICE_WAITS))
        options.wait_ms = scheduler_random(scheduler_once_in(3) ? 2000 : 200);
    if (user->storm->has_plugs && scheduler_once_in(2)) /* time enough to replug the reader */
        options.timeout_ms = 2000;
    return options;
}

/* After a reconnect that has succeeded, in a call that has. Its report is relative to what the caller knew before
 * only if it is the only one of the call. */
static void update_after_reconnect(struct storm_call *call, const scardmanage_report *report,
                                   bool is_the_only_one)
{
    struct storm_user *user = call->user;
    user->is_other_since_change |= user->knows_since_change &&
                                   (report->verdict == SCARDMANAGE_VERDICT_DIFFERENT ||
                                    report->verdict == SCARDMANAGE_VERDICT_REINSERTED) &&
                                   !user->found_identity; /* which may come later than the change */
    user->knows_since_change = true;
    user->is_refused = user->has_not_answered = false;
    /* the reader may have been replugged while the library had no handle, between closing one and opening the next */
    bool compares = is_the_only_one && truth_now.plugs == call->before.plugs;
    storm_sync(call, compares && storm_is_same_card(report->verdict),
               compares && report->verdict == SCARDMANAGE_VERDICT_UNCHANGED &&
                   report->step == SCARDMANAGE_STEP_NONE && truth_now.mutes == 0);
    user->last_report.known = is_the_only_one && user->helper.calls == call->helper_calls;
    user->last_report.atr = cards_atr_bit(report->new_atr, report->new_atr_len);
    user->last_report.protocol = report->new_protocol;
    user->is_unidentified = !user->found_identity && report->verdict != SCARDMANAGE_VERDICT_DIFFERENT &&
                            (user->is_unidentified || !compares || !storm_is_same_card(report->verdict));
    if (user->found_identity) {
        user->has_identity = true;
        user->identity = user->found;
    } else if (report->verdict == SCARDMANAGE_VERDICT_DIFFERENT ||
               (!is_the_only_one && user->call_options.accept_other_card)) {
        user->has_identity = false;
    }
    user->expects_selected =
        user->call_options.rebuild && (report->step != SCARDMANAGE_STEP_NONE || user->expects_selected);
}

/* After a call that may have gone on with a reader of another number. */
static void note_reader(const struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    unsigned number = storm_reader_number();
    bool is_sure = truth_now.plugs == call->before.plugs && !user->may_run;
    if (is_sure && result == SCARDMANAGE_S_OK)
        user->reader_number = number;
    else if (user->call_options.accept_other_index && !(is_sure && user->reader_number == number))
        user->reader_number = STORM_NO_NUMBER;
}

/* Of a reconnect that has called the rebuild function: it fails because of what has happened meanwhile, but has not
 * looked at the card again. */
static bool should_start_over(const struct storm_call *call, scardmanage_result result,
                              const scardmanage_report *report)
{
    const struct truth *before = &call->before, *now = &truth_now;
    bool has_looked = report->verdict != SCARDMANAGE_VERDICT_UNCHANGED &&
                      report->verdict != SCARDMANAGE_VERDICT_RESET &&
                      report->verdict != SCARDMANAGE_VERDICT_FIRST;
    return result == SCARDMANAGE_W_REMOVED_CARD && !has_looked &&
           now->card_events - before->card_events <= 4 && now->services == before->services &&
           now->plugs == before->plugs && now->mutes == 0 && now->early_removals == before->early_removals &&
           now->cancels[call->user->party] == before->cancels[call->user->party] && !call->cancelling &&
           scheduler_now_us() - call->begun_us < (uint64_t)call->timeout_ms * 1000 &&
           failures_count() == call->failures;
}

scardmanage_result storm_reconnect(struct storm_user *user, scardmanage_options options)
{
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    begin_reconnecting(user, &options);
    struct storm_call call = storm_begin_call(user, "reconnect", options.timeout_ms);
    call.needs_lock = call.ends_locks = true;
    bool must_identify = user->lacks_identity && options.identify;
    unsigned rebuilds = user->rebuilds;
    scardmanage_result result = scardmanage_reconnect_ex(user->m, &options, &report);
    storm_check(user, user->rebuilds == rebuilds || !should_start_over(&call, result, &report),
                "a reconnect does not start over after the card was lost during the rebuild function");
    storm_check(user, !must_identify || result != SCARDMANAGE_S_OK || user->found_identity,
                "a card that was accepted without an identity stays without one");
    storm_check(user,
                result != SCARDMANAGE_W_REMOVED_CARD || !user->never_had_card || !storm_has_same_card(&call),
                "a reconnect refuses the first card");
    storm_end_call(&call, result);
    user->may_reacquire |= storm_was_abandoned(result);
    storm_check_report(&call, result, &report);
    if (result == SCARDMANAGE_S_OK)
        update_after_reconnect(&call, &report, true);
    else if (options.rebuild || options.identify) /* which may have used it */
        user->never_had_card = false;
    bool was_out =
        report.verdict >= SCARDMANAGE_VERDICT_REINSERTED && report.verdict <= SCARDMANAGE_VERDICT_DIFFERENT;
    user->lacks_identity =
        !user->found_identity && (user->lacks_identity || (result == SCARDMANAGE_S_OK && was_out));
    note_refusal(user, result);
    note_reader(&call, result);
    storm_check_lock(&call, result);
    user->call_options = user->options;
    return result;
}

static bool has_reconnected(const scardmanage_report *report)
{
    return report->verdict != SCARDMANAGE_VERDICT_UNKNOWN || report->attempts > 0;
}

/* A call that may only use one session does not reconnect. */
static void check_required_session(const struct storm_call *call, scardmanage_result result,
                                   const scardmanage_report *report, unsigned sent)
{
    struct storm_user *user = call->user;
    uint64_t required = user->call_options.session;
    if (required == 0 || call->may_run)
        return;
    bool resets = truth_now.resets[user->party] != call->before.resets[user->party];
    storm_check(user, report->attempts == 0 && (!resets || user->unit_resets),
                "%s has reconnected, but may only use one session", call->name);
    if (required == call->session || !user->attached)
        return;
    storm_check(user,
                sent == 0 && (result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_E_OUTOFMEMORY ||
                              storm_was_abandoned(result)),
                "%s of a session that has ended sends %u commands, and says %08X", call->name, sent,
                (unsigned)result);
}

/* For a call that has sent commands, and reconnected if necessary. */
static void end_sending_call(struct storm_call *call, scardmanage_result result,
                             const scardmanage_report *report, unsigned parts)
{
    struct storm_user *user = call->user;
    unsigned sent = truth_now.commands[user->party] - call->before.commands[user->party];
    storm_end_call(call, result);
    user->may_reacquire |= storm_was_abandoned(result) && has_reconnected(report);
    check_required_session(call, result, report, sent);
    storm_check(user,
                result != SCARDMANAGE_W_RESET_CARD || sent > 0 || report->sent > 0 ||
                    has_reconnected(report) || user->call_options.session != 0,
                "%s has sent nothing, and has not reconnected after a reset", call->name);
    storm_check_report_of_commands(call, result, report, sent - user->function_commands - user->extra_parts,
                                   parts);
    user->last_report.known = user->never_had_card = false;
    if (result == SCARDMANAGE_S_OK && !has_reconnected(report)) {
        if (sent > 0 && !user->unit_resets)
            check_known_session(call);
    } else if (result == SCARDMANAGE_S_OK) {
        update_after_reconnect(call, report, false);
        if (sent > 0 && !user->unit_resets)
            check_known_session(call);
    } else {
        user->failed_since = true;
        user->has_not_answered |= report->sent > 0; /* perhaps not to the last command */
        user->expects_selected = false;
        user->has_identity = user->has_identity && !user->call_options.accept_other_card;
        user->is_unidentified |=
            user->call_options.accept_other_card || user->call_options.accept_unidentified;
        storm_widen(call);
    }
    note_refusal(user, result);
    note_reader(call, result);
    storm_check_lock(call, result);
    user->call_options = user->options;
}

void storm_send_and_recover(struct storm_user *user)
{
    scardmanage_options options = storm_any_options(user);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    uint8_t command[STORM_COMMAND_MAX], answer[64];
    size_t length = sizeof cards_command, size = sizeof answer;
    unsigned parts = 1;
    bool repeatable = scheduler_once_in(2);
    memcpy(command, cards_command, length);
    if (user->transport != 0 && storm_chooses(user->storm, CHOICE_PARTS))
        length = storm_make_command_in_parts(user, command, &parts);
    begin_reconnecting(user, &options);
    struct storm_call call = storm_begin_call(user, "a repeated command", options.timeout_ms);
    call.needs_lock = user->in_command = true;
    scardmanage_result result =
        scardmanage_transmit_ex(user->m, command, length, answer, &size, repeatable, &options, &report);
    user->in_command = false;
    unsigned sent = truth_now.commands[user->party] - call.before.commands[user->party];
    storm_note_answer(user, result != SCARDMANAGE_S_OK ? result : report.last_result);
    storm_check(user,
                report.sent != 1 || has_reconnected(&report) || call.may_run || storm_was_abandoned(result) ||
                    (report.last_result == SCARDMANAGE_S_OK) == (result == SCARDMANAGE_S_OK),
                "a command says %08X, but reports %08X", (unsigned)result, (unsigned)report.last_result);
    storm_check(user,
                repeatable || (report.sent <= 1 && sent - user->function_commands <= parts) || call.may_run,
                "a command of %u parts was sent %u times, and the card has got %u", parts,
                (unsigned)report.sent, sent - user->function_commands);
    end_sending_call(&call, result, &report, parts);
}

/* The unit has released its lock with a reset, which may come at the end of the unit or of the caller's lock. */
static void end_unit_with_reset(const struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    user->expects_selected = user->session.known = user->last_report.known = false;
    if (user->locks > 0 && user->disposition < SCARDMANAGE_DISPOSITION_RESET) {
        user->disposition = SCARDMANAGE_DISPOSITION_RESET;
        user->disposition_is_sure = result == SCARDMANAGE_S_OK;
    }
    storm_check(user,
                user->locks > 0 || result != SCARDMANAGE_S_OK || failures_count() != call->failures ||
                    truth_last[user->party].card != card_slots[0].events ||
                    truth_now.resets[user->party] != call->before.resets[user->party],
                "a unit should have reset the card");
}

void storm_run_unit(struct storm_user *user)
{
    scardmanage_options options = storm_any_options(user);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    bool repeatable = scheduler_once_in(2);
    user->unit_must_recover = user->must_recover;
    user->had_not_answered = user->has_not_answered;
    begin_reconnecting(user, &options);
    user->in_unit = true;
    user->unit_begun = truth_now;
    user->rebuilds_before = user->rebuilds;
    user->unit_calls = user->unit_calls_that_sent = user->unit_locks = user->unit_losses = 0;
    user->unit_succeeded = user->unit_lost_on_purpose = user->unit_saw_loss = false;
    user->unit_always_loses = scheduler_once_in(16);
    user->unit_owes_reset = false;
    bool expected = user->expects_selected;
    user->expects_selected = false; /* the unit may be the first in a session */
    struct storm_call call = storm_begin_call(user, "a unit", options.timeout_ms);
    call.extra_ms = 9; /* the unit may sleep that long */
    call.needs_lock = call.ends_locks = true;
    scardmanage_result result = scardmanage_run(user->m, storm_unit, user, repeatable, &options, &report);
    user->in_unit = false;
    user->locks += result == SCARDMANAGE_S_OK ? user->unit_locks : 0;
    user->expects_selected = expected;
    storm_check(
        user,
        user->unit_calls_that_sent <= 4 &&
            user->unit_calls_that_sent - user->unit_losses <= (repeatable ? 4 : 1),
        "a unit was called again after it had sent commands: %u times, it has lost its session %u times",
        user->unit_calls_that_sent, user->unit_losses);
    storm_check(user, result != SCARDMANAGE_S_OK || user->unit_calls > 0, "a unit was not called");
    storm_check(user,
                result != SCARDMANAGE_E_SESSION_LOST || user->unit_calls >= 4 || options.session != 0 ||
                    !options.rebuild,
                "a unit has lost its session %u times, and was not called again", user->unit_losses);
    storm_check(user,
                !user->unit_saw_loss || options.session != 0 || has_reconnected(&report) ||
                    (result != SCARDMANAGE_W_RESET_CARD && result != SCARDMANAGE_W_REMOVED_CARD),
                "a unit says that its session is lost, and is not called again");
    storm_check(user, result != SCARDMANAGE_S_OK || user->unit_losses == 0 || report.session != call.session,
                "a unit has lost its session, and goes on with the same number");
    bool may_end_otherwise =
        user->unit_resets || storm_was_abandoned(result) || result == SCARDMANAGE_E_OUTOFMEMORY;
    storm_check(user, !user->unit_succeeded || may_end_otherwise || result == SCARDMANAGE_S_OK,
                "a unit succeeds, but the call says %08X", (unsigned)result);
    if (user->unit_owes_reset && storm_was_abandoned(result) && user->locks == 0 && storm_has_lock(user))
        storm_expect_late_reset(&call);
    end_sending_call(&call, result, &report, 1);
    if (user->unit_resets)
        end_unit_with_reset(&call, result);
}
