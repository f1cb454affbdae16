/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of A and B in a storm that ask for something or wait for it. */
#include "failures.h"
#include "pcscd.h"
#include "scardmanage_control.h"
#include "storm.h"

#include <string.h>

/* Two resets at once may leave it with another protocol than the card. */
uint32_t storm_protocol_of_service(void)
{
    const struct pcscd_reader *reader = storm_reader();
    return reader ? (uint32_t)reader->state.protocol : 0;
}

static void check_state(const struct storm_call *call, scardmanage_result result, scardmanage_state state,
                        uint32_t protocol)
{
    struct storm_user *user = call->user;
    bool is_event = result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
    bool has_protocol = protocol == SCARDMANAGE_PROTOCOL_T0 || protocol == SCARDMANAGE_PROTOCOL_T1;
    bool agrees;
    if (result == SCARDMANAGE_S_OK)
        agrees = state != SCARDMANAGE_STATE_UNKNOWN && has_protocol == (state == SCARDMANAGE_STATE_SPECIFIC);
    else if (is_event)
        agrees = (state == SCARDMANAGE_STATE_PRESENT || state == SCARDMANAGE_STATE_SWALLOWED ||
                  state == SCARDMANAGE_STATE_UNKNOWN) &&
                 protocol == 0;
    else
        agrees = state == SCARDMANAGE_STATE_UNKNOWN && protocol == 0;
    storm_check(user, agrees, "the status says %08X, '%s', and protocol %u", (unsigned)result,
                scardmanage_state_name(state), (unsigned)protocol);
    if (state == SCARDMANAGE_STATE_SPECIFIC && storm_is_calm(call) &&
        storm_protocol_of_service() == call->protocol)
        storm_check(user, protocol == storm_protocol_of_service(), "the status has protocol %u, but PC/SC %u",
                    (unsigned)protocol, (unsigned)storm_protocol_of_service());
    if (call->running && !call->stopped && !call->may_run &&
        call->shows_mute == storm_service_shows_mute_card() &&
        (state == SCARDMANAGE_STATE_PRESENT || state == SCARDMANAGE_STATE_SWALLOWED) &&
        truth_now.noticed_events == call->before.noticed_events &&
        truth_now.session == call->before.session && truth_now.reset_events == call->before.reset_events &&
        truth_now.plugs == call->before.plugs && truth_now.services == call->before.services)
        storm_check(user, (state == SCARDMANAGE_STATE_SWALLOWED) == storm_service_shows_mute_card(),
                    "the status is '%s', but PC/SC says otherwise", scardmanage_state_name(state));
    if (result == SCARDMANAGE_S_OK && state == SCARDMANAGE_STATE_ABSENT)
        storm_check(user,
                    !call->present || !call->plugged || truth_now.card_events != call->before.card_events ||
                        user->failed_since || truth_now.plugs != user->synced.plugs ||
                        truth_now.services != user->synced.services ||
                        truth_now.card_events != user->synced.card_events,
                    "the status is '%s', but there is a card", scardmanage_state_name(state));
    if (result == SCARDMANAGE_S_OK && storm_is_calm(call))
        storm_check(user, (state == SCARDMANAGE_STATE_ABSENT) != storm_service_shows_card(),
                    "the status is '%s', but PC/SC shows %s", scardmanage_state_name(state),
                    storm_service_shows_card() ? "a card" : "no card");
}

static void end_question(struct storm_call *call, scardmanage_result result)
{
    struct storm_user *user = call->user;
    storm_end_call(call, result);
    /* connecting to the reader may power a card that nobody uses */
    unsigned resets = truth_now.resets[user->party] - call->before.resets[user->party],
             colds = truth_now.colds[user->party] - call->before.colds[user->party];
    storm_check(user, call->may_run || resets == 0 || (call->asks_reader && resets == colds),
                "%s has reset the card", call->name);
    storm_check_refusal(call, result);
    storm_check_lock(call, result);
    user->last_report.known = false;
}

void storm_get_status(struct storm_user *user)
{
    scardmanage_state state;
    uint32_t protocol;
    struct storm_call call = storm_begin_call(user, "the status", user->options.timeout_ms);
    scardmanage_result result = scardmanage_status(user->m, &state, &protocol);
    end_question(&call, result);
    check_state(&call, result, state, protocol);
}

