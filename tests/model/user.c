/* SPDX-License-Identifier: BSD-3-Clause */
/* A and B: each call of libscardmanage, and whether what it says and does is what the model allows. */
#include "board.h"
#include "model.h"

#include <string.h>
#include <winscard.h>

#define ANY      (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define LONG_MS  10000 /* for calls that are not to time out */
#define SHORT_MS 20    /* for calls that are */
#define SLACK_MS 5000  /* how much later a call may come back than its deadline: these are busy machines */

struct call {
    struct model *model;
    unsigned i;
    enum coverage_call kind;
    const char *name;
    enum situation situation;
    struct expectation expected;
    struct rig_truth before;
    int64_t begun;
    uint32_t timeout_ms;
};

static const char *letter(unsigned i)
{
    return i == 0 ? "A" : "B";
}

/* A call that is to time out is not waited for long. */
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
    scardmanage_result result = scardmanage_set_options(model->m[i], &options);
    model_check(model, result == SCARDMANAGE_S_OK, "scardmanage_set_options() says %08X", (unsigned)result);
    model->timeout_ms[i] = timeout_ms;
}

static struct call begin(struct model *model, unsigned i, enum coverage_call kind, const char *name,
                         struct expectation expected)
{
    if (model->cancels) {
        expected.count = 1;
        expected.code[0] = SCARDMANAGE_E_CANCELLED;
    }
    /* PC/SC may not have let go of the one before */
    if (model->x[i].stuck && !model->cancels && expected.count < EXPECT_CODES)
        expected.code[expected.count++] = SCARDMANAGE_E_TIMEOUT;
    struct call call = {.model = model,
                        .i = i,
                        .kind = kind,
                        .name = name,
                        .situation = world_situation(&model->world, &model->x[i]),
                        .expected = expected,
                        .timeout_ms = timeout_for(&expected)};
    set_timeout(model, i, call.timeout_ms);
    model_rig(model, rig_look(&model->rig, &call.before));
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

static bool is_given_up(scardmanage_result result)
{
    return result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED;
}

/* Whether the code is one that the model allows. Takes in what is true afterwards. */
static bool returned(struct call *call, scardmanage_result result)
{
    struct model *model = call->model;
    struct attachment *x = &model->x[call->i];
    char allowed[512] = "nothing";
    int64_t took = board_now() - call->begun;
    list_codes(&call->expected, allowed, sizeof allowed);
    coverage_result(model->coverage, call->kind, call->situation, result);
    model_check(model, expect_allows(&call->expected, result), "%s of %s, %s: says %08X (%s), not %s",
                call->name, letter(call->i), world_situation_name(call->situation), (unsigned)result,
                scardmanage_strerror(result), allowed);
    model_check(model, took <= call->timeout_ms + SLACK_MS, "%s of %s took %lld ms, its timeout was %u ms",
                call->name, letter(call->i), (long long)took, (unsigned)call->timeout_ms);
    bool connects = call->kind == CALL_ATTACH || !x->open || world_handle_is_dead(&model->world, x);
    if (result == SCARDMANAGE_E_TIMEOUT && world_is_busy(&model->world, x) && connects)
        model->waits_to_connect = true;
    bool waits = call->kind == CALL_WAIT && call->situation != STOPPED;
    bool given_up = is_given_up(result);
    if (!given_up || model->cancels)
        x->cancelled = given_up;
    x->unsure = x->unsure || result == SCARDMANAGE_E_CANCELLED; /* PC/SC has yet to let go */
    if (given_up && !waits && call->kind != CALL_ATTACH) {
        x->stuck = true;
        x->unsure = x->unsure || call->kind == CALL_RECONNECT || call->kind == CALL_WAIT;
    }
    /* a power that the reader takes away when a card has fallen silent is no news to anybody: PC/SC is not
     * told */
    model_observe(model, call->kind == CALL_TRANSMIT ? NOBODY : x->party);
    return !model->failure[0];
}

/* Whether the card is reset when the lock is ended. */
static bool ends_with_reset(const struct attachment *x)
{
    return x->held && (x->disposition == SCARDMANAGE_RESET || x->disposition == SCARDMANAGE_UNPOWER);
}

/* How often card and power were touched during the call. */
static bool touched(const struct call *call, unsigned resets, unsigned commands)
{
    const struct rig_truth *before = &call->before, *after = &call->model->truth;
    unsigned seen = after->cold + after->warm - before->cold - before->warm;
    unsigned sent = after->commands - before->commands;
    if (!before->powered && seen > resets) /* switched off: whoever uses it switches it on */
        seen = resets;
    return model_check(
               call->model, seen == resets,
               "%s of %s: the card was reset %u times, not %u (%u cold, %u warm, power taken away %u; "
               "%s before and %s after)",
               call->name, letter(call->i), seen, resets, after->cold - before->cold,
               after->warm - before->warm, after->off - before->off, before->powered ? "powered" : "no power",
               after->powered ? "powered" : "no power") &&
           model_check(call->model, sent == commands, "%s of %s: the card had %u commands, not %u",
                       call->name, letter(call->i), sent, commands);
}

/* What an attachment knows when it is back at a card. same: the one that it knew, as it was told before a
 * step could change the ATR. */
static void is_current(struct model *model, struct attachment *x, bool same)
{
    struct world *world = &model->world;
    world->negotiated = true;
    x->open = x->known = true;
    x->reset = x->told = x->unsure = false;
    x->service = x->incarnation = world->incarnation;
    x->plugging = world->plugging;
    x->index = world->index;
    x->seen = (same ? x->seen : 0) | world->atr;
    x->shown = (x->insertion == world->insertion || same ? x->shown : 0) | world->atr;
    x->insertion = world->insertion;
    x->atr = world->atr;
    x->protocol = world->protocol;
}

/* A handle of the library's own that the service or a step in vain has ended. */
static void lose_handle(struct model *model, struct attachment *x)
{
    if (x->held && model->world.holder == x->party)
        model->world.holder = NOBODY;
    x->open = x->held = false;
}

/*
 * Attaching
 */

static void close_handle(struct model *model)
{
    if (model->has_handle)
        SCardDisconnect(model->handle, SCARD_LEAVE_CARD);
    if (model->has_context)
        SCardReleaseContext(model->context);
    model->has_handle = model->has_context = false;
}

/* Only where PC/SC cannot block, and certainly succeeds. */
static bool connect_handle(struct model *model)
{
    struct world *world = &model->world;
    char name[MAX_READERNAME];
    DWORD protocol;
    if (world->service != SERVICE_UP || !world->plugged || !world->card || world->silent ||
        world->holder != NOBODY || world->exclusive != NOBODY)
        return false;
    close_handle(model); /* one from before a restart */
    model->has_context =
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &model->context) == SCARD_S_SUCCESS;
    rig_reader_name(world->index, name);
    LONG rv = SCardConnect(model->context, name, SCARD_SHARE_SHARED, ANY, &model->handle, &protocol);
    if (model_is_left_without_power(model, rv))
        return false;
    world->swallowed = false;
    model->has_handle =
        model_check(model, rv == SCARD_S_SUCCESS, "SCardConnect for B says %s", pcsc_stringify_error(rv));
    model_observe(model, NOBODY);
    world->negotiated = model->has_handle;
    return model->has_handle;
}

