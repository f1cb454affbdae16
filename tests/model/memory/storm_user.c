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
    DWORD share =
        user->storm->has_exclusive && scheduler_once_in(2) ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;
    if (SCardConnect(user->context, name, share, ANY, &user->handle, &active) == SCARD_S_SUCCESS)
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
    user->has_seen_card_only = false;
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
    call.ends_share = true;
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
    } else if (storm_was_abandoned(result)) {
        storm_detach(user, timeout_ms); /* it may have been attached before, and still be */
        return result;
    }
    user->has_seen_card_only = number != 0;   /* the rest of attaching may not have seen that it is removed */
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
    if (scheduler_once_in(4))
        storm_wait_for_removal_or_change(user);
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
    if (user->helper.is_calling && storm_chooses(user->storm, CHOICE_DETACHES_BESIDE)) {
        user->helper.detach_us = scheduler_now_us();
        user->helper.detach_call = user->calls_begun;
        scardmanage_result beside = scardmanage_detach(user->m);
        uint64_t number;
        bool has_begun = beside != SCARDMANAGE_E_TIMEOUT ||
                         scardmanage_get_session(user->m, &number) == SCARDMANAGE_E_INVALID_HANDLE;
        storm_check(user,
                    has_begun || user->helper.is_calling ||
                        scheduler_now_us() - user->helper.ended_us < STORM_TURN_US,
                    "detaching waits for a call of another thread that has ended");
        user->has_old_thread |= storm_was_abandoned(beside);
        user->attached = false;
    }
    storm_pause_helper(user);
    scardmanage_get_handle(user->m, &handle);
    struct storm_call call = storm_begin_call(user, "detaching", timeout_ms);
    call.ends_share = true;
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
    if (storm_was_abandoned(result) && call.plugged && storm_has_reader() && truth_now.mutes == 0 &&
        failures_count() == call.failures)
        check_detached_handle(user, result);
    close_handle(user);
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
    storm_check(user,
                result != SCARDMANAGE_E_PROTO_MISMATCH || user->options.protocols != 0 ||
                    !storm_has_same_card(&call) || call.may_run,
                "unlocking says that no protocol fits");
    storm_check(user, result != SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED) || call.may_run,
                "unlocking says that there was no lock");
    if (locks == 1 && result == SCARDMANAGE_S_OK && truth_now.mutes == 0 && !call.may_run)
        storm_check(user, !user->session.known || user->session.max >= call.before.noticed_session,
                    "unlocking succeeds, but the card was reset while it was locked");
    unsigned resets = truth_now.resets[user->party] - call.before.resets[user->party];
    bool may_reset = locks == 1 && resets_card(user->disposition);
    storm_check(user, call.may_run || resets <= may_reset, "unlocking has reset the card %u times", resets);
    storm_check(user,
                !may_reset || !user->disposition_is_sure || result != SCARDMANAGE_S_OK || !call.had_lock ||
                    !storm_has_same_card(&call) || failures_count() != call.failures || resets > 0,
                "unlocking should have reset the card");
    if (may_reset && result == SCARDMANAGE_S_OK && user->storm->has_only_cards &&
        user->options.protocols == 0 && storm_has_same_card(&call) &&
        cards_atr_protocols(card_slots[0].atr) & call.protocol)
        storm_check(user, storm_protocol_of_service() == call.protocol,
                    "after unlocking the card has protocol %u instead of %u",
                    (unsigned)storm_protocol_of_service(), (unsigned)call.protocol);
    user->locks--;
    user->owes_reset = false;
    if (may_reset && !user->may_reacquire && user->disposition_is_sure && storm_was_abandoned(result) &&
        call.had_lock)
        storm_expect_late_reset(&call);
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
 * All calls
 */

static void reconnect_anyhow(struct storm_user *user)
{
    scardmanage_result result = storm_reconnect(user, storm_any_options(user));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && user->locks > 0 && scheduler_once_in(2))
        storm_unlock(user, SCARDMANAGE_DISPOSITION_LEAVE);
}

