/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Units of work: commands that belong together run in one session with the card, or start over.
 *
 * A unit keeps the card locked from its first command on. If its session is lost, no further command of it is sent.
 * The library then reconnects, and calls the unit again from its start if it may be repeated.
 */
#include "internal.h"

#define CALLS_MAX  4 /* how often a unit that has sent commands is called */
#define LOSSES_MAX 8 /* how often the session may be lost */

/* Returns whether the session is lost with this result of a command. */
static bool loses_session(scardmanage_result result)
{
    return outcome_is_loss(result) || outcome_harder_step_may_cure(result);
}

void unit_record(struct attachment *at, bool sent, scardmanage_result result)
{
    if (!at->unit.runs)
        return;
    at->unit.sent += sent;
    at->unit.last_result = result;
    if (at->unit.loss == SCARDMANAGE_S_OK && loses_session(result))
        at->unit.loss = result;
}

void unit_keep_locked(struct attachment *at)
{
    if (!at->transaction.unit_lock) {
        at->transaction.unit_lock_count = at->transaction.lock_count;
        at->transaction.unit_disposition = at->transaction.disposition;
    }
    at->transaction.lock_count =
        at->transaction.unit_lock_count; /* without what a call of the unit before has locked and unlocked */
    at->transaction.disposition = at->transaction.unit_disposition;
    at->transaction.unit_lock = true;
}

/* Returns why the session is lost before anything is sent, or S_OK. A card that did not answer the last command
 * needs a reset, which PC/SC does not say. */
static scardmanage_result begin_unit(struct call *c, bool is_locked)
{
    if (c->at->card.is_unresponsive)
        return SCARDMANAGE_W_UNRESPONSIVE_CARD;
    return is_locked ? call_run_brief(c, lock_begin_unit_job, NULL) : SCARDMANAGE_S_OK;
}

/* Calls the unit once. Sets at->unit. */
static scardmanage_result call_unit(struct call *c, struct unit *unit, bool is_locked,
                                    scardmanage_report *report)
{
    struct attachment *at = c->at;
    at->unit.sent = 0;
    at->unit.loss = at->unit.last_result = SCARDMANAGE_S_OK;
    at->unit.runs = true;
    scardmanage_result result = begin_unit(c, is_locked);
    if (result == SCARDMANAGE_S_OK)
        result = unit->call(unit, c, report);
    else
        unit_record(at, false, result);
    at->unit.runs = false;
    report->sent += at->unit.sent;
    report->last_result = at->unit.last_result;
    return result;
}

/* Starts the next reconnect with a harder step. After a failure without an event, the same step
 * would find nothing to do. */
static void begin_with_harder_step(scardmanage_options *options, scardmanage_result loss)
{
    if (!outcome_is_event(loss) && options->first_step < SCARDMANAGE_STEP_COLD)
        options->first_step = (scardmanage_step)((int)options->first_step + 1);
    if (options->first_step > options->last_step)
        options->first_step = options->last_step;
}

static scardmanage_result run_in_call(struct call *c, struct unit *unit, scardmanage_options *options,
                                      scardmanage_report *report)
{
    struct attachment *at = c->at;
    bool is_locked = unit->begins_locked;
    report->lock = lock_state(at);
    report->session = attachment_session(at);
    int calls = 0; /* in which something was sent */
    for (int losses = 1;; losses++) {
        if (options->session != 0 && options->session != attachment_session(at))
            return SCARDMANAGE_W_RESET_CARD;
        if (is_locked)
            unit_keep_locked(at);
        scardmanage_result result = call_unit(c, unit, is_locked, report);
        bool lost = result == SCARDMANAGE_E_SESSION_LOST;
        calls += at->unit.sent > 0;
        if (result == SCARDMANAGE_S_OK || outcome_ends_call(result) ||
            (!lost && at->unit.loss == SCARDMANAGE_S_OK) || options->session != 0 || losses == LOSSES_MAX ||
            calls == CALLS_MAX || (!lost && at->unit.sent > 0 && !unit->is_repeatable))
            return result;
        if (!lost && at->unit.sent > 0)
            begin_with_harder_step(options, at->unit.loss);
        unit_keep_locked(at);
        is_locked = true;
        uint32_t sent = report->sent;
        result = reconnect_in_call(c, options, lost ? RECONNECT_LOST_SESSION : RECONNECT_FOR_UNIT, report);
        report->sent = sent;
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
}

/* A result of the unit is not changed by what happens to the card afterwards. */
static scardmanage_result end_in_call(struct call *c, scardmanage_result result)
{
    struct attachment *at = c->at;
    if (!c->left_running && !at->transaction.unit_lock)
        return result;
    bool resets = result == SCARDMANAGE_S_OK &&
                  at->transaction.disposition != SCARDMANAGE_DISPOSITION_LEAVE &&
                  at->transaction.lock_count == 0;
    scardmanage_result ended =
        call_run_last(c, result == SCARDMANAGE_S_OK ? lock_end_unit_job : lock_end_failed_unit_job);
    bool matters = resets || ended == SCARDMANAGE_E_OUTOFMEMORY;
    return result == SCARDMANAGE_S_OK && matters ? ended : result;
}

scardmanage_result unit_run(scardmanage *m, struct unit *unit, scardmanage_options *options,
                            scardmanage_report *report)
{
    struct call c;
    scardmanage_report own = SCARDMANAGE_REPORT_INIT;
    uint64_t start = platform_now_us();
    scardmanage_result result = call_begin_unless_nested(&c, m, options->timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = end_in_call(&c, run_in_call(&c, unit, options, &own));
        call_end(&c);
    } else {
        own.lock = call_last_lock_state(m);
    }
    own.elapsed_us = platform_now_us() - start;
    reconnect_write_report(&own, report);
    return result;
}

/*
 * Units of the caller
 */

struct function_unit {
    struct unit unit;
    scardmanage_unit *function;
    void *context;
};

static scardmanage_result call_function(struct unit *unit, struct call *c, const scardmanage_report *report)
{
    struct function_unit *u = (struct function_unit *)unit;
    call_enter_function(c, report);
    scardmanage_result result = call_function_result(u->function(c->m, report, u->context));
    call_leave_function(c);
    scardmanage_result stop = call_wait_for_thread(c);
    return stop == SCARDMANAGE_S_OK ? result : stop;
}

/* Returns whether the calling thread is in a function of the caller. Sets the report that it got. */
static bool is_in_function(scardmanage *m, const scardmanage_report **report)
{
    platform_lock(&m->mutex);
    bool nested = call_is_nested(m);
    *report = m->function.report;
    platform_unlock(&m->mutex);
    return nested;
}

scardmanage_result scardmanage_run(scardmanage *m, scardmanage_unit *function, void *context, int repeatable,
                                   const scardmanage_options *options, scardmanage_report *report)
{
    scardmanage_options read;
    const scardmanage_report *outer;
    struct function_unit u = {{call_function, repeatable != 0, true}, function, context};
    if (!m || !function)
        return SCARDMANAGE_E_POINTER;
    if (!reconnect_report_is_valid(report))
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = options_read(m, options, &read);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (is_in_function(m, &outer)) {
        reconnect_write_report(outer, report);
        return call_function_result(function(m, outer, context));
    }
    return unit_run(m, &u.unit, &read, report);
}
