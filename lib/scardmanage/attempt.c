/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reconnect keeps and reports. */
#include "attempt.h"

#include <string.h>

static scardmanage_lock_state lock_state_for_report(const struct attempt *a)
{
    scardmanage_lock_state lock = lock_state(a->at);
    return lock == SCARDMANAGE_LOCK_KEPT && a->lock_reacquired ? SCARDMANAGE_LOCK_REACQUIRED : lock;
}

scardmanage_result attempt_publish_result(struct attempt *a, scardmanage_result result)
{
    a->report.last_result = result;
    a->report.lock = lock_state_for_report(a);
    job_publish(a->at, &a->report);
    return result;
}

void attempt_publish_verdict(struct attempt *a, scardmanage_verdict verdict)
{
    a->situation.verdict = verdict;
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

void attempt_set_event_unreported(struct attempt *a)
{
    struct attachment *at = a->at;
    if (a->was_removed)
        at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    else
        handle_set_reset_unreported(at);
}

const struct identity *attempt_known_card(const struct attempt *a)
{
    const struct attachment *at = a->at;
    return at->card.unreported_verdict >= SCARDMANAGE_VERDICT_DIFFERENT ? &at->card.reported_card
                                                                        : &at->card.identity;
}

scardmanage_share attempt_wanted_share(const struct attempt *a)
{
    return a->options.share == SCARDMANAGE_SHARE_KEEP ? a->at->connection.share : a->options.share;
}

void attempt_count_restart(struct attempt *a)
{
    if (a->at->connection.by_handle)
        return;
    a->restarted = true;
    a->report.step = SCARDMANAGE_STEP_RESTART;
    a->report.attempts++;
}

scardmanage_result attempt_refuse_other_card(struct attempt *a, const struct pcsc_atr *atr)
{
    if (a->situation.verdict != SCARDMANAGE_VERDICT_DIFFERENT || a->options.accept_other_card)
        return SCARDMANAGE_S_OK;
    a->situation.is_refused = true;
    a->at->card.unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    copy_atr_to_report(a->report.new_atr, &a->report.new_atr_len, atr);
    return SCARDMANAGE_W_REMOVED_CARD;
}

void attempt_begin_report(struct attempt *a)
{
    static const scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    a->report = empty;
    a->report.old_protocol = a->at->card.reported.protocol;
    copy_atr_to_report(a->report.old_atr, &a->report.old_atr_len, &a->at->card.reported.atr);
    a->report.lock = lock_state_for_report(a); /* for a caller that stops waiting before more is known */
}

void attempt_finish_report(struct attempt *a)
{
    a->report.lock = lock_state_for_report(a);
    if (a->restarted)
        a->report.step = SCARDMANAGE_STEP_RESTART;
    if (a->situation.is_refused || a->situation.verdict == SCARDMANAGE_VERDICT_ABSENT)
        return;
    a->report.new_protocol = a->at->card.protocol;
    copy_atr_to_report(a->report.new_atr, &a->report.new_atr_len, &a->at->card.atr);
}

void attempt_resume(struct attempt *a)
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
    if (a->at->connection.contexts_opened != progress->contexts_opened)
        attempt_count_restart(a);
}

void attempt_save_progress(struct attempt *a)
{
    struct reconnect_progress *progress = a->progress;
    progress->begun = true;
    progress->report = a->report;
    progress->gravest_verdict = a->gravest_verdict;
    progress->lock_reacquired = a->lock_reacquired;
    progress->restarted = a->restarted;
    progress->contexts_opened = a->at->connection.contexts_opened;
}
