/* SPDX-License-Identifier: BSD-3-Clause */
/* Getting back to the card: look, judge, take the gentlest step that works, check that nothing moved
 * meanwhile, restore the lock. PC/SC has no way to do that in one piece, so it goes round again if something
 * came between. */
#include "internal.h"

#include <string.h>

#define ROUNDS           4 /* how often the card may move while we are at it */
#define TRIES            4 /* how often others may reset it during one step */

#define SERVICE_AGAIN_US 5000u /* for a service that goes again and again, as long as the caller waits */

/* The size of the first version of the struct, whatever padding it has. */
#define REPORT_FIRST_VERSION (offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX)

typedef struct attempt {
    attachment *at;
    scardmanage_options options;
    scardmanage_report report;

    /* of this round */
    bool looked; /* look is filled in */
    pcsc_look look;
    bool moved;        /* the card was out since we last knew it */
    bool handle_dead;  /* only a new handle helps */
    bool refused;      /* by us, as it is another card */
    bool acknowledged; /* the handle has no event any more */
    bool unsettled;    /* there is no protocol: another client is in the middle of a reset */
    bool in_vain;      /* a step has left the card without an answer */
    scardmanage_verdict verdict;

    scardmanage_verdict gravest; /* of all rounds, but for ABSENT, which is past when a card has come */
    bool reacquired;
    bool restarted; /* with a new context */
    uint64_t wait_until;
} attempt;

static scardmanage_lock_state lock_now(const attempt *a)
{
    scardmanage_lock_state lock = lock_state(a->at);
    return lock == SCARDMANAGE_LOCK_KEPT && a->reacquired ? SCARDMANAGE_LOCK_REACQUIRED : lock;
}

static scardmanage_result note(attempt *a, scardmanage_result result)
{
    a->report.last_result = result;
    a->report.lock = lock_now(a);
    job_publish(a->at, &a->report);
    return result;
}

static void note_verdict(attempt *a, scardmanage_verdict verdict)
{
    a->verdict = verdict;
    if (verdict != SCARDMANAGE_VERDICT_ABSENT && verdict > a->gravest)
        a->gravest = verdict;
    a->report.verdict = verdict == SCARDMANAGE_VERDICT_ABSENT ? verdict : a->gravest;
    job_publish(a->at, &a->report);
}

static void set_atr(uint8_t *bytes, uint8_t *length, const pcsc_atr *atr)
{
    *length = atr->length;
    memcpy(bytes, atr->bytes, atr->length);
}

/* From here on lock, transmit and status say what happened, also if PC/SC was made to forget it. */
static void keep_event(attempt *a)
{
    attachment *at = a->at;
    if (a->moved || at->pending == SCARDMANAGE_W_REMOVED_CARD)
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
    else
        at->pending = SCARDMANAGE_W_RESET_CARD;
}

/* The same after a reconnect that has come to nothing in the end. */
static void keep_untold(attachment *at)
{
    if (at->untold != SCARDMANAGE_VERDICT_UNKNOWN)
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
    else if (at->pending == SCARDMANAGE_S_OK)
        at->pending = SCARDMANAGE_W_RESET_CARD;
}

/* What another reconnect has left there the caller does not know. Without an event to acknowledge it left
 * nothing. */
static void keep_before(attachment *at)
{
    if (at->before.kept && at->pending != SCARDMANAGE_S_OK)
        return;
    at->before.kept = true;
    at->before.atr = at->atr;
    at->before.protocol = at->protocol;
}

/* As far as the caller knows. */
static const identity *card_before(const attachment *at)
{
    return at->untold >= SCARDMANAGE_VERDICT_DIFFERENT ? &at->told : &at->card;
}

/*
 * Looking and judging
 */

/* To look at the reader of the caller's handle takes no more than a context, and is no step. */
static bool may_restart(const attempt *a)
{
    return a->at->by_handle || a->options.last_step >= SCARDMANAGE_STEP_RESTART;
}

static void note_restart(attempt *a)
{
    if (a->at->by_handle)
        return;
    a->restarted = true;
    a->report.step = SCARDMANAGE_STEP_RESTART;
    a->report.attempts++;
}

static void begin_restart(attempt *a)
{
    service_lost(a->at);
    note_restart(a);
}

