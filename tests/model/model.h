/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model test compares libscardmanage with a model, while cards, the reader and the service come and
 * go.
 *
 * Parties. A and B use libscardmanage (user.c), C uses PC/SC directly (client_c.c). events.c has the
 * events of the card, the reader and the service. A rig is a simulator with two readers, and a pcscd that
 * can be stopped, killed and started (rig.c, model_pcscd.c). Several rigs run in parallel (main.c, rigs.c).
 *
 * State. The model has the state of the world, and what each user can know of it (struct world and struct
 * user in world.h). After each action, model_observe() reads the state of the card from the simulator. The
 * actions themselves record what they did to the service, the reader, locks and handles.
 *
 * Actions. action.c lists what the parties can do and what can happen, each with a name and a weight. An
 * action that is not possible at the moment does nothing. In some actions two things happen at the same
 * time (concurrent.c).
 *
 * Expectation. Before each call of libscardmanage, expect.c determines which results the contract allows in
 * the current situation of the user and, for a reconnect, which verdicts and steps its report may have.
 * After the call, user.c checks the result and the report, how many resets and commands the simulator saw,
 * and how long the call took. After a successful reconnect it sends a command. After each action, C must be
 * locked out exactly if A or B has a lock. An abandoned call has timed out or was cancelled, but still runs
 * in PC/SC. It may or may not take effect; until it has ended, expect.c allows both.
 *
 * The rig in memory. model_memory is the same test with a PC/SC stack in memory (memory/): pcscd.h has pcscd,
 * libpcsclite.h the library of its clients, card.h the reader and the card, version.h what differs between the
 * versions of pcsc-lite. threads.h and scheduler.h replace threads and time: there is a virtual clock, and the seed
 * chooses which thread goes on at each point where threads could change. So a failure repeats exactly.
 *
 * Sequences. sequence.c generates a sequence of actions from a seed. The same seed always gives the same
 * sequence. If a sequence fails, sequence.c removes actions as long as the rest still fails, and prints
 * what remains: a list that 'model --actions' accepts.
 *
 * Cases. cases/ has such lists, with comments that explain what they show. Each of them is a test.
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
    bool has_event; /* its handle has an event that is not acknowledged */
};

struct model {
    struct rig_connection rig;
    struct rig_connection helper_rig; /* to the same rig, for the helper thread of concurrent.c */

    /* The current action: */
    bool call_is_cancelled;       /* the next call is cancelled while it waits */
    bool card_is_coming;          /* the card for the next call is inserted while the call waits */
    bool abandoned_calls_end;     /* model_check_after_action() is waiting for abandoned calls to end */
    const char *action_name;      /* its name */
    _Atomic int64_t action_begun; /* when it began, for the watchdog; 0 ends the watchdog */
    atomic_bool hung;

    /* The model: */
    struct rig_state rig_state; /* from the simulator, after the last action */
    struct world world;
    struct user user[MODEL_USERS];
    uint8_t identity[CARDS_IDENTITY]; /* of the card in the reader */
    bool identity_known;
    bool has_left_attachments;   /* ended while a call of theirs may still have been running */
    bool may_wait_in_connect;    /* an abandoned call of this sequence may still be in SCardConnect() */
    unsigned unplugged_recently; /* not 0: in this sequence or the one before; may crash pcscd */
    bool pcscd_died;             /* by a fault of its own; the sequence is over */

    /* The parties: */
    scardmanage *object[MODEL_USERS];
    uint32_t timeout_ms[MODEL_USERS]; /* of the options of the object */
    SCARDCONTEXT b_context;
    bool b_has_context;
    SCARDHANDLE b_handle; /* the handle that B is attached to */
    bool b_has_handle;
    bool b_handle_in_use; /* an abandoned call may use it, so it must not be closed yet */
    struct client_c client_c;

    struct process idle; /* this process between two sequences; pid is 0 until known */
    struct coverage *coverage;
    char failure[1024]; /* empty if there is none */
};

#define CALL_MS 20000 /* limit of waits; the watchdog ends an action after three times that */

