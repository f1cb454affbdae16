/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference model, which makes no calls: the state of service, reader and card, what
 * libscardmanage can know of them for each user, and what follows from that for each call by the
 * contract, that is, by scardmanage.h.
 */
#ifndef CARDRIG_MODEL_WORLD_H
#define CARDRIG_MODEL_WORLD_H

#include "cards.h"
#include "scardmanage.h"

enum service { SERVICE_UP, SERVICE_STOPPED, SERVICE_DOWN };

/* A and B are users of libscardmanage: A is attached by the reader's name, B by a handle. C is a
 * client of PC/SC. */
enum party { NOBODY, PARTY_A, PARTY_B, PARTY_C };

struct world {
    enum service service;
    unsigned incarnation; /* of the service: it is another one after each start. Handles belong to one */
    bool plugged;
    unsigned plugging;             /* of the reader: how often it was plugged in. Handles belong to one */
    unsigned index;                /* the reader's number in its name */
    bool other_plugged;            /* the other reader, which only takes numbers away from the first */
    unsigned other_index;          /* its number */
    const struct cards_kind *card; /* null: none */
    unsigned insertion;            /* of the card: how many cards there have been */
    unsigned atr;                  /* the latest that the card has shown, or 0 */
    bool unresponsive;             /* the card does not answer, whatever is done */
    bool swallowed;                /* PC/SC knows that it does not answer */
    /* The reader has powered the card off, and PC/SC does not know: until a reset the card does not
     * answer commands. */
    bool lost_power_unnoticed;
    bool powered;
    uint32_t protocol;
    bool negotiated;      /* a client has connected since the last reset, so the protocol is chosen */
    enum party holder;    /* of the transaction */
    enum party exclusive; /* who has connected exclusively */
};

/* A or B, and what libscardmanage knows for it. */
struct user {
    enum party party;
    bool attached;
    bool has_handle;              /* it may be dead */
    unsigned handle_incarnation;  /* of the service that the handle belongs to */
    unsigned handle_plugging;     /* of the reader that the handle belongs to */
    unsigned context_incarnation; /* of the service that its context belongs to; 0: no context */
    unsigned index;               /* the number in its reader's name */
    bool reader_uncertain; /* an abandoned reconnect may have found the reader with another number since */

    /* Its latest calls: */
    bool call_running;       /* the latest has timed out or was cancelled, and is still running in PC/SC */
    bool cancelled;          /* the latest was cancelled, and may be running in PC/SC for another moment */
    bool command_unanswered; /* the card did not answer the last command */
    bool command_uncertain;  /* the last command timed out, and may have been sent since */

    /* The card that it knows: */
    bool has_seen_card;      /* there is one */
    unsigned card_insertion; /* which one */
    unsigned atrs_seen;      /* bits: ATRs of this card that the library has certainly seen */
    unsigned atrs_shown;     /* bits: all ATRs that this card has shown, which the library may have seen */
    bool was_reset;          /* the card was reset since */
    bool removal_noticed;    /* a reconnect has noticed its removal, and has failed */
    /* a call was abandoned that may have noticed a removal, or reset the card, since */
    bool effect_uncertain;

    /* Its lock: */
    unsigned lock_count;
    bool in_transaction;                 /* PC/SC has a transaction for it */
    scardmanage_disposition disposition; /* the strongest that nested unlocks asked for */
};

/* The situation of a user: of those that apply, the gravest, which is the first here. */
enum situation {
    DETACHED,
    STOPPED,      /* the service does not answer */
    DOWN,         /* there is no service */
    UNPLUGGED,    /* there is no reader of that name */
    DEAD,         /* B's handle, which has died with the service or the reader */
    EMPTY,        /* no card */
    RESERVED,     /* another party has connected exclusively */
    BUSY,         /* another party has a transaction */
    UNRESPONSIVE, /* the card does not answer, and PC/SC knows that */
    OTHER_CARD,   /* a card with an ATR that was not seen before */
    RESTARTED,    /* the service was restarted */
    REPLUGGED,    /* the reader was plugged in again */
    REINSERTED,   /* a card with the same ATR was inserted */
    FIRST,        /* there was no card before */
    RESET,        /* another party has reset the card */
    WORKING,
    SITUATIONS
};

const char *world_situation_name(enum situation situation);
enum situation world_situation(const struct world *world, const struct user *user);

/* Whether the card that the user knows was removed, or may have been. */
bool world_was_removed(const struct world *world, const struct user *user);
/* Whether another card has come. */
enum difference { SAME_CARD, DIFFERENT_CARD, PERHAPS_DIFFERENT };
enum difference world_difference(const struct world *world, const struct user *user);
/* Whether the user's handle belongs to an earlier incarnation of the service, or plugging of the
 * reader. */
bool world_handle_is_dead(const struct world *world, const struct user *user);
/* Whether another party has a transaction. */
bool world_is_busy(const struct world *world, const struct user *user);
/* The library has observed service and reader for the user, and knows what is gone. */
void world_notice_losses(const struct world *world, struct user *user);

/* What a call may return. */
#define EXPECT_CODES 6
struct expectation {
    unsigned count;
    scardmanage_result code[EXPECT_CODES]; /* one of these */
    /* for the report of a reconnect, bits: */
    unsigned verdicts;         /* with S_OK */
    unsigned verdicts_refused; /* with any other code */
    unsigned steps;            /* with S_OK */
};

#define EVERY  (~0u)
#define BIT(n) (1u << (n))

bool expect_allows(const struct expectation *expected, scardmanage_result code);
/* Whether it allows this code, and no other. */
bool expect_only(const struct expectation *expected, scardmanage_result code);
/* What one of the two allows. */
struct expectation expect_either(struct expectation one, const struct expectation *two);

/* What each call may return in this state of the world and of the user. */
struct expectation expect_reconnect(const struct world *world, const struct user *user,
                                    const scardmanage_options *options);
/* Whether a reconnect with these options has to reset the card to change the protocol. */
bool expect_reset_for_protocol(const struct world *world, const scardmanage_options *options);
struct expectation expect_lock(const struct world *world, const struct user *user);
struct expectation expect_unlock(const struct world *world, const struct user *user,
                                 scardmanage_disposition disposition);
struct expectation expect_transmit(const struct world *world, const struct user *user);
/* state, protocol: what scardmanage_status() gives with S_OK, W_RESET_CARD and W_REMOVED_CARD. */
struct expectation expect_status(const struct world *world, const struct user *user, scardmanage_state *state,
                                 uint32_t *protocol);
struct expectation expect_wait(const struct world *world, const struct user *user);
struct expectation expect_attach(const struct world *world, const struct user *user);
struct expectation expect_detach(const struct world *world, const struct user *user);

#endif