/* Without a context the service has been lost before. */
static scardmanage_result look_at_reader(attempt *a, bool any_index)
{
    return a->at->has_context ? service_look(a->at, any_index, &a->look) : SCARDMANAGE_E_NO_SERVICE;
}

static scardmanage_result look(attempt *a)
{
    attachment *at = a->at;
    a->looked = false;
    a->verdict = SCARDMANAGE_VERDICT_UNKNOWN;
    a->report.verdict = a->gravest;
    if (at->reader[0] == '\0')
        return SCARDMANAGE_S_OK;
    bool any_index = a->options.accept_other_index != 0;
    scardmanage_result result = note(a, look_at_reader(a, any_index));
    if (result == SCARDMANAGE_E_NO_SERVICE && may_restart(a)) {
        begin_restart(a);
        result = note(a, service_look(at, any_index, &a->look));
    } else if (result == SCARDMANAGE_E_NO_SERVICE) {
        service_unwatched(at);
    }
    a->looked = result == SCARDMANAGE_S_OK;
    if (a->looked)
        service_check_handle(at, &a->look);
    if (a->looked && at->handle_lost)
        return note(a, SCARDMANAGE_E_INVALID_HANDLE);
    /* the lock went with the card; whoever has locked the card that is there now is to be waited for */
    if (a->looked && (!a->look.present || identity_moved(&at->card, a->look.counter)))
        at->transacted = false;
    if (!a->looked || a->look.present)
        return result;
    if (at->card.known)
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
    note_verdict(a, SCARDMANAGE_VERDICT_ABSENT);
    return SCARDMANAGE_E_NO_SMARTCARD;
}

/* Asks the handle, if there is one. Only codes that end the reconnect are returned. */
static scardmanage_result ask_handle(attempt *a, pcsc_card *card, scardmanage_result *event)
{
    attachment *at = a->at;
    *event = SCARDMANAGE_S_OK;
    a->handle_dead = false;
    memset(card, 0, sizeof *card);
    if (!at->has_handle)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = note(a, handle_settle(at));
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = note(a, handle_card(at, card));
    if (outcome_is_event(result)) {
        *event = result;
        return SCARDMANAGE_S_OK;
    }
    if (result == SCARDMANAGE_E_INVALID_HANDLE || result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        service_unwatched(at); /* the reader was unplugged and is back */
        a->handle_dead = !at->by_handle;
        if (a->handle_dead)
            return SCARDMANAGE_S_OK;
        return a->looked ? SCARDMANAGE_E_INVALID_HANDLE : result; /* the reader is there, the handle is not */
    }
    if (result == SCARDMANAGE_E_NO_SERVICE &&
        at->reader[0] == '\0') { /* no look has told whether it is back */
        service_lost(at);
        result = note(a, service_open(at));
        return result == SCARDMANAGE_S_OK ? SCARDMANAGE_E_INVALID_HANDLE : result;
    }
    return result;
}

/* A handle that had an event when it was attached: nothing is known of its card but that. */
static scardmanage_verdict judge_stranger(const attempt *a, scardmanage_result event)
{
    return event == SCARDMANAGE_W_REMOVED_CARD || a->at->pending == SCARDMANAGE_W_REMOVED_CARD
               ? SCARDMANAGE_VERDICT_DIFFERENT
               : SCARDMANAGE_VERDICT_RESET;
}

static scardmanage_verdict judge_known(const attempt *a, scardmanage_result event)
{
    const attachment *at = a->at;
    if (!a->moved && at->untold != SCARDMANAGE_VERDICT_UNKNOWN)
        return at->untold;
    if (!a->moved)
        return event == SCARDMANAGE_S_OK && at->pending == SCARDMANAGE_S_OK ? SCARDMANAGE_VERDICT_UNCHANGED
                                                                            : SCARDMANAGE_VERDICT_RESET;
    if (a->look.atr.length == 0) /* mute: what card it is can only be told once it answers */
        return SCARDMANAGE_VERDICT_UNKNOWN;
    return identity_has(card_before(at), &a->look.atr) ? SCARDMANAGE_VERDICT_REINSERTED
                                                       : SCARDMANAGE_VERDICT_DIFFERENT;
}

