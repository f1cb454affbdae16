/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reconnecting with the functions of the caller, which say who the card is and restore its state. They run in
 * the thread of the caller, between two jobs, while the card is locked.
 */
#include "wait.h"

#include <string.h>

#define REPEATS_MAX  4 /* how often the card may be lost while the functions run */
#define REFUSALS_MAX 4 /* how often PC/SC may show a card, but refuse to connect to it */

static bool was_out(const scardmanage_report *report)
{
    return report->verdict == SCARDMANAGE_VERDICT_UNKNOWN ||
           report->verdict >= SCARDMANAGE_VERDICT_REINSERTED;
}

static bool is_identity_due(const struct attachment *at, const scardmanage_options *options,
                            const scardmanage_report *report)
{
    return options->identify && (was_out(report) || !at->card.serial.is_current);
}

/* Returns W_REMOVED_CARD if the card may be another one than the caller knows, and the options do not accept
 * that. */
static scardmanage_result refuse_unidentified(const struct attachment *at, const scardmanage_options *options,
                                              const scardmanage_report *report)
{
    bool may_be_another = report->verdict != SCARDMANAGE_VERDICT_FIRST &&
                          (was_out(report) || (at->card.serial.known && !at->card.serial.is_current));
    return may_be_another && !options_accept_unidentified(options) ? SCARDMANAGE_W_REMOVED_CARD
                                                                   : SCARDMANAGE_S_OK;
}

/* Calls the identify function, and compares the identity with that of the card that the caller knows. */
static scardmanage_result identify_card(struct call *c, const scardmanage_options *options,
                                        scardmanage_report *report, struct serial *found)
{
    const struct serial *before = &c->at->card.serial;
    found->length = sizeof found->bytes;
    scardmanage_result result = call_function_result(
        options->identify(c->m, found->bytes, &found->length, options->identify_context));
    if (result == SCARDMANAGE_W_REMOVED_CARD) /* the caller knows its card, and this is another one */
        report->verdict = SCARDMANAGE_VERDICT_DIFFERENT;
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (found->length == 0 || found->length > sizeof found->bytes)
        return SCARDMANAGE_E_FAIL;
    found->known = found->is_current = true;
    if (!before->known)
        return refuse_unidentified(c->at, options, report);
    if (before->length == found->length && memcmp(before->bytes, found->bytes, found->length) == 0)
        return SCARDMANAGE_S_OK;
    report->verdict = SCARDMANAGE_VERDICT_DIFFERENT;
    return options->accept_other_card ? SCARDMANAGE_S_OK : SCARDMANAGE_W_REMOVED_CARD;
}

/* Calls the functions of the caller that are due, if any, and ends the transaction that was begun for them. Sets
 * *again if the card was lost during the call, so that the reconnect must start over, and *found to the identity
 * of the card, if it was asked for. */
static scardmanage_result call_functions(struct call *c, const scardmanage_options *options, bool rebuilds,
                                         scardmanage_report *report, struct serial *found, bool *again)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    scardmanage_verdict seen = report->verdict;
    call_enter_function(c, report);
    if (is_identity_due(c->at, options, report))
        result = identify_card(c, options, report, found);
    else
        result = refuse_unidentified(c->at, options, report);
    if (result == SCARDMANAGE_S_OK && rebuilds)
        result = call_function_result(options->rebuild(c->m, report, options->rebuild_context));
    call_leave_function(c);
    scardmanage_result stop = call_wait_for_thread(c);
    if (stop != SCARDMANAGE_S_OK)
        result = stop;
    c->at->rebuild_result = result;
    scardmanage_result finished =
        stop == SCARDMANAGE_S_OK
            ? call_run(c, reconnect_check_after_functions, reconnect_undo_after_functions)
            : call_run_last(c, reconnect_check_after_functions);
    *again = stop == SCARDMANAGE_S_OK && outcome_is_loss(finished);
    if (*again)
        report->verdict = seen; /* what a function says of a card that was lost meanwhile does not count */
    return *again || result == SCARDMANAGE_S_OK ? finished : result;
}