/* Sometimes with a buffer that is too small. */
void storm_get_atr(struct storm_user *user)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX] = {0};
    const size_t room = scheduler_once_in(4) ? 3 : sizeof atr;
    size_t length = room;
    struct storm_call call = storm_begin_call(user, "the ATR", user->options.timeout_ms);
    scardmanage_result result = scardmanage_get_atr(user->m, atr, &length);
    bool is_short = result == SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    end_question(&call, is_short ? SCARDMANAGE_S_OK : result);
    storm_check(user, is_short == (length > room), "an ATR of %zu bytes, with room for %zu, says %08X",
                length, room, (unsigned)result);
    if (result == SCARDMANAGE_S_OK && storm_is_calm(&call))
        storm_check(user, storm_service_shows_card(), "there is an ATR, but no card");
    bool is_event = result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
    storm_check(user,
                !is_event || length > 0 || !storm_has_same_card(&call) || !storm_service_has_atr() ||
                    (user->party == PARTY_B && !user->card.known),
                "a card has an event, and no ATR");
    if (is_short || length == 0)
        return;
    if (result == SCARDMANAGE_S_OK && user->helper.calls == call.helper_calls && user->card.known &&
        !user->never_had_card && storm_is_calm(&call)) {
        user->last_report.known = true;
        user->last_report.atr = cards_atr_bit(atr, length);
        user->last_report.protocol = 0;
    }
    if (storm_is_calm(&call) && card_slots[0].card && card_slots[0].powered)
        storm_check(user, cards_atr_bit(atr, length) == card_slots[0].atr,
                    "the ATR is not the one that the card shows");
}

/* What every function does without an object. */
void storm_check_pointers(struct storm_user *user)
{
    uint64_t session;
    uint32_t protocol;
    size_t length = 0;
    uint8_t byte = 0;
    SCARDHANDLE handle;
    scardmanage *m = user->m;
    const scardmanage_result results[] = {
        scardmanage_lock(NULL),
        scardmanage_unlock(NULL, SCARDMANAGE_DISPOSITION_LEAVE),
        scardmanage_reconnect(NULL),
        scardmanage_attach_by_ifd(NULL, RIG_KEY),
        scardmanage_attach_by_ifd(m, NULL),
        scardmanage_attach_by_handle(NULL, 0),
        scardmanage_detach(NULL),
        scardmanage_cancel(NULL),
        scardmanage_set_cancelled(NULL, 1),
        scardmanage_set_options(NULL, NULL),
        scardmanage_set_timeout(NULL, 1),
        scardmanage_set_transport(NULL, 0),
        scardmanage_wait(NULL, SCARDMANAGE_WAIT_CARD, 0),
        scardmanage_run(NULL, storm_unit, NULL, 0, NULL, NULL),
        scardmanage_run(m, NULL, NULL, 0, NULL, NULL),
        scardmanage_status(NULL, NULL, &protocol),
        scardmanage_status(m, NULL, &protocol),
        scardmanage_get_atr(m, NULL, &length),
        scardmanage_get_atr(m, &byte, NULL),
        scardmanage_get_reader(m, NULL, NULL),
        scardmanage_get_handle(m, NULL),
        scardmanage_get_handle(NULL, &handle),
        scardmanage_get_session(m, NULL),
        scardmanage_get_session(NULL, &session),
        scardmanage_transmit(m, NULL, 1, &byte, &length),
        scardmanage_transmit(m, &byte, 1, NULL, &length),
        scardmanage_transmit(m, &byte, 1, &byte, NULL),
        scardmanage_transmit_ex(m, &byte, 1, NULL, &length, 0, NULL, NULL),
        scardmanage_transmit_ex(m, &byte, 1, &byte, NULL, 0, NULL, NULL),
    };
    length = 1;
    storm_check(user, scardmanage_transmit(m, &byte, 1, &byte, &length) == SCARDMANAGE_E_INSUFFICIENT_BUFFER,
                "a response has no room, and nobody says so");
    for (unsigned i = 0; i < sizeof results / sizeof results[0]; i++)
        storm_check(user, results[i] == SCARDMANAGE_E_POINTER, "call %u without a pointer says %08X", i,
                    (unsigned)results[i]);
}

