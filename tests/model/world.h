/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference model. It makes no calls. It has the state of the service, the reader and the card, what
 * libscardmanage can know of them for each user, and what each call may therefore return by the contract,
 * scardmanage.h.
 */
#ifndef CARDRIG_MODEL_WORLD_H
#define CARDRIG_MODEL_WORLD_H

#include "cards.h"
#include "scardmanage.h"

enum service { SERVICE_UP, SERVICE_STOPPED, SERVICE_DOWN };

/* A and B are users of libscardmanage: A is attached by the name of the reader, B by a handle. C is
 * a PC/SC client. */
enum party { NOBODY, PARTY_A, PARTY_B, PARTY_C };

struct world {
    enum service service;
    unsigned incarnation; /* of the service, changes with each start. A handle belongs to one incarnation */
    bool plugged;
    unsigned plugging;             /* how often the reader was plugged in. A handle belongs to one plugging */
    unsigned index;                /* the number in the name of the reader */
    bool other_plugged;            /* the other reader, which only takes numbers from the first */
    unsigned other_index;          /* its number */
    const struct cards_kind *card; /* null if there is none */
    unsigned insertion;            /* number of insertions so far; identifies the card */
    unsigned atr;                  /* the last ATR that the card has shown, or 0 */
    bool unresponsive;             /* the card answers nothing */
    bool swallowed;                /* PC/SC knows that the card does not answer */
    /* The reader has powered the card off without the knowledge of PC/SC. Until a reset, the card
     * does not answer commands. */
    bool lost_power_unnoticed;
    /* pcscd may power the card again when somebody connects: C has reset it without power as it disconnected, or pcscd
     * was stopped during events of the card and then saw the last handle closed, whose grace period such an event ends. */
    bool may_be_powered_again;
    bool powered;
    uint32_t protocol;
    bool negotiated;      /* a client has connected since the last reset, so the protocol is chosen */
    enum party holder;    /* the party that has a transaction */
    enum party exclusive; /* the party that has connected exclusively */
};

/* A user, A or B, and what libscardmanage knows for it. */
struct user {
    enum party party;
    bool attached;
    bool has_handle;              /* the handle may be dead */
    unsigned handle_incarnation;  /* the incarnation of the service that the handle belongs to */
    unsigned handle_plugging;     /* the plugging of the reader that the handle belongs to */
    unsigned context_incarnation; /* the incarnation that the context belongs to; 0 without a context */
    unsigned index;               /* the number in the name of its reader */
    bool reader_uncertain;        /* an abandoned reconnect may have found the reader under another number */

    /* Its last calls: */
    bool call_running;       /* the last one has timed out or was cancelled, and still runs in PC/SC */
    bool cancelled;          /* the last one was cancelled, and may still run in PC/SC for a moment */
    bool command_unanswered; /* the card did not answer the last command */
    bool command_uncertain;  /* the last command timed out, and may have been sent since */

    /* The card that it knows: */
    bool has_seen_card;      /* there is such a card */
    unsigned card_insertion; /* its world.insertion */
    unsigned atrs_seen;      /* ATRs of this card that the library has certainly seen, as bits */
    unsigned atrs_shown;     /* all ATRs that this card has shown, which the library may have seen, as bits */
    bool was_reset;          /* the card was reset since */
    bool removal_noticed;    /* a failed reconnect has noticed the removal of the card */
    /* an abandoned call may have noticed a removal, or reset the card */
    bool effect_uncertain;
    bool may_accept_late; /* an abandoned reconnect may accept whatever card it finds */

    /* Its lock: */
    unsigned lock_count;
    bool in_transaction;                 /* PC/SC has a transaction for the user */
    scardmanage_disposition disposition; /* the strongest disposition of the nested unlocks */
};

/* The situation of a user. If several apply, the first one in this list counts. */
enum situation {
    DETACHED,
    STOPPED,      /* the service does not answer */
    DOWN,         /* there is no service */
    UNPLUGGED,    /* there is no reader with this name */
    DEAD,         /* B's handle died with the service or the reader */
    EMPTY,        /* no card */
    RESERVED,     /* another party has connected exclusively */
    BUSY,         /* another party has a transaction */
    UNRESPONSIVE, /* the card does not answer, and PC/SC knows it */
    OTHER_CARD,   /* the card has an ATR that was not seen before */
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

/* Returns whether the card that the user knows was, or may have been, removed. */
bool world_was_removed(const struct world *world, const struct user *user);
/* Compares the card in the reader with the card that the user knows. */
enum difference { SAME_CARD, DIFFERENT_CARD, PERHAPS_DIFFERENT };
enum difference world_difference(const struct world *world, const struct user *user);
/* Returns whether the user's handle belongs to an earlier incarnation of the service or an earlier
 * plugging of the reader. */
bool world_handle_is_dead(const struct world *world, const struct user *user);
/* Returns whether another party has a transaction. */
bool world_is_busy(const struct world *world, const struct user *user);
/* Updates what the library knows after it has observed the service and the reader for the user. */
void world_notice_losses(const struct world *world, struct user *user);

/* The results that a call may return. */
#define EXPECT_CODES 6
struct expectation {
    unsigned count;
    scardmanage_result code[EXPECT_CODES]; /* the allowed results */
    /* for the report of a reconnect, as bits: */
    unsigned verdicts;         /* allowed with S_OK */
    unsigned verdicts_refused; /* allowed with any other code */
    unsigned steps;            /* allowed with S_OK */
};

#define EVERY  (~0u)
#define BIT(n) (1u << (n))

bool expect_allows(const struct expectation *expected, scardmanage_result code);
/* Returns whether this code is allowed, and no other. */
bool expect_only(const struct expectation *expected, scardmanage_result code);
/* Returns an expectation that allows what either of the two allows. */
struct expectation expect_either(struct expectation one, const struct expectation *two);

/* Return what each call may return in this state of the world and of the user. */
struct expectation expect_reconnect(const struct world *world, const struct user *user,
                                    const scardmanage_options *options);
/* Returns whether a reconnect with these options must reset the card for the protocol. */
bool expect_reset_for_protocol(const struct world *world, const scardmanage_options *options);
struct expectation expect_lock(const struct world *world, const struct user *user);
struct expectation expect_unlock(const struct world *world, const struct user *user,
                                 scardmanage_disposition disposition);
struct expectation expect_transmit(const struct world *world, const struct user *user);
/* state and protocol receive what scardmanage_status() must return with S_OK, W_RESET_CARD and
 * W_REMOVED_CARD. */
struct expectation expect_status(const struct world *world, const struct user *user, scardmanage_state *state,
                                 uint32_t *protocol);
struct expectation expect_wait(const struct world *world, const struct user *user);
struct expectation expect_attach(const struct world *world, const struct user *user);
struct expectation expect_detach(const struct world *world, const struct user *user);

#endif
