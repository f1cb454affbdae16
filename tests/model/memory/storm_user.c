/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of A and B in a storm. */
#include "failures.h"
#include "pcscd.h"
#include "storm.h"

#define ANY     (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define CALM_MS 20000

static void begin_knowing_nothing(struct storm_user *user)
{
    user->has_old_thread |= user->may_run;
    user->card.known = user->session.known = user->has_identity = user->expects_selected = user->may_run =
        user->is_refused = user->is_unidentified = user->lacks_identity = user->last_report.known = false;
    user->locks = 0;
    user->keeps_lock = false;
    user->no_longer_exclusive_us = 0;
    user->must_recover = false;
    user->disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    user->call_options = user->options;
    user->found_identity = false;
}

static void begin_reconnecting(struct storm_user *user, const scardmanage_options *options)
{
    user->call_options = *options;
    user->hook.first_step = options->first_step;
    user->found_identity = false;
    user->function_commands = 0;
    user->unit_resets = user->must_recover = false;
}

/*
 * Attaching
 */

static void close_handle(struct storm_user *user)
{
    if (user->context != 0)
        SCardReleaseContext(user->context);
    user->context = user->handle = 0;
}

static bool open_handle(struct storm_user *user)
{
    DWORD active;
    char name[MAX_READERNAME];
    snprintf(name, sizeof name, "%s", storm_reader_name());
    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &user->context) != SCARD_S_SUCCESS)
        return false;
    if (SCardConnect(user->context, name, SCARD_SHARE_SHARED, ANY, &user->handle, &active) == SCARD_S_SUCCESS)
        return true;
    close_handle(user);
    return false;
}

/* libpcsclite does not allow a handle to be closed while a call uses it. */
static void wait_for_threads(struct storm_user *user)
{
    uint64_t end = scheduler_now_us() + 100 * 1000000;
    while (fiber_count_of_owner((unsigned)user->party) > 1 && scheduler_now_us() < end)
        fiber_sleep(500);
    storm_check(user, fiber_count_of_owner((unsigned)user->party) <= 1,
                "a thread of the library does not end");
}

void storm_see_all_changes(const struct storm_call *call)
{
    struct storm_user *user = call->user;
    user->change_begun = call->before;
    user->may_have_lost_sight =
        user->helper.calls != call->helper_calls || failures_count() != call->failures;
    user->change_seen = truth_now;
    user->knows_since_change = user->is_other_since_change = false;
}

static scardmanage_result attach(struct storm_user *user, uint32_t timeout_ms)
{
    char name[MAX_READERNAME];
    uint64_t number = 0;
    if (fiber_count_of_owner((unsigned)user->party) > 4)
        wait_for_threads(user);
    struct storm_call opening = storm_begin_call(user, "opening the handle", timeout_ms);
    if (user->party == PARTY_B && (user->attached || !open_handle(user)))
        return SCARDMANAGE_E_FAIL;
    user->has_old_thread |= user->attached; /* A attaches anew, which detaches it first */
    user->attached = false;
    storm_pause_helper(user);
    begin_knowing_nothing(user);
    struct storm_call call = storm_begin_call(user, "attaching", timeout_ms);
    storm_sync(&opening, false, false);
    user->card.known = user->session.known = false;
    snprintf(name, sizeof name, "%s", storm_reader_name());
    user->reader_number = storm_reader_number();
    unsigned resets = truth_now.resets[user->party];
    scardmanage_result result = user->party == PARTY_A ? scardmanage_attach_by_ifd(user->m, name)
                                                       : scardmanage_attach_by_handle(user->m, user->handle);
    storm_check(user,
                result != SCARDMANAGE_E_INVALID_HANDLE || user->options.identify || user->options.rebuild,
                "attaching says that nothing is attached");
    if (result == SCARDMANAGE_E_INVALIDARG && user->party == PARTY_B) /* a dead handle */
        result = SCARDMANAGE_E_INVALID_HANDLE;
    storm_continue_helper(user);
    storm_end_call(&call, result);
    user->attached = result == SCARDMANAGE_S_OK;
    storm_see_all_changes(&call);
    if (user->attached) {
        scardmanage_get_session(user->m, &number);
    } else if (user->party == PARTY_B) {
        wait_for_threads(user);
        close_handle(user);
    }
    user->may_have_lost_sight |= number == 0; /* attaching by handle may not have seen it */
    user->never_had_card = user->party == PARTY_A && number == 0;
    if (number == 0)
        return result;
    user->knows_since_change = true;
    storm_sync(&opening, false, false);
    if (user->party == PARTY_B && !user->options.rebuild && !user->options.identify)
        storm_check(user, resets == truth_now.resets[user->party], "attaching by handle has reset the card");
    user->session.known =
        false; /* another client's reset that has begun before does not show in a new handle */
    user->has_identity = user->found_identity;
    user->identity = user->found;
    user->expects_selected = user->options.rebuild && user->options.rebuild_at_attach;
    storm_check_lock(&call, result);
    return result;
}

