/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command APDUs: ISO/IEC 7816-3:2006, 12.1 (the same coding as in ISO/IEC 7816-4).
 *
 * A command consists of the header CLA INS P1 P2 and a body of up to three fields:
 *
 *   Lc    codes Nc, the number of data bytes
 *   data  Nc bytes
 *   Le    codes Ne, the maximum number of data bytes in the answer
 *
 * Length fields are big-endian. They are either short (one byte) or extended, and never mixed. An extended
 * Lc has three bytes, the first of them 00. An extended Le has two bytes, or three if there is no Lc.
 *
 * CLA and INS are not checked, because readers use values that ISO/IEC 7816 forbids (CLA FF, INS 6X and 9X)
 * for commands of their own.
 */
#ifndef CARDRIG_ISO7816_APDU_H
#define CARDRIG_ISO7816_APDU_H

#include <stddef.h>
#include <stdint.h>

#define APDU_HEADER_SIZE 4
#define APDU_NC_MAX      65535u
#define APDU_NE_MAX      65536u
/* header, extended Lc, 65,535 data bytes, extended Le */
#define APDU_COMMAND_MAX 65544u

/* The cases of ISO/IEC 7816-3:2006, 12.1.3. */
enum apdu_case {
    APDU_CASE_1 = 1, /* no data either way */
    APDU_CASE_2S,    /* answer data, short Le */
    APDU_CASE_3S,    /* command data, short Lc */
    APDU_CASE_4S,    /* both, short */
    APDU_CASE_2E,    /* answer data, extended Le */
    APDU_CASE_3E,    /* command data, extended Lc */
    APDU_CASE_4E,    /* both, extended */
};

enum apdu_result {
    APDU_OK = 0,
    APDU_TOO_SHORT,  /* the header is not complete */
    APDU_TOO_LONG,   /* longer than any command can be */
    APDU_BAD_BODY,   /* two bytes, of which the first is 00: an extended length takes three */
    APDU_LC_ZERO,    /* extended Lc of 0000 */
    APDU_DATA_SHORT, /* fewer bytes than Lc says */
    APDU_DATA_LONG,  /* more bytes than Lc and an Le account for */
    APDU_LE_SHORT,   /* extended Lc, but an Le of one byte instead of two */
    /* only from apdu_encode and apdu_shortest_case: */
    APDU_BAD_COMMAND, /* kind is unknown, or nc or ne does not fit it */
    APDU_NO_SPACE,    /* the output buffer is too small */
};

struct apdu_command {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data; /* the command data, inside the caller's buffer; NULL if nc is 0 */
    size_t nc;           /* number of data bytes, 0..65,535 */
    uint32_t ne;         /* maximum number of answer bytes, 1..65,536; 0 if there is no Le */
    enum apdu_case kind;
};

struct apdu_error {
    enum apdu_result result;
    size_t position; /* offset in the command of the wrong field or byte */
    size_t expected; /* number of bytes that should follow the wrong field, or that are allowed at most */
    size_t found;    /* number of bytes that are there instead */
};

/*
 * Decodes a command APDU of length bytes. ISO/IEC 7816-3:2006, 12.1.3.
 *
 * out    receives the fields. out->data points into bytes, which must stay valid while it is used.
 *        Le 00 gives ne 256, extended Le 0000 gives 65,536. All zero after an error.
 * error  receives what is wrong and where; all zero after APDU_OK. May be NULL.
 */
enum apdu_result apdu_decode(const uint8_t *bytes, size_t length, struct apdu_command *out,
                             struct apdu_error *error);

/*
 * Encodes a command in the form of command->kind: the reverse of apdu_decode. ISO/IEC 7816-3:2006, 12.1.
 *
 * command->data  may lie inside out, so that a decoded command can be encoded again in place
 * out, capacity  buffer and its size; APDU_COMMAND_MAX is always enough
 * out_length     receives the length, 0 after an error
 *
 * Returns APDU_BAD_COMMAND if nc or ne does not fit the kind (such as nc 256 in case 3S, or ne 0 in case
 * 2S), and APDU_NO_SPACE if out is too small.
 */
enum apdu_result apdu_encode(const struct apdu_command *command, uint8_t *out, size_t capacity,
                             size_t *out_length);

/*
 * Sets *out to the case with the shortest coding for nc data bytes and at most ne answer bytes (0: no Le).
 * Returns APDU_BAD_COMMAND if nc is over 65,535 or ne is over 65,536.
 */
enum apdu_result apdu_shortest_case(size_t nc, uint32_t ne, enum apdu_case *out);

#endif
