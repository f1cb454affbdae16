/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reconnecting. A round observes the reader and the handle, determines which card is there, takes the
 * gentlest step that works, checks that the card was not removed during the step, and restores the lock.
 * PC/SC cannot do that atomically. If something happened in between, another round follows.
 */
#include "hook.h"

#include <string.h>

#define ROUNDS_MAX       4     /* how often the card may be removed or reset during a reconnect */
#define STEP_TRIES_MAX   4     /* how often other clients may reset it during one step */
#define SERVICE_RETRY_US 5000u /* pause before the next round when the service has gone away again */

/* The size of the first version of the struct, without padding. */
#define REPORT_FIRST_VERSION (offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX)

/* The state of a reconnect. */
struct attempt {
    struct attachment *at;
    scardmanage_options options;
    scardmanage_report report;

    /* The current round: */
    bool observed; /* reader_state is valid */
    struct pcsc_reader_state reader_state;
    bool was_removed;        /* the card was removed since the library last knew it */
    bool handle_dead;        /* only a new handle will work */
    bool refused_card;       /* the card is a different one, and the options do not accept it */
    bool event_acknowledged; /* the handle has no event to acknowledge */
    bool reset_in_progress;  /* no protocol is active, because another client is resetting the card */
    bool step_failed;        /* the card did not answer after a step */
    scardmanage_verdict verdict;

    /* All rounds: */
    scardmanage_verdict gravest_verdict; /* except ABSENT, which does not matter once a card is there */
    bool lock_reacquired;
    bool restarted; /* a new context was opened */
    struct reconnect_progress *progress;
};

static scardmanage_lock_state lock_state_for_report(const struct attempt *a)
{
    scardmanage_lock_state lock = lock_state(a->at);
    return lock == SCARDMANAGE_LOCK_KEPT && a->lock_reacquired ? SCARDMANAGE_LOCK_REACQUIRED : lock;
}

/* Records the result of a PC/SC call, for a caller that stops waiting. Returns it. */
static scardmanage_result publish_result(struct attempt *a, scardmanage_result result)
{
    a->report.last_result = result;
    a->report.lock = lock_state_for_report(a);
    job_publish(a->at, &a->report);
    return result;
}

static void publish_verdict(struct attempt *a, scardmanage_verdict verdict)
{
    a->verdict = verdict;
    if (verdict != SCARDMANAGE_VERDICT_ABSENT && verdict > a->gravest_verdict)
        a->gravest_verdict = verdict;
    a->report.verdict = verdict == SCARDMANAGE_VERDICT_ABSENT ? verdict : a->gravest_verdict;
    job_publish(a->at, &a->report);
}

static void copy_atr_to_report(uint8_t *bytes, uint8_t *length, const struct pcsc_atr *atr)
{
    *length = atr->length;
    memcpy(bytes, atr->bytes, atr->length);
}

/* Keeps the event for the caller, as PC/SC has now forgotten it. Until a reconnect succeeds,
 * scardmanage_lock(), scardmanage_transmit() and scardmanage_status() return the event. */
static void set_event_unreported(struct attempt *a)
{
    struct attachment *at = a->at;
    if (a->was_removed || at->unreported_event == SCARDMANAGE_W_REMOVED_CARD)
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    else
        at->unreported_event = SCARDMANAGE_W_RESET_CARD;
}

/* The same after a reconnect that failed in the end, or whose caller stopped waiting. */
static void set_card_unreported(struct attachment *at)
{
    if (at->unreported_verdict != SCARDMANAGE_VERDICT_UNKNOWN)
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    else if (at->unreported_event == SCARDMANAGE_S_OK)
        at->unreported_event = SCARDMANAGE_W_RESET_CARD;
}

void reconnect_save_reported_card(struct attachment *at)
{
    if (at->reported.saved && at->unreported_event != SCARDMANAGE_S_OK)
        return;
    at->reported.saved = true;
    at->reported.atr = at->atr;
    at->reported.protocol = at->protocol;
}

static const struct identity *card_known_to_caller(const struct attachment *at)
{
    return at->unreported_verdict >= SCARDMANAGE_VERDICT_DIFFERENT ? &at->reported_card : &at->card;
}

/*
 * Observing
 */

/* Returns whether a new context may be opened. For an attachment by handle that is not a step,
 * because the context only serves to observe the reader. */
static bool may_restart(const struct attempt *a)
{
    return a->at->by_handle || a->options.last_step >= SCARDMANAGE_STEP_RESTART;
}

