/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Storms: A and B make calls of libscardmanage while another client and card events come at any point of a call.
 * What a call returns then depends on the moment, so a storm checks what must be true at any moment:
 *
 *   - A command is answered by the card, and in the session, that the library and its report have named, and reaches
 *     the card as often as the library says. With a lock, it does so in a transaction.
 *   - All commands of a unit, and all with one session number, are in one session of the card.
 *   - A verdict is true, and a card is only reset if the call may do that.
 *   - A code has a cause: something that it stands for has happened.
 *   - No PIN reaches a card that is not the one identified before, or stays in memory.
 *   - Calls return at their deadline. Nothing blocks for ever.
 *   - When all is calm again, a reconnect gets back to the card, and nothing has leaked.
 *
 * storm.c begins and ends a storm, storm_world.c makes the events, storm_user.c and storm_ask.c the calls of A and B,
 * storm_functions.c and storm_hook.c have the functions that they hand to the library, and storm_check.c and
 * storm_report.c what must be true.
 */
#ifndef CARDRIG_MODEL_STORM_H
#define CARDRIG_MODEL_STORM_H

#include "model.h"
#include "scardmanage_hook.h"
#include "truth.h"

#include <limits.h>

#define STORM_SESSIONS  64
#define STORM_CALLS     14 /* kinds of calls of A and B */
#define STORM_DETACHES  13 /* one of them */
#define STORM_ACTS_OF_C 5
#define STORM_NO_NUMBER UINT_MAX
#define STORM_TURN_US   5000 /* in this time a call gets the object that nobody else has */

/* What A and B sometimes do. */
enum storm_choice {
    CHOICE_DETACHES_BESIDE,
    CHOICE_RESETS_IN_REBUILD,
    CHOICE_LOCKS_IN_REBUILD,
    CHOICE_REFUSED_CALLS,
    CHOICE_FAILS_IN_FUNCTION,
    CHOICE_IGNORES_LOSSES,
    CHOICE_NESTS_UNIT,
    CHOICE_SLEEPS_IN_UNIT,
    CHOICE_LOOKS_IN_UNIT,
    CHOICE_UNLOCKS_OTHERS,
    CHOICE_LOCKS_IN_UNIT,
    CHOICE_RESETS_IN_UNIT,
    CHOICE_LOSES_SESSION,
    CHOICE_PARTS,
    CHOICE_FIRST_STEP,
    CHOICE_LAST_STEP,
    CHOICE_PROTOCOLS,
    CHOICE_SHARE,
    CHOICE_NO_IDENTIFY,
    CHOICE_UNIDENTIFIED,
    CHOICE_OTHER_CARD,
    CHOICE_OWN_CARD,
    CHOICE_OTHER_INDEX,
    CHOICE_SESSION,
    CHOICE_WAITS,
    CHOICE_UNLOCK_RESETS,
    STORM_CHOICES
};

/* What the caller can know, as a range of counts in struct truth. */
struct storm_range {
    bool known;
    unsigned min, max;
};

/* What the hook has seen. */
struct storm_hook_counts {
    unsigned commands, responses, steps, restarts; /* steps: except restarts */
    bool hides_response;                           /* of the command that is sent now */
    uint64_t session;                              /* of the last command */
    scardmanage_result result;                     /* of the last response */
    uint64_t command_us;                           /* when the last command began */
    scardmanage_step first_step; /* with which the next reconnect of the call begins, or a harder one */
    bool is_step_due;            /* because a command has failed */
    unsigned card_events;        /* when the call began */
};

struct storm_call;

struct storm_user {
    struct storm *storm;
    enum party party;
    scardmanage *m;
    bool done; /* has made all its calls */
    bool attached;
    unsigned locks;
    bool keeps_lock;   /* the card may stay locked, because there was no memory to end that */
    unsigned failures; /* when that was last checked */
    scardmanage_disposition disposition; /* the strongest of its unlocks */
    bool disposition_is_sure;            /* not that of a unit that has failed, which may have started over */
    bool has_ejected;                    /* an unlock has asked for that */
    scardmanage_options options;         /* of the object */
    scardmanage_options call_options;    /* of the call */
    /* of the reader that the library uses, if it is known; else STORM_NO_NUMBER */
    unsigned reader_number;
    /* of B: the handle that it is attached to */
    SCARDCONTEXT context;
    SCARDHANDLE handle;

