/* SPDX-License-Identifier: BSD-3-Clause */
/* A and B: make each call of libscardmanage, check that the model allows its result and its effect,
 * and update the model. */
#include "board.h"
#include "model.h"

#include <string.h>
#include <winscard.h>

#define ANY         (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define LONG_MS     10000 /* timeout of calls that must not time out */
#define SHORT_MS    20    /* timeout of calls that may time out */
#define LATENESS_MS 5000  /* how late a call may return after its deadline, on a busy machine */

/* A call in progress. */
struct checked_call {
    struct model *model;
    unsigned i; /* 0 for A, 1 for B */
    enum coverage_call kind;
    const char *name;
    enum situation situation;
    struct expectation expected;
    struct rig_state before; /* before the call */
    int64_t begun;
    uint32_t timeout_ms;
};

static const char *user_letter(unsigned i)
{
    return i == 0 ? "A" : "B";
}

static uint32_t timeout_for(const struct expectation *expected)
{
    return expect_allows(expected, SCARDMANAGE_E_TIMEOUT) ? SHORT_MS : LONG_MS;
}

static void set_timeout(struct model *model, unsigned i, uint32_t timeout_ms)
{
    if (model->timeout_ms[i] == timeout_ms)
        return;
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = timeout_ms;
    scardmanage_result result = scardmanage_set_options(model->object[i], &options);
    model_check(model, result == SCARDMANAGE_S_OK, "scardmanage_set_options() says %08X", (unsigned)result);
    model->timeout_ms[i] = timeout_ms;
}

static struct checked_call begin_call(struct model *model, unsigned i, enum coverage_call kind,
                                      const char *name, struct expectation expected)
{
    if (model->call_is_cancelled) {
        expected.count = 1;
        expected.code[0] = SCARDMANAGE_E_CANCELLED;
    }
    /* the previous call may still run in PC/SC, and this call may wait for it */
    if (model->user[i].call_running && !model->call_is_cancelled && expected.count < EXPECT_CODES)
        expected.code[expected.count++] = SCARDMANAGE_E_TIMEOUT;
    struct checked_call call = {.model = model,
                                .i = i,
                                .kind = kind,
                                .name = name,
                                .situation = world_situation(&model->world, &model->user[i]),
                                .expected = expected,
                                .timeout_ms = timeout_for(&expected)};
    set_timeout(model, i, call.timeout_ms);
    model_check_rig(model, rig_get_state(&model->rig, &call.before));
    call.begun = board_now();
    return call;
}

static void list_codes(const struct expectation *expected, char *text, size_t size)
{
    size_t length = 0;
    for (unsigned i = 0; i < expected->count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%08X (%s)", i ? " or " : "",
                                   (unsigned)expected->code[i], scardmanage_strerror(expected->code[i]));
}

static bool was_abandoned(scardmanage_result result)
{
    return result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED;
}

/* Checks the result and the duration of the call, and updates the model. Returns false if the
 * sequence has failed. */
static bool check_result(struct checked_call *call, scardmanage_result result)
{
    struct model *model = call->model;
    struct user *user = &model->user[call->i];
    char allowed[512] = "nothing";
    int64_t took = board_now() - call->begun;
    list_codes(&call->expected, allowed, sizeof allowed);
    coverage_result(model->coverage, call->kind, call->situation, result);
    model_check(model, expect_allows(&call->expected, result), "%s of %s, %s: says %08X (%s), not %s",
                call->name, user_letter(call->i), world_situation_name(call->situation), (unsigned)result,
                scardmanage_strerror(result), allowed);
    model_check(model, took <= call->timeout_ms + LATENESS_MS, "%s of %s took %lld ms, its timeout was %u ms",
                call->name, user_letter(call->i), (long long)took, (unsigned)call->timeout_ms);
    bool connects =
        call->kind == CALL_ATTACH || !user->has_handle || world_handle_is_dead(&model->world, user);
    if (result == SCARDMANAGE_E_TIMEOUT && world_is_busy(&model->world, user) && connects)
        model->may_wait_in_connect = true;
    bool waits = call->kind == CALL_WAIT && call->situation != STOPPED;
    bool abandoned = was_abandoned(result);
    if (!abandoned || model->call_is_cancelled)
        user->cancelled = abandoned;
    user->effect_uncertain =
        user->effect_uncertain || result == SCARDMANAGE_E_CANCELLED; /* the call may still run in PC/SC */
    if (abandoned && !waits && call->kind != CALL_ATTACH) {
        user->call_running = true;
        user->effect_uncertain =
            user->effect_uncertain || call->kind == CALL_RECONNECT || call->kind == CALL_WAIT;
    }
    if (abandoned && call->kind == CALL_ATTACH)
        model->has_left_attachments = true;
    /* if the card does not answer a command, the reader powers it off; PC/SC does not know, so it
     * is not an event */
    model_observe(model, call->kind == CALL_TRANSMIT ? NOBODY : user->party);
    return !model->failure[0];
}