static void unlock_anyhow(struct storm_user *user)
{
    if (user->locks > 0 || !user->attached) /* else an abandoned unlock could end a later lock */
        storm_unlock(user, storm_chooses(user->storm, CHOICE_UNLOCK_RESETS)
                               ? (scardmanage_disposition)scheduler_random(4)
                               : SCARDMANAGE_DISPOSITION_LEAVE);
    if (user->locks > 0 && user->may_run && scheduler_once_in(2)) /* comes late, too */
        storm_unlock(user, SCARDMANAGE_DISPOSITION_LEAVE);
    if (scheduler_once_in(8)) {
        storm_get_atr(user);
        storm_reconnect(user, storm_any_options(user));
    }
}

static void transmit_once(struct storm_user *user)
{
    if (storm_send_command(user, user->options.timeout_ms) == SCARDMANAGE_E_NOT_TRANSACTED &&
        scheduler_once_in(2) && storm_send_command(user, user->options.timeout_ms) == SCARDMANAGE_S_OK)
        reconnect_anyhow(user);
}

/* Frees the object, also while its threads wait for PC/SC, and goes on with a new one. */
static void begin_anew(struct storm_user *user)
{
    storm_detach(user, user->options.timeout_ms);
    storm_pause_helper(user);
    while (user->is_cancelling)
        fiber_sleep(200);
    scardmanage *m = user->m;
    user->m = NULL;
    scardmanage_free(m);
    user->session_count = 0;
    while (!storm_create_object(user))
        fiber_sleep(1000);
    storm_continue_helper(user);
}

static void detach_now(struct storm_user *user)
{
    if (user->party == PARTY_A && scheduler_once_in(4)) {
        begin_anew(user);
        return;
    }
    if (user->party == PARTY_A && fiber_count_of_owner(PARTY_A) <= 3 && scheduler_once_in(3))
        attach(user, user->options.timeout_ms);
    else
        storm_detach(user, user->options.timeout_ms);
}

/* While PC/SC hangs: all but the first call are abandoned before they begin. */
static void release_late(struct storm_user *user)
{
    storm_send_command(user, user->options.timeout_ms);
    while (user->locks > 0 && user->attached && !user->storm->model->failure[0])
        storm_unlock(user,
                     scheduler_once_in(2) ? SCARDMANAGE_DISPOSITION_RESET : SCARDMANAGE_DISPOSITION_LEAVE);
    if (scheduler_once_in(2))
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
    {12, storm_send_and_recover},
    {18, storm_run_unit},
    {6, storm_get_status},
    {3, storm_get_atr},
    {3, storm_get_names},
    {3, storm_wait_for_card},
    {6, storm_wait_for_removal_or_change},
    {6, storm_call_while_cancelled},
    {2, storm_ask_reader},
    [STORM_DETACHES] = {2, detach_now},
};

static unsigned weight_of_call(const struct storm *storm, unsigned i)
{
    if (storm_uses(storm->calls_often, i))
        return 60;
    return storm_uses(storm->calls_made, i) ? calls[i].weight : 0;
}

static void make_any_call(struct storm_user *user)
{
    bool was_plugged = user->plugs_before != truth_now.plugs;
    user->plugs_before = truth_now.plugs;
    if (was_plugged && scheduler_once_in(3)) {
        storm_wait_for_removal_or_change(user);
        return;
    }
    if (pcscd_service.stopped && user->locks > 0 && scheduler_once_in(4)) {
        release_late(user);
        return;
    }
    if ((user->owes_reset || pcscd_service.stopped) && scheduler_once_in(8)) {
        detach_now(user);
        return;
    }
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
    user->options.protocols = 0;
    user->options.accept_unidentified = 1;
    user->options.last_step = SCARDMANAGE_STEP_RESTART;
    scardmanage_set_options(user->m, &user->options);
}

bool storm_handle_is_dead(const struct storm_user *user)
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
        result = storm_reconnect(user, options);
    while (result == SCARDMANAGE_E_FAIL && (user->options.rebuild || user->options.identify));
    if (user->party == PARTY_B && storm_handle_is_dead(user) && result == SCARDMANAGE_E_INVALID_HANDLE)
        return;
    storm_check(user, result == SCARDMANAGE_S_OK, "a reconnect says %08X (%s) when all is calm",
                (unsigned)result, scardmanage_strerror(result));
    result = storm_send_command(user, CALM_MS);
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
