/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model test compares libscardmanage with a model, while cards, the reader and the service come
 * and go.
 *
 * Parties. A and B use libscardmanage (user.c), C uses PC/SC as it is (client_c.c). What happens to
 * card, reader and service is in events.c. A rig is a simulator with two readers and a pcscd that
 * can be stopped, killed and started (rig.c, model_pcscd.c); several rigs run side by side
 * (main.c).
 *
 * State. The model has the state of the world, and what each user can know of it (struct world and
 * struct user in world.h). After each action model_observe() asks the simulator for the state of the
 * card. The actions themselves record what they have done to service, reader, locks and handles.
 *
 * Actions. action.c lists what the parties can do and what can happen, each with a name and a
 * weight. An action that is impossible at the moment does nothing. In some actions two things
 * happen at the same time (concurrent.c).
 *
 * Expectation. Before each call of libscardmanage, expect.c says which results the contract allows
 * in the current situation of the user, and for a reconnect, which verdicts and steps its report
 * may have. After the call, user.c checks result and report, how often the simulator saw a reset or
 * a command, and how long the call took. After a reconnect that succeeds it sends a command. After
 * each action, C is locked out exactly if A or B has a lock. An abandoned call, which has timed out
 * or was cancelled but still runs in PC/SC, may or may not have its effect: until it has ended,
 * expect.c allows both.
 *
 * Sequences. sequence.c makes a sequence of actions from a seed; the same seed always makes the
 * same one. When a sequence fails, it leaves out actions as long as the rest still fails, and
 * prints what remains: a list that 'model --actions' takes.
 *
 * Cases. Such lists are kept in cases/, with a comment that says what they show. Each is a test of
 * its own.
 */
#ifndef CARDRIG_MODEL_MODEL_H
#define CARDRIG_MODEL_MODEL_H

#include "coverage.h"
#include "process.h"
#include "rig.h"
#include "world.h"

#include <stdatomic.h>

#define MODEL_USERS 2 /* A and B */

struct client_c {
    SCARDCONTEXT context;
    bool has_context;
    SCARDHANDLE handle;
    bool connected;
    bool has_event; /* its handle has an event to acknowledge */
};

struct model {
    struct rig_connection rig;
    struct rig_connection helper_rig; /* the same rig, for the thread of concurrent.c */

    /* What is going on: */
    bool call_is_cancelled;       /* the next call is cancelled while it waits */
    bool card_is_coming;          /* the card that the next call finds is inserted while it waits */
    bool abandoned_calls_end;     /* model_check_after_action() lets them end */
    const char *action_name;      /* of the current action */
    _Atomic int64_t action_begun; /* for the watchdog; 0: the end */
    atomic_bool hung;

    /* The model: */
    struct rig_state rig_state; /* what the simulator said after the latest action */
    struct world world;
    struct user user[MODEL_USERS];
    uint8_t identity[CARDS_IDENTITY]; /* of the card in the reader */
    bool identity_known;
    bool may_wait_in_connect; /* in this sequence a call was abandoned that may still be in SCardConnect() */
    unsigned unplugged_recently; /* not 0: in this sequence or the one before; pcscd may die of that */
    bool pcscd_died;             /* by a fault of its own: the sequence is over */

    /* The parties: */
    scardmanage *object[MODEL_USERS];
    uint32_t timeout_ms[MODEL_USERS]; /* of the object's options */
    SCARDCONTEXT b_context;
    bool b_has_context;
    SCARDHANDLE b_handle; /* the handle that B is attached to */
    bool b_has_handle;
    bool b_handle_in_use; /* an abandoned call may use it: it must not be closed yet */
    struct client_c client_c;

    struct process idle; /* this process between two sequences; no pid: not known yet */
    struct coverage *coverage;
    char failure[1024]; /* empty: none */
};

#define CALL_MS 20000 /* a call that takes longer than the model allows hangs */

