/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions that A and B hand to the library: who the card is, what to restore, and a unit of work. */
#include "scheduler.h"
#include "storm.h"

#include <string.h>

static size_t answer_size(const uint8_t *command)
{
    if (command == truth_select)
        return sizeof TRUTH_SECRET - 1 + 2;
    return command == cards_command ? CARDS_ANSWER : 2;
}

static void check_answer(struct storm_user *user, const uint8_t *command, const uint8_t *answer, size_t size)
{
    const struct truth_command *last = &truth_last[user->party];
    bool identifies = command == cards_command;
    storm_check(user, size == answer_size(command) && answer[size - 2] == 0x90, "an answer of %zu bytes",
                size);
    storm_check(user, !identifies || answer[0] == last->kind,
                "an answer of '%s', but the command went to '%s'", cards_kinds[answer[0] % CARDS].name,
                cards_kinds[last->kind].name);
    storm_check(user, user->transport == 0 || last->is_locked,
                "a command that may have parts was sent without a transaction");
}

void storm_note_answer(struct storm_user *user, scardmanage_result result)
{
    if (storm_was_abandoned(result) || result == SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED) ||
        result == SCARDMANAGE_W_UNRESPONSIVE_CARD || result == SCARDMANAGE_W_UNPOWERED_CARD ||
        result == SCARDMANAGE_E_PROTO_MISMATCH)
        user->has_not_answered = true;
    else if (result == SCARDMANAGE_S_OK)
        user->has_not_answered = false;
}

scardmanage_result storm_transmit(struct storm_user *user, const uint8_t *command, size_t length)
{
    uint8_t answer[64];
    size_t size = sizeof answer;
    unsigned before = truth_now.commands[user->party];
    struct storm_hook_counts hook = user->hook;
    bool may_run = storm_may_run(user);
    user->hook.hides_response = command == truth_select && scheduler_once_in(2);
    scardmanage_result result =
        user->hook.hides_response
            ? scardmanage_transmit_secret(user->m, command, length, length - 1, 1, answer, &size)
            : scardmanage_transmit(user->m, command, length, answer, &size);
    user->hook.hides_response = false;
    storm_note_answer(user, result);
    user->must_recover = false; /* in a unit or a function, a reconnect may follow */
    unsigned sent = truth_now.commands[user->party] - before;
    unsigned seen = user->hook.commands - hook.commands;
    bool is_seen = user->has_hook && !may_run && !storm_was_abandoned(result);
    storm_check(user, !is_seen || (seen >= sent && user->hook.responses - hook.responses == seen),
                "the hook has not seen a command, or its response");
    storm_check(
        user,
        !is_seen || seen == 0 || (result == SCARDMANAGE_S_OK) == (user->hook.result == SCARDMANAGE_S_OK),
        "a command says %08X, but its hook has seen %08X", (unsigned)result, (unsigned)user->hook.result);
    if (result == SCARDMANAGE_S_OK)
        storm_check(user, sent == 1 || may_run, "a command was answered, but reached the card %u times",
                    sent);
    else
        storm_check(user, sent <= 1 || may_run, "a command has reached the card %u times", sent);
    if (result == SCARDMANAGE_S_OK)
        check_answer(user, command, answer, size);
    else
        storm_check(user, size == 0, "a command fails, and leaves a length of %zu", size);
    return result;
}

/* Returns the length of a command that a transport can send in parts. */
static size_t make_any_command(const struct storm_user *user, uint8_t command[STORM_COMMAND_MAX])
{
    static const uint8_t instructions[] = {CARD_LATE, CARD_EXACT, CARD_LONG, CARD_REFUSES, CARD_LATER};
    memset(command, 0, STORM_COMMAND_MAX);
    command[0] = 0x80;
    command[1] = instructions[scheduler_random(5)];
    if (command[1] != CARD_LONG && command[1] != CARD_REFUSES)
        return 5;
    command[2] =
        user->transport & SCARDMANAGE_TRANSPORT_GET_RESPONSE && scheduler_once_in(2) ? CARD_LONG_EXACT : 0;
    command[3] = scheduler_once_in(2) ? 255 : 45;
    size_t data = CARD_LONG_FIRST + command[3];
    command[5] = (uint8_t)(data >> 8);
    command[6] = (uint8_t)data;
    command[7] = 1;
    return 7 + data + 2;
}

