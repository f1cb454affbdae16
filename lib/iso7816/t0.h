/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmission protocol T=0: ISO/IEC 7816-3:2006, clause 10.
 *
 * One exchange is one TPDU: the interface device sends the header CLA INS P1 P2 P3; then procedure bytes of
 * the card steer how P3 bytes of data go in one direction, and at last come SW1 SW2. The direction is not in
 * the header; both sides must know it of the command (10.3.2).
 *
 * Two machines, t0_ifd and t0_icc, are used as step.h says, from the start for every TPDU. Repetition of
 * characters with a parity error (7.3) is the line's business: a machine that sees one gives up.
 */
#ifndef CARDRIG_ISO7816_T0_H
#define CARDRIG_ISO7816_T0_H

#include "step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define T0_HEADER_SIZE 5
#define T0_DATA_MAX    256 /* from the card; to the card 255 */
#define T0_COMMAND_MAX (T0_HEADER_SIZE + 255)
#define T0_RESULT_MAX  (T0_DATA_MAX + 2)

#define T0_NE_UNKNOWN  UINT32_MAX /* the Ne of a TPDU with data, which may be a case 3 or a case 4 command */

#define T0_NULL        0x60 /* procedure byte: wait again (10.3.3) */

enum t0_direction {
    T0_TO_CARD,   /* P3 bytes; none when P3 is 00 */
    T0_FROM_CARD, /* P3 bytes; 256 when P3 is 00 */
};

struct t0_tpdu {
    uint8_t header[T0_HEADER_SIZE];
    enum t0_direction direction;
    const uint8_t *data; /* T0_TO_CARD: P3 bytes, in the caller's buffer; otherwise NULL */
    size_t length;       /* of data */
    uint32_t ne;         /* of the command that it begins, as far as it is known: T=0 carries P3 at most */
};

enum t0_reason {
    T0_OK = 0,
    T0_BAD_TPDU,       /* length is not what header and direction say; nothing was sent */
    T0_MUTE,           /* the waiting time ran out */
    T0_PARITY,         /* a character with wrong parity */
    T0_BAD_PROCEDURE,  /* a byte that is no procedure byte in this place */
    T0_TOO_MANY_NULLS, /* more than the limit that was given */
};

/* English text for a reason, static. */
const char *t0_reason_text(enum t0_reason reason);

enum t0_tpdu_result {
    T0_TPDU_OK = 0,
    T0_TPDU_TOO_SHORT,  /* not even CLA INS P1 P2 */
    T0_TPDU_DATA_SHORT, /* fewer bytes of data than P3 says */
    T0_TPDU_DATA_LONG,  /* more */
    /* Decoded all the same: */
    T0_TPDU_LE, /* one byte more, the Le of a case 4 command, which T=0 does not send */
};

/*
 * Makes a TPDU of the bytes that an application hands to a reader which exchanges TPDUs: 4 bytes (P3 00 is
 * added, no data), 5 bytes (data from the card), or 5 bytes and as many more as P3 says (data to the card).
 *
 * out->data points into bytes, which must live as long as it is used. out->ne is what P3 says, and
 * T0_NE_UNKNOWN for a TPDU with data; T0_DATA_MAX after T0_TPDU_LE, whatever Le is, since application and
 * card deal with it between them. All zero after an error.
 */
enum t0_tpdu_result t0_tpdu_decode(const uint8_t *bytes, size_t length, struct t0_tpdu *out);

/* English text for a result, static. */
const char *t0_tpdu_result_text(enum t0_tpdu_result result);

/* How many bytes P3 stands for in this direction: 0..255 to the card, 1..256 from it (10.3.2). */
size_t t0_tpdu_size(const uint8_t header[T0_HEADER_SIZE], enum t0_direction direction);

/*
 * Interface device
 */

struct t0_ifd_config {
    uint32_t wwt;        /* etu until the card's next character, see timing.h */
    uint32_t guard;      /* etu before a character that is sent */
    uint32_t null_limit; /* this many NULL bytes are taken in one TPDU; 0: any number, as in the standard */
};