/* After a success: the caller knows the present card. */
static void set_serial(struct attachment *at, const scardmanage_report *report, const struct serial *found)
{
    if (found->known) {
        at->card.serial = *found;
        at->card.is_unidentified = false;
    } else if (was_out(report)) {
        at->card.is_unidentified = report->verdict != SCARDMANAGE_VERDICT_FIRST;
        at->card.serial.is_current = false;
        at->card.serial.known &= report->verdict == SCARDMANAGE_VERDICT_REINSERTED;
    }
}

/* A reconnect, while its caller waits for it. */
struct reconnection {
    struct call *c;
    const scardmanage_options *options;
    bool for_unit;
    bool is_lost;       /* the unit says that its session is lost */
    bool needs_rebuild; /* even if no step is taken */
    bool first_card;    /* the attachment had no card before */
    uint64_t wait_until;
    uint64_t waited_us;
    struct reconnect_progress progress;
    scardmanage_report *report;
};

static scardmanage_result run_job(struct reconnection *r)
{
    struct attachment *at = r->c->at;
    at->io.options = *r->options;
    at->io.first_card = r->first_card;
    at->io.was_unresponsive = at->card.is_unresponsive;
    at->io.event_before = at->card.unreported_event;
    at->io.functions_due = r->needs_rebuild || (r->options->identify && !at->card.serial.is_current);
    at->io.wait_until = r->wait_until;
    at->io.progress = r->progress;
    job_publish(at, &r->progress.report);
    scardmanage_result result = call_run(r->c, reconnect_job, reconnect_undo);
    call_copy_report(r->c, r->report);
    if (result == SCARDMANAGE_S_OK && r->is_lost && r->report->step == SCARDMANAGE_STEP_NONE)
        attachment_count_session(at); /* what the rebuild function selects belongs to the new session */
    r->report->session = attachment_session(at);
    if (!r->c->left_running)
        r->progress = at->io.progress;
    return result;
}

/* Waits, as far as the options allow that. Returns S_OK if the reconnect can continue, and result if not. */
static scardmanage_result wait_after(struct reconnection *r, scardmanage_result result,
                                     const struct wait_condition *condition)
{
    struct attachment *at = r->c->at;
    if (r->for_unit) {        /* a card that is not the right one stays free */
        unit_keep_locked(at); /* without what the functions have locked and unlocked */
        scardmanage_result ended = call_run(r->c, lock_end_unit_job, NULL);
        if (r->c->left_running)
            return ended;
    }
    scardmanage_result waited = wait_in_call(r->c, condition, r->wait_until, &r->waited_us);
    if (!r->c->left_running && r->for_unit)
        unit_keep_locked(at);
    bool ends_call = r->c->left_running || waited == SCARDMANAGE_S_OK ||
                     waited == SCARDMANAGE_E_OUTOFMEMORY || waited == SCARDMANAGE_E_NO_SERVICE;
    return ends_call ? waited : result;
}