    struct storm_range card;    /* truth_now.card_events */
    struct storm_range session; /* truth_now.session */
    unsigned announced;         /* when it was synced, a session that others were still to begin; 0: none */
    bool has_identity;
    unsigned identity;     /* of the card that it has identified: enum cards_number */
    bool is_unidentified;  /* a card may have been accepted since then */
    bool lacks_identity;   /* a card was accepted since then */
    bool never_had_card;   /* A was attached to an empty reader, and nothing has used a card since */
    bool had_not_answered; /* when a unit began */
    bool has_not_answered; /* the card, to the last command, or perhaps not */
    bool must_recover;     /* since then, no call has done anything else */
    bool is_refused;       /* the card, which is not the one that the caller knows */
    struct truth synced;   /* when the last call began that has told the caller about the card */
    bool was_present, had_service, was_plugged; /* at that time */
    /* when a wait for a change has last succeeded, or attaching: when that call began and ended */
    struct truth change_begun, change_seen;
    bool may_have_lost_sight;   /* of the card, since then */
    bool has_seen_card_only;    /* it was attaching, and there was a card */
    bool knows_since_change;    /* a call has told about the card since then */
    bool is_other_since_change; /* and another one that there is a different card */
    bool failed_since;  /* a call has failed since then that may have changed what the library knows */
    bool is_cancelling; /* another thread is in scardmanage_cancel() */
    bool may_run;       /* an abandoned call may still run */
    bool owes_reset;    /* an unlock that was abandoned, with a reset to come */
    struct truth owes_since;
    unsigned owes_failures;
    bool may_reacquire;    /* an abandoned reconnect; then it gives the lock back */
    uint64_t cancelled_us; /* when another thread has last cancelled its calls */
    bool cancels_itself;
    bool has_abandoned_parts; /* the last command, which has parts */
    unsigned commands_then;   /* of the user, at that time */
    unsigned plugs_before;    /* the last call */
    bool is_calling;          /* storm_begin_call(), without storm_end_call() */
    unsigned calls_begun;
    uint64_t
        no_longer_exclusive_us; /* when the last call ended that has asked for exclusive use in vain; 0: none */
    bool has_old_thread;        /* so may one of an earlier attachment */
    bool expects_selected;      /* the rebuild function has run in the session */
    struct {
        bool known; /* no call since then can have changed what the library has */
        unsigned atr;
        uint32_t protocol;
    } last_report;      /* of a reconnect that succeeded */
    uint32_t transport; /* SCARDMANAGE_TRANSPORT_ bits */
    bool has_hook;
    struct storm_hook_counts hook;
    struct {
        uint64_t number;  /* of the library */
        unsigned session; /* of the card */
    } sessions[STORM_SESSIONS];
    unsigned session_count;

    struct {
        bool is_done;
        bool must_pause; /* while the attachment is replaced, which waits for other calls */
        bool is_calling;
        bool has_abandoned;   /* a call that may still run */
        uint64_t detach_us;   /* when the user has begun to detach beside it */
        unsigned detach_call; /* the user's calls before that */
        uint64_t ended_us;    /* when its last call has ended */
        unsigned calls;
    } helper; /* another thread that uses the object */

    /* The current call: */
    unsigned extra_parts;         /* of the commands of the unit, besides the first of each */
    unsigned function_commands;   /* sent by the identify and the rebuild function */
    bool in_function;             /* one of these sends a command now */
    bool found_identity;          /* the identify function has been called */
    unsigned found;               /* what it has returned */
    bool has_refused_to_identify; /* the last identify function has failed, although the card has answered */
    bool in_unit;
    bool in_command; /* scardmanage_transmit_ex(), which is a unit, too */
    struct truth unit_begun;
    bool unit_must_recover; /* the card, before the first call */
    unsigned unit_calls, unit_calls_that_sent;
    unsigned unit_locks;  /* that its last call has acquired and not released */
    bool unit_succeeded;  /* its last call */
    bool unit_saw_loss;   /* its last call has sent nothing, because the session was lost */
    unsigned unit_losses; /* how often it has said that its session was lost */
    bool unit_lost_on_purpose, unit_always_loses;
    unsigned rebuilds,
        rebuilds_before;   /* calls of the rebuild function, and before the last call of the unit */
    unsigned unit_cancels; /* before its last call */
    struct truth rebuilt;  /* when the rebuild function last ended */
    bool unit_resets;      /* it has released a lock with a reset */
    bool unit_owes_reset;  /* that was abandoned */
};

