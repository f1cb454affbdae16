/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as hexadecimal text, as people write ATRs and APDUs. */
#ifndef CARDRIG_ISO7816_HEX_H
#define CARDRIG_ISO7816_HEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hex_result {
    HEX_OK = 0,
    HEX_BAD_CHARACTER, /* neither a digit nor a separator */
    HEX_PREFIX,        /* the x of 0x */
    HEX_ODD_DIGITS,    /* a digit that has no second one right after it */
    HEX_NO_SPACE,      /* the output buffer is too small */
};

/*
 * Reads length characters of hexadecimal text (no NUL needed, and none accepted) into out.
 *
 * Each byte is two digits of either letter case, the high half first. Before, between and after bytes there
 * may be any number of spaces, tabs, line ends and colons, but not inside the pair of digits. No text at all
 * is no bytes.
 *
 * out         receives the bytes, in the order written; NULL is allowed when capacity is 0
 * capacity    size of out in bytes
 * out_length  receives the number of bytes written to out, also after an error
 * bad_at      receives, after an error, the offset in text of the character at fault: the bad character, the
 *             lone digit, or the first digit of the byte that found no space; after HEX_OK it is length. May
 *             be NULL
 */
enum hex_result hex_decode(const char *text, size_t length, uint8_t *out, size_t capacity, size_t *out_length,
                           size_t *bad_at);

/*
 * The same for a pattern, in which a '.' may take the place of any digit: its bits are 0 in value and in
 * mask. The bits of the other digits are 1 in mask. Both have room for capacity bytes.
 */
enum hex_result hex_decode_pattern(const char *text, size_t length, uint8_t *value, uint8_t *mask,
                                   size_t capacity, size_t *out_length, size_t *bad_at);

/*
 * Writes length bytes as upper-case hexadecimal text, ended by a NUL.
 *
 * separator  the character between two bytes, or 0 for none
 * capacity   size of out in characters: 2 * length + 1 without a separator, 3 * length (at least 1) with
 *            one
 *
 * HEX_NO_SPACE when capacity is smaller; out is then the empty text (untouched when capacity is 0).
 */
enum hex_result hex_encode(const uint8_t *bytes, size_t length, char *out, size_t capacity, char separator);

/* One line of English for a result, a static string. */
const char *hex_result_text(enum hex_result result);

#ifdef __cplusplus
}
#endif

#endif
