/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference model: what is true of service, reader and card, what each attachment of libscardmanage can
 * know of it, and what follows for each call from the contract (scardmanage.h). It makes no calls. */
#ifndef CARDRIG_MODEL_WORLD_H
#define CARDRIG_MODEL_WORLD_H

#include "cards.h"
#include "scardmanage.h"

enum service { SERVICE_UP, SERVICE_STOPPED, SERVICE_DOWN };

/* A and B use libscardmanage: A is attached by the reader's name, B by a handle. C is a PC/SC client. */
enum party { NOBODY, PARTY_A, PARTY_B, PARTY_C };

struct world {
    enum service service;
    unsigned incarnation; /* of the service: handles belong to one */
    bool plugged;
    unsigned plugging;             /* how often it was plugged in: handles belong to one */
    unsigned index;                /* in the reader's name */
    bool other_plugged;            /* another reader */
    unsigned other_index;          /* in its name */
    const struct cards_kind *card; /* null: none */
    unsigned insertion;            /* how many cards there have been */
    unsigned atr;                  /* the latest that it has shown since, or 0 */
    bool silent;                   /* does not answer, whatever is done */
    bool swallowed;                /* and PC/SC knows */
    bool limp; /* it has no power, or was silent, and needs a reset that PC/SC knows nothing of */
    bool powered;
    uint32_t protocol;
    bool negotiated;      /* somebody has connected since the reset, so that the protocol is chosen */
    enum party holder;    /* of the transaction */
    enum party exclusive; /* who has the reader for itself */
};

struct attachment {
    enum party party;
    bool attached;
    bool open;            /* it has a handle, dead or alive */
    bool stuck;           /* PC/SC has not let go of its latest call */
    bool cancelled;       /* its latest call was, and may still be waiting in PC/SC for a moment */
    unsigned service;     /* the incarnation that it looks at the reader with; 0: none */
    unsigned incarnation; /* what its handle belongs to */
    unsigned plugging;
    unsigned index;     /* of its reader's name */
    bool anywhere;      /* a reconnect that was given up may have found it under another index since */
    bool known;         /* it has seen a card: */
    unsigned insertion; /* this one */
    unsigned seen;      /* with these ATRs, certainly */
    unsigned shown;     /* these are all that it has shown: the library may have seen any of them */
    bool reset;         /* which was reset since */
    bool unanswered;    /* it did not answer to the last command */
    bool unheard;       /* the last command was given up, and may have been sent since */
    bool told;          /* a reconnect has noticed that it has moved, and failed */
    bool unsure;        /* one that was given up may have noticed */
    unsigned locks;
    bool held; /* PC/SC has a transaction for it */
    scardmanage_disposition disposition;
    unsigned atr;      /* what the latest report has to call the old one */
    uint32_t protocol; /* the same */
};

/* How things stand for an attachment; the gravest that is the case. */
enum situation {
    DETACHED,
    STOPPED,    /* the service is */
    DOWN,       /* the service is */
    UNPLUGGED,  /* there is no reader of that name */
    DEAD,       /* a handle of the caller's that service or reader have not survived */
    EMPTY,      /* no card */
    RESERVED,   /* another client has the reader for itself */
    BUSY,       /* another client has a transaction */
    MUTE,       /* the card does not answer, and PC/SC knows */
    OTHER_CARD, /* one with an ATR that was not seen before */
    RESTARTED,  /* the service was */
    REPLUGGED,  /* the reader was */
    BACK,       /* a card with the same ATR came */
    FIRST,      /* there was no card before */
    RESET,      /* by another client */
    WORKING,
    SITUATIONS
};

const char *world_situation_name(enum situation situation);
enum situation world_situation(const struct world *world, const struct attachment *x);

/* Whether another card has come. */
enum difference { SAME_CARD, DIFFERENT_CARD, PERHAPS_DIFFERENT };
bool world_moved(const struct world *world, const struct attachment *x);
enum difference world_difference(const struct world *world, const struct attachment *x);
/* Whether its handle belongs to a service or a plugging that are gone. */
bool world_handle_is_dead(const struct world *world, const struct attachment *x);
bool world_is_busy(const struct world *world, const struct attachment *x);
/* It has looked: what has gone is gone for it, too. */
void world_notice(const struct world *world, struct attachment *x);

/* What a call may say. */
#define EXPECT_CODES 6
struct expectation {
    unsigned count;
    scardmanage_result code[EXPECT_CODES];
    /* of a reconnect: bits by the number */
    unsigned verdicts, verdicts_refused; /* with S_OK, and with any other code */
    unsigned steps;                      /* with S_OK */
};

#define EVERY  (~0u)
#define BIT(n) (1u << (n))

bool expect_allows(const struct expectation *expected, scardmanage_result code);
bool expect_only(const struct expectation *expected, scardmanage_result code);
struct expectation expect_either(struct expectation one, const struct expectation *two);

struct expectation expect_reconnect(const struct world *world, const struct attachment *x,
                                    const scardmanage_options *options);
bool expect_reset_for_protocol(const struct world *world, const scardmanage_options *options);
struct expectation expect_lock(const struct world *world, const struct attachment *x);
struct expectation expect_unlock(const struct world *world, const struct attachment *x,
                                 scardmanage_disposition disposition);
struct expectation expect_transmit(const struct world *world, const struct attachment *x);
/* state, protocol: what goes with S_OK, and with W_RESET_CARD and W_REMOVED_CARD */
struct expectation expect_status(const struct world *world, const struct attachment *x,
                                 scardmanage_state *state, uint32_t *protocol);
struct expectation expect_wait(const struct world *world, const struct attachment *x);
struct expectation expect_attach(const struct world *world, const struct attachment *x);
struct expectation expect_detach(const struct world *world, const struct attachment *x);

#endif