static scardmanage_result refuse_other_card(attempt *a, const pcsc_atr *atr)
{
    if (a->verdict != SCARDMANAGE_VERDICT_DIFFERENT || a->options.accept_other_card)
        return SCARDMANAGE_S_OK;
    a->refused = true;
    a->at->pending = SCARDMANAGE_W_REMOVED_CARD;
    set_atr(a->report.new_atr, &a->report.new_atr_len, atr);
    return SCARDMANAGE_W_REMOVED_CARD;
}

static scardmanage_result judge(attempt *a, pcsc_card *card)
{
    attachment *at = a->at;
    scardmanage_result event;
    scardmanage_result result = look(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = ask_handle(a, card, &event);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (at->has_handle && !a->handle_dead && a->looked)
        at->share = a->look.exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    a->acknowledged = event == SCARDMANAGE_S_OK;
    a->moved = event == SCARDMANAGE_W_REMOVED_CARD || a->handle_dead ||
               (a->looked && identity_moved(&at->card, a->look.counter));
    if (a->moved)
        at->transacted = false; /* pcsc-lite: RFSetReaderEventState() in readerfactory.c */
    if (a->moved && at->card.known)
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
    if (!a->looked)
        note_verdict(a, judge_stranger(a, event));
    else if (!card_before(at)->known)
        note_verdict(a, SCARDMANAGE_VERDICT_FIRST);
    else
        note_verdict(a, judge_known(a, event));
    return refuse_other_card(a, &a->look.atr);
}

/*
 * Steps
 */

static scardmanage_share wanted_share(const attempt *a)
{
    return a->options.share == SCARDMANAGE_SHARE_KEEP ? a->at->share : a->options.share;
}

static uint32_t wanted_protocols(const attempt *a)
{
    bool same = a->verdict <= SCARDMANAGE_VERDICT_REINSERTED;
    return options_protocols(&a->options, same ? a->at->protocol : 0);
}

/* pcsc-lite counts exclusive use as one transaction more, and forgets to end that one when the reader is
 * shared again (SCardReconnect() in winscard.c calls RFUnlockSharing(), which spares the last). Other clients
 * would wait for ever. */
static void share_again(attempt *a)
{
    attachment *at = a->at;
    if (!at->transacted)
        pcsc_end(at->handle, SCARDMANAGE_LEAVE); /* "not transacted" elsewhere */
    at->share = SCARDMANAGE_SHARE_SHARED;
}

/* Exclusive use is asked for last, and without touching the card: as long as other clients are connected,
 * libpcsclite repeats the call, and with it a reset (SCardReconnect() in winscard_clnt.c). */
static scardmanage_result change_share(attempt *a, scardmanage_share taken, uint32_t protocols)
{
    attachment *at = a->at;
    if (at->share == SCARDMANAGE_SHARE_EXCLUSIVE && taken == SCARDMANAGE_SHARE_SHARED)
        share_again(a);
    if (a->options.share != SCARDMANAGE_SHARE_EXCLUSIVE || at->share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    scardmanage_result result =
        note(a, handle_reconnect(at, SCARDMANAGE_SHARE_EXCLUSIVE, protocols, SCARDMANAGE_STEP_LEAVE));
    if (result != SCARDMANAGE_S_OK)
        return result;
    at->share = SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_result stop = job_stopped(at);
    if (stop == SCARDMANAGE_S_OK)
        return SCARDMANAGE_S_OK;
    /* the others took their time to go, and nobody wants it any more */
    if (pcsc_reconnect(at->handle, SCARDMANAGE_SHARE_SHARED, protocols, SCARDMANAGE_STEP_LEAVE) ==
        SCARDMANAGE_S_OK)
        share_again(a);
    return stop;
}

/* pcscd says so, too, of a card that has not answered to reset, after which another client switched it off:
 * without an ATR no protocol matches (PHSetProtocol() in prothandler.c). */
static bool has_no_atr(const attempt *a)
{
    pcsc_look look;
    return a->looked && pcsc_look_at(a->at->context, a->at->reader, &look) == SCARDMANAGE_S_OK &&
           look.present && look.atr.length == 0;
}

static scardmanage_result reconnect_handle(attempt *a, scardmanage_step step)
{
    attachment *at = a->at;
    bool stays_exclusive =
        wanted_share(a) == SCARDMANAGE_SHARE_EXCLUSIVE && at->share == SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_share share = stays_exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    uint32_t protocols = wanted_protocols(a);
    a->report.attempts++;
    scardmanage_result result = note(a, handle_reconnect(at, share, protocols, step));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && has_no_atr(a))
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0) {
        /* the one that was in use is not to be had any more: any other, and the card need not be reset again
         * for it */
        protocols = PCSC_PROTOCOL_ANY;
        result = note(a, handle_reconnect(at, share, protocols, SCARDMANAGE_STEP_LEAVE));
    }
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!platform_reconnect_keeps_transaction())
        at->transacted = false;
    if (!a->acknowledged || step > SCARDMANAGE_STEP_LEAVE)
        keep_event(a);
    a->acknowledged = true;
    return change_share(a, share, protocols);
}