bool user_attach(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    struct world *world = &model->world;
    char name[MAX_READERNAME];
    if (x->attached || (i == 1 && !connect_handle(model)))
        return false;
    struct call call = begin(model, i, CALL_ATTACH, "attaching", expect_attach(world, x));
    rig_reader_name(world->index, name);
    scardmanage_result result = i == 0 ? scardmanage_attach_by_ifd(model->m[i], name)
                                       : scardmanage_attach_by_handle(model->m[i], model->handle);
    if (!returned(&call, result))
        return true;
    touched(&call, 0, 0);
    *x = (struct attachment){.party = x->party};
    if (result != SCARDMANAGE_S_OK)
        return true;
    x->attached = true;
    x->service = x->incarnation = world->incarnation;
    x->plugging = world->plugging;
    x->index = world->index;
    if (world->card && !world->swallowed)
        is_current(model, x, false);
    return true;
}

static void let_go(struct model *model, struct attachment *x)
{
    if (x->held && model->world.holder == x->party)
        model->world.holder = NOBODY;
    *x = (struct attachment){.party = x->party};
}

bool user_detach(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    struct call call = begin(model, i, CALL_DETACH, "detaching", expect_detach(&model->world, x));
    bool stuck = x->stuck;
    scardmanage_result result = scardmanage_detach(model->m[i]);
    if (!returned(&call, result))
        return true;
    if (!stuck && x->disposition == SCARDMANAGE_LEAVE) /* an inner unlock may have asked for more */
        touched(&call, 0, 0);
    if (i == 0 && x->held && x->disposition == SCARDMANAGE_UNPOWER)
        model_observe_off(model, x->party);
    if (i == 1 && ends_with_reset(x) && result == SCARDMANAGE_S_OK)
        model->world.negotiated = true; /* the handle stays the caller's, and is told of the reset */
    let_go(model, x);
    if (i == 1 && model->world.service != SERVICE_STOPPED)
        close_handle(model);
    return true;
}

