/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true at any moment of a storm. */
#include "failures.h"
#include "pcscd.h"
#include "storm.h"
#include "threads.h"

#include <winscard.h>

#define LATENESS_US 12000 /* the grace of a job, and a moment to return */

bool storm_in_range(const struct storm_range *range, unsigned value)
{
    return !range->known || (value >= range->min && value <= range->max);
}

static bool card_is_present(unsigned events)
{
    return events % 2 == 1;
}

bool storm_is_exclusive(void)
{
    return pcscd_service.readers[0].contexts == PCSCD_EXCLUSIVE ||
           pcscd_service.readers[1].contexts == PCSCD_EXCLUSIVE;
}

/* Returns whether the service has the reader, and is not about to notice that it was unplugged. */
bool storm_has_reader(void)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++) {
        const struct pcscd_reader *reader = &pcscd_service.readers[i];
        if (reader->exists && !reader->is_removed && reader->slot == &card_slots[0] &&
            reader->plugging == card_slots[0].plugging)
            return card_slots[0].plugged;
    }
    return false;
}

/* Returns the handle that has locked the card, or 0. */
static SCARDHANDLE owner_of_lock(void)
{
    const struct pcscd_reader *reader = storm_reader();
    return reader ? reader->lock_id : 0;
}

bool storm_may_run(struct storm_user *user)
{
    unsigned own = user->attached ? 2 : 1; /* the user, and the thread of its attachment */
    user->has_old_thread &= fiber_count_of_owner((unsigned)user->party) > own;
    return user->may_run || user->has_old_thread || user->helper.has_abandoned;
}

/* One part may have been with PC/SC when the caller stopped waiting. The others are not sent then. */
static void check_abandoned_parts(struct storm_user *user)
{
    storm_check(user,
                !user->has_abandoned_parts || truth_now.commands[user->party] - user->commands_then <= 1,
                "a command in parts was abandoned, but the card gets %u parts more",
                truth_now.commands[user->party] - user->commands_then);
    user->has_abandoned_parts = false;
}

void storm_expect_late_reset(const struct storm_call *call)
{
    struct storm_user *user = call->user;
    if (!call->present || !call->plugged || failures_count() != call->failures)
        return;
    user->owes_reset = true;
    user->owes_since = call->before;
    user->owes_failures = call->failures;
}

/* An unlock that was abandoned comes before all that follows. */
static void check_late_reset(struct storm_user *user)
{
    const struct truth *then = &user->owes_since, *now = &truth_now;
    if (!user->owes_reset || storm_may_run(user))
        return;
    bool is_same = now->card_events == then->card_events && now->service_ends == then->service_ends &&
                   now->plugs == then->plugs && now->mutes == 0 && failures_count() == user->owes_failures;
    storm_check(user, !is_same || now->resets[user->party] != then->resets[user->party],
                "an unlock was abandoned, and never resets the card");
    user->owes_reset = false;
}

struct storm_call storm_begin_call(struct storm_user *user, const char *name, uint32_t timeout_ms)
{
    uint64_t session = 0;
    scardmanage_get_session(user->m, &session);
    check_abandoned_parts(user);
    check_late_reset(user);
    user->may_reacquire &= storm_may_run(user);
    user->hook.is_step_due = false;
    user->hook.card_events = truth_now.card_events;
    user->is_calling = true;
    user->calls_begun++;
    if (scheduler_once_in(2))
        fiber_wake(&user->storm->aims);
    return (struct storm_call){.user = user,
                               .name = name,
                               .before = truth_now,
                               .begun_us = scheduler_now_us(),
                               .timeout_ms = timeout_ms,
                               .failures = failures_count(),
                               .session = session,
                               .helper_calls = user->helper.calls,
                               .hook = user->hook,
                               .present = card_is_present(truth_now.card_events) &&
                                          truth_now.noticed_events == truth_now.card_events,
                               .plugged = storm_has_reader() &&
                                          (!user->attached || user->reader_number == storm_reader_number()),
                               .running = pcscd_service.running,
                               .stopped = pcscd_service.stopped,
                               .exclusive = storm_is_exclusive(),
                               .owner = owner_of_lock(),
                               .protocol = storm_protocol_of_service(),
                               .had_lock = storm_has_lock(user),
                               .cancelling = user->is_cancelling,
                               .shows_mute = storm_service_shows_mute_card(),
                               .may_run = storm_may_run(user)};
}

