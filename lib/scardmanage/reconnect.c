/* Getting back to the card: look, judge, take the gentlest step that works, check that nothing moved
 * meanwhile, restore the lock. PC/SC has no way to do that in one piece, so it goes round again if something
 * came between. */
#include "internal.h"

#include <string.h>

#define ROUNDS 4 /* how often the card may move while we are at it */
#define TRIES  4 /* how often others may reset it during one step */

/* The size of the first version of the struct, whatever padding it has. */
#define REPORT_FIRST_VERSION (offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX)

typedef struct attempt {
    scardmanage *m;
    scardmanage_options options;
    scardmanage_report report;

    /* of this round */
    bool looked; /* look is filled in */
    pcsc_look look;
    bool moved;        /* the card was out since we last knew it */
    bool handle_dead;  /* only a new handle helps */
    bool refused;      /* by us, as it is another card */
    bool acknowledged; /* the handle has no event any more */
    scardmanage_verdict verdict;

    bool reacquired;
} attempt;

static scardmanage_result note(attempt *a, scardmanage_result result)
{
    a->report.last_result = result;
    return result;
}

static void note_verdict(attempt *a, scardmanage_verdict verdict)
{
    a->verdict = verdict;
    if (verdict > a->report.verdict)
        a->report.verdict = verdict;
}

static void set_atr(uint8_t *bytes, uint8_t *length, const pcsc_atr *atr)
{
    *length = atr->length;
    memcpy(bytes, atr->bytes, atr->length);
}

/* From here on lock, transmit and status say what happened, also if PC/SC was made to forget it. */
static void keep_event(attempt *a)
{
    scardmanage *m = a->m;
    if (a->moved || m->pending == SCARDMANAGE_W_REMOVED_CARD)
        m->pending = SCARDMANAGE_W_REMOVED_CARD;
    else
        m->pending = SCARDMANAGE_W_RESET_CARD;
}

/*
 * Looking and judging
 */

static scardmanage_result look(attempt *a)
{
    scardmanage *m = a->m;
    a->looked = false;
    if (m->reader[0] == '\0')
        return SCARDMANAGE_S_OK;
    scardmanage_result result = note(a, pcsc_look_at(m->context, m->reader, &a->look));
    if (result == SCARDMANAGE_E_UNKNOWN_READER)
        result = SCARDMANAGE_E_READER_UNAVAILABLE;
    a->looked = result == SCARDMANAGE_S_OK;
    if (a->looked && !a->look.present)
        result = SCARDMANAGE_E_NO_SMARTCARD;
    if (result != SCARDMANAGE_E_NO_SMARTCARD && result != SCARDMANAGE_E_READER_UNAVAILABLE)
        return result;
    m->transacted = false; /* went with the card, or with the reader */
    if (m->card.known)
        m->pending = SCARDMANAGE_W_REMOVED_CARD;
    if (result == SCARDMANAGE_E_NO_SMARTCARD)
        note_verdict(a, SCARDMANAGE_VERDICT_ABSENT);
    return result;
}

static bool is_event(scardmanage_result result)
{
    return result == SCARDMANAGE_W_RESET_CARD || result == SCARDMANAGE_W_REMOVED_CARD;
}

/* Asks the handle, if there is one. Only codes that end the reconnect are returned. */
static scardmanage_result ask_handle(attempt *a, pcsc_card *card, scardmanage_result *event)
{
    scardmanage *m = a->m;
    *event = SCARDMANAGE_S_OK;
    a->handle_dead = false;
    memset(card, 0, sizeof *card);
    if (!m->has_handle)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = note(a, handle_settle(m));
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = note(a, pcsc_status(m->handle, card));
    if (is_event(result)) {
        *event = result;
        return SCARDMANAGE_S_OK;
    }
    if (result == SCARDMANAGE_E_INVALID_HANDLE || result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        a->handle_dead = m->attachment == ATTACHED_BY_IFD; /* the reader was unplugged and is back */
        return a->handle_dead ? SCARDMANAGE_S_OK : result;
    }
    return result;
}

/* A handle that had an event when it was attached: nothing is known of its card but that. */
static scardmanage_verdict judge_stranger(const attempt *a, scardmanage_result event)
{
    return event == SCARDMANAGE_W_REMOVED_CARD || a->m->pending == SCARDMANAGE_W_REMOVED_CARD
               ? SCARDMANAGE_VERDICT_DIFFERENT
               : SCARDMANAGE_VERDICT_RESET;
}