void user_leave(struct model *model, unsigned i)
{
    scardmanage_free(model->m[i]);
    model->m[i] = NULL;
    if (i == 1)
        close_handle(model);
    let_go(model, &model->x[i]);
}

/*
 * The lock
 */

bool user_lock(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    struct call call = begin(model, i, CALL_LOCK, "locking", expect_lock(&model->world, x));
    scardmanage_result result = scardmanage_lock(model->m[i]);
    if (!returned(&call, result))
        return true;
    touched(&call, 0, 0);
    if (result == SCARDMANAGE_S_OK) {
        x->locks++;
        x->held = true;
        model->world.holder = x->party;
    }
    return true;
}

bool user_unlock(struct model *model, unsigned i, scardmanage_disposition disposition)
{
    struct attachment *x = &model->x[i];
    struct world *world = &model->world;
    /* a reset that comes when the service goes on, by a call that was given up, is nobody's */
    if (world->service == SERVICE_STOPPED || x->stuck)
        return false;
    struct call call = begin(model, i, CALL_UNLOCK, "unlocking", expect_unlock(world, x, disposition));
    scardmanage_result result = scardmanage_unlock(model->m[i], disposition);
    if (!returned(&call, result) || x->locks == 0)
        return true;
    if (disposition > x->disposition)
        x->disposition = disposition;
    bool resets = x->locks == 1 && ends_with_reset(x);
    if (!world->silent)
        touched(&call, resets ? 1 : 0, 0);
    if (--x->locks > 0)
        return true;
    if (resets) {
        world->negotiated = result == SCARDMANAGE_S_OK;
        x->protocol = world->protocol;
        x->atr = world->atr;
        x->seen |= world->atr;
    }
    x->disposition = SCARDMANAGE_LEAVE;
    bool was_reset = x->reset;
    if (result == SCARDMANAGE_W_UNRESPONSIVE_CARD)
        x->reset = x->known; /* by the reset that it did not answer */
    if (i == 1 && result == SCARDMANAGE_W_UNRESPONSIVE_CARD && was_reset)
        return true; /* the one lock that stays, until the next reconnect that succeeds */
    if (x->held)
        world->holder = NOBODY;
    x->held = false;
    return true;
}

/*
 * Looking
 */

