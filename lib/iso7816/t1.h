/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmission protocol T=1 as a machine, for the interface device and for the card: ISO/IEC
 * 7816-3:2006, 11.4 to 11.6. step.h says how to drive it.
 *
 * Interface device: call t1_init, then t1_transmit for each command, and t1_next until STEP_DONE (the
 * answer) or STEP_FAILED (t1.reason). The machine corrects errors by itself. Each block has three attempts,
 * then the machine sends S(RESYNCH request), also up to three times, and then the card has to be reset
 * (11.6.3.2, rules 6 and 7). After a resynchronisation, the machine sends the command again from its
 * beginning, so the card may receive it twice.
 *
 * Card: call t1_init, t1_listen, and then t1_next for ever. STEP_PROCESS hands over a command. t1_answer
 * answers it, possibly after t1_request_wtx, t1_request_ifs or t1_request_abort. A card never fails: when
 * its attempts are used up, it does not answer until an error-free block comes.
 *
 * STEP_SEND is one whole block, and the machine considers it sent once the step has been given. A simulator
 * that changes or drops the block does not tell the machine. Only one side sends at a time, so the machine
 * ignores characters that come while it wants to send. Between two STEP_SEND it always takes at least one
 * character or time-out, whatever the peer sends.
 *
 * The whole state is in struct t1, which may be copied as long as its buffers stay valid.
 */
#ifndef CARDRIG_ISO7816_T1_H
#define CARDRIG_ISO7816_T1_H

#include "iso7816/step.h"
#include "iso7816/t1_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T1_IFS_DEFAULT 32         /* IFSC and IFSD (11.4.2) */
#define T1_BGT         22         /* block guard time in etu (11.4.3) */
#define T1_NO_TIMEOUT  UINT32_MAX /* step.timeout of a card between blocks: it waits without limit */
#define T1_ATTEMPTS    3          /* the first attempt and two more (11.6.3.2) */
#define T1_RESYNCH_MAX 3          /* resynchronisations in one exchange before it fails */
#define T1_BABBLE_MAX  1024       /* characters after an invalid block before the card counts as broken */

enum t1_role { T1_INTERFACE_DEVICE, T1_CARD };

enum t1_reason {
    T1_NO_REASON = 0,
    /* The card has to be reset, followed by t1_init: */
    T1_PEER_MUTE,      /* no character came in answer to the last attempts */
    T1_NO_VALID_BLOCK, /* the first block was never answered without an error (rule 7.4.1) */
    T1_RESYNCH_FAILED, /* no S(RESYNCH response) (rule 6.4) */
    T1_RESYNCH_LIMIT,  /* the exchange fails even after T1_RESYNCH_MAX resynchronisations */
    T1_BABBLE,         /* the card does not stop sending */
    /* The machine is ready for the next t1_transmit: */
    T1_TOO_LONG,        /* the answer does not fit into the buffer; its chain was aborted */
    T1_ABORTED_BY_PEER, /* S(ABORT request) came */
    T1_ABORTED_BY_US,   /* because of t1_request_abort */
    T1_IFS_REFUSED,     /* t1_request_ifs: no S(IFS response); resynchronised since */
};

struct t1_parameters {
    enum t1_role role;
    enum t1_edc edc;
    uint8_t ifsc;          /* initial information field size of the card: ATR, or T1_IFS_DEFAULT */
    uint8_t ifsd;          /* initial information field size of the interface device: T1_IFS_DEFAULT */
    uint8_t announce_ifsd; /* interface device: sent in S(IFS request) before the first command; 0: none */
    uint8_t nad;           /* interface device: NAD of its blocks. Card: 0, it answers to the NAD it got */
    uint32_t cwt;          /* character waiting time in etu (11.4.3), at least 12 */
    uint32_t bwt;          /* interface device: block waiting time in etu (11.4.3); a card does not use it */
    uint32_t bgt;          /* step.guard: T1_BGT */
    uint8_t *buffer;       /* for received data; owned by the caller, as long as the machine is used */
    size_t capacity;       /* 65,538 is enough for any answer, 65,544 for any command */
};

struct t1_counters {
    uint64_t blocks_sent;
    uint64_t blocks_received; /* without error */
    uint64_t invalid;         /* blocks received that were not valid, or not allowed by the rules */
    uint64_t timeouts;        /* times that the interface device got no block at all */
    uint64_t retransmissions; /* blocks sent again; an error R-block counts only when repeated itself */
    uint64_t resynchs;        /* S(RESYNCH request) sent, or answered */
    uint64_t wtx;             /* waiting time extensions granted, or received */
    uint64_t aborts;          /* S(ABORT request) sent, or answered */
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

/* Callers may read reason, counters, ifs_out and ifs_in. All else is private. */
struct t1 {
    struct t1_parameters parameters;
    struct t1_counters counters;
    enum t1_reason reason; /* after STEP_FAILED */
    uint8_t ifs_out;       /* largest INF that the peer takes */
    uint8_t ifs_in;        /* largest INF that this side takes */