/* The handle of the caller keeps its lock only if detaching says so. */
static void check_detached_handle(struct storm_user *user, scardmanage_result result)
{
    bool is_locked = false;
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        is_locked |= pcscd_service.readers[i].lock_id == user->handle && pcscd_service.readers[i].exists &&
                     pcscd_service.readers[i].contexts != PCSCD_EXCLUSIVE;
    storm_check(user,
                !is_locked || result == SCARDMANAGE_W_UNRESPONSIVE_CARD ||
                    result == SCARDMANAGE_E_OUTOFMEMORY || result == SCARDMANAGE_E_INVALID_HANDLE,
                "detaching says %08X, but the card is still locked", (unsigned)result);
}

static bool resets_card(scardmanage_disposition disposition)
{
    return disposition == SCARDMANAGE_DISPOSITION_RESET || disposition == SCARDMANAGE_DISPOSITION_UNPOWER;
}

/* Detaching ends the lock as the inner unlocks have asked for. */
static void check_disposition(const struct storm_call *call, scardmanage_result result, SCARDHANDLE handle)
{
    struct storm_user *user = call->user;
    unsigned resets = truth_now.resets[user->party] - call->before.resets[user->party];
    bool may_reset = user->locks > 0 && resets_card(user->disposition);
    bool is_locked = handle != 0 && call->owner == handle && result == SCARDMANAGE_S_OK &&
                     storm_has_same_card(call) && failures_count() == call->failures;
    storm_check(user, call->may_run || resets <= may_reset, "detaching has reset the card %u times", resets);
    storm_check(user, !may_reset || !user->disposition_is_sure || !is_locked || resets > 0,
                "detaching should have reset the card");
}

void storm_detach(struct storm_user *user, uint32_t timeout_ms)
{
    SCARDHANDLE handle = 0;
    storm_pause_helper(user);
    scardmanage_get_handle(user->m, &handle);
    struct storm_call call = storm_begin_call(user, "detaching", timeout_ms);
    scardmanage_result result = scardmanage_detach(user->m);
    storm_continue_helper(user);
    storm_end_call(&call, result);
    storm_check(user,
                result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_INVALID_HANDLE ||
                    result == SCARDMANAGE_E_OUTOFMEMORY || storm_was_abandoned(result) ||
                    (result == SCARDMANAGE_W_UNRESPONSIVE_CARD && user->party == PARTY_B),
                "detaching says %08X", (unsigned)result);
    check_disposition(&call, result, handle);
    user->attached = false;
    begin_knowing_nothing(user);
    if (user->party != PARTY_B)
        return;
    if (!storm_was_abandoned(result) && call.plugged &&
        storm_has_reader()) /* else the lock ends with the reader */
        check_detached_handle(user, result);
    wait_for_threads(user);
    close_handle(user);
}

/* After a call that may have identified the card. */
static void note_refusal(struct storm_user *user, scardmanage_result result)
{
    /* a function may have been told that the card is accepted, even if the call failed then */
    const scardmanage_options *options = &user->call_options;
    bool accepts = options->accept_other_card || (options->accept_unidentified && !options->identify);
    if (accepts || storm_was_abandoned(result))
        user->is_refused = false;
    else if (result == SCARDMANAGE_W_REMOVED_CARD && user->found_identity && user->has_identity)
        user->is_refused |= user->found != user->identity;
}

