/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command APDUs: ISO/IEC 7816-3:2006, 12.1 (the same coding as in ISO/IEC 7816-4).
 *
 * A command is the header CLA INS P1 P2 and a body of up to three fields: Lc, which codes the number Nc of
 * data bytes; these data bytes; and Le, which codes the number Ne of data bytes that the answer may have at
 * most. Length fields are short (one byte) or extended (Lc three bytes, the first of them 00; Le two bytes,
 * or three when there is no Lc), big-endian, and never mixed.
 *
 * CLA and INS are not judged: values that ISO/IEC 7816 forbids (CLA FF, INS 6X and 9X) are used by readers
 * for commands of their own.
 */
#ifndef CARDRIG_ISO7816_APDU_H
#define CARDRIG_ISO7816_APDU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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
    APDU_TOO_SHORT,  /* not even a header */
    APDU_TOO_LONG,   /* longer than any command can be */
    APDU_BAD_BODY,   /* 00 alone after the header: extended lengths begin so, but none follows */
    APDU_LC_ZERO,    /* extended Lc of 0000 */
    APDU_DATA_SHORT, /* fewer bytes than Lc says */
    APDU_DATA_LONG,  /* more bytes than Lc and an Le account for */
    APDU_LE_SHORT,   /* extended Lc, but one byte of Le where two must be */
    /* apdu_encode and apdu_shortest_case only: */
    APDU_BAD_COMMAND, /* kind unknown, or nc or ne do not fit it */
    APDU_NO_SPACE,    /* the output buffer is too small */
};

struct apdu_command {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data; /* the command data field, inside the caller's buffer; NULL when nc is 0 */
    size_t nc;           /* bytes of data, 0..65,535 */
    uint32_t ne;         /* answer bytes expected at most, 1..65,536; 0 when there is no Le */
    enum apdu_case kind;
};

struct apdu_error {
    enum apdu_result result;
    size_t position; /* offset in the command of the field or byte at fault */
    size_t expected; /* number of bytes that should follow the field at fault, or that there may be at most */
    size_t found;    /* number of bytes there instead */
};

/*
 * Decodes a command APDU of length bytes. ISO/IEC 7816-3:2006, 12.1.3.
 *
 * out    receives the fields; out->data points into bytes, which must live as long as it is used.
 *        Le 00 gives ne 256, extended Le 0000 gives 65,536. All zero after an error.
 * error  receives what was wrong and where, after APDU_OK all zero; may be NULL
 */
enum apdu_result apdu_decode(const uint8_t *bytes, size_t length, struct apdu_command *out,
                             struct apdu_error *error);

/*
 * Encodes a command in the form that command->kind says, the reverse of apdu_decode. ISO/IEC
 * 7816-3:2006, 12.1.
 *
 * command->data  may lie inside out (a decoded command can be encoded again where it is)
 * out, capacity  buffer and its size; APDU_COMMAND_MAX is always enough
 * out_length     receives the length, 0 after an error
 *
 * APDU_BAD_COMMAND when nc or ne do not fit the kind (say nc 256 in case 3S, or ne 0 in case 2S),
 * APDU_NO_SPACE.
 */
enum apdu_result apdu_encode(const struct apdu_command *command, uint8_t *out, size_t capacity,
                             size_t *out_length);

/*
 * The case with the shortest coding for nc data bytes and at most ne answer bytes (0: no Le).
 * APDU_BAD_COMMAND when nc is over 65,535 or ne over 65,536.
 */
enum apdu_result apdu_shortest_case(size_t nc, uint32_t ne, enum apdu_case *out);

#ifdef __cplusplus
}
#endif

#endif