static void count_restart(struct attempt *a)
{
    if (a->at->by_handle)
        return;
    a->restarted = true;
    a->report.step = SCARDMANAGE_STEP_RESTART;
    a->report.attempts++;
}

static void disconnect_to_restart(struct attempt *a)
{
    service_disconnect(a->at);
    count_restart(a);
}

/* Without a context, the connection to the service was already lost. */
static scardmanage_result get_reader_state_if_connected(struct attempt *a, bool any_index)
{
    return a->at->has_context ? service_get_reader_state(a->at, any_index, &a->reader_state)
                              : SCARDMANAGE_E_NO_SERVICE;
}

static scardmanage_result observe_reader(struct attempt *a)
{
    struct attachment *at = a->at;
    a->observed = false;
    a->verdict = SCARDMANAGE_VERDICT_UNKNOWN;
    a->report.verdict = a->gravest_verdict;
    if (at->reader[0] == '\0')
        return SCARDMANAGE_S_OK;
    bool any_index = a->options.accept_other_index != 0;
    scardmanage_result result = publish_result(a, get_reader_state_if_connected(a, any_index));
    if (result == SCARDMANAGE_E_NO_SERVICE && may_restart(a)) {
        uint64_t start = platform_now_us();
        disconnect_to_restart(a);
        result = publish_result(a, service_get_reader_state(at, any_index, &a->reader_state));
        hook_step(at, SCARDMANAGE_STEP_RESTART, result, start);
    } else if (result == SCARDMANAGE_E_NO_SERVICE) {
        service_mark_unwatched(at);
    }
    a->observed = result == SCARDMANAGE_S_OK;
    if (a->observed)
        service_check_handle(at, &a->reader_state);
    if (a->observed && at->handle_lost)
        return publish_result(a, SCARDMANAGE_E_INVALID_HANDLE);
    /* the lock ended with the card; if the present card is locked, another client has locked it */
    if (a->observed && (!a->reader_state.present || identity_was_removed(&at->card, a->reader_state.counter)))
        at->in_transaction = false;
    if (!a->observed || a->reader_state.present)
        return result;
    if (at->card.known)
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    publish_verdict(a, SCARDMANAGE_VERDICT_ABSENT);
    return SCARDMANAGE_E_NO_SMARTCARD;
}

/* Acknowledges the caller's own reset and calls SCardStatus() if there is a handle. Sets *event.
 * Returns a code other than S_OK only if it ends the round. */
static scardmanage_result observe_handle(struct attempt *a, struct pcsc_card *card, scardmanage_result *event)
{
    struct attachment *at = a->at;
    *event = SCARDMANAGE_S_OK;
    a->handle_dead = false;
    memset(card, 0, sizeof *card);
    if (!at->has_handle)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = publish_result(a, handle_acknowledge_if_due(at));
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = publish_result(a, handle_get_status(at, card));
    if (outcome_is_event(result)) {
        *event = result;
        return SCARDMANAGE_S_OK;
    }
    if (result == SCARDMANAGE_E_INVALID_HANDLE || result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        service_mark_unwatched(at); /* the reader was unplugged, and may be back */
        a->handle_dead = !at->by_handle;
        if (a->handle_dead)
            return SCARDMANAGE_S_OK;
        /* if the reader is there, the handle will not work again */
        return a->observed ? SCARDMANAGE_E_INVALID_HANDLE : result;
    }
    if (result == SCARDMANAGE_E_NO_SERVICE && at->reader[0] == '\0') {
        /* observe_reader() could not determine whether the service is back */
        service_disconnect(at);
        result = publish_result(a, service_open_context(at));
        return result == SCARDMANAGE_S_OK ? SCARDMANAGE_E_INVALID_HANDLE : result;
    }
    return result;
}

/* For a handle that already had an event when it was attached: nothing else is known about its card. */
static scardmanage_verdict verdict_from_event(const struct attempt *a, scardmanage_result event)
{
    return event == SCARDMANAGE_W_REMOVED_CARD || a->at->unreported_event == SCARDMANAGE_W_REMOVED_CARD
               ? SCARDMANAGE_VERDICT_DIFFERENT
               : SCARDMANAGE_VERDICT_RESET;
}

static scardmanage_verdict verdict_from_identity(const struct attempt *a, scardmanage_result event)
{
    const struct attachment *at = a->at;
    if (!a->was_removed && at->unreported_verdict != SCARDMANAGE_VERDICT_UNKNOWN)
        return at->unreported_verdict;
    if (!a->was_removed)
        return event == SCARDMANAGE_S_OK && at->unreported_event == SCARDMANAGE_S_OK
                   ? SCARDMANAGE_VERDICT_UNCHANGED
                   : SCARDMANAGE_VERDICT_RESET;
    if (a->reader_state.atr.length == 0) /* the card cannot be identified before it answers */
        return SCARDMANAGE_VERDICT_UNKNOWN;
    return identity_has_atr(card_known_to_caller(at), &a->reader_state.atr) ? SCARDMANAGE_VERDICT_REINSERTED
                                                                            : SCARDMANAGE_VERDICT_DIFFERENT;
}