/* The name of the reader and the handle. */
void storm_get_names(struct storm_user *user)
{
    char name[MAX_READERNAME];
    const size_t room = scheduler_once_in(4) ? 5 + scheduler_random(8) : sizeof name;
    size_t length = room, needed = 0;
    memset(name, 0x7F, sizeof name);
    SCARDHANDLE handle = 0;
    struct storm_call call = storm_begin_call(user, "the name", user->options.timeout_ms);
    scardmanage_result result = scardmanage_get_reader(user->m, name, &length);
    bool is_short = result == SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    end_question(&call, is_short ? SCARDMANAGE_S_OK : result);
    storm_check(user, room == sizeof name || name[room] == 0x7F, "a name of %zu bytes is written to %zu",
                length, room);
    if (is_short || result == SCARDMANAGE_S_OK)
        storm_check(user, is_short == (length > room), "a name of %zu bytes, with room for %zu, says %08X",
                    length, room, (unsigned)result);
    if (result == SCARDMANAGE_S_OK)
        storm_check(
            user,
            length == strlen(name) + 1 && strncmp(name, RIG_KEY " ", sizeof RIG_KEY) == 0 &&
                (scardmanage_get_reader(user->m, NULL, &needed) != SCARDMANAGE_S_OK || needed == length),
            "the name is '%s', its length %zu", name, length);
    if (scardmanage_get_handle(user->m, &handle) == SCARDMANAGE_S_OK && user->party == PARTY_B)
        storm_check(user, handle == user->handle, "the handle is not the caller's");
}

static void end_wait(struct storm_call *call, scardmanage_result result)
{
    storm_end_call(call, result);
    storm_check(call->user,
                result != SCARDMANAGE_E_TIMEOUT ||
                    scheduler_now_us() - call->begun_us >= (uint64_t)call->timeout_ms * 1000,
                "%s of %u ms says E_TIMEOUT after %llu us", call->name, (unsigned)call->timeout_ms,
                (unsigned long long)(scheduler_now_us() - call->begun_us));
}

/* For a service or another thread that does not answer at once; or the handle of B, while others have locked the card. */
static unsigned extra_ms_of_wait(const struct storm_call *call)
{
    const struct storm_user *user = call->user;
    const struct storm *storm = user->storm;
    if (storm->has_services || storm->has_helpers || storm->has_mutes || call->may_run ||
        user->party == PARTY_B)
        return 1000;
    return storm->has_events || storm->has_plugs || storm->has_exclusive || card_resets_slowly ? 1000 : 20;
}

#define HANG_US  300000 /* a look that takes that long was abandoned, or shows what was there before */
#define LOOK_US  350000 /* a wait looks at least so often */
#define AWAKE_US 220000 /* PC/SC may miss an event, and the watch looks again after 100 ms */

static uint32_t any_wait(const struct storm_user *user)
{
    if (scheduler_once_in(4))
        return 0;
    return scheduler_random(scheduler_once_in(user->storm->has_plugs ? 2 : 8) ? 1000 : 100);
}

/* A wait ends soon after PC/SC has noticed what it waits for. is_true: what it waits for is there now. */
static void check_that_it_wakes(const struct storm_call *call, scardmanage_result result, bool is_true)
{
    const struct storm_user *user = call->user;
    const struct storm *storm = user->storm;
    uint64_t since = scheduler_now_us() - truth_now.noticed_us;
    bool runs = pcscd_service.running && !pcscd_service.stopped && !call->stopped && !call->may_run &&
                storm_has_reader() && failures_count() == call->failures &&
                (user->reader_number == storm_reader_number() || user->options.accept_other_index);
    storm_check(call->user,
                result != SCARDMANAGE_E_TIMEOUT || !is_true || !runs || since < LOOK_US ||
                    scheduler_now_us() - call->begun_us >= call->timeout_ms * UINT64_C(1000) + HANG_US,
                "%s of %u ms misses what is there since %llu us", call->name, (unsigned)call->timeout_ms,
                (unsigned long long)since);
    bool is_quiet = !storm->has_services && !storm->has_plugs && !storm->has_mutes && !storm->has_helpers &&
                    !storm->has_exclusive && user->party == PARTY_A &&
                    truth_now.slow_looks == call->before.slow_looks_ended;
    storm_check(call->user,
                result != SCARDMANAGE_S_OK || !runs || !is_quiet || since <= AWAKE_US ||
                    scheduler_now_us() - call->begun_us <= AWAKE_US,
                "%s succeeds %llu us after PC/SC has noticed the last event", call->name,
                (unsigned long long)since);
}