bool user_status(struct model *model, unsigned i)
{
    scardmanage_state state, expected_state;
    uint32_t protocol, expected_protocol;
    struct call call = begin(model, i, CALL_STATUS, "the status",
                             expect_status(&model->world, &model->x[i], &expected_state, &expected_protocol));
    /* a reconnect that was given up may have come to reset the card */
    bool late = model->settles && model->x[i].unsure && expect_allows(&call.expected, SCARDMANAGE_S_OK);
    if (late && call.expected.count < EXPECT_CODES)
        call.expected.code[call.expected.count++] = SCARDMANAGE_W_RESET_CARD;
    scardmanage_result result = scardmanage_status(model->m[i], &state, &protocol);
    if (late && result == SCARDMANAGE_W_RESET_CARD) {
        model->x[i].reset = true;
        expected_state = SCARDMANAGE_STATE_PRESENT;
        expected_protocol = 0;
    }
    /* a command that was given up may have been sent meanwhile */
    if (!returned(&call, result) || (!model->settles && !touched(&call, 0, 0)))
        return true;
    if (model->x[i].service == 0 && model->world.service == SERVICE_UP)
        model->x[i].service = model->world.incarnation; /* it has looked anew */
    if (result != SCARDMANAGE_S_OK && result != SCARDMANAGE_W_RESET_CARD &&
        result != SCARDMANAGE_W_REMOVED_CARD)
        return true;
    bool mute =
        model->world.swallowed && state == SCARDMANAGE_STATE_PRESENT; /* or its power was taken away */
    model_check(model, (state == expected_state || mute) && protocol == expected_protocol,
                "the status of %s, %s, is '%s' and %s, not '%s' and %s", letter(i),
                world_situation_name(call.situation), scardmanage_state_name(state),
                scardmanage_protocol_name(protocol), scardmanage_state_name(expected_state),
                scardmanage_protocol_name(expected_protocol));
    return true;
}

void user_learn_reader(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    char name[MAX_READERNAME], mine[MAX_READERNAME], other[MAX_READERNAME];
    size_t length = sizeof name;
    set_timeout(model, i, LONG_MS);
    scardmanage_result result = scardmanage_get_reader(model->m[i], name, &length);
    if (!model_check(model, result == SCARDMANAGE_S_OK, "the reader's name of %s: says %08X (%s)", letter(i),
                     (unsigned)result, scardmanage_strerror(result)))
        return;
    rig_reader_name(x->index, mine);
    rig_reader_name(model->world.index, other);
    model_check(model, strcmp(name, mine) == 0 || strcmp(name, other) == 0,
                "the reader's name of %s is '%s', not '%s' or '%s'", letter(i), name, mine, other);
    if (strcmp(name, other) == 0)
        x->index = model->world.index;
    x->anywhere = false;
}

bool user_wait(struct model *model, unsigned i)
{
    struct attachment *x = &model->x[i];
    if (x->stuck)
        return false;
    struct call call = begin(model, i, CALL_WAIT, "waiting for a card", expect_wait(&model->world, x));
    scardmanage_result result = scardmanage_wait_for_card(model->m[i], call.timeout_ms);
    if (!returned(&call, result))
        return true;
    touched(&call, 0, 0);
    bool new_service = model->world.service == SERVICE_DOWN || x->service != model->world.incarnation;
    bool no_reader = !model->world.plugged || x->index != model->world.index;
    if (x->attached && !x->stuck && result != SCARDMANAGE_E_CANCELLED && (new_service || no_reader))
        world_notice(&model->world, x);
    return true;
}

/*
 * Commands
 */

/* Whether the answer is that of the card that is in. */
static void check_answer(struct model *model, unsigned i, const uint8_t *answer, size_t length)
{
    const struct world *world = &model->world;
    if (!model_check(model,
                     length == CARDS_ANSWER && answer[length - 2] == 0x90 && answer[length - 1] == 0x00,
                     "%s gets an answer of %zu bytes", letter(i), length) ||
        !model_check(model, &cards_kinds[answer[0] % CARDS] == world->card,
                     "%s gets an answer of card '%s', not '%s'", letter(i),
                     cards_kinds[answer[0] % CARDS].name, world->card->name))
        return;
    if (!model->identified)
        memcpy(model->identity, answer + 1, CARDS_IDENTITY);
    model->identified = true;
    model_check(model, memcmp(model->identity, answer + 1, CARDS_IDENTITY) == 0,
                "%s gets an answer of an earlier card", letter(i));
}