static scardmanage_result refuse_other_card(struct attempt *a, const struct pcsc_atr *atr)
{
    if (a->verdict != SCARDMANAGE_VERDICT_DIFFERENT || a->options.accept_other_card)
        return SCARDMANAGE_S_OK;
    a->refused_card = true;
    a->at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    copy_atr_to_report(a->report.new_atr, &a->report.new_atr_len, atr);
    return SCARDMANAGE_W_REMOVED_CARD;
}

/* Observes the reader and the handle, and sets the verdict. Returns a code other than S_OK only if
 * it ends the round. */
static scardmanage_result observe_card(struct attempt *a, struct pcsc_card *card)
{
    struct attachment *at = a->at;
    scardmanage_result event;
    scardmanage_result result = observe_reader(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = observe_handle(a, card, &event);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (at->has_handle && !a->handle_dead && a->observed)
        at->share = a->reader_state.exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    a->event_acknowledged = event == SCARDMANAGE_S_OK;
    a->was_removed = event == SCARDMANAGE_W_REMOVED_CARD || a->handle_dead ||
                     (a->observed && identity_was_removed(&at->card, a->reader_state.counter));
    if (a->was_removed)
        at->in_transaction = false; /* pcsc-lite: RFSetReaderEventState() in readerfactory.c */
    if (a->was_removed && at->card.known)
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    if (!a->observed)
        publish_verdict(a, verdict_from_event(a, event));
    else if (!card_known_to_caller(at)->known)
        publish_verdict(a, SCARDMANAGE_VERDICT_FIRST);
    else
        publish_verdict(a, verdict_from_identity(a, event));
    return refuse_other_card(a, &a->reader_state.atr);
}

/*
 * Steps
 */

static scardmanage_share wanted_share(const struct attempt *a)
{
    return a->options.share == SCARDMANAGE_SHARE_KEEP ? a->at->share : a->options.share;
}

static uint32_t wanted_protocols(const struct attempt *a)
{
    bool same = a->verdict <= SCARDMANAGE_VERDICT_REINSERTED;
    return options_protocols(&a->options, same ? a->at->protocol : 0);
}

/* pcsc-lite counts exclusive use as a transaction, and does not end it when the reader becomes
 * shared again (SCardReconnect() in winscard.c calls RFUnlockSharing(), which does not end the last
 * one). Other clients would wait forever. */
static void end_exclusive_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    if (!at->in_transaction)
        pcsc_end_transaction(at->handle,
                             SCARDMANAGE_DISPOSITION_LEAVE); /* other stacks return E_NOT_TRANSACTED */
    at->share = SCARDMANAGE_SHARE_SHARED;
}

/* Requests exclusive use last, and without a reset: while other clients are connected, libpcsclite
 * repeats the call (SCardReconnect() in winscard_clnt.c), and would repeat the reset, too. */