/* Records a failure unless condition is true. Keeps only the first one. Returns condition. */
bool model_check(struct model *model, bool condition, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Records the error of a rig function unless done is true, or pcscd has died of a known fault.
 * Returns done. */
bool model_check_rig(struct model *model, bool done);

/* Reads the state of the card from the simulator. by is the party that acted: if the card was
 * reset, all other parties have an event. */
void model_observe(struct model *model, enum party by);
/* The same after the card was powered off, which the simulator sees slightly later. */
void model_observe_power_off(struct model *model, enum party by);

/* Returns whether SCardConnect() failed because the card did not answer to an earlier reset, and
 * pcscd does not power it again although it would answer now: see "A card that was unresponsive" in
 * scardmanage-pcsclite(7). */
bool model_is_left_without_power(const struct model *model, LONG rv);

/* Waits for abandoned calls, which may end after their attachments. Until then they may reset the
 * card, and would disturb the next sequence. Sets *now to the resources of this process at the end.
 * Returns false if there are more descriptors or threads than when the process was idle. */
bool model_wait_until_idle(const struct model *model, struct process *now);

/* Connects to the rig, whose card scripts are in this folder. Keeps only model->coverage. */
bool model_open(struct model *model, const char *cards);
void model_close(struct model *model);
/* What the process has open now is no leak later. */
void model_set_idle(struct model *model);

/* Begins a sequence: attaches A and B, and puts the red card into the reader. */
bool model_begin(struct model *model);
/* Ends a sequence: detaches A and B, and releases all locks. */
void model_end(struct model *model);
/* Starts a new pcscd after a failure. */
bool model_recover(struct model *model);

/* After each action: waits for abandoned calls that nothing blocks any longer, and checks that C is
 * locked out exactly if A or B has a lock. */
void model_check_after_action(struct model *model);

/* Records in the model that a card of this kind is in the reader now. */
void model_set_card(struct model *model, enum cards_number kind);

/*
 * The actions. They return false, and do nothing, if they are not possible at the moment.
 */

/* events.c: the card, the reader and the service */
bool event_insert_card(struct model *model, unsigned kind);
bool event_remove_card(struct model *model);
bool event_swap_card(struct model *model, unsigned kind);
bool event_mute_card(struct model *model);
bool event_unmute_card(struct model *model);
bool event_unplug_reader(struct model *model);
bool event_plug_reader(struct model *model);
bool event_plug_both_readers(struct model *model); /* the other reader first, so that it gets the number */
bool event_unplug_other_reader(struct model *model);
bool event_stop_service(struct model *model);
bool event_continue_service(struct model *model);
bool event_end_service(struct model *model, unsigned signal);
bool event_start_service(struct model *model);
bool event_restart_service(struct model *model, unsigned signal);
bool event_end_service_until_used(struct model *model, unsigned signal); /* the next client starts it */

/* client_c.c: the actions of C. The arguments are PC/SC constants. */
bool client_c_connect(struct model *model, unsigned share);
bool client_c_disconnect(struct model *model, unsigned disposition);
bool client_c_reset(struct model *model, unsigned initialization);
bool client_c_reset_three_times(struct model *model);
bool client_c_choose_protocol(struct model *model, unsigned protocol);
bool client_c_begin_transaction(struct model *model);
bool client_c_end_transaction(struct model *model, unsigned disposition);

/* user.c: the actions of A (i is 0) and B (i is 1) */
bool user_attach(struct model *model, unsigned i);
bool user_detach(struct model *model, unsigned i);
bool user_lock(struct model *model, unsigned i);
bool user_unlock(struct model *model, unsigned i, unsigned disposition); /* a scardmanage_disposition */
bool user_status(struct model *model, unsigned i);
bool user_transmit(struct model *model, unsigned i);
bool user_wait_for_card(struct model *model, unsigned i);
bool user_reconnect(struct model *model, unsigned i, const scardmanage_options *options);

/* concurrent.c: two things at the same time. i is 0 for A, and 1 for B. */
bool concurrent_cancel(struct model *model, unsigned i); /* i waits, and is cancelled */
bool concurrent_insert(struct model *model, unsigned i,
                       unsigned kind); /* i reconnects and waits for the card */

/*
 * Other functions
 */

/* Returns whether the lock of another party keeps C from the card, or -1 if that cannot be
 * determined now. */
int client_c_is_locked_out(struct model *model);
void client_c_close(struct model *model);
/* Determines which reader the user is attached to after an abandoned reconnect. */
void user_check_reader_name(struct model *model, unsigned i);
/* Waits for an abandoned call of the user, without checking what it has done. */
void user_let_call_end(struct model *model, unsigned i);
void user_free(struct model *model, unsigned i);
void user_close_b_handle(struct model *model);

#endif