/* Returns whether the end of the lock resets the card. */
static bool ends_with_reset(const struct user *user)
{
    return user->in_transaction && (user->disposition == SCARDMANAGE_DISPOSITION_RESET ||
                                    user->disposition == SCARDMANAGE_DISPOSITION_UNPOWER);
}

/* Checks the number of resets and commands of the card during the call. */
static bool check_resets_and_commands(const struct checked_call *call, unsigned resets, unsigned commands)
{
    const struct rig_state *before = &call->before, *after = &call->model->rig_state;
    if (call->model->has_left_attachments) /* whose calls may come late */
        return true;
    unsigned seen = after->cold + after->warm - before->cold - before->warm;
    unsigned sent = after->commands - before->commands;
    if ((!before->powered || call->model->world.may_be_powered_again) &&
        seen > resets) /* pcscd has powered the card for the call */
        seen = resets;
    return model_check(
               call->model, seen == resets,
               "%s of %s: the card was reset %u times, not %u (%u cold, %u warm, %u times powered off; "
               "%s before and %s after)",
               call->name, user_letter(call->i), seen, resets, after->cold - before->cold,
               after->warm - before->warm, after->off - before->off, before->powered ? "powered" : "no power",
               after->powered ? "powered" : "no power") &&
           model_check(call->model, sent == commands, "%s of %s: the card had %u commands, not %u",
                       call->name, user_letter(call->i), sent, commands);
}

/* Records that the user is attached to the card in the reader, and knows it. same means that, by
 * the verdict, it is the card that the user knew before. */
static void set_current(struct model *model, struct user *user, bool same)
{
    struct world *world = &model->world;
    world->negotiated = true;
    user->has_handle = user->has_seen_card = true;
    user->was_reset = user->removal_noticed = user->effect_uncertain = user->may_accept_late = false;
    user->context_incarnation = user->handle_incarnation = world->incarnation;
    user->handle_plugging = world->plugging;
    user->index = world->index;
    user->atrs_seen = (same ? user->atrs_seen : 0) | world->atr;
    user->atrs_shown = (user->card_insertion == world->insertion || same ? user->atrs_shown : 0) | world->atr;
    user->card_insertion = world->insertion;
}

/* Records that the library has closed its own handle. */
static void lose_handle(struct model *model, struct user *user)
{
    if (user->in_transaction && model->world.holder == user->party)
        model->world.holder = NOBODY;
    user->has_handle = user->in_transaction = false;
}

/*
 * Attaching
 */

void user_close_b_handle(struct model *model)
{
    if (model->b_has_handle)
        SCardDisconnect(model->b_handle, SCARD_LEAVE_CARD);
    if (model->b_has_context)
        SCardReleaseContext(model->b_context);
    model->b_has_handle = model->b_has_context = model->b_handle_in_use = false;
}