static scardmanage_result change_share(struct attempt *a, scardmanage_share taken, uint32_t protocols)
{
    struct attachment *at = a->at;
    if (at->share == SCARDMANAGE_SHARE_EXCLUSIVE && taken == SCARDMANAGE_SHARE_SHARED)
        end_exclusive_transaction(a);
    if (a->options.share != SCARDMANAGE_SHARE_EXCLUSIVE || at->share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = publish_result(
        a, handle_reconnect(at, SCARDMANAGE_SHARE_EXCLUSIVE, protocols, SCARDMANAGE_STEP_LEAVE));
    if (result != SCARDMANAGE_S_OK)
        return result;
    at->share = SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_result stop = job_stop_reason(at);
    if (stop == SCARDMANAGE_S_OK)
        return SCARDMANAGE_S_OK;
    /* the other clients took too long to disconnect; the caller no longer waits for exclusive use */
    if (pcsc_reconnect(at->handle, SCARDMANAGE_SHARE_SHARED, protocols, SCARDMANAGE_STEP_LEAVE) ==
        SCARDMANAGE_S_OK)
        end_exclusive_transaction(a);
    return stop;
}

/* Returns whether the reader has a card without an ATR. pcscd also returns SCARD_E_PROTO_MISMATCH
 * for a card that did not answer to reset and was then powered off by another client: without an
 * ATR no protocol matches (PHSetProtocol() in prothandler.c). */
static bool check_reader_for_missing_atr(const struct attempt *a)
{
    struct pcsc_reader_state state;
    return a->observed && pcsc_get_reader_state(a->at->context, a->at->reader, &state) == SCARDMANAGE_S_OK &&
           state.present && state.atr.length == 0;
}

static scardmanage_result reconnect_handle(struct attempt *a, scardmanage_step step)
{
    struct attachment *at = a->at;
    bool stays_exclusive =
        wanted_share(a) == SCARDMANAGE_SHARE_EXCLUSIVE && at->share == SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_share share = stays_exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    uint32_t protocols = wanted_protocols(a);
    a->report.attempts++;
    uint64_t start = platform_now_us();
    scardmanage_result result = publish_result(a, handle_reconnect(at, share, protocols, step));
    hook_step(at, step, result, start);
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && check_reader_for_missing_atr(a))
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0) {
        /* the protocol in use is no longer available: accept any other, without another reset */
        protocols = PCSC_PROTOCOL_ANY;
        result = publish_result(a, handle_reconnect(at, share, protocols, SCARDMANAGE_STEP_LEAVE));
    }
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!platform_reconnect_keeps_transaction())
        at->in_transaction = false;
    if (!a->event_acknowledged || step > SCARDMANAGE_STEP_LEAVE)
        set_event_unreported(a);
    a->event_acknowledged = true;
    return change_share(a, share, protocols);
}

/* Opens a new handle. If the card did not answer after the previous step, closes the old handle
 * with UNPOWER, so that pcscd powers the card when the new handle is opened. */
static scardmanage_result reopen_handle(struct attempt *a, uint32_t protocols)
{
    struct attachment *at = a->at;
    if (at->has_handle && !a->handle_dead) {
        /* SCardConnect() would wait, too, but could not be stopped */
        scardmanage_result turn = publish_result(a, handle_wait_turn(at));
        if (turn != SCARDMANAGE_S_OK)
            return turn;
    }
    if (at->has_handle)
        set_event_unreported(a);
    handle_close(at, a->step_failed && !a->handle_dead ? SCARDMANAGE_DISPOSITION_UNPOWER
                                                       : SCARDMANAGE_DISPOSITION_LEAVE);
    a->handle_dead = false;
    a->report.attempts++;
    uint64_t start = platform_now_us();
    scardmanage_result result = publish_result(a, handle_open(at, &a->options, protocols));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0)
        result = publish_result(a, handle_open(at, &a->options, PCSC_PROTOCOL_ANY));
    hook_step(at, SCARDMANAGE_STEP_REOPEN, result, start);
    if (result != SCARDMANAGE_S_OK)
        at->card.unwatched = true; /* without a handle, an unplugged reader goes unnoticed */
    return result;
}

/* Makes this card the card of the attachment. */
static void adopt_card(struct attempt *a, const struct pcsc_card *card)
{
    struct attachment *at = a->at;
    struct identity before = *card_known_to_caller(at);
    at->card = before;
    if (a->verdict >= SCARDMANAGE_VERDICT_DIFFERENT || !before.known) {
        at->reported_card = before;
        identity_set(&at->card, card->counter, &card->atr);
    }
    if (a->verdict >= SCARDMANAGE_VERDICT_REINSERTED)
        at->unreported_verdict = a->verdict;
    at->card.counter = card->counter;
    at->card.unwatched = false;
    identity_add_atr(&at->card, &card->atr);
    attachment_count_session(at);
}

/* After a step: calls SCardStatus(), and checks that the card was not removed or exchanged since it
 * was observed. Nothing keeps it in the reader in between. */
static scardmanage_result check_card_after_step(struct attempt *a)
{
    struct attachment *at = a->at;
    struct pcsc_card card;
    scardmanage_result result = publish_result(a, handle_get_status(at, &card));
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->reset_in_progress =
        card.state == SCARDMANAGE_STATE_POWERED || card.state == SCARDMANAGE_STATE_NEGOTIABLE;
    if (a->observed && card.counter != a->reader_state.counter) {
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
        return SCARDMANAGE_W_REMOVED_CARD;
    }
    switch (card.state) {
    case SCARDMANAGE_STATE_ABSENT:
        return SCARDMANAGE_E_NO_SMARTCARD;
    case SCARDMANAGE_STATE_SWALLOWED:
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    case SCARDMANAGE_STATE_SPECIFIC:
        break;
    default: /* another client has powered the card off, or no protocol is active */
        return card.state < SCARDMANAGE_STATE_POWERED ? SCARDMANAGE_W_UNPOWERED_CARD
                                                      : SCARDMANAGE_E_PROTO_MISMATCH;
    }
    if (a->options.protocols != 0 && !(a->options.protocols & card.protocol))
        return SCARDMANAGE_E_PROTO_MISMATCH;
    if (a->verdict == SCARDMANAGE_VERDICT_UNKNOWN)
        publish_verdict(a, identity_has_atr(card_known_to_caller(at), &card.atr)
                               ? SCARDMANAGE_VERDICT_REINSERTED
                               : SCARDMANAGE_VERDICT_DIFFERENT);
    result = refuse_other_card(a, &card.atr);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!a->observed)
        memcpy(at->reader, card.reader, sizeof at->reader);
    adopt_card(a, &card);
    at->atr = card.atr;
    at->protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

