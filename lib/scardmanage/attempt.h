/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reconnect: observe.c observes the reader and the handle, decide.c decides what to do next, steps.c does
 * that, and reconnect.c is the loop around it. In the thread of the attachment.
 */
#ifndef SCARDMANAGE_ATTEMPT_H
#define SCARDMANAGE_ATTEMPT_H

#include "decide.h"
#include "internal.h"

struct attempt {
    struct attachment *at;
    scardmanage_options options;
    scardmanage_report report;
    struct reconnect_progress *progress;

    /* The current round: */
    struct situation situation;
    struct pcsc_reader_state reader_state; /* valid if situation.is_observed */
    struct pcsc_card card;                 /* from the handle, before any step */
    bool was_removed;                      /* the card was removed since the library last knew it */
    bool event_acknowledged;               /* the handle has no event to acknowledge */
    bool reset_in_progress; /* no protocol is active, because another client is resetting the card */

    /* All rounds: */
    bool step_failed;                    /* the card did not answer after a step */
    scardmanage_verdict gravest_verdict; /* except ABSENT, which does not matter once a card is there */
    bool lock_reacquired;
    bool restarted; /* a new context was opened */
};

/*
 * attempt.c
 */

/* Records the result of a PC/SC call, for a caller that stops waiting. Returns it. */
scardmanage_result attempt_publish_result(struct attempt *a, scardmanage_result result);
void attempt_publish_verdict(struct attempt *a, scardmanage_verdict verdict);
/* Keeps the event for the caller, as PC/SC has now forgotten it. Until a reconnect succeeds,
 * scardmanage_lock(), scardmanage_transmit() and scardmanage_status() return the event. */
void attempt_set_event_unreported(struct attempt *a);
const struct identity *attempt_known_card(const struct attempt *a); /* to the caller */
scardmanage_share attempt_wanted_share(const struct attempt *a);
/* Counts a new context in the report. */
void attempt_count_restart(struct attempt *a);
/* Returns W_REMOVED_CARD if the verdict says that the card is a different one, and the options do not
 * accept that. */
scardmanage_result attempt_refuse_other_card(struct attempt *a, const struct pcsc_atr *atr);
void attempt_begin_report(struct attempt *a);
void attempt_finish_report(struct attempt *a);
/* Before and after the caller waits between two jobs. */
void attempt_save_progress(struct attempt *a);
void attempt_resume(struct attempt *a);

/*
 * observe.c: sets the situation. Does not touch the card.
 */

/* Begins a round. */
void observe_round(struct attempt *a);
/* After a card did not answer, which it also does not when it is removed: waits until PC/SC must have noticed a removal
 * since the event counter of the reader had this value. Returns W_REMOVED_CARD if there was one, S_OK if not, or why
 * that is not known. */
scardmanage_result observe_late_removal(struct attachment *at, uint32_t counter);
/* After a step that failed: waits until PC/SC must have noticed a removal, and returns W_REMOVED_CARD if there was
 * one. Otherwise returns result, or why it is not known. */
scardmanage_result observe_removal(struct attempt *a, scardmanage_result result);
/* Returns whether the reader has a card without an ATR. */
bool observe_missing_atr(const struct attachment *at);

/*
 * steps.c: what touches the card, or another handle.
 */

scardmanage_result steps_take(struct attempt *a, scardmanage_step step);
/* Opens a handle with any protocol. Does not check the card. */
scardmanage_result steps_open_any(struct attempt *a);
void steps_restart(struct attempt *a); /* closes the context; observe_round() opens another one */
/* Ensures that there is exactly one transaction if the card must be locked now, and none otherwise. */
scardmanage_result steps_restore_lock(struct attempt *a);

#endif