size_t storm_make_command_in_parts(const struct storm_user *user, uint8_t command[STORM_COMMAND_MAX],
                                   unsigned *parts)
{
    size_t length = make_any_command(user, command);
    uint32_t needs = command[1] == CARD_REFUSES ? 0
                     : command[1] == CARD_LONG  ? SCARDMANAGE_TRANSPORT_CHAINING
                                                : SCARDMANAGE_TRANSPORT_GET_RESPONSE;
    *parts = user->transport & needs ? 2 : 1;
    *parts += *parts == 2 && (command[1] == CARD_LATER || command[2] == CARD_LONG_EXACT);
    return length;
}

scardmanage_result storm_transmit_in_parts(struct storm_user *user)
{
    unsigned before = truth_now.commands[user->party], parts;
    uint8_t command[STORM_COMMAND_MAX], answer[64];
    size_t length = storm_make_command_in_parts(user, command, &parts), size = sizeof answer;
    bool may_run = storm_may_run(user);
    scardmanage_result result = scardmanage_transmit(user->m, command, length, answer, &size);
    unsigned sent = truth_now.commands[user->party] - before;
    storm_note_answer(user, result);
    user->extra_parts += user->in_unit && sent > 1 ? sent - 1 : 0;
    user->has_abandoned_parts = storm_was_abandoned(result) && !may_run;
    user->commands_then = truth_now.commands[user->party];
    storm_check(user, may_run || (result == SCARDMANAGE_S_OK ? sent == parts : sent <= parts),
                "a command in %u parts has reached the card %u times", parts, sent);
    if (result != SCARDMANAGE_S_OK)
        storm_check(user, size == 0, "a command in parts fails, and leaves a length of %zu", size);
    else if (parts >= 2)
        check_answer(user, cards_command, answer, size);
    return result;
}

/* Sends a command in an identify or a rebuild function. */
static scardmanage_result transmit_in_function(struct storm_user *user, const uint8_t *command, size_t length)
{
    unsigned before = truth_now.commands[user->party];
    user->in_function = true;
    scardmanage_result result = storm_transmit(user, command, length);
    user->in_function = false;
    user->function_commands += truth_now.commands[user->party] - before;
    return result;
}

scardmanage_result storm_identify(scardmanage *m, uint8_t *identity, size_t *length, void *argument)
{
    struct storm_user *user = argument;
    (void)m;
    user->has_refused_to_identify = false;
    scardmanage_result result = transmit_in_function(user, cards_command, sizeof cards_command);
    if (result != SCARDMANAGE_S_OK)
        return result;
    storm_check(user, truth_last[user->party].is_locked, "the identify function has no transaction");
    *length = 1 + truth_last[user->party].kind; /* identities that begin with others */
    memset(identity, 1, *length);
    user->has_refused_to_identify = storm_chooses(user->storm, CHOICE_FAILS_IN_FUNCTION);
    if (user->has_refused_to_identify)
        return SCARDMANAGE_E_FAIL;
    user->found_identity = true;
    user->lacks_identity = false;
    user->found = truth_last[user->party].kind;
    return SCARDMANAGE_S_OK;
}

/* What a function may not call. */
static void check_refused_calls(struct storm_user *user)
{
    scardmanage_result results[] = {scardmanage_reconnect(user->m), scardmanage_detach(user->m),
                                    scardmanage_attach_by_ifd(user->m, RIG_KEY),
                                    scardmanage_set_options(user->m, NULL),
                                    scardmanage_wait(user->m, SCARDMANAGE_WAIT_CARD, 0)};
    for (unsigned i = 0; i < sizeof results / sizeof results[0]; i++)
        storm_check(user, results[i] == SCARDMANAGE_E_FAIL, "refused call %u in a function says %08X", i,
                    (unsigned)results[i]);
}