/* Begins a transaction unless there is one. After that, no other client can begin a reset. */
static scardmanage_result begin_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    if (at->in_transaction)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = publish_result(a, lock_begin_transaction(at));
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->lock_reacquired |= at->lock_count > 0;
    at->transaction_is_temporary = !lock_is_wanted(at);
    return SCARDMANAGE_S_OK;
}

#define RESET_CHECKS_MAX 200
#define RESET_CHECK_US   1000u

/* Checks the card, and repeats that while another client's reset is under way. pcsc-lite reports a
 * reset to all handles before it performs it (SCardReconnect() in winscard.c), and does not report
 * it again. So the reset that the library has acknowledged may not be complete. Reading an
 * attribute waits until the reader has finished its current operation; a cold reset consists of
 * two. Between the reset and the PPS no protocol is active. */
static scardmanage_result wait_for_reset_by_others(struct attempt *a)
{
    for (int i = 0; i < RESET_CHECKS_MAX; i++) {
        pcsc_probe_transaction(a->at->handle);
        pcsc_probe_transaction(a->at->handle);
        a->reset_in_progress = false;
        scardmanage_result result = check_card_after_step(a);
        if (!a->reset_in_progress || outcome_is_event(result))
            return result;
        result = job_pause(a->at, RESET_CHECK_US);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    return SCARDMANAGE_E_PROTO_MISMATCH;
}

/* Begins a transaction unless there is one, and checks the card within it. On failure, ends the
 * transaction if it was begun here. An earlier transaction stays: if the card was removed, it has
 * ended with the removal. */
static scardmanage_result check_card_in_transaction(struct attempt *a)
{
    struct attachment *at = a->at;
    bool had_transaction = at->in_transaction;
    scardmanage_result result = begin_transaction(a);
    if (result == SCARDMANAGE_S_OK)
        result = wait_for_reset_by_others(a);
    if (result != SCARDMANAGE_S_OK && !had_transaction && at->in_transaction) {
        lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE);
        at->transaction_is_temporary = at->in_transaction;
    }
    return result;
}

static scardmanage_result take_step(struct attempt *a, scardmanage_step step)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    a->report.step = step;
    for (int i = 0; i < STEP_TRIES_MAX; i++) {
        scardmanage_result stop = job_stop_reason(a->at);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
        bool open = step == SCARDMANAGE_STEP_REOPEN;
        result = open ? reopen_handle(a, wanted_protocols(a)) : reconnect_handle(a, step);
        if (result == SCARDMANAGE_S_OK) {
            result = check_card_in_transaction(a);
            /* if another client has reset the card since, only acknowledge that */
            step = SCARDMANAGE_STEP_LEAVE;
            a->event_acknowledged = false;
        }
        if (result != SCARDMANAGE_W_RESET_CARD)
            return result;
    }
    return result;
}

/* Opens a handle for an attachment that has none. That is the gentlest step then, and is allowed
 * even if last_step is below REOPEN. */
static scardmanage_result open_first_handle(struct attempt *a)
{
    scardmanage_result result = take_step(a, SCARDMANAGE_STEP_REOPEN);
    bool may_reset = a->options.last_step >= SCARDMANAGE_STEP_WARM;
    if (result != SCARDMANAGE_E_PROTO_MISMATCH || !may_reset)
        return result;
    /* another client has chosen another protocol; a reset allows a new choice */
    a->options.first_step =
        a->options.first_step < SCARDMANAGE_STEP_WARM ? SCARDMANAGE_STEP_WARM : a->options.first_step;
    return reopen_handle(a, PCSC_PROTOCOL_ANY);
}