/* A step before may have left the card without an answer; closing with UNPOWER makes pcscd power it up when
 * opening. */
static scardmanage_result open_handle(attempt *a, uint32_t protocols)
{
    attachment *at = a->at;
    if (at->has_handle && !a->handle_dead) {
        scardmanage_result turn =
            note(a, handle_turn(at)); /* opening waits, too, and not so that it can be stopped */
        if (turn != SCARDMANAGE_S_OK)
            return turn;
    }
    if (at->has_handle)
        keep_event(a);
    handle_close(at, a->in_vain && !a->handle_dead ? SCARDMANAGE_UNPOWER : SCARDMANAGE_LEAVE);
    a->handle_dead = false;
    a->report.attempts++;
    scardmanage_result result = note(a, handle_open(at, &a->options, protocols));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0)
        result = note(a, handle_open(at, &a->options, PCSC_PROTOCOL_ANY));
    if (result != SCARDMANAGE_S_OK)
        at->card.unwatched = true; /* only a handle tells that the reader was unplugged and is back */
    return result;
}

static void go_over(attempt *a, const pcsc_card *card)
{
    attachment *at = a->at;
    identity before = *card_before(at);
    at->card = before;
    if (a->verdict >= SCARDMANAGE_VERDICT_DIFFERENT || !before.known) {
        at->told = before;
        identity_set(&at->card, card->counter, &card->atr);
    }
    if (a->verdict >= SCARDMANAGE_VERDICT_REINSERTED)
        at->untold = a->verdict;
    at->card.counter = card->counter;
    at->card.unwatched = false;
    identity_add(&at->card, &card->atr);
}

/* Whether it moved or changed is asked again after the step: nothing keeps the card in its place in between.
 */
static scardmanage_result confirm(attempt *a)
{
    attachment *at = a->at;
    pcsc_card card;
    scardmanage_result result = note(a, handle_card(at, &card));
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->unsettled = card.state == SCARDMANAGE_STATE_POWERED || card.state == SCARDMANAGE_STATE_NEGOTIABLE;
    if (a->looked && card.counter != a->look.counter) {
        at->pending = SCARDMANAGE_W_REMOVED_CARD;
        return SCARDMANAGE_W_REMOVED_CARD;
    }
    switch (card.state) {
    case SCARDMANAGE_STATE_ABSENT:
        return SCARDMANAGE_E_NO_SMARTCARD;
    case SCARDMANAGE_STATE_SWALLOWED:
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    case SCARDMANAGE_STATE_SPECIFIC:
        break;
    default: /* switched off by another client, or without a protocol */
        return card.state < SCARDMANAGE_STATE_POWERED ? SCARDMANAGE_W_UNPOWERED_CARD
                                                      : SCARDMANAGE_E_PROTO_MISMATCH;
    }
    if (a->options.protocols != 0 && !(a->options.protocols & card.protocol))
        return SCARDMANAGE_E_PROTO_MISMATCH;
    if (a->verdict == SCARDMANAGE_VERDICT_UNKNOWN)
        note_verdict(a, identity_has(card_before(at), &card.atr) ? SCARDMANAGE_VERDICT_REINSERTED
                                                                 : SCARDMANAGE_VERDICT_DIFFERENT);
    result = refuse_other_card(a, &card.atr);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!a->looked)
        memcpy(at->reader, card.reader, sizeof at->reader);
    go_over(a, &card);
    at->atr = card.atr;
    at->protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