/* The card gets a PIN now. */
static void check_who_gets_pin(struct storm_user *user)
{
    const struct truth_command *last = &truth_last[user->party];
    const scardmanage_options *options = &user->call_options;
    if (options->accept_other_card)
        return;
    if (user->has_identity && (options->identify || !options->accept_unidentified))
        storm_check(user, last->kind == user->identity, "the PIN was sent to a stranger: '%s', not '%s'",
                    cards_kinds[last->kind].name, cards_kinds[user->identity].name);
    storm_check(user,
                !user->has_identity || !user->lacks_identity || options->identify ||
                    options->accept_unidentified,
                "the PIN was sent to a card that was accepted without an identity");
    if (!options->identify && !options->accept_unidentified)
        storm_check(user, storm_in_range(&user->card, last->card),
                    "the PIN was sent to a card that was out, and that nobody has identified");
}

/* The report that a function gets names the session. */
static void check_session(struct storm_user *user, const scardmanage_report *report)
{
    uint64_t number = 0;
    bool is_attached = scardmanage_get_session(user->m, &number) == SCARDMANAGE_S_OK;
    storm_check(user, !is_attached || report->session == number,
                "a function gets a report of session %llu, but it is %llu",
                (unsigned long long)report->session, (unsigned long long)number);
}

/* A function that resets the card fails then. */
static scardmanage_result reset_in_function(struct storm_user *user)
{
    struct truth before = truth_now;
    scardmanage_result result = scardmanage_lock(user->m);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_unlock(user->m, SCARDMANAGE_DISPOSITION_RESET);
    if (result == SCARDMANAGE_E_OUTOFMEMORY) /* nothing was released */
        scardmanage_unlock(user->m, SCARDMANAGE_DISPOSITION_LEAVE);
    bool is_same = truth_now.card_events == before.card_events && truth_now.services == before.services &&
                   truth_now.plugs == before.plugs && truth_now.mutes == 0;
    storm_check(user,
                result != SCARDMANAGE_S_OK || !is_same ||
                    truth_now.resets[user->party] != before.resets[user->party],
                "unlocking in a function should have reset the card");
    return result == SCARDMANAGE_S_OK ? SCARDMANAGE_E_FAIL : result;
}