struct storm {
    struct model *model;
    FILE *log;
    unsigned calls; /* of A and of B */
    /* A asks for exclusive use. B does not take part, because libpcsclite waits for that until everybody else has gone,
     * and C asks for it only in other storms. */
    bool has_exclusive;
    unsigned alone;      /* the user that takes part in a storm with only one */
    bool has_only_cards; /* nothing but the card keeps A waiting; B does not take part */
    unsigned event_us;   /* mean time between two events */
    /* of this storm: */
    bool cancels_often;
    bool aims; /* events come soon after a call has begun */
    bool has_events, has_client, has_mutes, has_services, has_failures, has_pcsc_failures, has_plugs,
        has_watch, has_helpers;
    uint32_t calls_made, calls_often, acts_of_c; /* a bit for each that this storm uses */
    unsigned rates[STORM_CHOICES];               /* once in so many times; 0: never */
    const struct cards_kind *last_card;          /* that was removed */
    bool calm;                                   /* no more events */
    bool is_over;                                /* nobody makes calls any more */
    bool c_done, world_done, watch_done;
    struct storm_user users[MODEL_USERS];
};

struct storm_call {
    struct storm_user *user;
    const char *name;
    struct truth before;
    uint64_t begun_us;
    uint32_t timeout_ms;
    unsigned failures;
    uint64_t session; /* of the library */
    unsigned helper_calls;
    struct storm_hook_counts hook;
    bool present, plugged, running, stopped, exclusive, cancelling, shows_mute;
    bool may_run;      /* an abandoned call may have been running when it began */
    unsigned extra_ms; /* how late it may be */
    SCARDHANDLE owner; /* of the lock on the reader, when it began; or 0 */
    uint32_t protocol; /* in use by the service, when it began */
    bool had_lock;     /* storm_has_lock() */
    bool needs_lock;   /* it only succeeds if the lock of the caller still holds */
    bool ends_share;   /* it closes the handle */
    bool asks_reader;  /* for a feature, which does not wait for a lock of others */
    bool ends_locks;   /* if it succeeds, PC/SC has a transaction only if the caller has a lock */
};

/* Runs a storm of this many calls of A and of B. The failure is in model->failure. */
void storm_run(struct model *model, unsigned calls, FILE *log);