bool storm_has_same_card(const struct storm_call *call)
{
    const struct truth *before = &call->before, *now = &truth_now;
    return call->running && !call->stopped && call->plugged && call->present && !call->may_run &&
           storm_has_reader() && now->mutes == 0 && now->card_events == before->card_events &&
           now->services == before->services && now->plugs == before->plugs;
}

bool storm_is_calm(const struct storm_call *call)
{
    const struct truth *before = &call->before, *now = &truth_now;
    return call->running && !call->stopped && call->plugged && !call->may_run && storm_has_reader() &&
           before->noticed_events == before->card_events && now->mutes == 0 &&
           now->card_events == before->card_events && now->noticed_events == before->noticed_events &&
           now->session == before->session && now->reset_events == before->reset_events &&
           now->services == before->services && now->plugs == before->plugs;
}

/* Also while there is none: a reset that fails because of a removal may come last. */
bool storm_service_shows_mute_card(void)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].state.state & SCARD_SWALLOWED)
            return true;
    return false;
}

bool storm_service_shows_card(void)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].state.state & SCARD_PRESENT)
            return true;
    return false;
}

/*
 * Codes
 */

bool storm_may_be_refused(const struct storm_user *user)
{
    bool is_other = user->found_identity && user->has_identity && user->found != user->identity;
    return (is_other || user->is_unidentified) && !user->call_options.accept_other_card;
}

/* Returns whether something has happened that this code stands for, since the caller was last told about the card. */
static bool has_cause(const struct storm_call *call, scardmanage_result result)
{
    const struct storm_user *user = call->user;
    const struct truth *since = &user->synced, *now = &truth_now;
    bool moved = now->card_events != since->card_events || now->noticed_events != since->noticed_events,
         away = now->services != since->services || now->plugs != since->plugs || !user->had_service ||
                !user->was_plugged || !call->plugged;
    bool reset = now->reset_events != since->reset_events || now->session != since->session;
    bool mute = now->mutes != 0; /* the card may have lost its power since, which PC/SC does not know */
    bool other = user->failed_since;
    switch (result) {
    case SCARDMANAGE_S_OK:
        return true;
    case SCARDMANAGE_W_RESET_CARD:
        return reset || other || moved || away || mute || user->call_options.session != 0;
    case SCARDMANAGE_W_REMOVED_CARD:
        return moved || away || !user->card.known || other || storm_may_be_refused(user);
    case SCARDMANAGE_E_NO_SMARTCARD:
        /* also if it was attached while the card could not be used */
        return moved || away || reset || !user->was_present || !call->present || other || mute ||
               !card_slots[0].powered || !user->card.known;
    case SCARDMANAGE_E_NO_SERVICE:
    case SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION): /* the service has ended again */
    case SCARDMANAGE_E_READER_UNAVAILABLE:
    case SCARDMANAGE_E_UNKNOWN_READER:
        return away;
    case SCARDMANAGE_E_INVALID_HANDLE:
        return !user->attached || away;
    case SCARDMANAGE_E_SHARING_VIOLATION:
        return call->asks_reader || call->exclusive || user->storm->has_exclusive ||
               now->exclusives != call->before.exclusives ||
               moved; /* a removal ends the transaction that an unlock would end, and another begins one */
    case SCARDMANAGE_E_TIMEOUT:
        /* detaching does not wait for an abandoned call; calls in a function have the timeout of the object */
        return scheduler_now_us() - call->begun_us >= (uint64_t)call->timeout_ms * 1000 || call->may_run ||
               scheduler_now_us() - call->begun_us >= (uint64_t)user->options.timeout_ms * 1000;
    case SCARDMANAGE_E_CANCELLED:
        return call->cancelling || now->cancels[user->party] != call->before.cancels[user->party];
    case SCARDMANAGE_W_UNRESPONSIVE_CARD:
    case SCARDMANAGE_W_UNPOWERED_CARD:
        /* two resets at once may leave pcscd with another protocol than the card */
        return mute || moved || away || now->reset_events != 0;
    case SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED):
        return mute || moved || away || now->reset_events != 0 || (user->locks == 0 && !call->needs_lock);
    case SCARDMANAGE_E_PROTO_MISMATCH:
        /* if it was attached after pcscd had announced a reset, and before that began, PC/SC has told nobody */
        return user->call_options.protocols != 0 || mute || moved || reset || away || other ||
               !user->session.known;
    case SCARDMANAGE_E_OUTOFMEMORY:
        return failures_count() != call->failures;
    case SCARDMANAGE_E_FAIL:
        return user->options.rebuild || user->options.identify; /* which sometimes fail */
    case SCARDMANAGE_E_CANT_DISPOSE:
        return user->has_ejected; /* an abandoned unlock may come late */
    case SCARDMANAGE_E_UNSUPPORTED_FEATURE:
        return call->asks_reader;
    case SCARDMANAGE_E_SESSION_LOST:
        return user->unit_lost_on_purpose;
    default:
        return false;
    }
}