struct t0_ifd {
    enum t0_reason reason; /* after STEP_FAILED */
    uint8_t procedure;     /* after T0_BAD_PROCEDURE: the byte */
    uint32_t nulls;        /* NULL bytes seen so far */
    /* private */
    int state;
    struct t0_ifd_config config;
    uint8_t header[T0_HEADER_SIZE];
    enum t0_direction direction;
    bool idle_ack;
    size_t size;                 /* bytes of data in all */
    size_t done;                 /* of these, transferred */
    size_t grant;                /* of the rest, allowed by the last ACK */
    uint8_t data[T0_RESULT_MAX]; /* to the card; or from it, then SW1 SW2 */
};

/*
 * Begins the exchange of a TPDU, which is copied. Steps: SEND (header, data), RECEIVE with config->wwt, and
 * DONE with what the card returned: 0 to 256 bytes of data, SW1 SW2. FAILED leaves x->reason.
 *
 * Procedure bytes are taken in this order (10.3.3): 60 is NULL; 6X and 9X is SW1, at any time, so
 * data may remain untransferred; INS grants all data that remain, INS xor FF one byte. One more INS when none
 * remain is put up with; everything else is T0_BAD_PROCEDURE. So an INS of 6X or 9X, which 10.3.2 forbids, is
 * sent but its data never flow.
 */
void t0_ifd_start(struct t0_ifd *x, const struct t0_ifd_config *config, const struct t0_tpdu *tpdu);
void t0_ifd_next(struct t0_ifd *x, struct step *step);
/* What a STEP_RECEIVE brought (step.h); at any other time these do nothing. */
void t0_ifd_bytes(struct t0_ifd *x, const uint8_t *bytes, size_t count, bool parity_ok);
void t0_ifd_byte(struct t0_ifd *x, uint8_t byte, bool parity_ok);
void t0_ifd_timeout(struct t0_ifd *x);

/*
 * Card
 */

enum t0_ack {
    T0_ACK_ALL,  /* INS: all data at once */
    T0_ACK_EACH, /* INS xor FF before each byte of data */
};

struct t0_icc_config {
    enum t0_ack ack;
    /* NULL bytes sent where a card takes its time: before the first ACK, and before what answers a command */
    uint32_t nulls;
};

struct t0_icc {
    enum t0_reason reason; /* after STEP_FAILED */
    /* private */
    int state;
    struct t0_icc_config config;
    uint8_t command[T0_COMMAND_MAX]; /* header and data to the card */
    size_t received;
    size_t grant;
    size_t nulls;
    enum t0_ack ack;
    uint8_t answer[T0_RESULT_MAX];
    size_t answer_length;
    size_t sent;
    uint8_t out[T0_DATA_MAX + 1];
};

/*
 * Begins to wait, without limit, for a header. Steps:
 *   RECEIVE ... PROCESS with the 5 bytes of the header. Now call either
 *       t0_icc_take      the command sends data to the card (or has none), or
 *       t0_icc_answer    data from the card and status; or a status at once, whatever the direction.
 *   After t0_icc_take: SEND, RECEIVE ... PROCESS with header and data; now call t0_icc_answer with a status.
 *   SEND ... DONE: the exchange is over, t0_icc_start waits for the next one.
 */
void t0_icc_start(struct t0_icc *x, const struct t0_icc_config *config);
void t0_icc_next(struct t0_icc *x, struct step *step);
void t0_icc_bytes(struct t0_icc *x, const uint8_t *bytes, size_t count, bool parity_ok);
void t0_icc_byte(struct t0_icc *x, uint8_t byte, bool parity_ok);
/* Another number of NULL bytes than in the config, from here on to the end of the exchange. */
void t0_icc_nulls(struct t0_icc *x, uint32_t count);
/* For a caller who gives up waiting. */
void t0_icc_timeout(struct t0_icc *x);

/* Acknowledges the data to the card. False when no header waits for it. */
bool t0_icc_take(struct t0_icc *x);

/*
 * The card's answer, data and then SW1 SW2, which is copied. Less data than P3 says are sent one by one, so
 * that SW1 can end them (10.3.3). False, and nothing happens, when nothing waits for it, when length is below
 * 2, or when there are more data than the exchange can carry: none after t0_icc_take, else as t0_tpdu_size
 * says. SW1 is not judged: other than 6X (but 60) and 9X it makes the interface device see a wrong procedure
 * byte.
 */
bool t0_icc_answer(struct t0_icc *x, const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
