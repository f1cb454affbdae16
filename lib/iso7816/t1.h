/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmission protocol T=1 as a machine, for the interface device and for the card: ISO/IEC 7816-3:2006,
 * 11.4 to 11.6. step.h says how to drive it.
 *
 * Interface device: t1_init, then t1_transmit for each command, t1_next until STEP_DONE (the answer) or
 * STEP_FAILED (t1.reason). The machine corrects errors by itself: each block has three attempts, then comes
 * S(RESYNCH request), likewise with three, then the card has to be reset (11.6.3.2, rules 6 and 7). After a
 * resynchronisation it sends the command again from its beginning, so that the card may get to see it twice.
 *
 * Card: t1_init, t1_listen, then t1_next for ever. STEP_PROCESS hands over a command; t1_answer answers it,
 * or first one of t1_request_wtx, t1_request_ifs, t1_request_abort. A card never fails: when its attempts are
 * used up it stays mute until an error-free block comes.
 *
 * STEP_SEND is one whole block, and asking for it counts as sending it: a simulator that spoils or drops it
 * tells the machine nothing. Only one side talks at a time, so characters that come while the machine wants
 * to send are ignored. Waiting costs one call, so whatever comes in, the machine takes a character or a
 * time-out between two STEP_SEND.
 *
 * All state is in struct t1, which may be copied as long as its buffers stay.
 */
#ifndef CARDRIG_ISO7816_T1_H
#define CARDRIG_ISO7816_T1_H

#include "iso7816/step.h"
#include "iso7816/t1_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define T1_IFS_DEFAULT 32         /* IFSC and IFSD (11.4.2) */
#define T1_BGT         22         /* block guard time in etu (11.4.3) */
#define T1_NO_TIMEOUT  UINT32_MAX /* step.timeout of a card between blocks: it waits without limit */
#define T1_ATTEMPTS    3          /* the first one and two further ones (11.6.3.2) */
#define T1_RESYNCH_MAX 3          /* resynchronisations in one exchange before it is given up */
#define T1_BABBLE_MAX  1024       /* characters after an invalid block until the card is taken for broken */

enum t1_role { T1_INTERFACE_DEVICE, T1_CARD };

enum t1_reason {
    T1_NO_REASON = 0,
    /* The card has to be reset, and then t1_init: */
    T1_PEER_MUTE,      /* not one character came in answer to the last attempts */
    T1_NO_VALID_BLOCK, /* the first block was never answered without error (rule 7.4.1) */
    T1_RESYNCH_FAILED, /* no S(RESYNCH response) (rule 6.4) */
    T1_RESYNCH_LIMIT,  /* T1_RESYNCH_MAX times resynchronised, and still the exchange does not work */
    T1_BABBLE,         /* the card does not stop sending */
    /* The machine is ready for the next t1_transmit: */
    T1_TOO_LONG,        /* the answer does not fit the buffer; its chain was aborted */
    T1_ABORTED_BY_PEER, /* S(ABORT request) came */
    T1_ABORTED_BY_US,   /* t1_request_abort */
    T1_IFS_REFUSED,     /* t1_request_ifs: no S(IFS response); resynchronised since then */
};

struct t1_parameters {
    enum t1_role role;
    enum t1_edc edc;
    uint8_t ifsc;          /* initial information field size of the card: ATR, or T1_IFS_DEFAULT */
    uint8_t ifsd;          /* that of the interface device: T1_IFS_DEFAULT */
    uint8_t announce_ifsd; /* interface device: S(IFS request) with this value before the first command; 0:
                              none */
    uint8_t nad;           /* interface device: of its blocks. A card answers to the NAD it got; 0. */
    uint32_t cwt;          /* character waiting time in etu (11.4.3), at least 12 */
    uint32_t bwt;          /* interface device: block waiting time in etu (11.4.3); a card does not use it */
    uint32_t bgt;          /* step.guard: T1_BGT */
    uint8_t *buffer;       /* for what is received; the caller's; must live as long as the machine */
    size_t capacity;       /* 65,538 holds any answer, 65,544 any command */
};

struct t1_counters {
    uint64_t blocks_sent;
    uint64_t blocks_received; /* without error */
    uint64_t invalid;         /* blocks received that were not valid, or not what the rules allow there */
    uint64_t timeouts;        /* times the interface device got no block at all */
    uint64_t retransmissions; /* blocks sent again; error R-blocks count only when sent again themselves */
    uint64_t resynchs;        /* S(RESYNCH request) begun, or answered */
    uint64_t wtx;             /* waiting time extensions granted, or got */
    uint64_t aborts;          /* S(ABORT request) begun, or answered */
    uint8_t last_multiplier;  /* of BWT, from the last S(WTX request); 0: none yet */
};

enum t1_mode {
    T1_MODE_IDLE,
    T1_MODE_SEND,
    T1_MODE_RECEIVE,
    T1_MODE_DRAIN, /* after an invalid block, until there is silence */
    T1_MODE_PROCESS,
    T1_MODE_DONE,
    T1_MODE_FAILED,
};

enum t1_sent { T1_SENT_NOTHING, T1_SENT_I, T1_SENT_R, T1_SENT_REQUEST, T1_SENT_RESPONSE };

enum t1_task { T1_TASK_NONE, T1_TASK_TRANSMIT, T1_TASK_IFS, T1_TASK_RESYNCH };

