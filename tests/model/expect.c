/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows for each call from the state that the model is in. */
#include "world.h"

#include <winscard.h>

static struct expectation none(void)
{
    return (struct expectation){.verdicts = EVERY, .verdicts_refused = EVERY, .steps = EVERY};
}

static void add(struct expectation *expected, scardmanage_result code)
{
    if (!expect_allows(expected, code) && expected->count < EXPECT_CODES)
        expected->code[expected->count++] = code;
}

static struct expectation only(scardmanage_result code)
{
    struct expectation expected = none();
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

static unsigned verdict(const struct world *world, const struct attachment *x)
{
    if (!x->known)
        return BIT(SCARDMANAGE_VERDICT_FIRST);
    if (!world_moved(world, x))
        return BIT(x->reset ? SCARDMANAGE_VERDICT_RESET : SCARDMANAGE_VERDICT_UNCHANGED);
    switch (world_difference(world, x)) {
    case SAME_CARD:
        return BIT(SCARDMANAGE_VERDICT_REINSERTED);
    case DIFFERENT_CARD:
        return BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    default:
        return BIT(SCARDMANAGE_VERDICT_REINSERTED) | BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    }
}

/* Another protocol than the one that is in use takes a reset, and so does one that the card does not offer
 * after the warm reset that it has had. */
bool expect_reset_for_protocol(const struct world *world, const scardmanage_options *options)
{
    uint32_t offered = SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1;
    if (world->negotiated && world->protocol != 0)
        offered = world->protocol;
    else if (world->atr == ATR_WARM)
        offered = SCARDMANAGE_PROTOCOL_T0;
    return options->protocols != 0 && !(options->protocols & offered);
}

/* Whether there will be a reset. */
static bool touches(const struct world *world, const scardmanage_options *options)
{
    return options->first_step == SCARDMANAGE_STEP_WARM || options->first_step == SCARDMANAGE_STEP_COLD ||
           expect_reset_for_protocol(world, options);
}

static unsigned steps(const struct world *world, const struct attachment *x,
                      const scardmanage_options *options)
{
    unsigned harder = BIT(SCARDMANAGE_STEP_WARM) | BIT(SCARDMANAGE_STEP_COLD), mask;
    unsigned first = options->first_step > SCARDMANAGE_STEP_LEAVE ? BIT(options->first_step) : 0;
    bool restarted = x->party == PARTY_A && x->service != world->incarnation;
    if (expect_reset_for_protocol(world, options))
        first |= harder;
    if (restarted)
        return BIT(SCARDMANAGE_STEP_RESTART) | first;
    if (!x->open || world_handle_is_dead(world, x))
        mask = BIT(SCARDMANAGE_STEP_REOPEN) | first;
    else if (first)
        mask = first;
    else if (world_moved(world, x) || x->reset)
        mask = BIT(SCARDMANAGE_STEP_LEAVE);
    else
        mask = BIT(SCARDMANAGE_STEP_NONE);
    /* without power, acknowledging may not be enough */
    return world->powered ? mask : mask | harder;
}

static bool offers(const struct world *world, uint32_t protocols)
{
    return protocols == 0 || world->card->protocols & protocols;
}

/* Whether the options do not allow for what it would take: a new context, or a new handle. */
static bool may_not_restart(const struct world *world, const struct attachment *x,
                            const scardmanage_options *options)
{
    return x->party == PARTY_A && options->last_step < SCARDMANAGE_STEP_RESTART &&
           x->service != world->incarnation;
}

static bool may_not_reopen(const struct world *world, const struct attachment *x,
                           const scardmanage_options *options)
{
    return x->party == PARTY_A && options->last_step < SCARDMANAGE_STEP_REOPEN &&
           world_handle_is_dead(world, x);
}

/* PC/SC has no ATR of it. It may answer by now. */
static void is_mute(const struct world *world, const struct attachment *x, const scardmanage_options *options,
                    struct expectation *expected)
{
    unsigned shows = world->card->cold | world->card->warm;
    if (world->silent || options->last_step < SCARDMANAGE_STEP_COLD) {
        add(expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
        add(expected, SCARDMANAGE_W_UNPOWERED_CARD);
    }
    if (world->silent)
        return;
    /* see "A card that was mute" in scardmanage-pcsclite(7) */
    if (!x->open || world_handle_is_dead(world, x))
        add(expected, SCARDMANAGE_W_UNPOWERED_CARD);
    expected->steps = BIT(SCARDMANAGE_STEP_WARM) | BIT(SCARDMANAGE_STEP_COLD) | BIT(SCARDMANAGE_STEP_REOPEN) |
                      BIT(SCARDMANAGE_STEP_RESTART);
    if (!world_moved(world, x) || shows & x->seen || options->accept_other_card)
        add(expected, offers(world, options->protocols) ? SCARDMANAGE_S_OK : SCARDMANAGE_E_PROTO_MISMATCH);
    if (world_moved(world, x) && shows & ~x->seen && !options->accept_other_card)
        add(expected, SCARDMANAGE_W_REMOVED_CARD);
    if (world_moved(world, x))
        expected->verdicts = BIT(SCARDMANAGE_VERDICT_REINSERTED) | BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    expected->verdicts_refused = EVERY;
}

static struct expectation reconnect(const struct world *world, const struct attachment *x,
                                    const scardmanage_options *options)
{
    struct expectation expected = none();
    struct attachment anywhere = *x;
    if (options->accept_other_index)
        anywhere.index = world->index;
    x = &anywhere;
    enum situation situation = world_situation(world, x);
    if (situation == DETACHED)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (x->party == PARTY_B && options->first_step >= SCARDMANAGE_STEP_REOPEN)
        return only(SCARDMANAGE_E_INVALIDARG);
    if (may_not_restart(world, x, options)) /* a connection that is dead says so at once */
        return only(SCARDMANAGE_E_NO_SERVICE);
    if (situation == STOPPED)
        return only(SCARDMANAGE_E_TIMEOUT);
    switch (situation) {
    case DOWN:
        return only(SCARDMANAGE_E_NO_SERVICE);
    case UNPLUGGED:
        return only(SCARDMANAGE_E_READER_UNAVAILABLE);
    case DEAD:
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    case EMPTY:
        expected = only(SCARDMANAGE_E_NO_SMARTCARD);
        expected.verdicts_refused = BIT(SCARDMANAGE_VERDICT_ABSENT);
        return expected;
    default:
        break;
    }
    /* whether it is the same card can be seen without the card's help, unless it is mute */
    enum difference difference = world->swallowed ? SAME_CARD : world_difference(world, x);
    bool refuses = difference != SAME_CARD && !options->accept_other_card;
    expected.verdicts = verdict(world, x);
    expected.steps = steps(world, x, options);
    if (refuses) {
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
        expected.verdicts_refused = BIT(SCARDMANAGE_VERDICT_DIFFERENT);
    }
    if (refuses && difference == DIFFERENT_CARD && situation != BUSY)
        return expected;
    if (may_not_reopen(world, x, options)) {
        add(&expected, SCARDMANAGE_E_INVALID_HANDLE);
        expected.verdicts_refused = EVERY;
        return expected;
    }
    if (situation == BUSY || situation == RESERVED)
        expected.verdicts_refused = EVERY;
    if (situation == RESERVED)
        add(&expected, SCARDMANAGE_E_SHARING_VIOLATION);
    else if (situation == BUSY)
        add(&expected, SCARDMANAGE_E_TIMEOUT);
    else if (situation == MUTE)
        is_mute(world, x, options, &expected);
    else if (!offers(world, options->protocols))
        add(&expected, SCARDMANAGE_E_PROTO_MISMATCH);
    else if (world->silent && touches(world, options)) {
        add(&expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
        add(&expected, SCARDMANAGE_W_UNPOWERED_CARD);
    } else
        add(&expected, SCARDMANAGE_S_OK);
    if (world->silent && !world->powered) { /* if there is something to be done */
        add(&expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
        add(&expected, SCARDMANAGE_W_UNPOWERED_CARD);
    }
    if (situation <= BUSY || situation == MUTE)
        return expected;
    /* what its ATR after the other kind of reset says, the library may never have seen */
    if (expect_reset_for_protocol(world, options) && world->card->warm != world->card->cold &&
        !(x->seen & world->card->cold))
        add(&expected, SCARDMANAGE_E_PROTO_MISMATCH);
    if (!world->powered && options->last_step < SCARDMANAGE_STEP_COLD) {
        add(&expected, SCARDMANAGE_W_UNPOWERED_CARD);
        add(&expected, SCARDMANAGE_W_UNRESPONSIVE_CARD);
    }
    return expected;
}

/*
 * The other calls
 */

/* What they say of an attachment that is to reconnect first; S_OK if it is not. */
static scardmanage_result due(const struct world *world, const struct attachment *x)
{
    if (world_moved(world, x))
        return SCARDMANAGE_W_REMOVED_CARD;
    return x->reset ? SCARDMANAGE_W_RESET_CARD : SCARDMANAGE_S_OK;
}

/* For those that need a handle: true if they do not get at the card, with what they say. */
static bool has_no_way(const struct world *world, const struct attachment *x, struct expectation *expected)
{
    enum situation situation = world_situation(world, x);
    if (situation == DETACHED)
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else if (!x->open)
        *expected = only(SCARDMANAGE_E_NO_SMARTCARD);
    else if (x->told)
        *expected = only(SCARDMANAGE_W_REMOVED_CARD);
    else if (situation == STOPPED &&
             x->incarnation != world->incarnation) /* the old one is gone, but is it asked? */
        *expected = either(SCARDMANAGE_E_TIMEOUT, SCARDMANAGE_E_NO_SERVICE);
    else if (situation == STOPPED)
        *expected = only(SCARDMANAGE_E_TIMEOUT);
    else if (situation == DOWN || x->incarnation != world->incarnation)
        *expected = only(SCARDMANAGE_E_NO_SERVICE);
    else if (situation == UNPLUGGED) /* SCardStatus() says the one, all other functions the other */
        *expected = either(SCARDMANAGE_E_READER_UNAVAILABLE, SCARDMANAGE_E_INVALID_HANDLE);
    else if (world_handle_is_dead(world, x))
        *expected = only(SCARDMANAGE_E_INVALID_HANDLE);
    else
        return false;
    return true;
}

static struct expectation lock(const struct world *world, const struct attachment *x)
{
    struct expectation expected;
    if (has_no_way(world, x, &expected))
        return expected;
    scardmanage_result event = due(world, x);
    if (event == SCARDMANAGE_S_OK)
        return only(world_is_busy(world, x) ? SCARDMANAGE_E_TIMEOUT : SCARDMANAGE_S_OK);
    return world_is_busy(world, x) ? either(event, SCARDMANAGE_E_TIMEOUT) : only(event);
}

static struct expectation unlock(const struct world *world, const struct attachment *x,
                                 scardmanage_disposition disposition)
{
    if (!x->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (x->locks == 0)
        return only(SCARDMANAGE_E_NOT_TRANSACTED);
    if (x->locks > 1)
        return only(SCARDMANAGE_S_OK);
    enum situation situation = world_situation(world, x);
    scardmanage_disposition strongest = disposition > x->disposition ? disposition : x->disposition;
    struct expectation expected = none();
    if (situation == STOPPED)
        return either(SCARDMANAGE_E_TIMEOUT, SCARDMANAGE_W_REMOVED_CARD);
    if (has_no_way(world, x, &expected)) {
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
        return expected;
    }
    scardmanage_result event = due(world, x);
    if (event == SCARDMANAGE_W_RESET_CARD && x->held && world->swallowed) /* pcsc-lite keeps the lock */
        return only(SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (event != SCARDMANAGE_S_OK)
        return only(event);
    if (strongest == SCARDMANAGE_EJECT)
        return only(SCARDMANAGE_E_CANT_DISPOSE);
    if (strongest != SCARDMANAGE_LEAVE && world->silent)
        return only(SCARDMANAGE_W_UNRESPONSIVE_CARD);
    return only(SCARDMANAGE_S_OK);
}

static struct expectation transmit(const struct world *world, const struct attachment *x)
{
    struct expectation expected;
    if (has_no_way(world, x, &expected))
        return expected;
    scardmanage_result event = due(world, x);
    if (world_is_busy(world, x)) {
        expected = only(SCARDMANAGE_E_TIMEOUT);
        if (event != SCARDMANAGE_S_OK)
            add(&expected, event);
        return expected;
    }
    if (event != SCARDMANAGE_S_OK)
        return only(event);
    if (world->silent || world->limp)
        return only(SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED));
    return only(SCARDMANAGE_S_OK);
}

static struct expectation status(const struct world *world, const struct attachment *x,
                                 scardmanage_state *state, uint32_t *protocol)
{
    struct expectation expected;
    struct attachment look = *x; /* with or without a handle, told or not, it looks */
    look.open = true;
    look.told = false;
    look.incarnation = x->open ? x->incarnation : x->service ? x->service : world->incarnation;
    look.plugging = x->open ? x->plugging : world->plugging;
    *protocol = 0;
    *state = world->swallowed ? SCARDMANAGE_STATE_SWALLOWED : SCARDMANAGE_STATE_PRESENT;
    if (has_no_way(world, &look, &expected))
        return expected;
    scardmanage_result event = due(world, x);
    if (!world->card) {
        *state = SCARDMANAGE_STATE_ABSENT;
        return only(SCARDMANAGE_S_OK);
    }
    if (world_is_busy(world, x) && x->open) {
        expected = only(SCARDMANAGE_E_TIMEOUT);
        if (event != SCARDMANAGE_S_OK)
            add(&expected, event);
        return expected;
    }
    if (!x->open && x->reset) /* by the steps that were in vain; the handle went with them */
        return either(event, SCARDMANAGE_W_RESET_CARD);
    if (event == SCARDMANAGE_S_OK && x->open) {
        *state = SCARDMANAGE_STATE_SPECIFIC;
        *protocol = world->protocol;
    }
    return only(event);
}

struct expectation expect_wait(const struct world *world, const struct attachment *x)
{
    if (!x->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (world->service != SERVICE_UP || !world->plugged || x->index != world->index || !world->card)
        return only(SCARDMANAGE_E_TIMEOUT);
    return only(SCARDMANAGE_S_OK);
}

/* By the reader's name. */
struct expectation expect_attach(const struct world *world, const struct attachment *x)
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
    if (world_is_busy(world, x))
        return only(SCARDMANAGE_E_TIMEOUT);
    return only(SCARDMANAGE_S_OK);
}

struct expectation expect_detach(const struct world *world, const struct attachment *x)
{
    if (!x->attached)
        return only(SCARDMANAGE_E_INVALID_HANDLE);
    if (x->held && world->swallowed)
        return either(SCARDMANAGE_S_OK, SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (world->service == SERVICE_STOPPED || x->stuck || x->unsure)
        return either(SCARDMANAGE_S_OK, SCARDMANAGE_E_TIMEOUT);
    return only(SCARDMANAGE_S_OK);
}

/*
 * A call that was given up may have found out what the others are yet to be told of
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

/* A handle that it has opened stays, but counts for nothing until a reconnect has succeeded. */
static struct attachment reopened(const struct world *world, const struct attachment *x)
{
    struct attachment opened = *x;
    opened.open = opened.told = opened.known;
    opened.insertion = world_moved(world, x) ? 0 : x->insertion;
    opened.incarnation = world->incarnation;
    opened.plugging = world->plugging;
    return opened;
}

/* Or it was to open one, and there was no card any more. */
static struct attachment shut(const struct attachment *x)
{
    struct attachment closed = *x;
    closed.open = x->open && x->party == PARTY_B;
    return closed;
}

/* It may have come to reset the card, or to see that it has moved, and that is told also if service or reader
 * have gone since, or do not answer. */
static struct expectation or_late(const struct world *world, const struct attachment *x,
                                  struct expectation expected)
{
    if (!x->unsure || !x->attached || !x->open || expect_only(&expected, SCARDMANAGE_S_OK) ||
        expect_only(&expected, SCARDMANAGE_E_NOT_TRANSACTED))
        return expected;
    add(&expected, SCARDMANAGE_W_RESET_CARD);
    if (world_moved(world, x))
        add(&expected, SCARDMANAGE_W_REMOVED_CARD);
    if (x->party == PARTY_A && x->service != world->incarnation) /* the handle went with the service */
        add(&expected, SCARDMANAGE_E_NO_SMARTCARD);
    return expected;
}

#define JOIN(world, x, call)                                                                                 \
    struct expectation expected = call;                                                                      \
    if (x->unsure && world->service != SERVICE_STOPPED) {                                                    \
        struct attachment knowing = *x;                                                                      \
        world_notice(world, &knowing);                                                                       \
        struct attachment opened = reopened(world, &knowing), closed = shut(&knowing);                       \
        x = &knowing;                                                                                        \
        struct expectation other = call;                                                                     \
        expected = expect_either(expected, &other);                                                          \
        x = &closed;                                                                                         \
        other = call;                                                                                        \
        expected = expect_either(expected, &other);                                                          \
        x = &opened;                                                                                         \
        other = call;                                                                                        \
        expected = expect_either(expected, &other);                                                          \
        expected.steps |= BIT(SCARDMANAGE_STEP_LEAVE);                                                       \
    }                                                                                                        \
    return expected

struct expectation expect_reconnect(const struct world *world, const struct attachment *x,
                                    const scardmanage_options *options)
{
    JOIN(world, x, reconnect(world, x, options));
}

struct expectation expect_lock(const struct world *world, const struct attachment *x)
{
    JOIN(world, x, or_late(world, x, lock(world, x)));
}

struct expectation expect_unlock(const struct world *world, const struct attachment *x,
                                 scardmanage_disposition disposition)
{
    JOIN(world, x, or_late(world, x, unlock(world, x, disposition)));
}

struct expectation expect_transmit(const struct world *world, const struct attachment *x)
{
    JOIN(world, x, or_late(world, x, transmit(world, x)));
}

struct expectation expect_status(const struct world *world, const struct attachment *x,
                                 scardmanage_state *state, uint32_t *protocol)
{
    JOIN(world, x, status(world, x, state, protocol));
}