/* A card that did not answer the last command needs at least a reset. */
static scardmanage_step effective_first_step(const struct attempt *a)
{
    bool unresponsive = a->at->unresponsive && a->verdict == SCARDMANAGE_VERDICT_UNCHANGED &&
                        a->options.last_step >= SCARDMANAGE_STEP_WARM;
    return unresponsive && a->options.first_step < SCARDMANAGE_STEP_WARM ? SCARDMANAGE_STEP_WARM
                                                                         : a->options.first_step;
}

static scardmanage_result try_steps(struct attempt *a)
{
    struct attachment *at = a->at;
    scardmanage_step last = a->options.last_step;
    scardmanage_result result = SCARDMANAGE_W_RESET_CARD;
    scardmanage_step highest = at->by_handle ? SCARDMANAGE_STEP_COLD : SCARDMANAGE_STEP_REOPEN;
    if (last > highest)
        last = highest;
    if (a->options.protocols != 0 && a->observed && a->verdict != SCARDMANAGE_VERDICT_DIFFERENT &&
        !identity_may_offer_protocol(&at->card, &a->reader_state.atr, a->options.protocols))
        return SCARDMANAGE_E_PROTO_MISMATCH; /* no step would help */
    if (!at->has_handle || a->handle_dead) {
        if (a->handle_dead && last < SCARDMANAGE_STEP_REOPEN)
            return SCARDMANAGE_E_INVALID_HANDLE;
        result = open_first_handle(a);
        if (result != SCARDMANAGE_S_OK || a->options.first_step == SCARDMANAGE_STEP_LEAVE ||
            a->options.first_step == SCARDMANAGE_STEP_REOPEN)
            return result;
    }
    for (int step = (int)effective_first_step(a); step <= (int)last; step++) {
        result = take_step(a, (scardmanage_step)step);
        if (!outcome_harder_step_may_cure(result))
            return result;
        a->step_failed = true;
    }
    return result;
}

static bool needs_no_step(const struct attempt *a, const struct pcsc_card *card)
{
    return a->verdict == SCARDMANAGE_VERDICT_UNCHANGED && effective_first_step(a) == SCARDMANAGE_STEP_LEAVE &&
           a->at->has_handle && wanted_share(a) == a->at->share &&
           card->state == SCARDMANAGE_STATE_SPECIFIC &&
           (a->options.protocols == 0 || (a->options.protocols & card->protocol));
}

/*
 * Rounds
 */

/* Ensures that there is exactly one transaction if the card must be locked now, and none otherwise. */
static scardmanage_result restore_lock(struct attempt *a)
{
    struct attachment *at = a->at;
    bool functions = (a->options.rebuild || a->options.identify) && a->report.step != SCARDMANAGE_STEP_NONE;
    if (lock_is_wanted(at) || functions || at->io.functions_due)
        return begin_transaction(a);
    /* a transaction that exists now is one that could not be ended before */
    scardmanage_result result =
        at->in_transaction ? publish_result(a, lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE))
                           : SCARDMANAGE_S_OK;
    at->transaction_is_temporary = at->in_transaction;
    return result;
}

#define REMOVAL_NOTICE_MS 400u /* pcsc-lite notices a removal within this time if it polls the reader */

/* A step also fails if the card is removed during it. Waits until PC/SC must have noticed a
 * removal, and returns W_REMOVED_CARD if there was one, so that the next round observes what is
 * there now. Does not wait if the card had not answered before the step either. */
static scardmanage_result check_for_removal_during_step(struct attempt *a, scardmanage_result result)
{
    struct pcsc_reader_state now = a->reader_state;
    uint64_t end = platform_now_us() + REMOVAL_NOTICE_MS * 1000;
    if (!outcome_harder_step_may_cure(result) || result == SCARDMANAGE_E_PROTO_MISMATCH || !a->observed ||
        now.mute)
        return result;
    do {
        pcsc_wait_for_change(a->at->context, a->at->reader, &now, REMOVAL_NOTICE_MS);
        scardmanage_result queried = service_get_reader_state(a->at, false, &now);
        if (queried != SCARDMANAGE_S_OK)
            return queried;
        if (!now.present || now.counter != a->reader_state.counter) {
            a->at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
            return SCARDMANAGE_W_REMOVED_CARD;
        }
    } while (platform_now_us() < end && job_stop_reason(a->at) == SCARDMANAGE_S_OK);
    return result;
}