/* Opens a handle for B to attach to, but only if SCardConnect() will succeed without waiting. */
static bool open_b_handle(struct model *model)
{
    struct world *world = &model->world;
    char name[MAX_READERNAME];
    DWORD protocol;
    if (world->service != SERVICE_UP || !world->plugged || !world->card || world->unresponsive ||
        world->holder != NOBODY || world->exclusive != NOBODY || model->b_handle_in_use)
        return false;
    user_close_b_handle(model); /* it may be from before a restart of the service */
    model->b_has_context =
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &model->b_context) == SCARD_S_SUCCESS;
    rig_reader_name(world->index, name);
    LONG rv = SCardConnect(model->b_context, name, SCARD_SHARE_SHARED, ANY, &model->b_handle, &protocol);
    if (model_is_left_without_power(model, rv))
        return false;
    world->swallowed = false;
    model->b_has_handle =
        model_check(model, rv == SCARD_S_SUCCESS, "SCardConnect for B says %s", pcsc_stringify_error(rv));
    model_observe(model, NOBODY);
    world->negotiated = model->b_has_handle;
    return model->b_has_handle;
}

bool user_attach(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    struct world *world = &model->world;
    char name[MAX_READERNAME];
    if (user->attached || (i == 1 && !open_b_handle(model)))
        return false;
    struct checked_call call = begin_call(model, i, CALL_ATTACH, "attaching", expect_attach(world, user));
    rig_reader_name(world->index, name);
    scardmanage_result result = i == 0 ? scardmanage_attach_by_ifd(model->object[i], name)
                                       : scardmanage_attach_by_handle(model->object[i], model->b_handle);
    if (i == 1 && was_abandoned(result))
        model->b_handle_in_use = true;
    if (!check_result(&call, result))
        return true;
    check_resets_and_commands(&call, 0, 0);
    *user = (struct user){.party = user->party};
    if (result != SCARDMANAGE_S_OK)
        return true;
    user->attached = true;
    user->context_incarnation = user->handle_incarnation = world->incarnation;
    user->handle_plugging = world->plugging;
    user->index = world->index;
    if (world->card && !world->swallowed)
        set_current(model, user, false);
    return true;
}

static void reset_user(struct model *model, struct user *user)
{
    if (user->in_transaction && model->world.holder == user->party)
        model->world.holder = NOBODY;
    *user = (struct user){.party = user->party};
}

bool user_detach(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    struct checked_call call =
        begin_call(model, i, CALL_DETACH, "detaching", expect_detach(&model->world, user));
    bool was_running = user->call_running;
    scardmanage_result result = scardmanage_detach(model->object[i]);
    if (!check_result(&call, result))
        return true;
    if (was_running || was_abandoned(result))
        model->has_left_attachments = true;
    if (!was_running &&
        user->disposition == SCARDMANAGE_DISPOSITION_LEAVE) /* an inner unlock may have asked for a reset */
        check_resets_and_commands(&call, 0, 0);
    if (ends_with_reset(user) && result == SCARDMANAGE_S_OK)
        model->world.negotiated = true; /* the library has acknowledged the reset */
    reset_user(model, user);
    if (i == 1 && was_abandoned(result))
        model->b_handle_in_use = true;
    if (i == 1 && model->world.service != SERVICE_STOPPED && !model->b_handle_in_use)
        user_close_b_handle(model);
    return true;
}

void user_free(struct model *model, unsigned i)
{
    scardmanage_free(model->object[i]);
    model->object[i] = NULL;
    reset_user(model, &model->user[i]);
}

/*
 * The lock
 */

bool user_lock(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    struct checked_call call = begin_call(model, i, CALL_LOCK, "locking", expect_lock(&model->world, user));
    scardmanage_result result = scardmanage_lock(model->object[i]);
    if (!check_result(&call, result))
        return true;
    check_resets_and_commands(&call, 0, 0);
    if (result == SCARDMANAGE_S_OK) {
        user->lock_count++;
        user->in_transaction = true;
        model->world.holder = user->party;
    }
    return true;
}