static scardmanage_verdict judge_known(const attempt *a, scardmanage_result event)
{
    const scardmanage *m = a->m;
    if (!a->moved)
        return event == SCARDMANAGE_S_OK && m->pending == SCARDMANAGE_S_OK ? SCARDMANAGE_VERDICT_UNCHANGED
                                                                           : SCARDMANAGE_VERDICT_RESET;
    if (a->look.atr.length == 0) /* mute: what card it is can only be told once it answers */
        return SCARDMANAGE_VERDICT_UNKNOWN;
    return identity_has(&m->card, &a->look.atr) ? SCARDMANAGE_VERDICT_REINSERTED
                                                : SCARDMANAGE_VERDICT_DIFFERENT;
}

static scardmanage_result refuse_other_card(attempt *a, const pcsc_atr *atr)
{
    if (a->verdict != SCARDMANAGE_VERDICT_DIFFERENT || a->options.accept_other_card)
        return SCARDMANAGE_S_OK;
    a->refused = true;
    a->m->pending = SCARDMANAGE_W_REMOVED_CARD;
    a->m->transacted = false;
    set_atr(a->report.new_atr, &a->report.new_atr_len, atr);
    return SCARDMANAGE_W_REMOVED_CARD;
}

static scardmanage_result judge(attempt *a, pcsc_card *card)
{
    scardmanage *m = a->m;
    scardmanage_result event;
    scardmanage_result result = look(a);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = ask_handle(a, card, &event);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (m->has_handle && !a->handle_dead && a->looked)
        m->share = a->look.exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    a->acknowledged = event == SCARDMANAGE_S_OK;
    a->moved = event == SCARDMANAGE_W_REMOVED_CARD || a->handle_dead ||
               (a->looked && m->card.known && a->look.counter != m->card.counter);
    if (a->moved)
        m->transacted = false; /* pcsc-lite: RFSetReaderEventState() in readerfactory.c */
    if (!a->looked)
        note_verdict(a, judge_stranger(a, event));
    else if (!m->card.known)
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
    return a->options.share == SCARDMANAGE_SHARE_KEEP ? a->m->share : a->options.share;
}

static uint32_t wanted_protocols(const attempt *a)
{
    bool same = a->verdict <= SCARDMANAGE_VERDICT_REINSERTED;
    return options_protocols(&a->options, same ? a->m->protocol : 0);
}

/* pcsc-lite counts exclusive use as one transaction more, and forgets to end that one when the reader is
 * shared again (SCardReconnect() in winscard.c calls RFUnlockSharing(), which spares the last). Other clients
 * would wait for ever. */
static void share_again(attempt *a)
{
    scardmanage *m = a->m;
    if (!m->transacted)
        pcsc_end(m->handle, SCARDMANAGE_LEAVE); /* "not transacted" elsewhere */
    m->share = SCARDMANAGE_SHARE_SHARED;
}

/* Exclusive use is asked for last, and without touching the card: as long as other clients are connected,
 * libpcsclite repeats the call, and with it a reset (SCardReconnect() in winscard_clnt.c). */
static scardmanage_result change_share(attempt *a, scardmanage_share taken, uint32_t protocols)
{
    scardmanage *m = a->m;
    if (m->share == SCARDMANAGE_SHARE_EXCLUSIVE && taken == SCARDMANAGE_SHARE_SHARED)
        share_again(a);
    if (a->options.share != SCARDMANAGE_SHARE_EXCLUSIVE || m->share == SCARDMANAGE_SHARE_EXCLUSIVE)
        return SCARDMANAGE_S_OK;
    scardmanage_result result =
        note(a, pcsc_reconnect(m->handle, SCARDMANAGE_SHARE_EXCLUSIVE, protocols, SCARDMANAGE_STEP_LEAVE));
    if (result == SCARDMANAGE_S_OK)
        m->share = SCARDMANAGE_SHARE_EXCLUSIVE;
    return result;
}

static scardmanage_result reconnect_handle(attempt *a, scardmanage_step step)
{
    scardmanage *m = a->m;
    bool stays_exclusive =
        wanted_share(a) == SCARDMANAGE_SHARE_EXCLUSIVE && m->share == SCARDMANAGE_SHARE_EXCLUSIVE;
    scardmanage_share share = stays_exclusive ? SCARDMANAGE_SHARE_EXCLUSIVE : SCARDMANAGE_SHARE_SHARED;
    uint32_t protocols = wanted_protocols(a);
    a->report.attempts++;
    scardmanage_result result = note(a, pcsc_reconnect(m->handle, share, protocols, step));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0) {
        /* the one that was in use is not to be had any more: any other, and the card need not be reset again
         * for it */
        protocols = PCSC_PROTOCOL_ANY;
        result = note(a, pcsc_reconnect(m->handle, share, protocols, SCARDMANAGE_STEP_LEAVE));
    }
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!a->acknowledged || step > SCARDMANAGE_STEP_LEAVE)
        keep_event(a);
    a->acknowledged = true;
    return change_share(a, share, protocols);
}

/* A step before may have left the card without an answer; closing with UNPOWER makes pcscd power it up when
 * opening. */