/*
 * The lock
 */

static void lock(struct storm_user *user)
{
    struct storm_call call = storm_begin_call(user, "locking", user->options.timeout_ms);
    call.needs_lock = true;
    scardmanage_result result = scardmanage_lock(user->m);
    storm_end_call(&call, result);
    user->locks += result == SCARDMANAGE_S_OK;
    storm_check(user, call.may_run || truth_now.resets[user->party] == call.before.resets[user->party],
                "locking has reset the card");
    storm_check_refusal(&call, result);
    storm_check_lock(&call, result);
}

void storm_unlock(struct storm_user *user, scardmanage_disposition disposition)
{
    unsigned locks = user->locks;
    scardmanage_disposition before = user->disposition;
    user->has_ejected = user->has_ejected || disposition == SCARDMANAGE_DISPOSITION_EJECT;
    if (locks > 0 && disposition > user->disposition) {
        user->disposition = disposition;
        user->disposition_is_sure = true;
    }
    struct storm_call call = storm_begin_call(user, "unlocking", user->options.timeout_ms);
    scardmanage_result result = scardmanage_unlock(user->m, disposition);
    storm_end_call(&call, result);
    if (locks == 0 && user->attached)
        storm_check(user,
                    result == SCARDMANAGE_E_NOT_TRANSACTED || result == SCARDMANAGE_E_TIMEOUT ||
                        result == SCARDMANAGE_E_CANCELLED,
                    "unlocking without a lock says %08X", (unsigned)result);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) {
        user->disposition = before;
        storm_check_nothing_released(&call);
    }
    if (locks == 0 || result == SCARDMANAGE_E_OUTOFMEMORY || !user->attached)
        return;
    if (locks > 1)
        storm_check(user,
                    result == SCARDMANAGE_S_OK || call.may_run || user->storm->has_helpers ||
                        result == SCARDMANAGE_E_CANCELLED,
                    "an inner unlock says %08X", (unsigned)result);
    storm_check(user, result != SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED) || call.may_run,
                "unlocking says that there was no lock");
    if (locks == 1 && result == SCARDMANAGE_S_OK && truth_now.mutes == 0 && !call.may_run)
        storm_check(user, !user->session.known || user->session.max >= call.before.noticed_session,
                    "unlocking succeeds, but the card was reset while it was locked");
    unsigned resets = truth_now.resets[user->party] - call.before.resets[user->party];
    bool may_reset = locks == 1 && resets_card(user->disposition);
    storm_check(user, call.may_run || resets <= may_reset, "unlocking has reset the card %u times", resets);
    user->locks--;
    if (may_reset) {
        user->last_report.known = user->expects_selected = false;
        user->session.max = truth_now.session;
        /* if the reset is acknowledged later, so are others that come before */
        user->session.known = user->session.known && !user->may_run && failures_count() == call.failures;
    }
    if (user->locks == 0)
        user->disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    storm_check_lock(&call, result);
}

/*
 * Commands and reconnects
 */

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