/* Records a failure, if it is the first one. Returns condition. */
bool model_check(struct model *model, bool condition, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Records a failure of a function of the rig, unless pcscd has died of a known fault. Returns
 * done. */
bool model_check_rig(struct model *model, bool done);

/* Takes the state of the card from the simulator. by: the party that has acted; if the card was
 * reset, all other parties have an event. */
void model_observe(struct model *model, enum party by);
/* The same after the card was powered off, which the simulator sees a little later. */
void model_observe_power_off(struct model *model, enum party by);

/* Whether SCardConnect() has failed because the card did not answer to an earlier reset, and pcscd
 * does not power it again, though it would answer now: see "A card that was mute" in
 * scardmanage-pcsclite(7). */
bool model_is_left_without_power(const struct model *model, LONG rv);

/* Waits for abandoned calls, which may end some time after their attachments. Until then they may
 * still reset the card, which would disturb the next sequence. now: what this process has in the
 * end. False if it has more descriptors or threads than when it was idle. */
bool model_wait_until_idle(const struct model *model, struct process *now);

/* Begins a sequence: A and B are attached, and the red card is in the reader. */
bool model_begin(struct model *model);
/* Ends it: nobody is attached, and there is no lock. */
void model_end(struct model *model);
/* After a failure: starts a new pcscd. */
bool model_recover(struct model *model);

/* After each action: waits for abandoned calls that nothing blocks any more, and checks that C is
 * locked out exactly if A or B has a lock. */
void model_check_after_action(struct model *model);

/* A card of this kind is in the reader now. Only changes the model. */
void model_set_card(struct model *model, enum cards_number kind);

/*
 * The actions. They return false, and do nothing, if they are impossible at the moment.
 */

/* events.c: what happens to card, reader and service */
bool event_insert_card(struct model *model, unsigned kind);
bool event_remove_card(struct model *model);
bool event_swap_card(struct model *model, unsigned kind);
bool event_mute_card(struct model *model);
bool event_unmute_card(struct model *model);
bool event_unplug_reader(struct model *model);
bool event_plug_reader(struct model *model);
bool event_plug_both_readers(struct model *model); /* the other reader first, which takes the number */
bool event_unplug_other_reader(struct model *model);
bool event_stop_service(struct model *model);
bool event_continue_service(struct model *model);
bool event_end_service(struct model *model, unsigned signal);
bool event_start_service(struct model *model);
bool event_restart_service(struct model *model, unsigned signal);
bool event_end_service_until_used(struct model *model, unsigned signal); /* the next client starts it */

/* client_c.c: what C does. The arguments are PC/SC's. */
bool client_c_connect(struct model *model, unsigned share);
bool client_c_disconnect(struct model *model, unsigned disposition);
bool client_c_reset(struct model *model, unsigned initialization);
bool client_c_reset_three_times(struct model *model);
bool client_c_choose_protocol(struct model *model, unsigned protocol);
bool client_c_begin_transaction(struct model *model);
bool client_c_end_transaction(struct model *model, unsigned disposition);

/* user.c: what A and B do; i is 0 for A, and 1 for B */
bool user_attach(struct model *model, unsigned i);
bool user_detach(struct model *model, unsigned i);
bool user_lock(struct model *model, unsigned i);
bool user_unlock(struct model *model, unsigned i, unsigned disposition); /* a scardmanage_disposition */
bool user_status(struct model *model, unsigned i);
bool user_transmit(struct model *model, unsigned i);
bool user_wait_for_card(struct model *model, unsigned i);
bool user_reconnect(struct model *model, unsigned i, const scardmanage_options *options);

/* concurrent.c: two things at the same time; i is 0 for A, and 1 for B */
bool concurrent_cancel(struct model *model, unsigned i); /* i waits, and is cancelled */
bool concurrent_insert(struct model *model, unsigned i,
                       unsigned kind); /* i reconnects and waits for the card */

/*
 * No actions
 */

/* Whether another party's lock keeps C from the card; -1: this cannot be found out now. */
int client_c_is_locked_out(struct model *model);
void client_c_close(struct model *model);
/* Finds out which reader a user is attached to after an abandoned reconnect. */
void user_check_reader_name(struct model *model, unsigned i);
void user_free(struct model *model, unsigned i);
void user_close_b_handle(struct model *model);

#endif