static scardmanage_result open_handle(attempt *a, uint32_t protocols)
{
    scardmanage *m = a->m;
    bool in_vain = a->report.attempts > 0 && !a->handle_dead;
    if (m->has_handle)
        keep_event(a);
    handle_close(m, in_vain ? SCARDMANAGE_UNPOWER : SCARDMANAGE_LEAVE);
    a->handle_dead = false;
    a->report.attempts++;
    scardmanage_result result = note(a, handle_open(m, &a->options, protocols));
    if (result == SCARDMANAGE_E_PROTO_MISMATCH && a->options.protocols == 0)
        result = note(a, handle_open(m, &a->options, PCSC_PROTOCOL_ANY));
    return result;
}

/* Whether it moved or changed is asked again after the step: nothing keeps the card in its place in between.
 */
static scardmanage_result confirm(attempt *a)
{
    scardmanage *m = a->m;
    pcsc_card card;
    scardmanage_result result = note(a, pcsc_status(m->handle, &card));
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (a->looked && card.counter != a->look.counter) {
        m->pending = SCARDMANAGE_W_REMOVED_CARD;
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
        note_verdict(a, identity_has(&m->card, &card.atr) ? SCARDMANAGE_VERDICT_REINSERTED
                                                          : SCARDMANAGE_VERDICT_DIFFERENT);
    result = refuse_other_card(a, &card.atr);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!a->looked)
        memcpy(m->reader, card.reader, sizeof m->reader);
    if (a->verdict >= SCARDMANAGE_VERDICT_DIFFERENT || !m->card.known)
        identity_set(&m->card, card.counter, &card.atr);
    m->card.counter = card.counter;
    identity_add(&m->card, &card.atr);
    m->atr = card.atr;
    m->protocol = card.protocol;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result take_step(attempt *a, scardmanage_step step)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    a->report.step = step;
    for (int i = 0; i < TRIES; i++) {
        bool open = step == SCARDMANAGE_STEP_REOPEN;
        result = open ? open_handle(a, wanted_protocols(a)) : reconnect_handle(a, step);
        if (result == SCARDMANAGE_S_OK) {
            result = confirm(a);
            step = SCARDMANAGE_STEP_LEAVE; /* is done; if others reset the card since, that is only to be
                                              acknowledged */
            a->acknowledged = false;
        }
        if (result != SCARDMANAGE_W_RESET_CARD)
            return result;
    }
    return result;
}

static bool harder_step_may_cure(scardmanage_result result)
{
    switch (result) {
    case SCARDMANAGE_W_UNRESPONSIVE_CARD:
    case SCARDMANAGE_W_UNPOWERED_CARD:
    case SCARDMANAGE_W_RESET_CARD:
    case SCARDMANAGE_E_PROTO_MISMATCH:
    case SCARDMANAGE_E_NOT_TRANSACTED: /* pcscd: the driver failed */
    case SCARDMANAGE_RESULT(SCARD_E_NOT_READY):
    case SCARDMANAGE_RESULT(SCARD_E_COMM_DATA_LOST):
        return true;
    default:
        return false;
    }
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

static scardmanage_result climb(attempt *a)
{
    scardmanage *m = a->m;
    scardmanage_step last = a->options.last_step;
    scardmanage_result result = SCARDMANAGE_W_RESET_CARD;
    scardmanage_step highest =
        m->attachment == ATTACHED_BY_IFD ? SCARDMANAGE_STEP_REOPEN : SCARDMANAGE_STEP_COLD;
    if (last > highest)
        last = highest;
    if (a->options.protocols != 0 && a->looked && a->verdict != SCARDMANAGE_VERDICT_DIFFERENT &&
        !identity_may_offer(&m->card, &a->look.atr, a->options.protocols))
        return SCARDMANAGE_E_PROTO_MISMATCH; /* no step would help, so none is taken */
    if (!m->has_handle || a->handle_dead) {
        if (a->handle_dead && last < SCARDMANAGE_STEP_REOPEN)
            return SCARDMANAGE_E_INVALID_HANDLE;
        result = first_handle(a);
        if (result != SCARDMANAGE_S_OK || a->options.first_step == SCARDMANAGE_STEP_LEAVE ||
            a->options.first_step == SCARDMANAGE_STEP_REOPEN)
            return result;
    }
    for (int step = (int)a->options.first_step; step <= (int)last; step++) {
        result = take_step(a, (scardmanage_step)step);
        if (!harder_step_may_cure(result))
            return result;
    }
    return result;
}

static bool nothing_to_do(const attempt *a, const pcsc_card *card)
{
    return a->verdict == SCARDMANAGE_VERDICT_UNCHANGED && a->options.first_step == SCARDMANAGE_STEP_LEAVE &&
           a->m->has_handle && wanted_share(a) == a->m->share && card->state == SCARDMANAGE_STATE_SPECIFIC &&
           (a->options.protocols == 0 || (a->options.protocols & card->protocol));
}

/*
 * The whole
 */

/* Never begun twice, never left behind: each is one transaction more or less than unlocking ends. */
static scardmanage_result restore_lock(attempt *a)
{
    scardmanage *m = a->m;
    if (a->report.step != SCARDMANAGE_STEP_NONE && !platform_reconnect_keeps_transaction())
        m->transacted = false;
    if (m->lock_count == 0 && m->transacted)
        return note(a, lock_end(m, SCARDMANAGE_LEAVE)); /* one that could not be ended in its time */
    if (m->lock_count == 0 || m->transacted)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = note(a, lock_begin(m));
    a->reacquired = result == SCARDMANAGE_S_OK;
    return result;
}

static scardmanage_result go_round(attempt *a)
{
    pcsc_card card;
    scardmanage_result result = judge(a, &card);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (nothing_to_do(a, &card)) {
        a->m->atr = card.atr;
        a->m->protocol = card.protocol;
    } else {
        result = climb(a);
    }
    if (result == SCARDMANAGE_S_OK)
        result = restore_lock(a);
    if (result == SCARDMANAGE_S_OK)
        a->m->pending = SCARDMANAGE_S_OK;
    return result;
}

/* Whether looking again may tell more: the card left or was exchanged during the step, or reset before it was
 * locked. */
static bool worth_another_round(const attempt *a, scardmanage_result result)
{
    return !a->refused && a->verdict != SCARDMANAGE_VERDICT_ABSENT && a->looked &&
           (is_event(result) || result == SCARDMANAGE_E_NO_SMARTCARD);
}

static scardmanage_result reconnect(attempt *a)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int i = 0; i < ROUNDS; i++) {
        result = go_round(a);
        if (!worth_another_round(a, result))
            break;
    }
    return result;
}