/* From here on no other client can begin to reset the card. */
static scardmanage_result hold(attempt *a)
{
    attachment *at = a->at;
    if (at->transacted)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = note(a, lock_begin(at));
    bool locked = at->lock_count > 0;
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->reacquired |= locked;
    at->borrowed = !locked;
    return SCARDMANAGE_S_OK;
}

#define SETTLE_TRIES 200
#define SETTLE_US    1000u

/* But one may have begun: pcsc-lite tells all handles of a reset before it is done (SCardReconnect() in
 * winscard.c), so that what we have acknowledged may yet come, and nobody would tell us again. Asking the
 * reader waits for what it is doing, and between reset and PPS no protocol is active. A cold reset is two
 * things to do. */
static scardmanage_result await_settled(attempt *a)
{
    for (int i = 0; i < SETTLE_TRIES; i++) {
        pcsc_probe(a->at->handle);
        pcsc_probe(a->at->handle);
        a->unsettled = false;
        scardmanage_result result = confirm(a);
        if (!a->unsettled || outcome_is_event(result))
            return result;
        result = job_pause(a->at, SETTLE_US);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    return SCARDMANAGE_E_PROTO_MISMATCH;
}

/* A transaction that is there when this fails was there before: so if the card has moved since we knew it,
 * then since the transaction, too, which is gone. */
static scardmanage_result settle(attempt *a)
{
    attachment *at = a->at;
    bool had = at->transacted;
    scardmanage_result result = hold(a);
    if (result == SCARDMANAGE_S_OK)
        result = await_settled(a);
    if (result != SCARDMANAGE_S_OK && !had && at->transacted) {
        lock_end(at, SCARDMANAGE_LEAVE);
        at->borrowed = at->transacted;
    }
    return result;
}

static scardmanage_result take_step(attempt *a, scardmanage_step step)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    a->report.step = step;
    for (int i = 0; i < TRIES; i++) {
        scardmanage_result stop = job_stopped(a->at);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
        bool open = step == SCARDMANAGE_STEP_REOPEN;
        result = open ? open_handle(a, wanted_protocols(a)) : reconnect_handle(a, step);
        if (result == SCARDMANAGE_S_OK) {
            result = settle(a);
            step = SCARDMANAGE_STEP_LEAVE; /* is done; if others reset the card since, that is only to be
                                              acknowledged */
            a->acknowledged = false;
        }
        if (result != SCARDMANAGE_W_RESET_CARD)
            return result;
    }
    return result;
}

/* Opening is the gentlest that can be done without a handle, so it does not count as going as far as REOPEN.
 */
static scardmanage_result first_handle(attempt *a)
{
    scardmanage_result result = take_step(a, SCARDMANAGE_STEP_REOPEN);
    bool may_reset = a->options.last_step >= SCARDMANAGE_STEP_WARM;
    if (result != SCARDMANAGE_E_PROTO_MISMATCH || !may_reset)
        return result;
    /* another client has chosen another protocol: a reset lets us choose */
    a->options.first_step =
        a->options.first_step < SCARDMANAGE_STEP_WARM ? SCARDMANAGE_STEP_WARM : a->options.first_step;
    return open_handle(a, PCSC_PROTOCOL_ANY);
}

/* A card that fell silent, and of which nothing else is known, needs a reset at least. */
static scardmanage_step first_step(const attempt *a)
{
    bool silent = a->at->silent && a->verdict == SCARDMANAGE_VERDICT_UNCHANGED &&
                  a->options.last_step >= SCARDMANAGE_STEP_WARM;
    return silent && a->options.first_step < SCARDMANAGE_STEP_WARM ? SCARDMANAGE_STEP_WARM
                                                                   : a->options.first_step;
}