void storm_check_refusal(const struct storm_call *call, scardmanage_result result)
{
    storm_check(call->user, !call->user->is_refused || result != SCARDMANAGE_W_RESET_CARD,
                "%s says that the card was reset, but it was refused as another one", call->name);
    storm_check(call->user,
                !call->user->never_had_card ||
                    (result != SCARDMANAGE_W_RESET_CARD && result != SCARDMANAGE_W_REMOVED_CARD),
                "%s says %08X, but the caller knows no card", call->name, (unsigned)result);
}

bool storm_was_abandoned(scardmanage_result result)
{
    return result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED;
}

#define TURN_KNOWN_US 500  /* so long after its own transaction, a call may not check whose turn it is */
#define STOP_US       5000 /* how soon a job that waits outside PC/SC stops */

/* A call waits for its turn outside PC/SC, so that nothing is left running when its time is up. Except for A: PC/SC may
 * be opening a handle for it. */
static void check_turn(const struct storm_call *call, scardmanage_result result, uint64_t took)
{
    const struct storm *storm = call->user->storm;
    bool is_quiet = !storm->has_events && !storm->has_services && !storm->has_plugs &&
                    !storm->has_exclusive && !storm->has_mutes && !storm->has_helpers;
    if (call->user->party == PARTY_B && result == SCARDMANAGE_E_TIMEOUT && is_quiet && call->needs_lock &&
        !call->may_run && call->owner != 0 && call->owner != call->user->handle &&
        owner_of_lock() == call->owner && truth_now.locks == call->before.locks &&
        call->begun_us - truth_now.locks_us > TURN_KNOWN_US && !call->user->in_unit &&
        failures_count() == call->failures)
        storm_check(call->user, took <= call->timeout_ms * UINT64_C(1000) + STOP_US,
                    "%s took %llu us while the card was locked, its timeout was %u ms", call->name,
                    (unsigned long long)took, (unsigned)call->timeout_ms);
}

/* If exclusive use comes after the caller has stopped waiting for it, the library gives it back. */
static void check_share(struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    const struct storm *storm = user->storm;
    bool is_quiet = !storm->has_events && !storm->has_services && !storm->has_plugs && !storm->has_mutes &&
                    !storm->has_failures && !storm->has_pcsc_failures;
    if (user->call_options.share == SCARDMANAGE_SHARE_EXCLUSIVE)
        user->no_longer_exclusive_us =
            storm_was_abandoned(result) && !storm_is_exclusive() ? scheduler_now_us() : 0;
    storm_check(user,
                !is_quiet || result != SCARDMANAGE_S_OK || !storm_is_exclusive() ||
                    user->no_longer_exclusive_us == 0 || user->may_run ||
                    truth_now.exclusives_us < user->no_longer_exclusive_us,
                "after %s the reader is used exclusively, but the caller did not wait for that", call->name);
}