bool user_unlock(struct model *model, unsigned i, unsigned number)
{
    scardmanage_disposition disposition = (scardmanage_disposition)number;
    struct user *user = &model->user[i];
    struct world *world = &model->world;
    /* if an abandoned call did the reset later, the model could not tell which party caused it */
    if (world->service == SERVICE_STOPPED || user->call_running)
        return false;
    struct checked_call call =
        begin_call(model, i, CALL_UNLOCK, "unlocking", expect_unlock(world, user, disposition));
    scardmanage_result result = scardmanage_unlock(model->object[i], disposition);
    if (!check_result(&call, result) || user->lock_count == 0)
        return true;
    if (disposition > user->disposition)
        user->disposition = disposition;
    bool resets = user->lock_count == 1 && ends_with_reset(user);
    if (!world->unresponsive && !world->swallowed)
        check_resets_and_commands(&call, resets ? 1 : 0, 0);
    if (--user->lock_count > 0)
        return true;
    if (resets) {
        world->negotiated = result == SCARDMANAGE_S_OK;
        user->atrs_seen |= world->atr;
    }
    user->disposition = SCARDMANAGE_DISPOSITION_LEAVE;
    bool was_reset = user->was_reset;
    if (result == SCARDMANAGE_W_UNRESPONSIVE_CARD)
        user->was_reset = user->has_seen_card; /* by the reset that the card did not answer */
    if (i == 1 && result == SCARDMANAGE_W_UNRESPONSIVE_CARD && was_reset)
        return true; /* the only lock that is not released; it ends with the next successful reconnect */
    if (user->in_transaction)
        world->holder = NOBODY;
    user->in_transaction = false;
    return true;
}

/*
 * The card and the reader
 */

bool user_status(struct model *model, unsigned i)
{
    scardmanage_state state, expected_state;
    uint32_t protocol, expected_protocol;
    struct checked_call call =
        begin_call(model, i, CALL_STATUS, "the status",
                   expect_status(&model->world, &model->user[i], &expected_state, &expected_protocol));
    /* an abandoned reconnect may have reset the card since */
    bool late = model->abandoned_calls_end && model->user[i].effect_uncertain &&
                expect_allows(&call.expected, SCARDMANAGE_S_OK);
    if (late && call.expected.count < EXPECT_CODES)
        call.expected.code[call.expected.count++] = SCARDMANAGE_W_RESET_CARD;
    /* B has left, but its handle is not closed yet, nor is its lock released */
    if (model->abandoned_calls_end && model->b_handle_in_use && call.expected.count < EXPECT_CODES)
        call.expected.code[call.expected.count++] = SCARDMANAGE_E_TIMEOUT;
    scardmanage_result result = scardmanage_status(model->object[i], &state, &protocol);
    if (late && result == SCARDMANAGE_W_RESET_CARD) {
        model->user[i].was_reset = true;
        expected_state = SCARDMANAGE_STATE_PRESENT;
        expected_protocol = 0;
    }
    /* an abandoned command may have been sent in the meantime */
    if (!check_result(&call, result) ||
        (!model->abandoned_calls_end && !check_resets_and_commands(&call, 0, 0)))
        return true;
    if (model->user[i].context_incarnation == 0 && model->world.service == SERVICE_UP)
        model->user[i].context_incarnation = model->world.incarnation; /* the call has opened a context */
    if (result != SCARDMANAGE_S_OK && result != SCARDMANAGE_W_RESET_CARD &&
        result != SCARDMANAGE_W_REMOVED_CARD)
        return true;
    /* an unresponsive card may have been powered off since */
    bool unpowered = model->world.swallowed && state == SCARDMANAGE_STATE_PRESENT;
    model_check(model, (state == expected_state || unpowered) && protocol == expected_protocol,
                "the status of %s, %s, is '%s' and %s, not '%s' and %s", user_letter(i),
                world_situation_name(call.situation), scardmanage_state_name(state),
                scardmanage_protocol_name(protocol), scardmanage_state_name(expected_state),
                scardmanage_protocol_name(expected_protocol));
    return true;
}

void user_let_call_end(struct model *model, unsigned i)
{
    scardmanage_state state;
    uint32_t protocol;
    set_timeout(model, i, LONG_MS);
    scardmanage_status(model->object[i], &state, &protocol);
}

void user_check_reader_name(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    char name[MAX_READERNAME], mine[MAX_READERNAME], other[MAX_READERNAME];
    size_t length = sizeof name;
    set_timeout(model, i, LONG_MS);
    scardmanage_result result = scardmanage_get_reader(model->object[i], name, &length);
    if (!model_check(model, result == SCARDMANAGE_S_OK, "the reader's name of %s: says %08X (%s)",
                     user_letter(i), (unsigned)result, scardmanage_strerror(result)))
        return;
    rig_reader_name(user->index, mine);
    rig_reader_name(model->world.index, other);
    model_check(model, strcmp(name, mine) == 0 || strcmp(name, other) == 0,
                "the reader's name of %s is '%s', not '%s' or '%s'", user_letter(i), name, mine, other);
    if (strcmp(name, other) == 0)
        user->index = model->world.index;
    user->reader_uncertain = false;
}