static scardmanage_result climb(attempt *a)
{
    attachment *at = a->at;
    scardmanage_step last = a->options.last_step;
    scardmanage_result result = SCARDMANAGE_W_RESET_CARD;
    scardmanage_step highest = at->by_handle ? SCARDMANAGE_STEP_COLD : SCARDMANAGE_STEP_REOPEN;
    if (last > highest)
        last = highest;
    if (a->options.protocols != 0 && a->looked && a->verdict != SCARDMANAGE_VERDICT_DIFFERENT &&
        !identity_may_offer(&at->card, &a->look.atr, a->options.protocols))
        return SCARDMANAGE_E_PROTO_MISMATCH; /* no step would help, so none is taken */
    if (!at->has_handle || a->handle_dead) {
        if (a->handle_dead && last < SCARDMANAGE_STEP_REOPEN)
            return SCARDMANAGE_E_INVALID_HANDLE;
        result = first_handle(a);
        if (result != SCARDMANAGE_S_OK || a->options.first_step == SCARDMANAGE_STEP_LEAVE ||
            a->options.first_step == SCARDMANAGE_STEP_REOPEN)
            return result;
    }
    for (int step = (int)first_step(a); step <= (int)last; step++) {
        result = take_step(a, (scardmanage_step)step);
        if (!outcome_harder_step_may_cure(result))
            return result;
        a->in_vain = true;
    }
    return result;
}

static bool nothing_to_do(const attempt *a, const pcsc_card *card)
{
    return a->verdict == SCARDMANAGE_VERDICT_UNCHANGED && first_step(a) == SCARDMANAGE_STEP_LEAVE &&
           a->at->has_handle && wanted_share(a) == a->at->share &&
           card->state == SCARDMANAGE_STATE_SPECIFIC &&
           (a->options.protocols == 0 || (a->options.protocols & card->protocol));
}

/*
 * The whole
 */

/* Never begun twice, never left behind: each is one transaction more or less than unlocking ends. */
static scardmanage_result restore_lock(attempt *a)
{
    attachment *at = a->at;
    bool rebuilds = a->options.rebuild != NULL && a->report.step != SCARDMANAGE_STEP_NONE;
    if (at->lock_count > 0 || at->io.keep || rebuilds)
        return hold(a);
    /* or one that could not be ended in its time */
    scardmanage_result result = at->transacted ? note(a, lock_end(at, SCARDMANAGE_LEAVE)) : SCARDMANAGE_S_OK;
    at->borrowed = at->transacted;
    return result;
}

#define NOTICE_MS 400u /* so long pcsc-lite takes to notice a removal, if the reader has to be asked */

/* A card that was pulled or exchanged during a step has not answered to it; what is there then is judged
 * afresh. But one that did not answer before, either, is not waited for. */
static scardmanage_result failed_in_place(attempt *a, scardmanage_result result)
{
    pcsc_look now = a->look;
    uint64_t end = platform_now_us() + NOTICE_MS * 1000;
    if (!outcome_harder_step_may_cure(result) || result == SCARDMANAGE_E_PROTO_MISMATCH || !a->looked ||
        now.mute)
        return result;
    do {
        pcsc_wait(a->at->context, a->at->reader, &now, NOTICE_MS);
        scardmanage_result looked = service_look(a->at, false, &now);
        if (looked != SCARDMANAGE_S_OK)
            return looked;
        if (!now.present || now.counter != a->look.counter) {
            a->at->pending = SCARDMANAGE_W_REMOVED_CARD;
            return SCARDMANAGE_W_REMOVED_CARD;
        }
    } while (platform_now_us() < end && job_stopped(a->at) == SCARDMANAGE_S_OK);
    return result;
}