/* Other calls may use the object while this one waits between two jobs. */
static scardmanage_result run_jobs_and_wait(struct reconnection *r)
{
    r->progress = (struct reconnect_progress){.report = SCARDMANAGE_REPORT_INIT};
    r->progress.report.lock = lock_state(r->c->at);
    for (unsigned refusals = 0;;) { /* without another result in between */
        scardmanage_result result = run_job(r);
        const struct reconnect_progress *progress = &r->progress;
        if (r->c->left_running || result == SCARDMANAGE_S_OK || !progress->worth_waiting)
            return result;
        refusals = progress->card_was_there && !progress->service_lost ? refusals + 1 : 0;
        if (refusals == REFUSALS_MAX)
            return result;
        result = wait_after(r, result, &progress->condition);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
}

/* Returns whether the caller waits until this card, which identify has shown to be another one, is out. */
static bool waits_for_own_card(const struct reconnection *r, scardmanage_result result)
{
    return result == SCARDMANAGE_W_REMOVED_CARD && r->report->verdict == SCARDMANAGE_VERDICT_DIFFERENT &&
           r->options->wait_for_my_card && !r->options->accept_other_card && !r->c->left_running &&
           platform_now_us() < r->wait_until;
}

static scardmanage_result run_with_functions(struct reconnection *r, struct serial *found)
{
    struct attachment *at = r->c->at;
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int round = 1; round <= REPEATS_MAX; round++) {
        found->known = false;
        result = run_jobs_and_wait(r);
        bool rebuilds = r->needs_rebuild || (r->options->rebuild && r->report->step != SCARDMANAGE_STEP_NONE);
        bool refuses = r->for_unit && refuse_unidentified(at, r->options, r->report) != SCARDMANAGE_S_OK;
        bool calls = rebuilds || refuses || is_identity_due(at, r->options, r->report);
        if (result != SCARDMANAGE_S_OK || (!calls && !at->transaction.is_temporary))
            break;
        bool again;
        result = call_functions(r->c, r->options, rebuilds, r->report, found, &again);
        if (!again && waits_for_own_card(r, result)) {
            struct wait_condition other = {.what = WAIT_OTHER_CARD,
                                           .any_index = r->options->accept_other_index != 0,
                                           .no_restart = !service_may_restart(at, r->options),
                                           .counter = at->card.identity.counter};
            result = wait_after(r, result, &other);
            again = result == SCARDMANAGE_S_OK;
            round = 0;
        }
        if (!again)
            break;
        if (result == SCARDMANAGE_E_NO_SERVICE && platform_now_us() < r->wait_until)
            round = 0; /* until wait_ms has expired, the service may go away any number of times */
    }
    return result;
}

scardmanage_result reconnect_in_call(struct call *c, const scardmanage_options *options,
                                     enum reconnect_purpose purpose, scardmanage_report *report)
{
    struct attachment *at = c->at;
    struct serial found = {.known = false};
    uint64_t start = platform_now_us();
    bool is_first = purpose == RECONNECT_FIRST_SESSION;
    struct reconnection r = {.c = c, .options = options, .report = report};
    if (at->connection.by_handle && options->first_step >= SCARDMANAGE_STEP_REOPEN)
        return SCARDMANAGE_E_INVALIDARG;
    r.is_lost = purpose == RECONNECT_LOST_SESSION;
    r.for_unit = purpose == RECONNECT_FOR_UNIT || r.is_lost;
    r.needs_rebuild = options->rebuild && (r.is_lost || (is_first && options->rebuild_at_attach));
    r.first_card = !at->card.identity.known;
    r.wait_until = call_deadline_in(options->wait_ms);
    reconnect_save_reported_card(at);
    scardmanage_result result = run_with_functions(&r, &found);
    report->elapsed_us = platform_now_us() - start;
    report->waited_us = r.waited_us;
    if (result == SCARDMANAGE_S_OK) {
        set_serial(at, report, &found);
        at->card.unreported_verdict = SCARDMANAGE_VERDICT_UNKNOWN;
        at->card.reported.saved = false;
        report->session = attachment_session(at);
    }
    return result;
}

scardmanage_result reconnect_begin_first_session(struct call *c)
{
    scardmanage_options options = c->at->options;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    bool rebuilds = options.rebuild && options.rebuild_at_attach;
    if (!c->at->card.identity.known || (!rebuilds && !options.identify))
        return SCARDMANAGE_S_OK;
    options.first_step = SCARDMANAGE_STEP_LEAVE;
    options.wait_ms = 0;
    return reconnect_in_call(c, &options, RECONNECT_FIRST_SESSION, &report);
}