static scardmanage_result run_round(struct attempt *a)
{
    struct pcsc_card card;
    scardmanage_result result = observe_card(a, &card);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (needs_no_step(a, &card)) {
        a->at->atr = card.atr;
        a->at->protocol = card.protocol;
    } else {
        result = check_for_removal_during_step(a, try_steps(a));
    }
    if (result == SCARDMANAGE_S_OK)
        result = restore_lock(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->at->unreported_event = SCARDMANAGE_S_OK;
    a->at->unresponsive = false;
    return SCARDMANAGE_S_OK;
}

/* Returns whether another round may help: the card was removed, exchanged or reset during this one,
 * or the service or the reader went away. */
static bool worth_another_round(const struct attempt *a, scardmanage_result result)
{
    if (result == SCARDMANAGE_E_NO_SERVICE || (result == SCARDMANAGE_E_INVALID_HANDLE && !a->at->by_handle))
        return a->observed;
    return !a->refused_card && a->verdict != SCARDMANAGE_VERDICT_ABSENT && a->observed &&
           (outcome_is_event(result) || result == SCARDMANAGE_E_NO_SMARTCARD);
}

/* Returns whether wait_ms applies to this result. */
static bool can_be_waited_for(const struct attempt *a, scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SMARTCARD || result == SCARDMANAGE_E_READER_UNAVAILABLE ||
           (result == SCARDMANAGE_E_NO_SERVICE && may_restart(a));
}

/* Returns whether the call waits, and then makes another job. */
static bool leaves_wait_to_call(struct attempt *a, scardmanage_result result)
{
    struct attachment *at = a->at;
    struct reconnect_progress *progress = a->progress;
    bool any_index = a->options.accept_other_index != 0;
    if (platform_now_us() >= at->io.wait_until || at->reader[0] == '\0')
        return false;
    progress->condition = (struct wait_condition){.what = WAIT_CARD_OR_DEAD_HANDLE, .any_index = any_index};
    if (a->refused_card && a->options.wait_for_my_card)
        progress->condition = (struct wait_condition){
            .what = WAIT_OTHER_CARD, .any_index = any_index, .counter = a->reader_state.counter};
    else if (!can_be_waited_for(a, result))
        return false;
    progress->card_was_there = a->observed && a->reader_state.present && !a->refused_card;
    progress->service_lost = result == SCARDMANAGE_E_NO_SERVICE;
    progress->worth_waiting = true;
    return true;
}

static scardmanage_result run_rounds(struct attempt *a)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int rounds = 1; rounds <= ROUNDS_MAX; rounds++) {
        result = run_round(a);
        if (leaves_wait_to_call(a, result) || !worth_another_round(a, result))
            break;
        bool lost = a->observed && a->reader_state.present && result == SCARDMANAGE_E_NO_SERVICE;
        scardmanage_result stop = lost ? job_pause(a->at, SERVICE_RETRY_US) : job_stop_reason(a->at);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
    return result;
}

/* Continues after a wait. */
static void resume(struct attempt *a)
{
    const struct reconnect_progress *progress = a->progress;
    a->report = progress->report;
    a->gravest_verdict = progress->gravest_verdict;
    a->lock_reacquired = progress->lock_reacquired;
    a->restarted = progress->restarted;
    a->report.new_atr_len = 0;
    a->report.new_protocol = 0;
    memset(a->report.new_atr, 0, sizeof a->report.new_atr);
    if (progress->condition.what == WAIT_OTHER_CARD) /* that card does not matter any more */
        a->gravest_verdict = a->report.verdict = SCARDMANAGE_VERDICT_UNKNOWN;
    if (a->at->contexts_opened != progress->contexts_opened)
        count_restart(a);
}

static void save_progress(struct attempt *a)
{
    struct reconnect_progress *progress = a->progress;
    progress->begun = true;
    progress->report = a->report;
    progress->gravest_verdict = a->gravest_verdict;
    progress->lock_reacquired = a->lock_reacquired;
    progress->restarted = a->restarted;
    progress->contexts_opened = a->at->contexts_opened;
}

static void begin_report(struct attempt *a)
{
    static const scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    a->report = empty;
    a->report.old_protocol = a->at->reported.protocol;
    copy_atr_to_report(a->report.old_atr, &a->report.old_atr_len, &a->at->reported.atr);
    a->report.lock = lock_state_for_report(a); /* for a caller that stops waiting before more is known */
}

static void finish_report(struct attempt *a)
{
    a->report.lock = lock_state_for_report(a);
    if (a->restarted)
        a->report.step = SCARDMANAGE_STEP_RESTART;
    if (a->refused_card || a->verdict == SCARDMANAGE_VERDICT_ABSENT)
        return;
    a->report.new_protocol = a->at->protocol;
    copy_atr_to_report(a->report.new_atr, &a->report.new_atr_len, &a->at->atr);
}

