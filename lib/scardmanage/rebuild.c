/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reconnecting with the functions of the caller, which say who the card is and restore its state. They run in
 * the thread of the caller, between two jobs, while the card is locked.
 */
#include "internal.h"

#include <string.h>

#define REPEATS_MAX 4 /* how often the card may be lost while the functions run */

static bool was_out(const scardmanage_report *report)
{
    return report->verdict == SCARDMANAGE_VERDICT_UNKNOWN ||
           report->verdict >= SCARDMANAGE_VERDICT_REINSERTED;
}

static bool is_identity_due(const struct attachment *at, const scardmanage_options *options,
                            const scardmanage_report *report)
{
    return options->identify && (was_out(report) || !at->serial.is_current);
}

/* Returns W_REMOVED_CARD if the card may be another one than the caller knows, and the options do not accept
 * that. */
static scardmanage_result refuse_unidentified(const struct attachment *at, const scardmanage_options *options,
                                              const scardmanage_report *report)
{
    bool may_be_another = report->verdict != SCARDMANAGE_VERDICT_FIRST &&
                          (was_out(report) || (at->serial.known && !at->serial.is_current));
    return may_be_another && !options->accept_unidentified && !options->accept_other_card
               ? SCARDMANAGE_W_REMOVED_CARD
               : SCARDMANAGE_S_OK;
}

/* Calls the identify function, and compares the identity with that of the card that the caller knows. */
static scardmanage_result identify_card(struct call *c, const scardmanage_options *options,
                                        scardmanage_report *report, struct serial *found)
{
    const struct serial *before = &c->at->serial;
    found->length = sizeof found->bytes;
    scardmanage_result result = call_function_result(
        options->identify(c->m, found->bytes, &found->length, options->identify_context));
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
    scardmanage_result finished = call_run_last(c, reconnect_check_after_functions);
    *again = stop == SCARDMANAGE_S_OK && outcome_is_loss(finished);
    return *again || result == SCARDMANAGE_S_OK ? finished : result;
}

/* After a success: the caller knows the present card. */
static void set_serial(struct attachment *at, const scardmanage_report *report, const struct serial *found)
{
    if (found->known) {
        at->serial = *found;
    } else if (was_out(report)) {
        at->serial.is_current = false;
        at->serial.known &= report->verdict == SCARDMANAGE_VERDICT_REINSERTED;
    }
}

scardmanage_result reconnect_in_call(struct call *c, const scardmanage_options *options,
                                     enum reconnect_purpose purpose, scardmanage_report *report)
{
    scardmanage_report nothing_yet = SCARDMANAGE_REPORT_INIT;
    struct attachment *at = c->at;
    struct serial found = {.known = false};
    scardmanage_result result = SCARDMANAGE_S_OK;
    uint64_t start = platform_now_us();
    uint64_t wait_until = call_deadline_in(options->wait_ms);
    bool needs_rebuild =
        options->rebuild && (purpose == RECONNECT_LOST_SESSION ||
                             (purpose == RECONNECT_FIRST_SESSION && options->rebuild_at_attach));
    if (at->by_handle && options->first_step >= SCARDMANAGE_STEP_REOPEN)
        return SCARDMANAGE_E_INVALIDARG;
    at->io.first_card = !at->card.known;
    nothing_yet.lock = lock_state(at);
    reconnect_save_reported_card(at);
    for (int round = 1; round <= REPEATS_MAX; round++) {
        at->io.options = *options;
        at->io.functions_due = needs_rebuild || (options->identify && !at->serial.is_current);
        at->io.wait_until = wait_until;
        job_publish(at, &nothing_yet);
        found.known = false;
        result = call_run(c, reconnect_job, reconnect_undo);
        call_copy_report(c, report);
        report->elapsed_us = platform_now_us() - start;
        report->session = attachment_session(at);
        bool rebuilds = needs_rebuild || (options->rebuild && report->step != SCARDMANAGE_STEP_NONE);
        bool refuses = (purpose == RECONNECT_FOR_UNIT || purpose == RECONNECT_LOST_SESSION) &&
                       refuse_unidentified(at, options, report) != SCARDMANAGE_S_OK;
        bool calls = rebuilds || refuses || is_identity_due(at, options, report);
        if (result != SCARDMANAGE_S_OK || (!calls && !at->transaction_is_temporary))
            break;
        bool again;
        result = call_functions(c, options, rebuilds, report, &found, &again);
        report->elapsed_us = platform_now_us() - start;
        if (!again)
            break;
        if (result == SCARDMANAGE_E_NO_SERVICE && platform_now_us() < wait_until)
            round = 0; /* until wait_ms has expired, the service may go away any number of times */
    }
    if (result == SCARDMANAGE_S_OK) {
        set_serial(at, report, &found);
        at->unreported_verdict = SCARDMANAGE_VERDICT_UNKNOWN;
        at->reported.saved = false;
        if (purpose == RECONNECT_LOST_SESSION && report->step == SCARDMANAGE_STEP_NONE)
            attachment_count_session(at);
    }
    report->session = attachment_session(at);
    return result;
}

scardmanage_result reconnect_begin_first_session(struct call *c)
{
    scardmanage_options options = c->at->options;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    bool rebuilds = options.rebuild && options.rebuild_at_attach;
    if (!c->at->card.known || (!rebuilds && !options.identify))
        return SCARDMANAGE_S_OK;
    options.first_step = SCARDMANAGE_STEP_LEAVE;
    options.wait_ms = 0;
    return reconnect_in_call(c, &options, RECONNECT_FIRST_SESSION, &report);
}