void storm_end_call(struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    uint64_t took = scheduler_now_us() - call->begun_us;
    user->is_calling = false;
    storm_log(user->storm, "%c: %s: %08X %s", user->party == PARTY_A ? 'A' : 'B', call->name,
              (unsigned)result, scardmanage_strerror(result));
    storm_check(user, has_cause(call, result), "%s says %08X (%s), without a cause", call->name,
                (unsigned)result, scardmanage_strerror(result));
    storm_check(user, took <= (uint64_t)call->timeout_ms * 1000 + LATENESS_US + call->extra_ms * 1000,
                "%s took %llu us, its timeout was %u ms", call->name, (unsigned long long)took,
                (unsigned)call->timeout_ms);
    storm_check(user,
                result != SCARDMANAGE_E_CANCELLED || user->cancelled_us < call->begun_us ||
                    scheduler_now_us() - user->cancelled_us <= LATENESS_US,
                "%s was cancelled, but returns %llu us later", call->name,
                (unsigned long long)(scheduler_now_us() - user->cancelled_us));
    storm_check(user, result != SCARDMANAGE_S_OK || !user->has_refused_to_identify,
                "%s succeeds, but the identify function has failed", call->name);
    user->has_refused_to_identify = false;
    check_turn(call, result, took);
    if (result == SCARDMANAGE_S_OK && user->helper.calls == call->helper_calls && !user->helper.is_calling)
        user->helper.has_abandoned = false; /* the call has waited for it */
    /* the end of a call may be abandoned, whatever its result is */
    bool may_be_abandoned = call->cancelling ||
                            truth_now.cancels[user->party] != call->before.cancels[user->party] ||
                            took >= (uint64_t)call->timeout_ms * 1000;
    user->may_run =
        storm_was_abandoned(result) || (user->may_run && result != SCARDMANAGE_S_OK) || may_be_abandoned;
    check_share(call, result);
    storm_check(user,
                result != SCARDMANAGE_S_OK || !call->exclusive || !user->storm->has_exclusive ||
                    !user->card.known || !user->attached || call->ends_share ||
                    user->call_options.share != SCARDMANAGE_SHARE_KEEP || !storm_has_same_card(call) ||
                    failures_count() != call->failures || storm_is_exclusive(),
                "%s gives exclusive use up", call->name);
}

/*
 * Commands
 */

bool storm_was_announced(const struct storm_user *user, unsigned session)
{
    return session != 0 && session == user->announced;
}

/* After a command that was answered. */
void storm_check_command(struct storm_user *user)
{
    const struct truth_command *last = &truth_last[user->party];
    uint64_t number = 0;
    SCARDHANDLE handle;
    unsigned i = 0;
    /* a call of another thread may have closed it since */
    storm_check(user,
                user->storm->has_helpers ||
                    scardmanage_get_handle(user->m, &handle) != SCARDMANAGE_E_NO_SMARTCARD,
                "a command was answered, but there is no handle");
    storm_check(user, !last->is_selected ? !user->expects_selected : true,
                "a command was answered in a session without the rebuild function");
    storm_check(user, (user->locks == 0 && !user->in_unit) || last->is_locked,
                "a command was sent under the lock, but without a transaction");
    if (scardmanage_get_session(user->m, &number) != SCARDMANAGE_S_OK ||
        !storm_check(user, !user->has_hook || user->has_old_thread || user->hook.session == number,
                     "the hook has seen session %llu, but it is %llu", (unsigned long long)user->hook.session,
                     (unsigned long long)number) ||
        !storm_check(user, number != 0, "a command was answered, but there is no session"))
        return;
    while (i < user->session_count && user->sessions[i].number != number)
        i++;
    if (i == user->session_count) {
        user->session_count += user->session_count < STORM_SESSIONS - 1;
        user->sessions[i].number = number;
        user->sessions[i].session = last->session;
    }
    storm_check(user, user->sessions[i].session == last->session || storm_was_announced(user, last->session),
                "commands of two sessions of the card have one session number, %llu",
                (unsigned long long)number);
}

/*
 * What the caller knows
 */

static struct storm_range narrowed(const struct storm_range *old, unsigned min, unsigned max, bool same)
{
    struct storm_range range = {true, min, max};
    if (same && old->known && old->min > range.min)
        range.min = old->min;
    if (same && old->known && old->max < range.max)
        range.max = old->max;
    return range;
}