    enum t1_mode mode;
    enum t1_task task;      /* interface device */
    enum t1_sent sent;      /* the kind of the block sent last */
    enum t1_reason pending; /* why to fail after the abort or resynchronisation under way */
    bool dead;              /* needs a reset */
    bool started;           /* an error-free block has come since the reset */
    bool heard;             /* a character has come since the reset or the start of a resynchronisation */
    bool announced;         /* announce_ifsd is in force */
    bool aborting;          /* S(ABORT response) sent; the card returns the right to send with an R-block */
    bool want_abort;
    bool want_resynch;

    uint8_t ns;            /* N(S) of the I-block sent last, or of the next one if none is outstanding */
    uint8_t nr;            /* N(S) of the I-block expected next */
    bool outstanding;      /* an I-block was sent, but is not acknowledged */
    bool outstanding_more; /* its M bit */
    const uint8_t *tx;
    size_t tx_length, tx_at, tx_chunk; /* tx_at: start of the outstanding block's INF, tx_chunk: its length */
    size_t rx_length;

    enum t1_function request; /* the S-request without a response, while sent is T1_SENT_REQUEST */
    uint8_t request_value;
    uint8_t attempts;   /* how often it was sent */
    uint8_t failures;   /* times in a row that no error-free block came */
    uint8_t asked;      /* times in a row that the peer wanted a block again */
    uint8_t resynchs;   /* in this exchange */
    uint8_t multiplier; /* of BWT, for the next block */

    struct t1_receiver receiver;
    enum t1_complaint complaint; /* T1_MODE_DRAIN: what the R-block will say */
    size_t drained;
    uint8_t out[T1_BLOCK_MAX];
    size_t out_length;
};

/*
 * Initializes a machine for a card that has just answered to reset, and to a PPS request if there was one.
 *
 * Returns false, with nothing usable in *t1, if a parameter is out of range: IFS not 1..254, cwt 0, bwt 0
 * (interface device), NAD invalid, buffer NULL with a capacity.
 */
bool t1_init(struct t1 *t1, const struct t1_parameters *parameters);

/*
 * Interface device: starts the exchange of a command of length bytes. apdu must stay valid until STEP_DONE
 * or STEP_FAILED. Returns false if an exchange is under way, or if the card must be reset first.
 */
bool t1_transmit(struct t1 *t1, const uint8_t *apdu, size_t length);

/* Card: starts waiting for blocks. Returns false for an interface device, or if it has started already. */
bool t1_listen(struct t1 *t1);

/*
 * Card, after STEP_PROCESS: takes the answer of length bytes, which must stay valid until the next
 * STEP_PROCESS. It must not overlap the buffer or the command. Returns false if no command waits for an
 * answer.
 */
bool t1_answer(struct t1 *t1, const uint8_t *bytes, size_t length);

/*
 * Says what to do next; see step.h. An interface device without a task gets STEP_DONE without bytes.
 * STEP_SEND is given once; any other step is the same when asked for again.
 */
void t1_next(struct t1 *t1, struct step *step);

/* Take characters that have come in; see step.h. */
void t1_bytes(struct t1 *t1, const uint8_t *bytes, size_t count, bool parity_ok);
void t1_byte(struct t1 *t1, uint8_t byte, bool parity_ok);

/* No character came within step.timeout of STEP_RECEIVE. */
void t1_timeout(struct t1 *t1);

/* Card, after STEP_PROCESS: requests multiplier times BWT (rule 3); 0 counts as 1. STEP_PROCESS follows
 * again. Returns false at any other time. */
bool t1_request_wtx(struct t1 *t1, uint8_t multiplier);

/*
 * Announces the information field size that this side accepts from now on, 1..254 (rule 4).
 *
 * Card: after STEP_PROCESS, which follows again. Interface device: between exchanges. This is an exchange
 * of its own that ends with STEP_DONE without bytes. After a resynchronisation, the machine announces the
 * value again. Returns false if the value is out of range, or at any other time.
 */
bool t1_request_ifs(struct t1 *t1, uint8_t value);

/*
 * Aborts a chain (rule 9), in either direction, when it is this side's turn within the chain. If no chain
 * comes, nothing happens.
 *
 * Interface device: during a t1_transmit, which then fails with T1_ABORTED_BY_US. Card: at any time after
 * t1_listen, and also instead of an answer right after STEP_PROCESS. Returns false otherwise.
 */
bool t1_request_abort(struct t1 *t1);

/*
 * Interface device: sends S(RESYNCH request). Between exchanges, this is an exchange of its own that ends
 * with STEP_DONE without bytes. During an exchange, the request is sent when it is the interface device's
 * turn, and then the command is sent again. Returns false for a card, and if a reset is needed.
 */
bool t1_resynchronise(struct t1 *t1);

/* Returns whether the card must be reset (warm reset or deactivation) before anything else can be sent. */
bool t1_needs_reset(const struct t1 *t1);

/* Returns English text for a reason, as a static string. */
const char *t1_reason_text(enum t1_reason reason);

#endif