scardmanage_result storm_rebuild(scardmanage *m, const scardmanage_report *report, void *argument)
{
    struct storm_user *user = argument;
    user->rebuilds++;
    check_session(user, report);
    scardmanage_result result = transmit_in_function(user, truth_select, sizeof truth_select);
    if (result != SCARDMANAGE_S_OK)
        return result;
    storm_check(user, truth_last[user->party].is_locked, "the rebuild function has no transaction");
    unsigned session = truth_last[user->party].session;
    if (storm_chooses(user->storm, CHOICE_REFUSED_CALLS))
        check_refused_calls(user);
    if (storm_chooses(user->storm, CHOICE_LOCKS_IN_REBUILD)) {
        result = scardmanage_lock(m);
        if (result == SCARDMANAGE_S_OK)
            result = scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    unsigned before = truth_now.commands[user->party];
    result = transmit_in_function(user, truth_verify, sizeof truth_verify);
    if (truth_now.commands[user->party] != before)
        check_who_gets_pin(user);
    if (result != SCARDMANAGE_S_OK)
        return result;
    storm_check(user, truth_last[user->party].session == session,
                "the commands of a rebuild function were sent in two sessions");
    if (user->in_unit && storm_chooses(user->storm, CHOICE_RESETS_IN_REBUILD)) {
        result = scardmanage_lock(m);
        user->unit_resets |=
            result == SCARDMANAGE_S_OK; /* unless the unit is called: then that does not count */
        if (result == SCARDMANAGE_S_OK)
            result = scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    if (!user->in_unit && !user->in_command && user->locks == 0 &&
        storm_chooses(user->storm, CHOICE_RESETS_IN_REBUILD))
        return reset_in_function(user);
    user->rebuilt = truth_now;
    if (!storm_chooses(user->storm, CHOICE_FAILS_IN_FUNCTION))
        return SCARDMANAGE_S_OK;
    return scheduler_once_in(2) ? SCARDMANAGE_E_FAIL : 1; /* which means the same */
}

static void unlock_in_unit(struct storm_user *user)
{
    user->unit_resets = storm_chooses(user->storm, CHOICE_RESETS_IN_UNIT);
    scardmanage_result result = scardmanage_unlock(
        user->m, user->unit_resets ? SCARDMANAGE_DISPOSITION_RESET : SCARDMANAGE_DISPOSITION_LEAVE);
    storm_check(user,
                result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_TIMEOUT ||
                    result == SCARDMANAGE_E_CANCELLED, /* then it comes late */
                "an unlock in a unit says %08X", (unsigned)result);
    user->unit_owes_reset = user->unit_resets && storm_was_abandoned(result);
    user->unit_locks--;
}

static scardmanage_result send_one_command(scardmanage *m, const scardmanage_report *report, void *user)
{
    (void)m;
    (void)report;
    return storm_transmit(user, cards_command, sizeof cards_command);
}

static scardmanage_result send_three_commands(struct storm_user *user)
{
    unsigned session = 0;
    scardmanage_result result = SCARDMANAGE_S_OK;
    bool ignores_losses = storm_chooses(user->storm, CHOICE_IGNORES_LOSSES), lost = false;
    for (unsigned i = 0; i < 3; i++) {
        unsigned sent_before = truth_now.commands[user->party], seen_before = user->hook.commands;
        bool in_parts = user->transport != 0 && storm_chooses(user->storm, CHOICE_PARTS);
        bool is_cancelled = truth_now.cancels[user->party] != user->unit_cancels && !user->is_cancelling;
        scardmanage_result one = storm_chooses(user->storm, CHOICE_NESTS_UNIT)
                                     ? scardmanage_run(user->m, send_one_command, user, 1, NULL, NULL)
                                 : in_parts ? storm_transmit_in_parts(user)
                                            : send_one_command(user->m, NULL, user);
        bool sent = truth_now.commands[user->party] != sent_before;
        storm_check(user, !is_cancelled || (one == SCARDMANAGE_E_CANCELLED && !sent),
                    "a unit was cancelled, but its command says %08X", (unsigned)one);
        storm_check(user, (!sent && seen_before == user->hook.commands) || !lost,
                    "a unit sends a command after its session was lost");
        storm_check(user, !sent || session == 0 || truth_last[user->party].session == session,
                    "the commands of a unit were sent in two sessions");
        if (sent)
            session = truth_last[user->party].session;
        if (one == SCARDMANAGE_S_OK)
            storm_check_command(user);
        if (one == SCARDMANAGE_E_TIMEOUT || one == SCARDMANAGE_E_CANCELLED ||
            one == SCARDMANAGE_E_OUTOFMEMORY)
            return one;
        lost = lost || one != SCARDMANAGE_S_OK;
        result = result == SCARDMANAGE_S_OK ? one : result;
        if (lost && !ignores_losses)
            break;
        if (storm_chooses(user->storm, CHOICE_SLEEPS_IN_UNIT))
            fiber_sleep(scheduler_random(3000));
    }
    return result;
}

/* Sometimes a unit notices by another call than a command that its session is lost. */
static scardmanage_result look_at_card(struct storm_user *user)
{
    scardmanage_state state;
    uint32_t protocol;
    if (!storm_chooses(user->storm, CHOICE_LOOKS_IN_UNIT))
        return SCARDMANAGE_S_OK;
    fiber_sleep(scheduler_random(1000));
    scardmanage_result result = scardmanage_status(user->m, &state, &protocol);
    bool is_loss = result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
    user->unit_saw_loss |= is_loss;
    return is_loss ? result : SCARDMANAGE_S_OK;
}

/* A unit that has sent nothing begins with the step that the options say. A cold reset may come from a new handle to a card
 * without power. */
static void check_first_step(struct storm_user *user, const scardmanage_report *report)
{
    const scardmanage_options *options = &user->call_options;
    const struct truth *before = &user->unit_begun, *now = &truth_now;
    enum party own = user->party;
    bool others = false;
    for (unsigned i = 0; i < TRUTH_PARTIES; i++)
        others |= i != (unsigned)own && now->resets[i] != before->resets[i];
    if (options->first_step != SCARDMANAGE_STEP_LEAVE || options->protocols != 0 || report->sent > 0 ||
        user->had_not_answered || user->has_not_answered || now->mutes > 0 || others ||
        now->failed_steps[own] != before->failed_steps[own] || now->card_events != before->card_events ||
        now->plugs != before->plugs || storm_may_run(user))
        return;
    storm_check(user, now->resets[own] - now->colds[own] == before->resets[own] - before->colds[own],
                "a unit has reset the card before it sends anything");
}

static bool has_recovered(const struct storm_user *user, const scardmanage_report *report)
{
    return report->attempts > 0 || report->verdict != SCARDMANAGE_VERDICT_UNKNOWN ||
           user->call_options.session != 0;
}

/* Nobody can have used the card between the rebuild function and the unit. */
static void check_lock_since_rebuild(struct storm_user *user)
{
    const struct truth *then = &user->rebuilt, *now = &truth_now;
    if (user->rebuilds == user->rebuilds_before || now->card_events != then->card_events ||
        now->noticed_events != then->noticed_events || now->services != then->services ||
        now->plugs != then->plugs || storm_may_run(user))
        return;
    storm_check(user, now->locks == then->locks,
                "the card was free between the rebuild function and the unit");
}

scardmanage_result storm_unit(scardmanage *m, const scardmanage_report *report, void *argument)
{
    struct storm_user *user = argument;
    unsigned before = truth_now.commands[user->party];
    check_session(user, report);
    check_first_step(user, report);
    check_lock_since_rebuild(user);
    storm_check(user, !user->unit_lost_on_purpose || user->rebuilds != user->rebuilds_before,
                "a unit has lost its session, and is called again without the rebuild function");
    storm_check(user, !user->unit_must_recover || has_recovered(user, report),
                "a unit begins although the card has not answered the last command");
    user->unit_must_recover = false;
    user->rebuilds_before = user->rebuilds;
    user->unit_cancels = truth_now.cancels[user->party];
    user->unit_calls++;
    user->unit_lost_on_purpose = user->unit_resets = user->unit_succeeded = false;
    if (storm_chooses(user->storm, CHOICE_REFUSED_CALLS))
        check_refused_calls(user);
    if (storm_chooses(user->storm, CHOICE_UNLOCKS_OTHERS)) {
        scardmanage_result unlocked = scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE);
        storm_check(user, unlocked == SCARDMANAGE_E_NOT_TRANSACTED || storm_was_abandoned(unlocked),
                    "a unit unlocks what it has not locked: %08X", (unsigned)unlocked);
    }
    user->unit_locks = 0; /* the library forgets those of the call before */
    user->unit_owes_reset = false;
    if (storm_chooses(user->storm, CHOICE_LOCKS_IN_UNIT))
        user->unit_locks = scardmanage_lock(m) == SCARDMANAGE_S_OK;
    user->unit_saw_loss = false;
    scardmanage_result result = look_at_card(user);
    if (result == SCARDMANAGE_S_OK)
        result = send_three_commands(user);
    if (user->unit_locks > 0 && (result == SCARDMANAGE_S_OK || scheduler_once_in(2)))
        unlock_in_unit(user);
    user->unit_calls_that_sent += truth_now.commands[user->party] != before;
    if (result == SCARDMANAGE_S_OK && user->options.rebuild &&
        (user->unit_always_loses || storm_chooses(user->storm, CHOICE_LOSES_SESSION))) {
        user->unit_lost_on_purpose = true;
        user->unit_losses++;
        return SCARDMANAGE_E_SESSION_LOST;
    }
    user->unit_succeeded = result == SCARDMANAGE_S_OK;
    return result;
}