void storm_widen(struct storm_call *call)
{
    struct storm_user *user = call->user;
    user->card.max = truth_now.card_events;
    user->session.max = truth_now.session;
}

void storm_sync(struct storm_call *call, bool same_card, bool same_session)
{
    struct storm_user *user = call->user;
    user->never_had_card = false;
    user->card = narrowed(&user->card, call->before.card_events, truth_now.card_events, same_card);
    user->session = narrowed(&user->session, call->before.session, truth_now.session, same_session);
    user->announced = truth_now.noticed_session > truth_now.session ? truth_now.noticed_session : 0;
    user->synced = call->before;
    user->was_present = call->present;
    user->had_service = call->running && !call->stopped;
    user->was_plugged = call->plugged;
    user->failed_since = user->helper.calls != call->helper_calls;
}

/*
 * The lock
 */

static SCARDHANDLE handle_of(const struct storm_user *user)
{
    SCARDHANDLE handle = 0;
    if (user->party == PARTY_B)
        return user->handle;
    return scardmanage_get_handle(user->m, &handle) == SCARDMANAGE_S_OK ? handle : 0;
}

bool storm_has_lock(const struct storm_user *user)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++) {
        struct pcscd_reader *reader = &pcscd_service.readers[i];
        const struct pcscd_handle *owner = reader_handle(reader, reader->lock_id);
        if (reader->exists && owner && owner->owner == user->party)
            return true;
    }
    return false;
}

void storm_check_nothing_released(const struct storm_call *call)
{
    const struct truth *before = &call->before, *now = &truth_now;
    bool ends_anyway = now->noticed_events != before->noticed_events || now->services != before->services ||
                       now->plugs != before->plugs || call->user->storm->has_helpers || call->may_run;
    storm_check(call->user, !call->had_lock || storm_has_lock(call->user) || ends_anyway,
                "%s says that nothing was released, but it was", call->name);
}

static unsigned handles_of(const struct storm_user *user)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        for (unsigned j = 0; j < PCSCD_HANDLES; j++)
            count += pcscd_service.readers[i].exists && !pcscd_service.readers[i].is_removed &&
                     pcscd_service.readers[i].handles[j].number != 0 &&
                     pcscd_service.readers[i].handles[j].owner == user->party;
    return count;
}

/* After a call that has ended: PC/SC has a transaction for the user exactly if the library says so. */
void storm_check_lock(struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    struct pcscd_reader *reader = NULL;
    bool has_failed = failures_count() != user->failures;
    user->failures = failures_count();
    user->keeps_lock = has_failed || (user->keeps_lock && !(call->ends_locks && result == SCARDMANAGE_S_OK));
    if (user->may_run || user->helper.has_abandoned || storm_was_abandoned(result) ||
        result == SCARDMANAGE_E_OUTOFMEMORY)
        return;
    SCARDHANDLE handle = handle_of(user);
    storm_check(user,
                user->party == PARTY_B || storm_may_run(user) || user->storm->has_helpers ||
                    handles_of(user) <= 1,
                "after %s it has %u handles", call->name, handles_of(user));
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].exists && reader_handle(&pcscd_service.readers[i], handle))
            reader = &pcscd_service.readers[i];
    if (!reader || reader->contexts == PCSCD_EXCLUSIVE || !storm_has_reader())
        return;
    bool has_event = reader_handle(reader, handle)->event != PCSCD_NONE;
    bool is_locked = reader->lock_id == handle;
    if (user->locks == 0 && !(user->party == PARTY_B && has_event))
        storm_check(user, !is_locked || user->keeps_lock,
                    "after %s the card is locked, but the caller has no lock", call->name);
    bool gone = truth_now.card_events != call->before.card_events ||
                call->before.noticed_events != call->before.card_events ||
                truth_now.services != call->before.services || truth_now.plugs != call->before.plugs;
    if (user->locks > 0 && result == SCARDMANAGE_S_OK && call->needs_lock && !gone)
        storm_check(user, is_locked, "after %s the card is not locked, but the caller has a lock",
                    call->name);
    if (is_locked)
        storm_check(user, reader->lock_count == 1, "after %s the card is locked %d times", call->name,
                    reader->lock_count);
}
