/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a reconnect does next: a function of what was observed, of what is known, and of what the options
 * allow. It calls nothing. docs/RECONNECT.md has its table, and tests/unit/test_decide.c has a test for
 * each row.
 *
 * A reconnect runs in rounds. Each begins with observing the reader and the handle.
 */
#ifndef SCARDMANAGE_DECIDE_H
#define SCARDMANAGE_DECIDE_H

#include "scardmanage_options.h"

#include <stdbool.h>

#define DECIDE_ROUNDS_MAX 4 /* how often the card may be removed or reset during a reconnect */

enum handle_state {
    HANDLE_NONE,
    HANDLE_USABLE, /* perhaps with an event to acknowledge */
    HANDLE_DEAD,   /* only a new one will work */
    HANDLE_LOST,   /* the same for a handle that the caller owns */
};

/* What the last action of this round was. */
enum progress {
    PROGRESS_OBSERVED,
    PROGRESS_OPENED, /* a handle, because there was none */
    PROGRESS_STEP,
    PROGRESS_LOCKED,
};

struct situation {
    /* What the options allow: */
    bool by_handle;          /* the handle belongs to the caller */
    bool may_restart;        /* open a new context */
    bool waits_for_own_card; /* while a different card is in the reader */
    bool may_wait;           /* there is time left to wait, and the name of the reader is known */
    scardmanage_step first_step, last_step;

    /* What was observed in this round: */
    bool restarted; /* with a context that was opened in this round */
    scardmanage_result
        reader; /* S_OK, also if the name of the reader is not known, so that it was not observed */
    bool is_observed, is_present;
    bool is_mute; /* the card had not answered before */
    enum handle_state handle;
    scardmanage_result handle_result; /* not S_OK: why the state of the handle is not known */
    scardmanage_verdict verdict;
    bool is_refused;         /* a card that is a different one and not accepted */
    bool may_offer_protocol; /* the card may offer one of the protocols that the options ask for */
    bool is_ready; /* a protocol is active that the options accept, and the share mode is the right one */
    bool is_unresponsive; /* the card did not answer the last command, and was not reset since */

    /* What was done in this round: */
    enum progress progress;
    scardmanage_step step;     /* the last one */
    scardmanage_result result; /* of the last action */
    bool accepts_any_protocol; /* a handle was opened with any protocol, to choose another one by a reset */
    bool removal_checked;      /* after a step that failed */

    unsigned round; /* 1 for the first */
};

enum action {
    ACTION_FINISH,        /* with the result */
    ACTION_RESTART,       /* open a new context, and observe again in the same round */
    ACTION_OPEN,          /* open a handle */
    ACTION_OPEN_ANY,      /* open a handle with any protocol */
    ACTION_STEP,          /* take the step */
    ACTION_CHECK_REMOVAL, /* find out whether the step failed because the card was removed */
    ACTION_LOCK,          /* restore the lock */
    ACTION_WAIT,          /* wait, then begin again; if that is in vain, finish with the result */
    ACTION_OBSERVE,       /* begin another round */
};

struct decision {
    enum action action;
    scardmanage_step step;
    scardmanage_result result;
};

struct decision decide(const struct situation *s);

/* Returns whether wait_ms of the options applies to this result of a round. */
bool decide_is_worth_waiting(const struct situation *s, scardmanage_result result);

/* What is known of the card in the reader. */
struct sighting {
    bool is_observed;                       /* false: only the handle was */
    scardmanage_result event;               /* of the handle, or S_OK */
    bool is_known;                          /* the caller knows a card */
    bool was_removed;                       /* since the library last knew the card */
    bool has_atr;                           /* false: it has not answered yet */
    bool has_known_atr;                     /* one of the card that the caller knows */
    scardmanage_result unreported_event;    /* as in struct card */
    scardmanage_verdict unreported_verdict; /* as in struct card */
};

/* Returns which card it is. */
scardmanage_verdict decide_verdict(const struct sighting *s);

#endif