static scardmanage_result go_round(attempt *a)
{
    pcsc_card card;
    scardmanage_result result = judge(a, &card);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (nothing_to_do(a, &card)) {
        a->at->atr = card.atr;
        a->at->protocol = card.protocol;
    } else {
        result = failed_in_place(a, climb(a));
    }
    if (result == SCARDMANAGE_S_OK)
        result = restore_lock(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    a->at->pending = SCARDMANAGE_S_OK;
    a->at->silent = false;
    return SCARDMANAGE_S_OK;
}

/* Whether looking again may tell more: the card left or was exchanged during the step, or reset before it was
 * locked, or the service or the reader went meanwhile. */
static bool worth_another_round(const attempt *a, scardmanage_result result)
{
    if (result == SCARDMANAGE_E_NO_SERVICE || (result == SCARDMANAGE_E_INVALID_HANDLE && !a->at->by_handle))
        return a->looked;
    return !a->refused && a->verdict != SCARDMANAGE_VERDICT_ABSENT && a->looked &&
           (outcome_is_event(result) || result == SCARDMANAGE_E_NO_SMARTCARD);
}

/* Whether there is something to wait for. */
static bool is_away(const attempt *a, scardmanage_result result)
{
    return result == SCARDMANAGE_E_NO_SMARTCARD || result == SCARDMANAGE_E_READER_UNAVAILABLE ||
           (result == SCARDMANAGE_E_NO_SERVICE && may_restart(a));
}

/* True if a card has come; or the reader, if that tells that the handle will not come back. */
static bool wait_for_card(attempt *a)
{
    attachment *at = a->at;
    uint64_t start = platform_now_us();
    if (start >= a->wait_until || at->reader[0] == '\0')
        return false;
    bool any_index = a->options.accept_other_index != 0;
    unsigned opened = at->opened;
    scardmanage_result result = service_wait_for_card(at, any_index, true, a->wait_until);
    if (at->opened != opened)
        note_restart(a);
    a->report.waited_us += platform_now_us() - start;
    return result == SCARDMANAGE_S_OK;
}

static scardmanage_result reconnect(attempt *a)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int i = 0; i < ROUNDS; i++) {
        result = go_round(a);
        bool there = a->looked && a->look.present, lost = result == SCARDMANAGE_E_NO_SERVICE;
        if (is_away(a, result) && wait_for_card(a))
            i = there && !lost ? i : -1; /* PC/SC may say that it is there, and refuse it */
        else if (!worth_another_round(a, result))
            break;
        scardmanage_result stop = there && lost ? job_pause(a->at, SERVICE_AGAIN_US) : job_stopped(a->at);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
    return result;
}

static void report_before(attempt *a)
{
    static const scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    a->report = empty;
    a->report.old_protocol = a->at->before.protocol;
    set_atr(a->report.old_atr, &a->report.old_atr_len, &a->at->before.atr);
    a->report.lock = lock_now(a); /* for a caller that gives up before there is more to tell */
}

static void report_after(attempt *a)
{
    a->report.lock = lock_now(a);
    if (a->restarted)
        a->report.step = SCARDMANAGE_STEP_RESTART;
    if (a->refused || a->verdict == SCARDMANAGE_VERDICT_ABSENT)
        return;
    a->report.new_protocol = a->at->protocol;
    set_atr(a->report.new_atr, &a->report.new_atr_len, &a->at->atr);
}

scardmanage_result reconnect_give_back(attachment *at)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (at->borrowed && at->transacted && at->lock_count == 0)
        result = lock_end(at, SCARDMANAGE_LEAVE);
    at->borrowed = false;
    return result;
}

static scardmanage_result reconnect_job(attachment *at)
{
    attempt a = {.at = at, .options = at->io.options, .wait_until = at->io.wait_until};
    report_before(&a);
    job_publish(at, &a.report);
    scardmanage_result result = reconnect(&a);
    scardmanage_result stop = job_stopped(at);
    if (is_away(&a, result) && stop != SCARDMANAGE_S_OK)
        result = stop; /* no time was left for it to come */
    if (result != SCARDMANAGE_S_OK)
        reconnect_give_back(at);
    report_after(&a);
    job_publish(at, &a.report);
    return result;
}

/* After the rebuild function: whether the card, for all it said, is still there. */
static scardmanage_result rebuilt_job(attachment *at)
{
    pcsc_card card;
    bool stopped = at->rebuilt == SCARDMANAGE_E_TIMEOUT || at->rebuilt == SCARDMANAGE_E_CANCELLED;
    scardmanage_result result = stopped ? SCARDMANAGE_S_OK : handle_status(at, &card);
    if (!at->io.keep || result != SCARDMANAGE_S_OK || at->rebuilt != SCARDMANAGE_S_OK) {
        scardmanage_result given_back = reconnect_give_back(at);
        if (result == SCARDMANAGE_S_OK)
            result = given_back;
    }
    if (outcome_is_event(result))
        at->pending = result;
    if (result != SCARDMANAGE_S_OK || at->rebuilt != SCARDMANAGE_S_OK)
        keep_untold(at);
    return result;
}

/* For a reconnect that succeeded when nobody waited for it any more: what it did to the card is not known to
 * the caller, who has been told that the lock is lost. */