bool user_wait_for_card(struct model *model, unsigned i)
{
    struct user *user = &model->user[i];
    if (user->call_running)
        return false;
    struct checked_call call =
        begin_call(model, i, CALL_WAIT, "waiting for a card", expect_wait(&model->world, user));
    scardmanage_result result = scardmanage_wait_for_card(model->object[i], call.timeout_ms);
    if (!check_result(&call, result))
        return true;
    check_resets_and_commands(&call, 0, 0);
    bool new_service =
        model->world.service == SERVICE_DOWN || user->context_incarnation != model->world.incarnation;
    bool no_reader = !model->world.plugged || user->index != model->world.index;
    if (user->attached && !user->call_running && result != SCARDMANAGE_E_CANCELLED &&
        (new_service || no_reader))
        world_notice_losses(&model->world, user);
    return true;
}

/*
 * Commands
 */

/* Checks that the response comes from the card in the reader. */
static void check_answer(struct model *model, unsigned i, const uint8_t *answer, size_t length)
{
    const struct world *world = &model->world;
    if (!model_check(model,
                     length == CARDS_ANSWER && answer[length - 2] == 0x90 && answer[length - 1] == 0x00,
                     "%s gets an answer of %zu bytes", user_letter(i), length) ||
        !model_check(model, &cards_kinds[answer[0] % CARDS] == world->card,
                     "%s gets an answer of card '%s', not '%s'", user_letter(i),
                     cards_kinds[answer[0] % CARDS].name, world->card->name))
        return;
    if (!model->identity_known)
        memcpy(model->identity, answer + 1, CARDS_IDENTITY);
    model->identity_known = true;
    model_check(model, memcmp(model->identity, answer + 1, CARDS_IDENTITY) == 0,
                "%s gets an answer of an earlier card", user_letter(i));
}

static bool transmit(struct model *model, unsigned i, const char *name)
{
    struct user *user = &model->user[i];
    uint8_t answer[64];
    size_t length = sizeof answer;
    struct checked_call call =
        begin_call(model, i, CALL_TRANSMIT, name, expect_transmit(&model->world, user));
    bool may_not_answer = model->world.unresponsive || model->world.lost_power_unnoticed;
    scardmanage_result result =
        scardmanage_transmit(model->object[i], cards_command, sizeof cards_command, answer, &length);
    user->command_uncertain = result == SCARDMANAGE_E_TIMEOUT;
    if (!check_result(&call, result))
        return true;
    user->command_unanswered = result == SCARDMANAGE_E_NOT_TRANSACTED ||
                               result == SCARDMANAGE_W_UNRESPONSIVE_CARD ||
                               result == SCARDMANAGE_W_UNPOWERED_CARD;
    model_check(model, result == SCARDMANAGE_S_OK || length == 0, "%s fails, and leaves a length of %zu",
                name, length);
    if (result == SCARDMANAGE_S_OK && check_resets_and_commands(&call, 0, 1))
        check_answer(model, i, answer, length);
    else if (!may_not_answer)
        check_resets_and_commands(&call, 0, 0);
    return true;
}

bool user_transmit(struct model *model, unsigned i)
{
    return transmit(model, i, "a command");
}

/*
 * Reconnecting
 */

static unsigned expected_locks(const struct checked_call *call, scardmanage_result result,
                               scardmanage_step step)
{
    const struct user *user = &call->model->user[call->i];
    if (user->lock_count == 0)
        return BIT(SCARDMANAGE_LOCK_NONE);
    bool reopened = step >= SCARDMANAGE_STEP_REOPEN;
    if (result == SCARDMANAGE_S_OK)
        return BIT(user->in_transaction && !reopened ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_REACQUIRED);
    /* the call may have timed out before PC/SC returned that the lock was lost */
    if (result == SCARDMANAGE_E_TIMEOUT)
        return BIT(SCARDMANAGE_LOCK_KEPT) | BIT(SCARDMANAGE_LOCK_LOST);
    return BIT(user->in_transaction && !reopened ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_LOST);
}

