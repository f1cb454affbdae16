/* SPDX-License-Identifier: BSD-3-Clause */
/* The results that each call may return in the current state of the model. */
#include "world.h"

#include <winscard.h>

static struct expectation no_codes(void)
{
    return (struct expectation){.verdicts = EVERY, .verdicts_refused = EVERY, .steps = EVERY};
}

static void add(struct expectation *expected, scardmanage_result code)
{
    if (!expect_allows(expected, code) && expected->count < EXPECT_CODES)
        expected->code[expected->count++] = code;
}

/* For a card that does not answer to a reset. pcscd may return either code. */
static void add_unresponsive(struct expectation *expected)
{
    add(expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
    add(expected, SCARDMANAGE_W_UNPOWERED_CARD);
}

static struct expectation only(scardmanage_result code)
{
    struct expectation expected = no_codes();
    add(&expected, code);
    return expected;
}

static struct expectation either(scardmanage_result one, scardmanage_result two)
{
    struct expectation expected = only(one);
    add(&expected, two);
    return expected;
}

bool expect_allows(const struct expectation *expected, scardmanage_result code)
{
    for (unsigned i = 0; i < expected->count; i++)
        if (expected->code[i] == code)
            return true;
    return false;
}

bool expect_only(const struct expectation *expected, scardmanage_result code)
{
    return expected->count == 1 && expected->code[0] == code;
}

/*
 * Reconnecting
 */

static unsigned verdict(const struct world *world, const struct user *user)
{
    if (!user->has_seen_card)
        return BIT(SCARDMANAGE_VERDICT_FIRST);
    if (!world_was_removed(world, user))
        return BIT(user->was_reset ? SCARDMANAGE_VERDICT_RESET : SCARDMANAGE_VERDICT_UNCHANGED);
    switch (world_difference(world, user)) {
    case SAME_CARD:
        return BIT(SCARDMANAGE_VERDICT_REINSERTED);
    case DIFFERENT_CARD:
        return BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    default:
        return BIT(SCARDMANAGE_VERDICT_REINSERTED) | BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    }
}

/* Returns whether a reset is needed: to change the protocol, or because the card does not offer the
 * protocol after the warm reset that it had. */
bool expect_reset_for_protocol(const struct world *world, const scardmanage_options *options)
{
    uint32_t offered = SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1;
    if (world->negotiated && world->protocol != 0)
        offered = world->protocol;
    else if (world->atr == ATR_WARM)
        offered = SCARDMANAGE_PROTOCOL_T0;
    return options->protocols != 0 && !(options->protocols & offered);
}

/* Returns whether a reconnect with these options resets the card. */
static bool includes_reset(const struct world *world, const scardmanage_options *options)
{
    return options->first_step == SCARDMANAGE_STEP_WARM || options->first_step == SCARDMANAGE_STEP_COLD ||
           expect_reset_for_protocol(world, options);
}

/* Returns the steps that may be the last one of a successful reconnect. */
static unsigned steps(const struct world *world, const struct user *user, const scardmanage_options *options)
{
    unsigned harder = BIT(SCARDMANAGE_STEP_WARM) | BIT(SCARDMANAGE_STEP_COLD), mask;
    unsigned first = options->first_step > SCARDMANAGE_STEP_LEAVE ? BIT(options->first_step) : 0;
    bool restarted = user->party == PARTY_A && user->context_incarnation != world->incarnation;
    if (expect_reset_for_protocol(world, options))
        first |= harder;
    if (restarted)
        return BIT(SCARDMANAGE_STEP_RESTART) | first;
    if (!user->has_handle || world_handle_is_dead(world, user))
        mask = BIT(SCARDMANAGE_STEP_REOPEN) | first;
    else if (first)
        mask = first;
    else if (world_was_removed(world, user) || user->was_reset)
        mask = BIT(SCARDMANAGE_STEP_LEAVE);
    else
        mask = BIT(SCARDMANAGE_STEP_NONE);
    /* if the card has no power, it may not be enough to acknowledge the event */
    return world->powered ? mask : mask | harder;
}

static bool card_offers(const struct world *world, uint32_t protocols)
{
    return protocols == 0 || world->card->protocols & protocols;
}

/* Returns whether a new context is needed, but the options do not allow it. may_not_reopen() is the
 * same for a new handle. */
static bool may_not_restart(const struct world *world, const struct user *user,
                            const scardmanage_options *options)
{
    return user->party == PARTY_A && options->last_step < SCARDMANAGE_STEP_RESTART &&
           user->context_incarnation != world->incarnation;
}

static bool may_not_reopen(const struct world *world, const struct user *user,
                           const scardmanage_options *options)
{
    return user->party == PARTY_A && options->last_step < SCARDMANAGE_STEP_REOPEN &&
           world_handle_is_dead(world, user);
}

/* Adds results for a card of which PC/SC has no ATR. The card may be able to answer again. */
static void expect_unresponsive(const struct world *world, const struct user *user,
                                const scardmanage_options *options, struct expectation *expected)
{
    unsigned shows = world->card->cold | world->card->warm;
    if (world->unresponsive || options->last_step < SCARDMANAGE_STEP_COLD)
        add_unresponsive(expected);
    if (world->unresponsive)
        return;
    /* see "A card that was unresponsive" in scardmanage-pcsclite(7) */
    if (!user->has_handle || world_handle_is_dead(world, user) ||
        options->first_step >= SCARDMANAGE_STEP_REOPEN)
        add(expected, SCARDMANAGE_W_UNPOWERED_CARD);
    expected->steps = BIT(SCARDMANAGE_STEP_WARM) | BIT(SCARDMANAGE_STEP_COLD) | BIT(SCARDMANAGE_STEP_REOPEN) |
                      BIT(SCARDMANAGE_STEP_RESTART);
    if (!card_offers(world, options->protocols)) /* which connecting may show before the ATR is known */
        add(expected, SCARDMANAGE_E_PROTO_MISMATCH);
    else if (!world_was_removed(world, user) || shows & user->atrs_seen || options->accept_other_card ||
             user->may_accept_late)
        add(expected, SCARDMANAGE_S_OK);
    if (world_was_removed(world, user) && (shows & ~user->atrs_seen || user->may_accept_late) &&
        !options->accept_other_card)
        add(expected, SCARDMANAGE_W_REMOVED_CARD);
    if (world_was_removed(world, user))
        expected->verdicts = BIT(SCARDMANAGE_VERDICT_REINSERTED) | BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    expected->verdicts_refused = EVERY;
}

/* Returns true if a reconnect fails before it reaches a card, with the results in *expected. */
static bool fails_without_card(const struct world *world, const struct user *user,
                               const scardmanage_options *options, struct expectation *expected)
{
    enum situation situation = world_situation(world, user);
    if (situation == DETACHED)
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else if (user->party == PARTY_B && options->first_step >= SCARDMANAGE_STEP_REOPEN)
        *expected = only(SCARDMANAGE_E_INVALIDARG);
    else if (may_not_restart(world, user, options) && situation == STOPPED)
        /* the call notices the lost connection, unless another thread waits for a stopped service
         * in SCardEstablishContext(): libpcsclite then blocks all other calls */
        *expected = either(SCARDMANAGE_E_NO_SERVICE, SCARDMANAGE_E_TIMEOUT);
    else if (may_not_restart(world, user, options))
        *expected = only(SCARDMANAGE_E_NO_SERVICE);
    else if (situation == STOPPED)
        *expected = only(SCARDMANAGE_E_TIMEOUT);
    else if (situation == DOWN)
        *expected = only(SCARDMANAGE_E_NO_SERVICE);
    else if (situation == UNPLUGGED)
        *expected = user->effect_uncertain && user->party == PARTY_B
                        ? either(SCARDMANAGE_E_READER_UNAVAILABLE, SCARDMANAGE_E_INVALID_HANDLE)
                        : only(SCARDMANAGE_E_READER_UNAVAILABLE);
    else if (situation == DEAD)
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else if (situation == EMPTY) {
        *expected = only(SCARDMANAGE_E_NO_SMARTCARD);
        expected->verdicts_refused = BIT(SCARDMANAGE_VERDICT_ABSENT);
    } else
        return false;
    return true;
}

/* The library may not know the ATR that the card shows after the other kind of reset. */
static bool may_not_know_protocol(const struct world *world, const struct user *user,
                                  const scardmanage_options *options)
{
    return expect_reset_for_protocol(world, options) && world->card->warm != world->card->cold &&
           !(user->atrs_seen & world->card->cold);
}

/* Another client has a transaction, or uses the card exclusively. */
static void add_results_of_waiting(const struct world *world, const struct user *user,
                                   const scardmanage_options *options, struct expectation *expected)
{
    bool is_reserved = world_situation(world, user) == RESERVED;
    add(expected, is_reserved ? SCARDMANAGE_E_SHARING_VIOLATION : SCARDMANAGE_E_TIMEOUT);
    if (!card_offers(world, options->protocols) || may_not_know_protocol(world, user, options))
        add(expected, SCARDMANAGE_E_PROTO_MISMATCH); /* no wait helps */
}

/* Adds the results of the steps that a reconnect takes. */
static void add_results_of_steps(const struct world *world, const struct user *user,
                                 const scardmanage_options *options, struct expectation *expected)
{
    enum situation situation = world_situation(world, user);
    if (situation == RESERVED || situation == BUSY)
        add_results_of_waiting(world, user, options, expected);
    else if (situation == UNRESPONSIVE)
        expect_unresponsive(world, user, options, expected);
    else if (!card_offers(world, options->protocols))
        add(expected, SCARDMANAGE_E_PROTO_MISMATCH);
    else if (!world->unresponsive || !includes_reset(world, options))
        add(expected, SCARDMANAGE_S_OK);
    else
        add_unresponsive(expected);
    if (world->unresponsive && (!world->powered || user->effect_uncertain)) /* if a step is needed */
        add_unresponsive(expected);
    if (situation <= BUSY || situation == UNRESPONSIVE)
        return;
    if (may_not_know_protocol(world, user, options))
        add(expected, SCARDMANAGE_E_PROTO_MISMATCH);
    if (!world->powered && options->last_step < SCARDMANAGE_STEP_COLD)
        add_unresponsive(expected);
}

static struct expectation reconnect(const struct world *world, const struct user *user,
                                    const scardmanage_options *options)
{
    struct expectation expected = no_codes();
    struct user at_any_number = *user;
    if (options->accept_other_index)
        at_any_number.index = world->index;
    user = &at_any_number;
    if (fails_without_card(world, user, options, &expected))
        return expected;
    enum situation situation = world_situation(world, user);
    /* PC/SC shows whether the card is the same, unless the card is unresponsive */
    enum difference difference = world->swallowed ? SAME_CARD : world_difference(world, user);
    bool refuses = difference != SAME_CARD && !options->accept_other_card;
    expected.verdicts = verdict(world, user);
    expected.steps = steps(world, user, options);
    if (refuses) {
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
        expected.verdicts_refused = difference == DIFFERENT_CARD ? BIT(SCARDMANAGE_VERDICT_DIFFERENT) : EVERY;
    }
    if (refuses && difference == DIFFERENT_CARD && situation != BUSY)
        return expected;
    if (may_not_reopen(world, user, options)) {
        add(&expected, SCARDMANAGE_E_INVALID_HANDLE);
        expected.verdicts_refused = EVERY;
        return expected;
    }
    if (situation == BUSY || situation == RESERVED)
        expected.verdicts_refused = EVERY;
    add_results_of_steps(world, user, options, &expected);
    return expected;
}

/*
 * The other calls
 */

/* Returns the event that a reconnect must acknowledge first, or S_OK. */
static scardmanage_result unacknowledged_event(const struct world *world, const struct user *user)
{
    if (world_was_removed(world, user))
        return SCARDMANAGE_W_REMOVED_CARD;
    return user->was_reset ? SCARDMANAGE_W_RESET_CARD : SCARDMANAGE_S_OK;
}

/* For calls that need a handle: returns true if they cannot reach the card, with the results in
 * *expected. */
static bool cannot_reach_card(const struct world *world, const struct user *user,
                              struct expectation *expected)
{
    enum situation situation = world_situation(world, user);
    if (situation == DETACHED)
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else if (!user->has_handle)
        *expected = only(SCARDMANAGE_E_NO_SMARTCARD);
    else if (user->removal_noticed)
        *expected = only(SCARDMANAGE_W_REMOVED_CARD);
    else if (situation == STOPPED && user->handle_incarnation != world->incarnation)
        /* depends on what the call does first: the connection to the old service is lost, and the
         * new service does not answer */
        *expected = either(SCARDMANAGE_E_TIMEOUT, SCARDMANAGE_E_NO_SERVICE);
    else if (situation == STOPPED)
        *expected = only(SCARDMANAGE_E_TIMEOUT);
    else if (situation == DOWN || user->handle_incarnation != world->incarnation)
        *expected = only(SCARDMANAGE_E_NO_SERVICE);
    else if (situation == UNPLUGGED) /* the former from SCardStatus(), the latter from all other functions */
        *expected = either(SCARDMANAGE_E_READER_UNAVAILABLE, SCARDMANAGE_E_INVALID_HANDLE);
    else if (world_handle_is_dead(world, user))
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else
        return false;
    return true;
}

static struct expectation lock(const struct world *world, const struct user *user)
{
    struct expectation expected;
    if (cannot_reach_card(world, user, &expected))
        return expected;
    scardmanage_result event = unacknowledged_event(world, user);
    if (event == SCARDMANAGE_S_OK)
        return only(world_is_busy(world, user) ? SCARDMANAGE_E_TIMEOUT : SCARDMANAGE_S_OK);
    return world_is_busy(world, user) ? either(event, SCARDMANAGE_E_TIMEOUT) : only(event);
}

static struct expectation unlock(const struct world *world, const struct user *user,
                                 scardmanage_disposition disposition)
{
    if (!user->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (user->lock_count == 0)
        return only(SCARDMANAGE_E_NOT_TRANSACTED);
    if (user->lock_count > 1)
        return only(SCARDMANAGE_S_OK);
    enum situation situation = world_situation(world, user);
    scardmanage_disposition strongest = disposition > user->disposition ? disposition : user->disposition;
    struct expectation expected = no_codes();
    if (situation == STOPPED)
        return either(SCARDMANAGE_E_TIMEOUT, SCARDMANAGE_W_REMOVED_CARD);
    if (cannot_reach_card(world, user, &expected)) {
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
        if (user->was_reset) /* noticed by a reconnect that failed */
            add(&expected, SCARDMANAGE_W_RESET_CARD);
        return expected;
    }
    scardmanage_result event = unacknowledged_event(world, user);
    /* pcsc-lite keeps the lock in this case */
    if (event == SCARDMANAGE_W_RESET_CARD && user->in_transaction && world->swallowed)
        return only(SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (event == SCARDMANAGE_W_RESET_CARD && strongest == SCARDMANAGE_DISPOSITION_EJECT)
        return either(event, SCARDMANAGE_E_CANT_DISPOSE);
    if (event != SCARDMANAGE_S_OK)
        return only(event);
    if (strongest == SCARDMANAGE_DISPOSITION_EJECT)
        return only(SCARDMANAGE_E_CANT_DISPOSE);
    if (strongest != SCARDMANAGE_DISPOSITION_LEAVE && world->unresponsive)
        return only(SCARDMANAGE_W_UNRESPONSIVE_CARD);
    return only(SCARDMANAGE_S_OK);
}

static struct expectation transmit(const struct world *world, const struct user *user)
{
    struct expectation expected;
    if (cannot_reach_card(world, user, &expected))
        return expected;
    scardmanage_result event = unacknowledged_event(world, user);
    if (world_is_busy(world, user)) {
        expected = only(SCARDMANAGE_E_TIMEOUT);
        if (event != SCARDMANAGE_S_OK)
            add(&expected, event);
        return expected;
    }
    if (event != SCARDMANAGE_S_OK)
        return only(event);
    if (world->unresponsive || world->lost_power_unnoticed)
        return only(SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED));
    return only(SCARDMANAGE_S_OK);
}

static struct expectation status(const struct world *world, const struct user *user, scardmanage_state *state,
                                 uint32_t *protocol)
{
    struct expectation expected;
    struct user observing =
        *user; /* the status observes the reader without a handle, too, and after a noticed removal */
    observing.has_handle = true;
    observing.removal_noticed = false;
    observing.handle_incarnation = user->has_handle            ? user->handle_incarnation
                                   : user->context_incarnation ? user->context_incarnation
                                                               : world->incarnation;
    observing.handle_plugging = user->has_handle ? user->handle_plugging : world->plugging;
    *protocol = 0;
    *state = world->swallowed ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
    if (cannot_reach_card(world, &observing, &expected))
        return expected;
    scardmanage_result event = unacknowledged_event(world, user);
    if (!world->card) {
        *state = SCARDMANAGE_STATE_ABSENT;
        return only(SCARDMANAGE_S_OK);
    }
    if (world_is_busy(world, user) && user->has_handle) {
        expected = only(SCARDMANAGE_E_TIMEOUT);
        if (event != SCARDMANAGE_S_OK)
            add(&expected, event);
        return expected;
    }
    if (!user->has_handle && user->was_reset) /* by failed steps, which closed the handle */
        return either(event, SCARDMANAGE_W_RESET_CARD);
    if (event == SCARDMANAGE_S_OK && user->has_handle) {
        *state = SCARDMANAGE_STATE_SPECIFIC;
        *protocol = world->protocol;
    }
    return only(event);
}

struct expectation expect_wait(const struct world *world, const struct user *user)
{
    if (!user->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (world->service != SERVICE_UP || !world->plugged || user->index != world->index || !world->card)
        return only(SCARDMANAGE_E_TIMEOUT);
    return only(SCARDMANAGE_S_OK);
}

/* Attaches by the name of the reader. */
struct expectation expect_attach(const struct world *world, const struct user *user)
{
    if (world->service == SERVICE_STOPPED)
        return only(SCARDMANAGE_E_TIMEOUT);
    if (world->service == SERVICE_DOWN)
        return only(SCARDMANAGE_E_NO_SERVICE);
    if (!world->plugged)
        return only(SCARDMANAGE_E_UNKNOWN_READER);
    if (!world->card)
        return only(SCARDMANAGE_S_OK);
    if (world->exclusive != NOBODY)
        return only(SCARDMANAGE_E_SHARING_VIOLATION);
    if (world_is_busy(world, user))
        return only(SCARDMANAGE_E_TIMEOUT);
    return only(SCARDMANAGE_S_OK);
}

struct expectation expect_detach(const struct world *world, const struct user *user)
{
    if (!user->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    struct expectation expected = only(SCARDMANAGE_S_OK);
    if (user->in_transaction && world->swallowed)
        add(&expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (world->service == SERVICE_STOPPED || user->call_running || user->effect_uncertain)
        add(&expected, SCARDMANAGE_E_TIMEOUT);
    return expected;
}

/*
 * After an abandoned call, whose later effects are uncertain
 */

struct expectation expect_either(struct expectation one, const struct expectation *two)
{
    for (unsigned i = 0; i < two->count; i++)
        add(&one, two->code[i]);
    one.verdicts |= two->verdicts;
    one.verdicts_refused |= two->verdicts_refused;
    one.steps |= two->steps;
    return one;
}

/* The call may have opened a handle. That handle stays, but is not used until a reconnect succeeds. */
static struct user with_reopened_handle(const struct world *world, const struct user *user)
{
    struct user opened = *user;
    opened.has_handle = opened.removal_noticed = opened.has_seen_card;
    opened.card_insertion = world_was_removed(world, user) ? 0 : user->card_insertion;
    opened.handle_incarnation = world->incarnation;
    opened.handle_plugging = world->plugging;
    if (world->card &&
        opened.atrs_seen & (world->card->cold | world->card->warm)) /* and may have seen the other */
        opened.atrs_seen |= world->card->cold | world->card->warm;
    return opened;
}

/* The same before the service was restarted. */
static struct user with_dead_handle(const struct user *reopened)
{
    struct user dead = *reopened;
    dead.handle_incarnation--;
    dead.context_incarnation = dead.handle_incarnation;
    return dead;
}

/* Or the call has closed the old handle, and found no card to open. */
static struct user with_closed_handle(const struct user *user)
{
    struct user closed = *user;
    closed.has_handle = user->has_handle && user->party == PARTY_B;
    return closed;
}

/* The call may have reset the card, or noticed its removal. The next call returns that event, even
 * if the service or the reader has gone away since, or does not answer. */
static struct expectation or_event_of_abandoned_call(const struct world *world, const struct user *user,
                                                     struct expectation expected)
{
    if (!user->effect_uncertain || !user->attached || expect_only(&expected, SCARDMANAGE_S_OK) ||
        expect_only(&expected, SCARDMANAGE_E_NOT_TRANSACTED))
        return expected;
    add(&expected, SCARDMANAGE_W_RESET_CARD);
    if (world_was_removed(world, user))
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
    /* the handle died with the service or the reader, and the call may not have got another */
    if (user->party == PARTY_A &&
        (user->context_incarnation != world->incarnation || world_handle_is_dead(world, user)))
        add(&expected, SCARDMANAGE_E_NO_SMARTCARD);
    return expected;
}

/* Combines the results of the call in all states that abandoned calls may have led to. */
#define EXPECT_WITH_UNCERTAINTY(world, user, call)                                                           \
    struct expectation expected = call;                                                                      \
    if (user->effect_uncertain && world->service != SERVICE_STOPPED) {                                       \
        struct user knowing = *user;                                                                         \
        world_notice_losses(world, &knowing);                                                                \
        struct user opened = with_reopened_handle(world, &knowing);                                          \
        struct user states[] = {knowing, with_closed_handle(&knowing), with_dead_handle(&opened), opened};   \
        for (unsigned s = 0; s < sizeof states / sizeof states[0]; s++) {                                    \
            user = &states[s];                                                                               \
            struct expectation other = call;                                                                 \
            expected = expect_either(expected, &other);                                                      \
        }                                                                                                    \
        expected.steps |=                                                                                    \
            BIT(SCARDMANAGE_STEP_LEAVE) | (user->command_unanswered ? BIT(SCARDMANAGE_STEP_WARM) : 0);       \
    }                                                                                                        \
    return expected

struct expectation expect_reconnect(const struct world *world, const struct user *user,
                                    const scardmanage_options *options)
{
    EXPECT_WITH_UNCERTAINTY(world, user, reconnect(world, user, options));
}

struct expectation expect_lock(const struct world *world, const struct user *user)
{
    EXPECT_WITH_UNCERTAINTY(world, user, or_event_of_abandoned_call(world, user, lock(world, user)));
}

/* The library keeps the event of a reset by the call, which PC/SC therefore does not have any more: then the unlock
 * itself resets the card. */
static struct expectation or_reset_by_unlock(const struct world *world, const struct user *user,
                                             scardmanage_disposition disposition, struct expectation expected)
{
    bool resets =
        disposition != SCARDMANAGE_DISPOSITION_LEAVE || user->disposition != SCARDMANAGE_DISPOSITION_LEAVE;
    if (user->effect_uncertain && user->in_transaction && user->lock_count == 1 && resets &&
        world->unresponsive)
        add(&expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
    return or_event_of_abandoned_call(world, user, expected);
}

struct expectation expect_unlock(const struct world *world, const struct user *user,
                                 scardmanage_disposition disposition)
{
    EXPECT_WITH_UNCERTAINTY(world, user,
                            or_reset_by_unlock(world, user, disposition, unlock(world, user, disposition)));
}

struct expectation expect_transmit(const struct world *world, const struct user *user)
{
    EXPECT_WITH_UNCERTAINTY(world, user, or_event_of_abandoned_call(world, user, transmit(world, user)));
}

struct expectation expect_status(const struct world *world, const struct user *user, scardmanage_state *state,
                                 uint32_t *protocol)
{
    EXPECT_WITH_UNCERTAINTY(world, user, status(world, user, state, protocol));
}