static bool transmit(struct model *model, unsigned i, const char *name)
{
    struct attachment *x = &model->x[i];
    uint8_t answer[64];
    size_t length = sizeof answer;
    struct call call = begin(model, i, CALL_TRANSMIT, name, expect_transmit(&model->world, x));
    bool silent = model->world.silent || model->world.limp;
    scardmanage_result result =
        scardmanage_transmit(model->m[i], cards_command, sizeof cards_command, answer, &length);
    x->unheard = result == SCARDMANAGE_E_TIMEOUT;
    if (!returned(&call, result))
        return true;
    x->unanswered = result == SCARDMANAGE_E_NOT_TRANSACTED || result == SCARDMANAGE_W_UNRESPONSIVE_CARD ||
                    result == SCARDMANAGE_W_UNPOWERED_CARD;
    model_check(model, result == SCARDMANAGE_S_OK || length == 0, "%s fails, and leaves a length of %zu",
                name, length);
    if (result == SCARDMANAGE_S_OK && touched(&call, 0, 1))
        check_answer(model, i, answer, length);
    else if (!silent)
        touched(&call, 0, 0);
    return true;
}

bool user_transmit(struct model *model, unsigned i)
{
    return transmit(model, i, "a command");
}

/*
 * Reconnecting
 */

static unsigned expected_locks(const struct call *call, scardmanage_result result, scardmanage_step step)
{
    const struct attachment *x = &call->model->x[call->i];
    if (x->locks == 0)
        return BIT(SCARDMANAGE_LOCK_NONE);
    bool reopened = step >= SCARDMANAGE_STEP_REOPEN;
    if (result == SCARDMANAGE_S_OK)
        return BIT(x->held && !reopened ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_REACQUIRED);
    /* PC/SC may not have told that it was lost */
    if (result == SCARDMANAGE_E_TIMEOUT)
        return BIT(SCARDMANAGE_LOCK_KEPT) | BIT(SCARDMANAGE_LOCK_LOST);
    return BIT(x->held && !reopened ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_LOST);
}

static void check_report(struct call *call, scardmanage_result result, const scardmanage_report *report)
{
    struct model *model = call->model;
    const struct attachment *x = &model->x[call->i];
    const char *who = letter(call->i), *how = world_situation_name(call->situation);
    bool ok = result == SCARDMANAGE_S_OK;
    unsigned verdicts = ok ? call->expected.verdicts : call->expected.verdicts_refused;
    unsigned locks = expected_locks(call, result, report->step);
    model_check(model, verdicts & BIT(report->verdict), "reconnect of %s, %s, says %08X: the verdict is '%s'",
                who, how, (unsigned)result, scardmanage_verdict_name(report->verdict));
    model_check(model, locks & BIT(report->lock),
                "reconnect of %s, %s, locked %u times, says %08X: the lock is '%s'", who, how, x->locks,
                (unsigned)result, scardmanage_lock_name(report->lock));
    model_check(model, report->waited_us == 0 || model->arrives, "reconnect of %s, %s, has waited", who, how);
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
    model_check(model, !x->known || cards_atr_bit(report->old_atr, report->old_atr_len) & x->shown,
                "reconnect of %s, %s: the old ATR is none that the card has shown", who, how);
}

/* What a reconnect that failed has changed. was_mute: that it is another card was seen only when it answered,
 * by a new handle, which stays. */
static void has_failed(struct model *model, struct attachment *x, scardmanage_result result,
                       const scardmanage_options *options, const scardmanage_report *report, bool was_mute)
{
    if (!x->attached || result == SCARDMANAGE_E_TIMEOUT)
        return;
    if (result == SCARDMANAGE_E_NO_SERVICE && x->party == PARTY_A &&
        options->last_step < SCARDMANAGE_STEP_RESTART)
        x->told = x->known; /* it was not to look with a new context */
    else
        world_notice(&model->world, x);
    if (result == SCARDMANAGE_W_UNRESPONSIVE_CARD || result == SCARDMANAGE_W_UNPOWERED_CARD)
        x->reset = x->known;
    if (x->party != PARTY_A || report->step < SCARDMANAGE_STEP_REOPEN)
        return;
    lose_handle(model, x);
    if (result == SCARDMANAGE_W_REMOVED_CARD && was_mute) {
        x->open = x->told = true;
        x->incarnation = model->world.incarnation;
        x->plugging = model->world.plugging;
    }
}

