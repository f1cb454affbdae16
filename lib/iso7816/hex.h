/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as hexadecimal text, in the form in which people write ATRs and APDUs. */
#ifndef CARDRIG_ISO7816_HEX_H
#define CARDRIG_ISO7816_HEX_H

#include <stddef.h>
#include <stdint.h>

enum hex_result {
    HEX_OK = 0,
    HEX_BAD_CHARACTER, /* neither a digit nor a separator */
    HEX_PREFIX,        /* the x of 0x */
    HEX_ODD_DIGITS,    /* a digit without a second one right after it */
    HEX_NO_SPACE,      /* the output buffer is too small */
};

/*
 * Reads length characters of hexadecimal text into out. The text needs no NUL, and must not contain one.
 *
 * Each byte is two digits in either letter case, the high half first. Spaces, tabs, line ends and colons
 * may stand before, between and after bytes, in any number, but not between the two digits of a byte. An
 * empty text is no bytes.
 *
 * out         receives the bytes, in the order of the text; may be NULL if capacity is 0
 * capacity    size of out in bytes
 * out_length  receives the number of bytes written to out, also after an error
 * bad_at      after an error, receives the offset in text of the bad character, of the single digit, or of
 *             the first digit of the byte that did not fit; after HEX_OK it is length. May be NULL.
 */
enum hex_result hex_decode(const char *text, size_t length, uint8_t *out, size_t capacity, size_t *out_length,
                           size_t *bad_at);

/*
 * The same for a pattern, in which '.' may replace any digit. The bits of a '.' are 0 in value and in mask.
 * The bits of any other digit are 1 in mask. value and mask both have room for capacity bytes.
 */
enum hex_result hex_decode_pattern(const char *text, size_t length, uint8_t *value, uint8_t *mask,
                                   size_t capacity, size_t *out_length, size_t *bad_at);

/*
 * Writes length bytes as upper-case hexadecimal text and terminates it with a NUL.
 *
 * separator  the character between two bytes, or 0 for none
 * capacity   size of out in characters: 2 * length + 1 without a separator, otherwise 3 * length, at least 1
 *
 * Returns HEX_NO_SPACE if capacity is smaller. out is then the empty text (unchanged if capacity is 0).
 */
enum hex_result hex_encode(const uint8_t *bytes, size_t length, char *out, size_t capacity, char separator);

/* Returns one line of English for a result, as a static string. */
const char *hex_result_text(enum hex_result result);

#endif
