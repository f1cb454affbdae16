/* SPDX-License-Identifier: BSD-3-Clause */
/* The model test: the rig, the model of it, the two attachments and the other client. Actions (action.h) do
 * something to one of them, and compare what comes of it with what the model says. */
#ifndef CARDRIG_MODEL_MODEL_H
#define CARDRIG_MODEL_MODEL_H

#include "coverage.h"
#include "process.h"
#include "rig.h"
#include "world.h"

#include <stdatomic.h>

#define MODEL_ATTACHMENTS 2

/* C, who uses PC/SC as it is. */
struct other {
    SCARDCONTEXT context;
    bool has_context;
    SCARDHANDLE handle;
    bool open;
    bool event; /* it has something to acknowledge */
};

struct model {
    struct rig rig;
    struct rig aside;       /* the same, for a thread beside the one that makes the calls */
    bool cancels;           /* the call that follows is being cancelled */
    bool settles;           /* calls that were given up are coming to their end */
    bool arrives;           /* the card that the call that follows is to find is yet to come */
    struct rig_truth truth; /* after the latest action */
    struct world world;
    struct attachment x[MODEL_ATTACHMENTS];
    scardmanage *m[MODEL_ATTACHMENTS];
    uint32_t timeout_ms[MODEL_ATTACHMENTS]; /* of its options */
    /* the handle that B is attached to */
    SCARDCONTEXT context;
    bool has_context;
    SCARDHANDLE handle;
    bool has_handle;
    struct other other;
    uint8_t identity[CARDS_IDENTITY]; /* of the card that is in */
    bool identified;
    bool waits_to_connect; /* within this sequence, a call that was given up may still be in SCardConnect() */
    struct process idle;   /* this process between two sequences; no pid: that is not known yet */
    unsigned unplugged_lately; /* not 0: in this sequence, or the one before: pcscd may die of that */
    struct coverage *coverage;
    bool died;             /* pcscd has, by its own fault: the sequence is over */
    char failure[1024];    /* empty: none */
    const char *step;      /* the name of the action that is under way */
    _Atomic int64_t since; /* when it began, for the watchdog */
    atomic_bool hung;
};

#define CALL_MS 20000 /* a call that takes longer than the model says hangs */

/* Notes a failure, the first one. Returns condition. */
bool model_check(struct model *model, bool condition, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* A function of the rig has failed: so has the test, unless pcscd has died of what it is known to die of. */
bool model_rig(struct model *model, bool done);

/* Takes the simulator's word for what is true. by: who has acted; resets are news to the others. */
void model_observe(struct model *model, enum party by);
/* The same after the power was taken away. */
void model_observe_off(struct model *model, enum party by);

/* SCardConnect() refuses a card that did not answer to a reset, though it would answer now, until it was
 * switched off: scardmanage-pcsclite(7). */
bool model_is_left_without_power(const struct model *model, LONG rv);

/* Waits for calls that were given up, which end some time after the attachments are gone. Until then they may
 * still reset the card, which is not for the next sequence to see. now: what this process has in the end.
 * Returns false if it is more than before. */
bool model_await_idle(const struct model *model, struct process *now);

/* Brings everything to the state that each sequence begins with: both attached, a red card. */
bool model_begin(struct model *model);
/* Ends it: nobody is attached any more, and no lock is left. */
void model_end(struct model *model);
/* After a failure: with a new pcscd. */
bool model_recover(struct model *model);

/* After each action: lets the calls end that were given up, if nothing blocks them any more, and checks that
 * C is locked out exactly while somebody holds the lock. */
void model_settle(struct model *model);

/*
 * Who does what. False: it cannot be done now, and was not.
 */

/* rig_things.c: what happens to card, reader and service */
bool thing_insert(struct model *model, unsigned kind);
void thing_put_in(struct model *model, unsigned kind); /* in the model only */
bool thing_remove(struct model *model, unsigned unused);
bool thing_swap(struct model *model, unsigned kind);
bool thing_silence(struct model *model, unsigned unused);
bool thing_wake(struct model *model, unsigned unused);
bool thing_unplug(struct model *model, unsigned unused);
bool thing_plug(struct model *model, unsigned before_it); /* not 0: another reader takes its number first */
bool thing_unplug_other(struct model *model, unsigned unused);
bool thing_stop(struct model *model, unsigned unused);
bool thing_continue(struct model *model, unsigned unused);
bool thing_down(struct model *model, unsigned signal);
bool thing_up(struct model *model, unsigned unused);
bool thing_restart(struct model *model, unsigned signal);
bool thing_activate(struct model *model, unsigned signal); /* ends it; the next client starts it */

/* other.c: what C does. The numbers are PC/SC's. */
bool other_connect(struct model *model, unsigned share);
bool other_disconnect(struct model *model, unsigned disposition);
bool other_reset(struct model *model, unsigned initialization);
bool other_reset_often(struct model *model, unsigned unused);
bool other_choose(struct model *model, unsigned protocol);
bool other_begin(struct model *model, unsigned unused);
bool other_end(struct model *model, unsigned disposition);
/* Whether another client's lock keeps it from the card; -1: cannot be told now. */
int other_is_locked_out(struct model *model);
void other_leave(struct model *model);

/* user.c: what A and B do; i is 0 or 1 */
bool user_attach(struct model *model, unsigned i);
bool user_detach(struct model *model, unsigned i);
bool user_lock(struct model *model, unsigned i);
bool user_unlock(struct model *model, unsigned i, scardmanage_disposition disposition);
bool user_status(struct model *model, unsigned i);
/* Which reader it is attached to, after a reconnect that was given up. */
void user_learn_reader(struct model *model, unsigned i);
bool user_transmit(struct model *model, unsigned i);
bool user_wait(struct model *model, unsigned i);
bool user_reconnect(struct model *model, unsigned i, const scardmanage_options *options);
void user_leave(struct model *model, unsigned i);

/* together.c: two things at once; i is 0 or 1 */
bool together_cancel(struct model *model, unsigned i);
bool together_insert(struct model *model,
                     unsigned i_and_kind); /* i + 2 * kind: it comes while i reconnects */

#endif
