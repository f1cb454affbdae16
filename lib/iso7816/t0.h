/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmission protocol T=0: ISO/IEC 7816-3:2006, clause 10.
 *
 * One exchange is one TPDU. The interface device sends the header CLA INS P1 P2 P3. Procedure bytes of the
 * card then control the transfer of P3 bytes of data in one direction. SW1 SW2 end the exchange. The header
 * does not contain the direction; both sides must know it from the command (10.3.2).
 *
 * step.h says how to use the two machines t0_ifd and t0_icc. Each TPDU begins with the start function.
 * Repeating characters with a parity error (7.3) is left to the caller: a machine that sees such a
 * character fails.
 */
#ifndef CARDRIG_ISO7816_T0_H
#define CARDRIG_ISO7816_T0_H

#include "step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T0_HEADER_SIZE 5
#define T0_DATA_MAX    256 /* from the card; to the card 255 at most */
#define T0_COMMAND_MAX (T0_HEADER_SIZE + 255)
#define T0_RESULT_MAX  (T0_DATA_MAX + 2)

#define T0_NE_UNKNOWN  UINT32_MAX /* Ne of a TPDU with data, which may be a case 3 or a case 4 command */

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
    uint32_t ne;         /* Ne of the command that it begins, if known; T=0 itself carries P3 at most */
};

enum t0_reason {
    T0_OK = 0,
    T0_BAD_TPDU,       /* length does not match header and direction; nothing was sent */
    T0_MUTE,           /* the waiting time ran out */
    T0_PARITY,         /* a character with wrong parity */
    T0_BAD_PROCEDURE,  /* a byte that is no procedure byte at this point */
    T0_TOO_MANY_NULLS, /* more than null_limit */
};

/* Returns English text for a reason, as a static string. */
const char *t0_reason_text(enum t0_reason reason);

enum t0_tpdu_result {
    T0_TPDU_OK = 0,
    T0_TPDU_TOO_SHORT,  /* shorter than CLA INS P1 P2 */
    T0_TPDU_DATA_SHORT, /* fewer bytes of data than P3 says */
    T0_TPDU_DATA_LONG,  /* more bytes of data than P3 says */
    /* The TPDU is decoded all the same: */
    T0_TPDU_LE, /* one more byte: the Le of a case 4 command, which T=0 does not send */
};

/*
 * Decodes a TPDU as an application passes it to a reader that exchanges TPDUs: 4 bytes (P3 is 00, no data),
 * 5 bytes (data from the card), or 5 bytes and as many more as P3 says (data to the card).
 *
 * out->data points into bytes, which must stay valid while it is used. out->ne is 0 for 4 bytes, the number
 * of bytes that P3 stands for if data come from the card, and T0_NE_UNKNOWN for data to the card. After
 * T0_TPDU_LE it is T0_DATA_MAX, whatever Le is, because application and card handle Le between them. *out
 * is all zero after an error.
 */
enum t0_tpdu_result t0_tpdu_decode(const uint8_t *bytes, size_t length, struct t0_tpdu *out);

/* Returns English text for a result, as a static string. */
const char *t0_tpdu_result_text(enum t0_tpdu_result result);

/* Returns how many bytes P3 stands for in this direction: 0..255 to the card, 1..256 from the card
 * (10.3.2). */
size_t t0_tpdu_size(const uint8_t header[T0_HEADER_SIZE], enum t0_direction direction);

/*
 * Interface device
 */

struct t0_ifd_config {
    uint32_t wwt;        /* etu until the card's next character; see timing.h */
    uint32_t guard;      /* etu before a character that is sent; see timing.h */
    uint32_t null_limit; /* most NULL bytes accepted in one TPDU; 0: any number, as in the standard */
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
    size_t done;                 /* of these, already transferred */
    size_t grant;                /* of the rest, granted by the last ACK */
    uint8_t data[T0_RESULT_MAX]; /* data to the card; or data from the card, then SW1 SW2 */
};

/*
 * Starts the exchange of a TPDU, which is copied. Steps: SEND (header, data), RECEIVE with config->wwt, and
 * DONE with what the card returned: 0 to 256 bytes of data, SW1 SW2. After FAILED, ifd->reason says why.
 *
 * Procedure bytes are interpreted in this order (10.3.3):
 *
 * - 60 is NULL.
 * - 6X and 9X are SW1, at any time, so data may remain untransferred.
 * - INS grants all remaining data, INS xor FF grants one byte. One INS without remaining data is tolerated.
 * - Everything else is T0_BAD_PROCEDURE.
 *
 * A header whose INS is 6X or 9X, which 10.3.2 forbids, is therefore sent, but its data are never
 * transferred.
 */
void t0_ifd_start(struct t0_ifd *ifd, const struct t0_ifd_config *config, const struct t0_tpdu *tpdu);
void t0_ifd_next(struct t0_ifd *ifd, struct step *step);
/* Take the result of a STEP_RECEIVE (step.h). At any other time, these functions do nothing. */
void t0_ifd_bytes(struct t0_ifd *ifd, const uint8_t *bytes, size_t count, bool parity_ok);
void t0_ifd_byte(struct t0_ifd *ifd, uint8_t byte, bool parity_ok);
void t0_ifd_timeout(struct t0_ifd *ifd);

/*
 * Card
 */

enum t0_ack {
    T0_ACK_ALL,  /* INS: all data at once */
    T0_ACK_EACH, /* INS xor FF before each byte of data */
};

struct t0_icc_config {
    enum t0_ack ack;
    /* NULL bytes sent when the card takes time: before the first ACK, and before the answer to a command */
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
 * Starts to wait, without limit, for a header. Steps:
 *
 *   RECEIVE ... PROCESS with the 5 bytes of the header. Now call either
 *       t0_icc_take      if the command sends data to the card (or has none), or
 *       t0_icc_answer    with data from the card and status; or with a status at once, in any direction.
 *   After t0_icc_take: SEND, RECEIVE ... PROCESS with header and data. Now call t0_icc_answer with a status.
 *   SEND ... DONE: the exchange is over. t0_icc_start waits for the next one.
 */
void t0_icc_start(struct t0_icc *icc, const struct t0_icc_config *config);
void t0_icc_next(struct t0_icc *icc, struct step *step);
void t0_icc_bytes(struct t0_icc *icc, const uint8_t *bytes, size_t count, bool parity_ok);
void t0_icc_byte(struct t0_icc *icc, uint8_t byte, bool parity_ok);
/* Changes the number of NULL bytes from now until the end of the exchange. */
void t0_icc_nulls(struct t0_icc *icc, uint32_t count);
/* For a caller that stops waiting. */
void t0_icc_timeout(struct t0_icc *icc);

/* Acknowledges the data to the card. Returns false if no header waits for it. */
bool t0_icc_take(struct t0_icc *icc);

/*
 * Takes the card's answer, data and then SW1 SW2, which is copied. If there are less data than P3 says,
 * they are sent one by one, so that SW1 can end them (10.3.3).
 *
 * Returns false, without effect, if nothing waits for the answer, if length is below 2, or if there are
 * more data than the exchange can carry (none after t0_icc_take, otherwise t0_tpdu_size). SW1 is not
 * checked: if it is neither 9X nor 6X other than 60, the interface device sees a wrong procedure byte.
 */
bool t0_icc_answer(struct t0_icc *icc, const uint8_t *bytes, size_t length);

#endif