static void check_report(struct checked_call *call, scardmanage_result result,
                         const scardmanage_report *report)
{
    struct model *model = call->model;
    const struct user *user = &model->user[call->i];
    const char *who = user_letter(call->i), *how = world_situation_name(call->situation);
    bool ok = result == SCARDMANAGE_S_OK;
    unsigned verdicts = ok ? call->expected.verdicts : call->expected.verdicts_refused;
    unsigned locks = expected_locks(call, result, report->step);
    model_check(model, verdicts & BIT(report->verdict), "reconnect of %s, %s, says %08X: the verdict is '%s'",
                who, how, (unsigned)result, scardmanage_verdict_name(report->verdict));
    model_check(model, locks & BIT(report->lock),
                "reconnect of %s, %s, locked %u times, says %08X: the lock is '%s'", who, how,
                user->lock_count, (unsigned)result, scardmanage_lock_name(report->lock));
    model_check(model, report->waited_us == 0 || model->card_is_coming, "reconnect of %s, %s, has waited",
                who, how);
    if (!ok)
        return;
    model_check(model, call->expected.steps & BIT(report->step), "reconnect of %s, %s: the step is '%s'", who,
                how, scardmanage_step_name(report->step));
    model_check(model, (report->attempts == 0) == (report->step == SCARDMANAGE_STEP_NONE),
                "reconnect of %s, %s: %u attempts, but the step is '%s'", who, how,
                (unsigned)report->attempts, scardmanage_step_name(report->step));
    model_check(model, cards_atr_bit(report->new_atr, report->new_atr_len) == model->world.atr,
                "reconnect of %s, %s: the new ATR is not that of the card", who, how);
    model_check(model, report->new_protocol == model->world.protocol,
                "reconnect of %s, %s: the new protocol is %s, not %s", who, how,
                scardmanage_protocol_name(report->new_protocol),
                scardmanage_protocol_name(model->world.protocol));
    model_check(
        model, !user->has_seen_card || cards_atr_bit(report->old_atr, report->old_atr_len) & user->atrs_shown,
        "reconnect of %s, %s: the card has never shown the old ATR", who, how);
}

/* Updates the model after a failed reconnect. was_swallowed means that the card only began to
 * answer during the reconnect: if it was refused as a different card, the new handle stays. */
static void update_after_failure(struct model *model, struct user *user, scardmanage_result result,
                                 const scardmanage_options *options, const scardmanage_report *report,
                                 bool was_swallowed)
{
    if (!user->attached || result == SCARDMANAGE_E_TIMEOUT)
        return;
    if (result == SCARDMANAGE_E_NO_SERVICE && user->party == PARTY_A &&
        options->last_step < SCARDMANAGE_STEP_RESTART)
        user->removal_noticed = user->has_seen_card; /* the options did not allow a new context */
    else
        world_notice_losses(&model->world, user);
    if (result == SCARDMANAGE_W_UNRESPONSIVE_CARD || result == SCARDMANAGE_W_UNPOWERED_CARD)
        user->was_reset = user->has_seen_card;
    if (user->party != PARTY_A || report->step < SCARDMANAGE_STEP_REOPEN)
        return;
    lose_handle(model, user);
    if (result == SCARDMANAGE_W_REMOVED_CARD && was_swallowed) {
        user->has_handle = user->removal_noticed = true;
        user->handle_incarnation = model->world.incarnation;
        user->handle_plugging = model->world.plugging;
    }
}

/* A reconnect resets a card that did not answer the last command, if nothing else has happened to
 * it. Returns options that have the same effect. */
static scardmanage_options options_with_due_reset(const struct world *world, const struct user *user,
                                                  const scardmanage_options *options, bool unanswered)
{
    scardmanage_options same = *options;
    if (unanswered && user->has_handle && !user->was_reset && !user->removal_noticed &&
        !world_was_removed(world, user) && user->handle_incarnation == world->incarnation &&
        !world_handle_is_dead(world, user) && options->first_step < SCARDMANAGE_STEP_WARM &&
        options->last_step >= SCARDMANAGE_STEP_WARM)
        same.first_step = SCARDMANAGE_STEP_WARM;
    return same;
}