/* Of anybody: then the service may show a card that is out. */
static bool a_step_has_failed(const struct storm_call *call)
{
    for (unsigned i = 0; i < TRUTH_PARTIES; i++)
        if (truth_now.failed_steps[i] != call->before.failed_steps[i])
            return true;
    return false;
}

void storm_wait_for_card(struct storm_user *user)
{
    uint32_t ms = any_wait(user);
    struct storm_call call = storm_begin_call(user, "waiting for a card", ms);
    call.extra_ms = extra_ms_of_wait(&call);
    scardmanage_result result = scardmanage_wait_for_card(user->m, ms);
    end_wait(&call, result);
    check_that_it_wakes(&call, result, storm_service_shows_card());
    if (result == SCARDMANAGE_S_OK)
        storm_check(user,
                    storm_service_shows_card() || call.before.noticed_events % 2 == 1 ||
                        truth_now.card_events != call.before.card_events || card_slots[0].card ||
                        truth_now.noticed_events != call.before.noticed_events || a_step_has_failed(&call) ||
                        user->storm->has_client, /* whose reset may fail because of a removal */
                    "waiting for a card succeeds without one");
    user->failed_since = true; /* it may have noticed a loss */
    storm_check_lock(&call, result);
}

/* Whether PC/SC was there from the beginning of the call, and has noticed nothing about the reader since. */
static bool nothing_was_noticed(const struct storm_call *call)
{
    return call->running && !call->stopped && call->plugged && truth_now.services == call->before.services &&
           truth_now.plugs == call->before.plugs && truth_now.noticed_events == call->before.noticed_events &&
           failures_count() == call->failures && !call->may_run;
}

/* Whether no card has moved since then, in a storm in which a wait has nothing else to report: a card that is removed in a
 * slow reset is unresponsive for a moment. */
static bool nothing_has_happened(const struct storm_call *call, const struct truth *since)
{
    const struct storm *storm = call->user->storm;
    bool has_others = storm->has_services || storm->has_plugs || storm->has_mutes || storm->has_exclusive ||
                      card_resets_slowly;
    return !has_others && since->noticed_events == since->card_events &&
           truth_now.card_events == since->card_events && truth_now.noticed_events == since->noticed_events &&
           !call->may_run;
}

/* Whether the service or the reader has gone away since the last wait for a change, when the library had a handle that
 * works: otherwise it does not notice each time. */
static bool has_lost_what_it_watched(const struct storm_call *call, bool had_failed)
{
    const struct storm_user *user = call->user;
    if (call->before.service_ends != user->change_seen.service_ends)
        return user->attached; /* its context shows that */
    return call->before.lost != user->change_seen.lost && user->change_seen.lost == user->synced.lost &&
           user->card.known && !had_failed && !user->may_have_lost_sight;
}