static scardmanage_result reconnect_undo(attachment *at)
{
    scardmanage_result result = reconnect_give_back(at);
    if (at->io.first && !at->by_handle) { /* then there still is none */
        handle_close(at, SCARDMANAGE_LEAVE);
        identity_clear(&at->card);
        at->atr = (pcsc_atr){.length = 0};
        at->protocol = 0;
        at->pending = SCARDMANAGE_S_OK;
        at->untold = SCARDMANAGE_VERDICT_UNKNOWN;
        return result;
    }
    bool locked = at->transacted && at->report.lock == SCARDMANAGE_LOCK_REACQUIRED;
    bool did_nothing = at->report.step == SCARDMANAGE_STEP_NONE && result == SCARDMANAGE_S_OK && !locked;
    if (!did_nothing)
        keep_untold(at);
    return locked ? lock_end(at, SCARDMANAGE_LEAVE) : result;
}

/*
 * The calls
 */

static void let_rebuild(call *c, bool begins)
{
    scardmanage *m = c->m;
    platform_lock(&m->mutex);
    m->rebuilding = begins;
    m->rebuilder = platform_thread_self();
    m->rebuild_deadline = c->deadline;
    m->rebuild_cancels = c->cancels;
    platform_unlock(&m->mutex);
}

/* *again: the card was lost meanwhile, so that what it did is void. */
static scardmanage_result rebuild(call *c, const scardmanage_options *options,
                                  const scardmanage_report *report, bool *again)
{
    let_rebuild(c, true);
    scardmanage_result result = options->rebuild(c->m, report, options->rebuild_context);
    let_rebuild(c, false);
    scardmanage_result stop = call_await(c);
    if (stop != SCARDMANAGE_S_OK)
        result = stop;
    c->at->rebuilt = result;
    scardmanage_result finished = call_finish(c, rebuilt_job);
    *again = stop == SCARDMANAGE_S_OK && outcome_is_loss(finished);
    return *again || result == SCARDMANAGE_S_OK ? finished : result;
}

scardmanage_result reconnect_in_call(call *c, const scardmanage_options *options, bool keep,
                                     scardmanage_report *report)
{
    scardmanage_report nothing_yet = SCARDMANAGE_REPORT_INIT;
    attachment *at = c->at;
    scardmanage_result result = SCARDMANAGE_S_OK;
    uint64_t start = platform_now_us();
    uint64_t wait_until = call_deadline_in(options->wait_ms);
    if (at->by_handle && options->first_step >= SCARDMANAGE_STEP_REOPEN)
        return SCARDMANAGE_E_INVALIDARG;
    at->io.first = !at->card.known;
    nothing_yet.lock = lock_state(at);
    keep_before(at);
    for (int i = 0; i < ROUNDS; i++) {
        at->io.options = *options;
        at->io.keep = keep;
        at->io.wait_until = wait_until;
        job_publish(at, &nothing_yet);
        result = call_run(c, reconnect_job, reconnect_undo);
        call_report(c, report);
        report->elapsed_us = platform_now_us() - start;
        if (result != SCARDMANAGE_S_OK || options->rebuild == NULL || report->step == SCARDMANAGE_STEP_NONE)
            break;
        bool again;
        result = rebuild(c, options, report, &again);
        report->elapsed_us = platform_now_us() - start;
        if (!again)
            break;
        if (result == SCARDMANAGE_E_NO_SERVICE && platform_now_us() < wait_until)
            i = -1; /* that is waited for, however often */
    }
    if (result == SCARDMANAGE_S_OK) {
        at->untold = SCARDMANAGE_VERDICT_UNKNOWN;
        at->before.kept = false;
    }
    return result;
}

bool reconnect_report_valid(const scardmanage_report *report)
{
    return report == NULL || (report->size >= REPORT_FIRST_VERSION && report->size <= OPTIONS_SIZE_MAX);
}

/* As much as the caller knows; what only the caller knows is 0. */
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to)
{
    if (to == NULL)
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
    call c;
    scardmanage_options read;
    scardmanage_report own = SCARDMANAGE_REPORT_INIT;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = options_read(m, options, &read);
    if (result == SCARDMANAGE_S_OK && !reconnect_report_valid(report))
        result = SCARDMANAGE_E_INVALIDARG;
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint64_t start = platform_now_us();
    result = call_begin_alone(&c, m, read.timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = reconnect_in_call(&c, &read, false, &own);
        call_end(&c);
    } else {
        own.lock = call_lock(m);
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