/* To be read: reason, counters, ifs_out, ifs_in. The rest is the machine's own. */
struct t1 {
    struct t1_parameters parameters;
    struct t1_counters counters;
    enum t1_reason reason; /* of STEP_FAILED */
    uint8_t ifs_out;       /* largest INF that the peer takes */
    uint8_t ifs_in;        /* largest INF that this side takes */

    enum t1_mode mode;
    enum t1_task task;      /* interface device */
    enum t1_sent sent;      /* what the last block sent was */
    enum t1_reason pending; /* why to fail once what has been begun (abortion, resynchronisation) is over */
    bool dead;              /* needs a reset */
    bool started;           /* an error-free block has come since the reset */
    bool heard;             /* a character has come since the reset, or since a resynchronisation began */
    bool announced;         /* announce_ifsd is in force */
    bool aborting; /* S(ABORT response) sent; the card gives the right to send back with an R-block */
    bool want_abort;
    bool want_resynch;

    uint8_t ns;            /* N(S) of the I-block sent last, or of the next when none is outstanding */
    uint8_t nr;            /* N(S) of the I-block expected next */
    bool outstanding;      /* an I-block was sent and not acknowledged */
    bool outstanding_more; /* its M bit */
    const uint8_t *tx;
    size_t tx_length, tx_at, tx_chunk; /* tx_at: start of the outstanding block's INF, tx_chunk: its length */
    size_t rx_length;

    enum t1_function request; /* the S-request that is unanswered when sent is T1_SENT_REQUEST */
    uint8_t request_value;
    uint8_t attempts;   /* how often it was sent */
    uint8_t failures;   /* times in succession that no error-free block came */
    uint8_t asked;      /* times in succession that the peer wanted a block again */
    uint8_t resynchs;   /* in this exchange */
    uint8_t multiplier; /* of BWT, for the next block */

    struct t1_receiver receiver;
    enum t1_complaint complaint; /* T1_MODE_DRAIN: what the R-block will say */
    size_t drained;
    uint8_t out[T1_BLOCK_MAX];
    size_t out_length;
};

/*
 * Makes a machine for a card that has just answered to reset (and to PPS).
 *
 * False, and nothing usable in *t1, when a parameter is out of range: IFS not 1..254, cwt or (interface
 * device) bwt 0, NAD invalid, buffer NULL with a capacity.
 */
bool t1_init(struct t1 *t1, const struct t1_parameters *parameters);

/*
 * Interface device: starts the exchange of a command of length bytes. apdu must live until STEP_DONE or
 * STEP_FAILED. False when an exchange is going on, or the card must be reset first.
 */
bool t1_transmit(struct t1 *t1, const uint8_t *apdu, size_t length);

/* Card: starts waiting for blocks. False for an interface device, or when it has started already. */
bool t1_listen(struct t1 *t1);

/*
 * Card, after STEP_PROCESS: the answer, length bytes, which must live until the next STEP_PROCESS. It may
 * overlap neither the buffer nor the command. False when no command waits for an answer.
 */
bool t1_answer(struct t1 *t1, const uint8_t *bytes, size_t length);

/*
 * What is to be done next; see step.h. An interface device that has nothing to do gets STEP_DONE with no
 * bytes. STEP_SEND is given once; all else is the same when asked again.
 */
void t1_next(struct t1 *t1, struct step *step);

/* Characters came in; see step.h. */
void t1_bytes(struct t1 *t1, const uint8_t *bytes, size_t count, bool parity_ok);
void t1_byte(struct t1 *t1, uint8_t byte, bool parity_ok);

/* None came within step.timeout of STEP_RECEIVE. */
void t1_timeout(struct t1 *t1);

/* Card, after STEP_PROCESS: asks for multiplier times BWT; STEP_PROCESS follows again (rule 3). 0 counts
 * as 1. */
bool t1_request_wtx(struct t1 *t1, uint8_t multiplier);

/*
 * Announces the information field size that this side takes from now on, 1..254 (rule 4). Card: after
 * STEP_PROCESS, which follows again. Interface device: between exchanges, and is an exchange of its own that
 * ends with STEP_DONE without bytes; after a resynchronisation the machine announces the value again. False
 * when the value or the moment does not fit.
 */
bool t1_request_ifs(struct t1 *t1, uint8_t value);

/*
 * Aborts a chain (rule 9), in either direction, as soon as it is this side's turn within one; when no chain
 * comes, nothing happens. Interface device: while an exchange goes on, which then fails with
 * T1_ABORTED_BY_US. Card: any time, and right after STEP_PROCESS in place of an answer. False otherwise.
 */
bool t1_request_abort(struct t1 *t1);

/*
 * Interface device: S(RESYNCH request), as an exchange of its own that ends with STEP_DONE without bytes; or,
 * while an exchange goes on, as soon as it is the interface device's turn; the command is then sent again.
 * False for a card, and when a reset is needed.
 */
bool t1_resynchronise(struct t1 *t1);

/* Whether the card must be reset (warm reset or deactivation) before anything else can be sent. */
bool t1_needs_reset(const struct t1 *t1);

/* English text for a reason; static. */
const char *t1_reason_text(enum t1_reason reason);

#ifdef __cplusplus
}
#endif

#endif