/* A wait that is too late must have had nothing to report. */
static void wait_for_removal_or_change(struct storm_user *user, bool is_first)
{
    uint32_t ms = any_wait(user);
    bool removal = is_first && scheduler_once_in(2), had_failed = user->failed_since;
    struct storm_call call =
        storm_begin_call(user, removal ? "waiting for a removal" : "waiting for a change", ms);
    call.extra_ms = extra_ms_of_wait(&call);
    scardmanage_result result =
        scardmanage_wait(user->m, removal ? SCARDMANAGE_WAIT_REMOVAL : SCARDMANAGE_WAIT_CHANGE, ms);
    end_wait(&call, result);
    check_that_it_wakes(&call, result, removal && !storm_service_shows_card());
    bool asks_handle = ms > 0 || !user->storm->has_plugs; /* with a timeout of 0 it does not */
    bool has_happened = removal ? (truth_now.noticed_events % 2 == 0 && !storm_service_shows_card()) ||
                                      (user->card.known && !had_failed &&
                                       user->card.max < call.before.noticed_events && asks_handle)
                                : user->is_other_since_change ||
                                      (user->has_seen_card_only && call.before.noticed_events % 2 == 0) ||
                                      (asks_handle && has_lost_what_it_watched(&call, had_failed)) ||
                                      (call.before.noticed_events != user->change_seen.noticed_events &&
                                       truth_now.plugs == user->change_begun.plugs);
    storm_check(user,
                result != SCARDMANAGE_E_TIMEOUT || !has_happened || !nothing_was_noticed(&call) ||
                    user->options.accept_other_index,
                "%s misses what has happened before", call.name);
    storm_check(user,
                result != SCARDMANAGE_S_OK ||
                    !nothing_has_happened(&call, removal ? &user->synced : &user->change_begun) ||
                    (removal ? had_failed || !user->card.known || !call.present : user->may_have_lost_sight),
                "%s succeeds, but nothing has happened", call.name);
    if (result == SCARDMANAGE_S_OK && !removal)
        storm_see_all_changes(&call);
    user->failed_since = true; /* it may have noticed a loss */
    storm_check_lock(&call, result);
    if (!removal && storm_was_abandoned(result) && is_first && scheduler_once_in(2)) {
        for (unsigned i = 0; i < 20 && pcscd_service.stopped; i++)
            fiber_sleep(100000);
        wait_for_removal_or_change(user, false);
    }
}

void storm_wait_for_removal_or_change(struct storm_user *user)
{
    wait_for_removal_or_change(user, true);
}

/* Uses a feature of the reader, or asks for one that it does not have. */
void storm_ask_reader(struct storm_user *user)
{
    static const uint8_t features[] = {PCSCD_FEATURE_FIRST, PCSCD_FEATURE_LAST,
                                       SCARDMANAGE_FEATURE_VERIFY_PIN_DIRECT};
    const uint8_t feature = features[scheduler_random(3)], data[] = {1, 2, 3};
    uint8_t answer[8];
    size_t length = sizeof answer;
    struct storm_call call = storm_begin_call(user, "a feature", user->options.timeout_ms);
    const bool has_feature = feature != SCARDMANAGE_FEATURE_VERIFY_PIN_DIRECT;
    call.asks_reader = true;
    scardmanage_result result =
        scardmanage_control_feature(user->m, feature, data, sizeof data, answer, &length);
    end_question(&call, result);
    storm_check(user, result != (has_feature ? SCARDMANAGE_E_UNSUPPORTED_FEATURE : SCARDMANAGE_S_OK),
                "feature %u says %08X", feature, (unsigned)result);
    if (result == SCARDMANAGE_S_OK)
        storm_check(user,
                    length == sizeof data + 1 && answer[0] == (uint8_t)PCSCD_FEATURE_CODE(feature) &&
                        memcmp(answer + 1, data, sizeof data) == 0,
                    "feature %u answers with %zu bytes, first %02X", feature, length, answer[0]);
    else
        storm_check(user, length == 0, "feature %u fails, and leaves a length of %zu", feature, length);
}

void storm_call_while_cancelled(struct storm_user *user)
{
    if (user->is_cancelling)
        return;
    user->cancels_itself = true;
    uint8_t answer[64];
    size_t size = sizeof answer;
    unsigned sent = truth_now.commands[user->party];
    bool may_run = storm_may_run(user);
    scardmanage_set_cancelled(user->m, 1);
    scardmanage_result result =
        scheduler_once_in(2)
            ? scardmanage_lock(user->m)
            : scardmanage_transmit(user->m, cards_command, sizeof cards_command, answer, &size);
    storm_check(user, result == SCARDMANAGE_E_CANCELLED, "a call of a cancelled object says %08X",
                (unsigned)result);
    storm_check(user, may_run || truth_now.commands[user->party] == sent,
                "a cancelled object has sent a command");
    if (scheduler_once_in(12))
        storm_detach(user, user->options.timeout_ms);
    else if (user->locks > 0 && scheduler_once_in(2))
        storm_unlock(user, SCARDMANAGE_DISPOSITION_LEAVE);
    scardmanage_set_cancelled(user->m, 0);
    user->cancels_itself = false;
}