/* A card that did not answer is reset, if nothing else is known of it. */
static scardmanage_options as_good_as(const struct world *world, const struct attachment *x,
                                      const scardmanage_options *options, bool unanswered)
{
    scardmanage_options same = *options;
    if (unanswered && x->open && !x->reset && !x->told && !world_moved(world, x) &&
        x->incarnation == world->incarnation && !world_handle_is_dead(world, x) &&
        options->first_step < SCARDMANAGE_STEP_WARM && options->last_step >= SCARDMANAGE_STEP_WARM)
        same.first_step = SCARDMANAGE_STEP_WARM;
    return same;
}

/* A call that was given up in SCardConnect() may have chosen another protocol since than is asked for. */
static bool may_have_chosen(const struct model *model, uint32_t asked)
{
    const struct cards_kind *card = model->world.card;
    return model->waits_to_connect && asked != 0 && card && (card->protocols & ANY & ~asked) != 0;
}

/* What calls that were given up have done since, if anything. */
static struct expectation reconnecting(const struct model *model, const struct attachment *x,
                                       const scardmanage_options *asked)
{
    scardmanage_options options = as_good_as(&model->world, x, asked, x->unanswered);
    struct expectation expected = expect_reconnect(&model->world, x, &options), other = expected;
    if (x->unheard) {
        scardmanage_options harder = as_good_as(&model->world, x, asked, true);
        other = expect_reconnect(&model->world, x, &harder);
    }
    expected = expect_either(expected, &other);
    if (may_have_chosen(model, asked->protocols)) {
        struct world late = model->world;
        late.negotiated = true;
        late.protocol = ANY & ~asked->protocols;
        other = expect_reconnect(&late, x, &options);
    }
    return expect_either(expected, &other);
}

bool user_reconnect(struct model *model, unsigned i, const scardmanage_options *asked)
{
    struct attachment *x = &model->x[i];
    struct world *world = &model->world;
    scardmanage_options same = as_good_as(world, x, asked, x->unanswered), *options = &same;
    struct call call = begin(model, i, CALL_RECONNECT, "reconnect", reconnecting(model, x, asked));
    scardmanage_options now = *asked;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    now.timeout_ms = call.timeout_ms;
    bool was_mute = world->swallowed, swallowed = was_mute || world->silent;
    bool changes = expect_reset_for_protocol(world, options);
    if (options->accept_other_index && world->service == SERVICE_UP && world->plugged)
        x->index = world->index; /* from now on that is meant, also if it has no card */
    bool once = !may_have_chosen(model, asked->protocols) &&
                (!changes || world->card == NULL || world->card->warm == world->card->cold);
    scardmanage_result result = scardmanage_reconnect_ex(model->m[i], &now, &report);
    x->anywhere = x->anywhere || (is_given_up(result) && options->accept_other_index);
    if (!returned(&call, result))
        return true;
    check_report(&call, result, &report);
    model->coverage->verdict[report.verdict % 8]++;
    model->coverage->step[report.step % 8]++;
    model->coverage->lock[report.lock % 8]++;
    if (result != SCARDMANAGE_S_OK) {
        if (x->attached && !swallowed && !model->arrives && once)
            touched(&call, 0, 0);
        has_failed(model, x, result, options, &report, was_mute);
        return true;
    }
    /* a restart counts as the harder step, also if it was followed by a reset that was asked for */
    scardmanage_step step = options->first_step > SCARDMANAGE_STEP_LEAVE ? options->first_step : report.step;
    bool resets = changes || step == SCARDMANAGE_STEP_WARM || step == SCARDMANAGE_STEP_COLD;
    if (!swallowed && !model->arrives && once)
        touched(&call, resets ? 1 : 0, 0);
    is_current(model, x, x->known && report.verdict < SCARDMANAGE_VERDICT_DIFFERENT);
    x->unanswered = x->unheard = false;
    if (world->holder == x->party)
        world->holder = NOBODY;
    x->held = x->locks > 0;
    if (x->held)
        world->holder = x->party;
    /* and it really works */
    if (!world->silent && !world->limp)
        transmit(model, i, "the command after the reconnect");
    return true;
}