/* Returns whether a call that was abandoned in SCardConnect() may have chosen another protocol than
 * the one requested. */
static bool may_have_chosen(const struct model *model, uint32_t asked)
{
    const struct cards_kind *card = model->world.card;
    return model->may_wait_in_connect && asked != 0 && card && (card->protocols & ANY & ~asked) != 0;
}

/* Allows for what abandoned calls may have done since. */
static struct expectation expect_reconnect_after_others(const struct model *model, const struct user *user,
                                                        const scardmanage_options *asked)
{
    scardmanage_options options =
        options_with_due_reset(&model->world, user, asked, user->command_unanswered);
    struct expectation expected = expect_reconnect(&model->world, user, &options), other = expected;
    if (user->command_uncertain) {
        scardmanage_options harder = options_with_due_reset(&model->world, user, asked, true);
        other = expect_reconnect(&model->world, user, &harder);
    }
    expected = expect_either(expected, &other);
    if (may_have_chosen(model, asked->protocols)) {
        struct world late = model->world;
        late.negotiated = true;
        late.protocol = ANY & ~asked->protocols;
        other = expect_reconnect(&late, user, &options);
    }
    return expect_either(expected, &other);
}

bool user_reconnect(struct model *model, unsigned i, const scardmanage_options *asked)
{
    struct user *user = &model->user[i];
    struct world *world = &model->world;
    scardmanage_options same = options_with_due_reset(world, user, asked, user->command_unanswered),
                        *options = &same;
    struct checked_call call =
        begin_call(model, i, CALL_RECONNECT, "reconnect", expect_reconnect_after_others(model, user, asked));
    scardmanage_options now = *asked;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    now.timeout_ms = call.timeout_ms;
    bool was_swallowed = world->swallowed, unresponsive = was_swallowed || world->unresponsive;
    bool changes = expect_reset_for_protocol(world, options);
    if (options->accept_other_index && world->service == SERVICE_UP && world->plugged)
        user->index = world->index; /* the reader then belongs to the user even if the reconnect fails */
    bool once = !may_have_chosen(model, asked->protocols) &&
                (!changes || !world->card || world->card->warm == world->card->cold);
    scardmanage_result result = scardmanage_reconnect_ex(model->object[i], &now, &report);
    user->reader_uncertain = user->reader_uncertain || (was_abandoned(result) && options->accept_other_index);
    user->may_accept_late = user->may_accept_late || (was_abandoned(result) && options->accept_other_card);
    if (!check_result(&call, result))
        return true;
    check_report(&call, result, &report);
    model->coverage->verdict[report.verdict % 8]++;
    model->coverage->step[report.step % 8]++;
    model->coverage->lock[report.lock % 8]++;
    if (result != SCARDMANAGE_S_OK) {
        if (user->attached && !unresponsive && !model->card_is_coming && once)
            check_resets_and_commands(&call, 0, 0);
        update_after_failure(model, user, result, options, &report, was_swallowed);
        return true;
    }
    /* after a restart, the report does not show the reset that was requested */
    scardmanage_step step = options->first_step > SCARDMANAGE_STEP_LEAVE ? options->first_step : report.step;
    bool resets = changes || step == SCARDMANAGE_STEP_WARM || step == SCARDMANAGE_STEP_COLD;
    /* a step after one that has failed may have powered the card off and on */
    if (!unresponsive && !model->card_is_coming && once && report.attempts <= 1)
        check_resets_and_commands(&call, resets ? 1 : 0, 0);
    set_current(model, user, user->has_seen_card && report.verdict < SCARDMANAGE_VERDICT_DIFFERENT);
    user->command_unanswered = user->command_uncertain = false;
    if (world->holder == user->party)
        world->holder = NOBODY;
    user->in_transaction = user->lock_count > 0;
    if (user->in_transaction)
        world->holder = user->party;
    /* check that the attachment really works */
    if (!world->unresponsive && !world->lost_power_unnoticed)
        transmit(model, i, "the command after the reconnect");
    return true;
}