scardmanage_result reconnect_end_temporary_transaction(struct attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (at->transaction_is_temporary && at->in_transaction && !lock_is_wanted(at))
        result = lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE);
    at->transaction_is_temporary = false;
    return result;
}

scardmanage_result reconnect_job(struct attachment *at)
{
    struct attempt a = {.at = at, .options = at->io.options, .progress = &at->io.progress};
    if (a.progress->begun)
        resume(&a);
    else
        begin_report(&a);
    a.progress->worth_waiting = false;
    job_publish(at, &a.report);
    if (a.progress->begun && a.progress->service_lost && a.progress->card_was_there)
        job_pause(at, SERVICE_RETRY_US);
    scardmanage_result result = run_rounds(&a);
    scardmanage_result stop = job_stop_reason(at);
    if (can_be_waited_for(&a, result) && stop != SCARDMANAGE_S_OK)
        result = stop; /* there was no time left to wait */
    if (result != SCARDMANAGE_S_OK)
        reconnect_end_temporary_transaction(at);
    finish_report(&a);
    save_progress(&a);
    job_publish(at, &a.report);
    return result;
}

scardmanage_result reconnect_check_after_functions(struct attachment *at)
{
    struct pcsc_card card;
    bool stopped =
        at->rebuild_result == SCARDMANAGE_E_TIMEOUT || at->rebuild_result == SCARDMANAGE_E_CANCELLED;
    scardmanage_result result = stopped ? SCARDMANAGE_S_OK : handle_get_status_for_caller(at, &card);
    scardmanage_result ended = reconnect_end_temporary_transaction(at);
    if (result == SCARDMANAGE_S_OK)
        result = ended;
    if (outcome_is_event(result))
        at->unreported_event = result;
    else if (at->rebuild_result == SCARDMANAGE_W_REMOVED_CARD) /* the card is not the one that it should be */
        at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    if (result != SCARDMANAGE_S_OK || at->rebuild_result != SCARDMANAGE_S_OK)
        set_card_unreported(at);
    return result;
}

scardmanage_result reconnect_undo(struct attachment *at)
{
    scardmanage_result result = reconnect_end_temporary_transaction(at);
    if (at->io.first_card && !at->by_handle) { /* the caller does not know of a card yet */
        handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
        identity_clear(&at->card);
        at->atr = (struct pcsc_atr){.length = 0};
        at->protocol = 0;
        at->unreported_event = SCARDMANAGE_S_OK;
        at->unreported_verdict = SCARDMANAGE_VERDICT_UNKNOWN;
        return result;
    }
    bool locked = at->in_transaction && at->report.lock == SCARDMANAGE_LOCK_REACQUIRED;
    bool did_nothing = at->report.step == SCARDMANAGE_STEP_NONE && result == SCARDMANAGE_S_OK && !locked;
    if (!did_nothing)
        set_card_unreported(at);
    return locked ? lock_end_transaction(at, SCARDMANAGE_DISPOSITION_LEAVE) : result;
}

/*
 * Calls
 */

bool reconnect_report_is_valid(const scardmanage_report *report)
{
    return !report || (report->size >= REPORT_FIRST_VERSION && report->size <= OPTIONS_SIZE_MAX);
}

/* Writes the fields that the version of the caller has. Sets fields that only that version has to 0. */
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to)
{
    if (!to)
        return;
    size_t size = to->size;
    size_t known = size < sizeof *from ? size : sizeof *from;
    memcpy(to, from, known);
    memset((uint8_t *)to + known, 0, size - known);
    to->size = size;
}

scardmanage_result scardmanage_reconnect_ex(scardmanage *m, const scardmanage_options *options,
                                            scardmanage_report *report)
{
    struct call c;
    scardmanage_options read;
    scardmanage_report own = SCARDMANAGE_REPORT_INIT;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = options_read(m, options, &read);
    if (result == SCARDMANAGE_S_OK && !reconnect_report_is_valid(report))
        result = SCARDMANAGE_E_INVALIDARG;
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint64_t start = platform_now_us();
    result = call_begin_unless_nested(&c, m, read.timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = reconnect_in_call(&c, &read, RECONNECT_FOR_CALLER, &own);
        call_end(&c);
    } else {
        own.lock = call_last_lock_state(m);
    }
    own.elapsed_us = platform_now_us() - start;
    if (result != SCARDMANAGE_E_INVALIDARG)
        reconnect_write_report(&own, report);
    return result;
}

scardmanage_result scardmanage_reconnect(scardmanage *m)
{
    return scardmanage_reconnect_ex(m, NULL, NULL);
}
