/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of the transmission protocol T=1: ISO/IEC 7816-3:2006, 11.3.
 *
 * A block is NAD, PCB and LEN, then LEN bytes of information field (INF), then the error detection code
 * (EDC): one byte (LRC) or two (CRC).
 */
#ifndef CARDRIG_ISO7816_T1_BLOCK_H
#define CARDRIG_ISO7816_T1_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T1_PROLOGUE_SIZE 3
#define T1_INF_MAX       254 /* LEN 'FF' is reserved (11.3.2.3) */
#define T1_BLOCK_MAX     (T1_PROLOGUE_SIZE + T1_INF_MAX + 2)

/* The EDC in use. The values are those of the first TC for T=1 (11.4.4). */
enum t1_edc { T1_LRC = 0, T1_CRC = 1 };

enum t1_block_kind { T1_I_BLOCK, T1_R_BLOCK, T1_S_REQUEST, T1_S_RESPONSE };

/* The function of an S-block. The values are those in PCB (11.3.2.2). */
enum t1_function { T1_RESYNCH = 0, T1_IFS = 1, T1_ABORT = 2, T1_WTX = 3 };

/* What an R-block says about the previous block. The values are those in PCB (11.3.2.2). */
enum t1_complaint {
    T1_NO_COMPLAINT = 0,
    T1_EDC_COMPLAINT = 1,   /* wrong EDC or character parity */
    T1_OTHER_COMPLAINT = 2, /* any other error */
};

struct t1_block {
    uint8_t nad, pcb;
    uint8_t length;     /* bytes in inf */
    const uint8_t *inf; /* inside the caller's bytes */
    enum t1_block_kind kind;
    uint8_t number;              /* N(S) of an I-block, N(R) of an R-block */
    bool more;                   /* I-block: the M bit */
    enum t1_complaint complaint; /* R-block */
    enum t1_function function;   /* S-block */
};

enum t1_block_result {
    T1_BLOCK_OK = 0,
    T1_BLOCK_TRUNCATED, /* fewer bytes than LEN and EDC require */
    T1_BLOCK_TRAILING,  /* more bytes than LEN and EDC require */
    T1_BLOCK_BAD_EDC,
    T1_BLOCK_BAD_NAD, /* SAD and DAD are equal, but not both 0; or NAD is 'FF' (11.3.2.1) */
    T1_BLOCK_BAD_PCB, /* reserved (11.3.2.2) */
    T1_BLOCK_BAD_LEN, /* 'FF'; or wrong for the block: R, S(RESYNCH) and S(ABORT) have 0, S(IFS) and S(WTX)
                         1 */
    T1_BLOCK_BAD_IFS, /* S(IFS) with 00 or FF (11.4.2) */
    T1_BLOCK_BAD_VPP, /* bit 8 or 4 of NAD is set, which once controlled C6: deprecated, and ignored by an
                         interface device (11.3.2.1). Checked last, so all else is correct and the block is
                         decoded. */
};

/* Returns the exclusive-or of length bytes: the LRC of a block without its LRC, or 0 for a block with a
 * correct one (11.3.4). */
uint8_t t1_lrc(const uint8_t *bytes, size_t length);

/*
 * Returns the CRC of length bytes: the 16-bit frame checking sequence of ISO/IEC 13239, to which 11.3.4
 * refers (polynomial x^16 + x^12 + x^5 + 1 over bits in the order of the direct convention, preset to ones,
 * complemented). Its coefficient of the highest power goes first, so in a block the low byte of this value
 * comes before the high one.
 */
uint16_t t1_crc(const uint8_t *bytes, size_t length);

/* Returns the number of EDC bytes: 1 or 2. */
size_t t1_edc_size(enum t1_edc edc);

/* Return the PCB of I(N(S), M), of R(N(R)), and of an S-block. Numbers are taken modulo 2. */
uint8_t t1_pcb_i(unsigned number, bool more);
uint8_t t1_pcb_r(unsigned number, enum t1_complaint complaint);
uint8_t t1_pcb_s(enum t1_function function, bool response);

/* Returns NAD with source and destination exchanged, as in an answer. */
uint8_t t1_nad_swap(uint8_t nad);

/*
 * Writes a block with a correct EDC, and returns its size. Nothing else is checked, so a simulator can
 * build blocks that violate the rules.
 *
 * inf  may be NULL if length is 0. length is at most T1_INF_MAX; more is cut off.
 * out  has room for at least T1_BLOCK_MAX bytes, and does not overlap inf.
 */
size_t t1_block_encode(enum t1_edc edc, uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t length,
                       uint8_t *out);

/*
 * Decodes a block of size bytes, including the EDC.
 *
 * out  is written if the result is T1_BLOCK_OK or T1_BLOCK_BAD_VPP; out->inf points into bytes.
 *
 * Returns the first error that applies, in this order: TRUNCATED (or BAD_LEN for 'FF'), TRAILING, BAD_EDC,
 * BAD_NAD, BAD_PCB, BAD_LEN, BAD_IFS, BAD_VPP.
 */
enum t1_block_result t1_block_decode(enum t1_edc edc, const uint8_t *bytes, size_t size,
                                     struct t1_block *out);

/* Returns English text for a result, as a static string. */
const char *t1_block_result_text(enum t1_block_result result);

/* Receives a block character by character (11.5). */
struct t1_receiver {
    enum t1_edc edc;
    bool parity_error;
    size_t count; /* number of bytes received so far */
    uint8_t bytes[T1_BLOCK_MAX];
};

enum t1_receiver_state {
    T1_RECEIVER_MORE,     /* the block is not complete */
    T1_RECEIVER_COMPLETE, /* this was the last character; bytes and count are ready for t1_block_decode */
    T1_RECEIVER_SPOILT,   /* wrong parity, or LEN 'FF': the end of the block is no longer known */
};

/* Prepares for the first character of a block. */
void t1_receiver_start(struct t1_receiver *receiver, enum t1_edc edc);

/* Returns how many characters must certainly follow before the state can be other than MORE, if none has
 * an error. */
size_t t1_receiver_wants(const struct t1_receiver *receiver);

/* Take characters, not more than t1_receiver_wants. parity_ok is that of the last character; the others
 * have the right parity. After COMPLETE or SPOILT, call t1_receiver_start before the next character. */
enum t1_receiver_state t1_receiver_bytes(struct t1_receiver *receiver, const uint8_t *bytes, size_t count,
                                         bool parity_ok);
enum t1_receiver_state t1_receiver_byte(struct t1_receiver *receiver, uint8_t byte, bool parity_ok);

#endif