static scardmanage_lock_state lock_state(const attempt *a, scardmanage_result result)
{
    if (a->m->lock_count == 0)
        return SCARDMANAGE_LOCK_NONE;
    if (a->reacquired && result == SCARDMANAGE_S_OK)
        return SCARDMANAGE_LOCK_REACQUIRED;
    return a->m->transacted ? SCARDMANAGE_LOCK_KEPT : SCARDMANAGE_LOCK_LOST;
}

static void report_before(attempt *a)
{
    static const scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    a->report = empty;
    a->report.old_protocol = a->m->protocol;
    set_atr(a->report.old_atr, &a->report.old_atr_len, &a->m->atr);
}

static void report_after(attempt *a, scardmanage_result result)
{
    a->report.lock = lock_state(a, result);
    if (a->refused || a->verdict == SCARDMANAGE_VERDICT_ABSENT)
        return;
    a->report.new_protocol = a->m->protocol;
    set_atr(a->report.new_atr, &a->report.new_atr_len, &a->m->atr);
}

/* As much as the caller knows; what only the caller knows is 0. */
static void write_report(const scardmanage_report *from, scardmanage_report *to)
{
    size_t size = to->size;
    size_t known = size < sizeof *from ? size : sizeof *from;
    memcpy(to, from, known);
    memset((uint8_t *)to + known, 0, size - known);
    to->size = size;
}

static scardmanage_result reconnect_locked(scardmanage *m, const scardmanage_options *options,
                                           scardmanage_report *report)
{
    attempt a = {.m = m};
    uint64_t start = platform_now_us();
    scardmanage_result result = options_read(m, options, &a.options);
    if (result == SCARDMANAGE_S_OK && a.options.first_step >= SCARDMANAGE_STEP_REOPEN &&
        m->attachment == ATTACHED_BY_HANDLE)
        result = SCARDMANAGE_E_INVALIDARG;
    if (result != SCARDMANAGE_S_OK)
        return result;
    report_before(&a);
    result = m->attachment == ATTACHED_NOT ? SCARDMANAGE_E_INVALID_HANDLE : reconnect(&a);
    report_after(&a, result);
    a.report.elapsed_us = platform_now_us() - start;
    if (report != NULL)
        write_report(&a.report, report);
    return result;
}

scardmanage_result scardmanage_reconnect_ex(scardmanage *m, const scardmanage_options *options,
                                            scardmanage_report *report)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    if (report != NULL && (report->size < REPORT_FIRST_VERSION || report->size > OPTIONS_SIZE_MAX))
        return SCARDMANAGE_E_INVALIDARG;
    platform_lock(&m->mutex);
    scardmanage_result result = reconnect_locked(m, options, report);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result scardmanage_reconnect(scardmanage *m)
{
    return scardmanage_reconnect_ex(m, NULL, NULL);
}