static scardmanage_result transmit(struct storm_user *user, uint32_t timeout_ms)
{
    struct storm_call call = storm_begin_call(user, "a command", timeout_ms);
    call.needs_lock = true;
    bool in_parts = user->transport != 0 && scheduler_once_in(3);
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

static scardmanage_options any_options(struct storm_user *user)
{
    static const scardmanage_step steps[] = {SCARDMANAGE_STEP_WARM, SCARDMANAGE_STEP_COLD,
                                             SCARDMANAGE_STEP_REOPEN};
    scardmanage_options options = user->options;
    if (scheduler_once_in(4))
        options.first_step = steps[scheduler_random(user->party == PARTY_A ? 3 : 2)];
    if (scheduler_once_in(4))
        options.last_step = (scardmanage_step)(SCARDMANAGE_STEP_LEAVE + scheduler_random(5));
    if (options.last_step < options.first_step)
        options.last_step = options.first_step;
    if (scheduler_once_in(6))
        options.protocols = scheduler_once_in(2) ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
    if (user->storm->has_exclusive && scheduler_once_in(4))
        options.share = may_wait_for_exclusive_use(user) && scheduler_once_in(2) ? SCARDMANAGE_SHARE_EXCLUSIVE
                                                                                 : SCARDMANAGE_SHARE_SHARED;
    if (scheduler_once_in(3))
        options.identify = NULL;
    if (scheduler_once_in(3))
        options.accept_unidentified = options.rebuild && !options.accept_unidentified;
    options.accept_other_card = scheduler_once_in(3);
    options.wait_for_my_card = scheduler_once_in(4);
    options.accept_other_index = scheduler_once_in(3);
    options.timeout_ms = any_timeout();
    if (scheduler_once_in(8))
        options.session = any_session(user);
    if (scheduler_once_in(3))
        options.wait_ms = scheduler_random(scheduler_once_in(3) ? 2000 : 200);
    return options;
}

/* After a reconnect that has succeeded, in a call that has. Its report is relative to what the caller knew before
 * only if it is the only one of the call. */
static void update_after_reconnect(struct storm_call *call, const scardmanage_report *report,
                                   bool is_the_only_one)
{
    struct storm_user *user = call->user;
    user->is_other_since_change |= user->knows_since_change &&
                                   report->verdict == SCARDMANAGE_VERDICT_DIFFERENT &&
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

static scardmanage_result reconnect(struct storm_user *user, scardmanage_options options)
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
                             const scardmanage_report *report)
{
    struct storm_user *user = call->user;
    unsigned sent = truth_now.commands[user->party] - call->before.commands[user->party];
    storm_end_call(call, result);
    check_required_session(call, result, report, sent);
    storm_check(user,
                result != SCARDMANAGE_W_RESET_CARD || sent > 0 || report->sent > 0 ||
                    has_reconnected(report) || user->call_options.session != 0,
                "%s has sent nothing, and has not reconnected after a reset", call->name);
    storm_check_report_of_commands(call, result, report, sent - user->function_commands);
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

static void transmit_and_recover(struct storm_user *user)
{
    scardmanage_options options = any_options(user);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    uint8_t answer[64];
    size_t size = sizeof answer;
    bool repeatable = scheduler_once_in(2);
    begin_reconnecting(user, &options);
    struct storm_call call = storm_begin_call(user, "a repeated command", options.timeout_ms);
    call.needs_lock = true;
    scardmanage_result result = scardmanage_transmit_ex(user->m, cards_command, sizeof cards_command, answer,
                                                        &size, repeatable, &options, &report);
    storm_note_answer(user, result != SCARDMANAGE_S_OK ? result : report.last_result);
    storm_check(user,
                report.sent != 1 || has_reconnected(&report) || call.may_run || storm_was_abandoned(result) ||
                    (report.last_result == SCARDMANAGE_S_OK) == (result == SCARDMANAGE_S_OK),
                "a command says %08X, but reports %08X", (unsigned)result, (unsigned)report.last_result);
    storm_check(user, repeatable || report.sent <= 1 || call.may_run, "a command was sent %u times",
                (unsigned)report.sent);
    end_sending_call(&call, result, &report);
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
                    truth_now.resets[user->party] != call->before.resets[user->party],
                "a unit should have reset the card");
}

static void run_unit(struct storm_user *user)
{
    scardmanage_options options = any_options(user);
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
    end_sending_call(&call, result, &report);
    if (user->unit_resets)
        end_unit_with_reset(&call, result);
}

/*
 * All calls
 */

static void reconnect_anyhow(struct storm_user *user)
{
    reconnect(user, any_options(user));
}

static void unlock_anyhow(struct storm_user *user)
{
    if (user->locks > 0 || !user->attached) /* else an abandoned unlock could end a later lock */
        storm_unlock(user, scheduler_once_in(3) ? (scardmanage_disposition)scheduler_random(4)
                                                : SCARDMANAGE_DISPOSITION_LEAVE);
}

static void transmit_once(struct storm_user *user)
{
    transmit(user, user->options.timeout_ms);
}

static void detach_now(struct storm_user *user)
{
    if (user->party == PARTY_A && fiber_count_of_owner(PARTY_A) <= 3 && scheduler_once_in(3))
        attach(user, user->options.timeout_ms);
    else
        storm_detach(user, user->options.timeout_ms);
}

static const struct {
    unsigned weight;
    void (*make)(struct storm_user *user);
} calls[STORM_CALLS] = {
    {36, reconnect_anyhow},
    {18, lock},
    {18, unlock_anyhow},
    {24, transmit_once},
    {12, transmit_and_recover},
    {18, run_unit},
    {6, storm_get_status},
    {3, storm_get_atr},
    {3, storm_get_names},
    {3, storm_wait_for_card},
    {6, storm_wait_for_removal_or_change},
    {6, storm_call_while_cancelled},
    {2, detach_now},
};

static unsigned weight_of_call(const struct storm *storm, unsigned i)
{
    if (storm->attaches_often && calls[i].make == detach_now)
        return 60;
    return storm_uses(storm->calls_made, i) ? calls[i].weight : 0;
}

static void make_any_call(struct storm_user *user)
{
    if (!user->attached && !scheduler_once_in(8)) {
        attach(user, user->options.timeout_ms);
        return;
    }
    unsigned total = 0, i = 0;
    for (unsigned j = 0; j < STORM_CALLS; j++)
        total += weight_of_call(user->storm, j);
    for (unsigned at = scheduler_random(total); at >= weight_of_call(user->storm, i); i++)
        at -= weight_of_call(user->storm, i);
    calls[i].make(user);
}

void storm_run_user(void *argument)
{
    struct storm_user *user = argument;
    truth_set_actor(user->party);
    for (unsigned i = 0; i < user->storm->calls && !user->storm->model->failure[0]; i++) {
        make_any_call(user);
        if (scheduler_once_in(4))
            fiber_sleep(scheduler_random(2 * user->storm->event_us));
    }
    while (user->locks > 0 && user->attached &&
           !user->storm->model->failure[0]) /* the other one waits for that */
        storm_unlock(user, SCARDMANAGE_DISPOSITION_LEAVE);
    /* with an unresponsive card, or without the reader or memory, a transaction on the caller's handle cannot be ended
     * otherwise; nor can exclusive use */
    bool blocks = user->storm->has_mutes || user->storm->has_plugs || user->storm->has_exclusive ||
                  user->storm->has_pcsc_failures;
    if (blocks && user->attached && !user->storm->model->failure[0])
        storm_detach(user, user->options.timeout_ms);
    user->done = true;
}

/*
 * When all is calm
 */

static void set_long_timeout(struct storm_user *user)
{
    user->options.timeout_ms = CALM_MS;
    user->options.accept_unidentified = 1;
    user->options.last_step = SCARDMANAGE_STEP_RESTART;
    scardmanage_set_options(user->m, &user->options);
}

static bool handle_is_dead(const struct storm_user *user)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (reader_handle(&pcscd_service.readers[i], user->handle))
            return false;
    return true;
}