/* Creates the object of the user. Returns false if there is no memory. */
bool storm_create_object(struct storm_user *user);
void storm_log(struct storm *storm, const char *what, ...) __attribute__((format(printf, 2, 3)));
/* Like model_check(). */
bool storm_check(struct storm_user *user, bool condition, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns whether a user makes this choice now: as often as in this storm. */
bool storm_chooses(const struct storm *storm, enum storm_choice choice);

static inline bool storm_uses(uint32_t kinds, unsigned kind)
{
    return kinds >> kind & 1;
}

/* storm_world.c: fibers */
void storm_run_client_c(void *storm);
void storm_run_world(void *storm);
void storm_calm_down(struct storm *storm);
/* Returns the reader of A and B, or NULL if the service does not have it. */
const struct pcscd_reader *storm_reader(void);
/* Returns whether the service has the ATR of the card. */
bool storm_service_has_atr(void);
const char *storm_reader_name(void);
/* Returns the number in that name, or STORM_NO_NUMBER if there is no such reader. */
unsigned storm_reader_number(void);

/* storm_watch.c: a fiber */
void storm_run_watch(void *storm);

/* storm_user.c */
void storm_run_user(void *user);
void storm_detach(struct storm_user *user, uint32_t timeout_ms);
void storm_unlock(struct storm_user *user, scardmanage_disposition disposition);
/* A wait for a change, or attaching, has told the caller about all that was there. */
void storm_see_all_changes(const struct storm_call *call);
/* Of B. */
bool storm_handle_is_dead(const struct storm_user *user);
void storm_check_that_it_works(struct storm_user *user);
void storm_end_user(struct storm_user *user);

/* storm_recover.c */
/* Options of a call, as the storm allows. */
scardmanage_options storm_any_options(struct storm_user *user);
scardmanage_result storm_reconnect(struct storm_user *user, scardmanage_options options);
/* scardmanage_transmit(), scardmanage_transmit_ex() and scardmanage_run(). */
scardmanage_result storm_send_command(struct storm_user *user, uint32_t timeout_ms);
void storm_send_and_recover(struct storm_user *user);
void storm_run_unit(struct storm_user *user);

/* storm_helper.c: a fiber */
void storm_run_helper(void *user);
/* Before and after a call that ends the attachment. */
void storm_pause_helper(struct storm_user *user);
void storm_continue_helper(struct storm_user *user);

/* storm_ask.c: calls */
uint32_t storm_protocol_of_service(void); /* 0: none is active */
void storm_get_status(struct storm_user *user);
void storm_get_atr(struct storm_user *user);
void storm_get_names(struct storm_user *user);
void storm_check_pointers(struct storm_user *user);
void storm_wait_for_card(struct storm_user *user);
void storm_wait_for_removal_or_change(struct storm_user *user);
void storm_ask_reader(struct storm_user *user);
void storm_call_while_cancelled(struct storm_user *user);

/* storm_functions.c */
scardmanage_result storm_rebuild(scardmanage *m, const scardmanage_report *report, void *user);
scardmanage_result storm_identify(scardmanage *m, uint8_t *identity, size_t *length, void *user);
scardmanage_result storm_unit(scardmanage *m, const scardmanage_report *report, void *user);

/* Notes whether the card has answered the last command. */
void storm_note_answer(struct storm_user *user, scardmanage_result result);
/* Sends a command, and checks its effect. */
scardmanage_result storm_transmit(struct storm_user *user, const uint8_t *command, size_t length);
#define STORM_COMMAND_MAX (7 + 2 * 255 + 2)
/* Makes a command that a transport can send in parts. Returns its length. */
size_t storm_make_command_in_parts(const struct storm_user *user, uint8_t command[STORM_COMMAND_MAX],
                                   unsigned *parts);
/* The same for such a command. */
scardmanage_result storm_transmit_in_parts(struct storm_user *user);

/* storm_hook.c */
void storm_hook(const scardmanage_event *event, void *user);
/* After a reconnect that has succeeded. */
void storm_check_steps_of_hook(const struct storm_call *call, const scardmanage_report *report);

/* storm_check.c */
/* After a call in which an unlock with a reset was abandoned: the reset is due before all that follows. */
void storm_expect_late_reset(const struct storm_call *call);
struct storm_call storm_begin_call(struct storm_user *user, const char *name, uint32_t timeout_ms);
/* Whether nothing has happened since the call began, PC/SC had noticed all that was before, and the card answers. */
bool storm_is_calm(const struct storm_call *call);
/* Whether the card is in the reader since before the call, PC/SC knows that, and it answers. */
bool storm_has_same_card(const struct storm_call *call);
/* Checks what is true for every call. */
void storm_end_call(struct storm_call *call, scardmanage_result result);
void storm_check_command(struct storm_user *user);
/* Returns whether another client had begun to reset the card, or to power it off, when the caller was last told about it:
 * pcscd says so first, does it later, and does not say it again. */
bool storm_was_announced(const struct storm_user *user, unsigned session);
/* Returns whether a client uses the reader exclusively. */
bool storm_is_exclusive(void);
/* Returns whether the service has the reader, and is not about to notice that it was unplugged. */
bool storm_has_reader(void);
/* After a call that does not reconnect. */
void storm_check_refusal(const struct storm_call *call, scardmanage_result result);
/* The caller has been told about the card during the call. same_card: it is the one that it was before; same_session:
 * and it was not reset. */
void storm_sync(struct storm_call *call, bool same_card, bool same_session);
/* Returns whether an abandoned call may still run, also one of an earlier attachment. */
bool storm_may_run(struct storm_user *user);
/* The library may have gone on with another card or session, and the caller cannot know. */
void storm_widen(struct storm_call *call);
void storm_check_lock(struct storm_call *call, scardmanage_result result);
/* Returns whether a handle of the user has locked the card. */
bool storm_has_lock(const struct storm_user *user);
/* After an unlock that has said that nothing was released. */
void storm_check_nothing_released(const struct storm_call *call);
/* Returns whether the card may be another one than the caller has identified. */
bool storm_may_be_refused(const struct storm_user *user);
/* Returns whether the service shows a card. */
bool storm_service_shows_card(void);
bool storm_service_shows_mute_card(void);
/* Returns whether the call has timed out or was cancelled, so that a part of it may still run. */
bool storm_was_abandoned(scardmanage_result result);
bool storm_in_range(const struct storm_range *range, unsigned value);

/* storm_report.c */
/* Of a reconnect. */
void storm_check_report(struct storm_call *call, scardmanage_result result, const scardmanage_report *report);
/* Of a call that has sent so many commands, besides those of the identify and the rebuild function. */
/* parts: of one command. */
void storm_check_report_of_commands(const struct storm_call *call, scardmanage_result result,
                                    const scardmanage_report *report, unsigned sent, unsigned parts);
bool storm_is_same_card(scardmanage_verdict verdict);

#endif
