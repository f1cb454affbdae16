/* SPDX-License-Identifier: BSD-3-Clause */
/* What has happened in memory so far, of which clients see only a part. */
#ifndef CARDRIG_MODEL_TRUTH_H
#define CARDRIG_MODEL_TRUTH_H

#include "card.h"
#include "scardmanage_types.h"
#include "world.h"

#define TRUTH_PARTIES 4 /* enum party; NOBODY is the service itself */

/* A command that the card has got. */
struct truth_command {
    unsigned card;    /* slot.events: the same as long as the card is in */
    unsigned session; /* truth.session */
    unsigned kind;    /* enum cards_number */
    bool is_selected; /* the party has selected something since the last reset */
    bool is_locked;   /* the handle had a transaction */
};

/* A step of a reconnect, as PC/SC has got it. */
struct truth_step {
    scardmanage_step step;
    uint64_t begun_us;
    bool succeeded;
};

/* Counts. All of them only grow, so two copies show what has happened in between. */
struct truth {
    unsigned session;         /* with the card in the reader "key": insertions, resets, losses of power */
    unsigned card_events;     /* insertions and removals */
    unsigned noticed_events;  /* the last of them that PC/SC has noticed */
    unsigned noticed_session; /* PC/SC has told all handles that earlier sessions are over */
    unsigned reset_events;    /* reported to handles */
    unsigned resets[TRUTH_PARTIES], colds[TRUTH_PARTIES]; /* colds: the cold ones of these */
    unsigned commands[TRUTH_PARTIES];
    unsigned services;   /* starts and ends, and stops */
    unsigned plugs;      /* readers plugged in or unplugged, and each time that pcscd has noticed that */
    uint64_t plugs_us;   /* the time of the last of these */
    uint64_t noticed_us; /* the time of the last change of noticed_events, services or plugs */
    unsigned lost;       /* ends of the service, and readers that pcscd has removed */
    unsigned service_ends;
    unsigned mutes;
    unsigned locks;                        /* changes of the owner of the lock on the reader */
    uint64_t locks_us;                     /* the time of the last of these */
    unsigned closed_twice;                 /* handles that were not open any more */
    unsigned exclusives;                   /* clients that were given exclusive use */
    uint64_t exclusives_us;                /* the time of the last of these */
    unsigned early_removals;               /* SCardTransmit() has said so, without an event of the handle */
    unsigned resets_seen[TRUTH_PARTIES];   /* calls that have returned that event */
    unsigned slow_looks, slow_looks_ended; /* SCardGetStatusChange() waits for an ATR */
    unsigned failed_steps[TRUTH_PARTIES];
    unsigned cancels[TRUTH_PARTIES];
    unsigned secrets_to_strangers;
};

extern struct truth truth_now;
extern struct truth_command truth_last[TRUTH_PARTIES]; /* of each party */
extern uint32_t truth_last_protocol[TRUTH_PARTIES];    /* that SCardStatus() has shown it */
extern struct truth_step truth_last_step[TRUTH_PARTIES];

void truth_begin(void);
enum party truth_actor(void);           /* the party whose call this is */
void truth_set_actor(enum party party); /* for this fiber, and those that it starts */
void truth_session_ends(const struct slot *slot);
void truth_reset(const struct slot *slot);
void truth_command(const struct slot *slot);
void truth_notice(const struct slot *slot); /* pcscd has seen what it shows */
void truth_service(void);
void truth_plug(void);
void truth_exclusive(void);
void truth_step(scardmanage_step step, uint64_t begun_us, bool succeeded);

/* Commands besides cards_command. The first sets is_selected until the next reset. */
extern const uint8_t truth_select[5];
/* A PIN. TRUTH_SECRET must be nowhere in memory that was released. */
#define TRUTH_SECRET "SeCrEt01"
extern const uint8_t truth_verify[13];

#endif