void storm_check_that_it_works(struct storm_user *user)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    set_long_timeout(user);
    for (unsigned i = 0; i < 10 && !user->attached; i++) /* the rebuild function may fail */
        result = attach(user, CALM_MS);
    if (!storm_check(user, user->attached, "attaching says %08X when all is calm", (unsigned)result))
        return;
    scardmanage_options options = user->options;
    options.accept_other_card = options.accept_other_index = 1;
    do
        result = reconnect(user, options);
    while (result == SCARDMANAGE_E_FAIL && (user->options.rebuild || user->options.identify));
    if (user->party == PARTY_B && handle_is_dead(user) && result == SCARDMANAGE_E_INVALID_HANDLE)
        return;
    storm_check(user, result == SCARDMANAGE_S_OK, "a reconnect says %08X (%s) when all is calm",
                (unsigned)result, scardmanage_strerror(result));
    result = transmit(user, CALM_MS);
    storm_check(user, result == SCARDMANAGE_S_OK, "a command fails with %08X when all is calm",
                (unsigned)result);
    while (user->locks > 0 && !user->storm->model->failure[0])
        storm_unlock(user, SCARDMANAGE_DISPOSITION_LEAVE);
}

void storm_end_user(struct storm_user *user)
{
    if (user->attached)
        storm_detach(user, CALM_MS);
    scardmanage_free(user->m);
    user->m = NULL;
    wait_for_threads(user);
    close_handle(user);
}
