/* SPDX-License-Identifier: BSD-3-Clause */
#include "hex.h"

#include <stdbool.h>

/* <ctype.h> depends on the locale, so it is not used here. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ':';
}

/* Reads a digit's value, and the mask of its bits that count. Returns false if c is no digit. */
static bool read_digit(char c, bool dots, int *value, int *mask)
{
    *mask = dots && c == '.' ? 0x0 : 0xF;
    *value = *mask ? digit_value(c) : 0;
    return *value >= 0;
}

/* Decodes bytes, or a pattern with dots. mask is NULL if there can be no dots. */
static enum hex_result decode(const char *text, size_t length, uint8_t *value, uint8_t *mask, size_t capacity,
                              size_t *out_length, size_t *bad_at)
{
    enum hex_result result = HEX_OK;
    size_t count = 0;
    size_t i = 0;

    while (i < length) {
        int high, low, high_mask, low_mask;

        if (is_separator(text[i])) {
            i++;
            continue;
        }
        if (!read_digit(text[i], mask, &high, &high_mask)) {
            result = HEX_BAD_CHARACTER;
            break;
        }
        if (i + 1 == length || is_separator(text[i + 1])) {
            result = HEX_ODD_DIGITS;
            break;
        }
        if (!read_digit(text[i + 1], mask, &low, &low_mask)) {
            i++;
            result =
                text[i - 1] == '0' && (text[i] == 'x' || text[i] == 'X') ? HEX_PREFIX : HEX_BAD_CHARACTER;
            break;
        }
        if (count == capacity) {
            result = HEX_NO_SPACE;
            break;
        }
        if (mask)
            mask[count] = (uint8_t)(high_mask << 4 | low_mask);
        value[count++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    *out_length = count;
    if (bad_at)
        *bad_at = i;
    return result;
}

enum hex_result hex_decode(const char *text, size_t length, uint8_t *out, size_t capacity, size_t *out_length,
                           size_t *bad_at)
{
    return decode(text, length, out, NULL, capacity, out_length, bad_at);
}

enum hex_result hex_decode_pattern(const char *text, size_t length, uint8_t *value, uint8_t *mask,
                                   size_t capacity, size_t *out_length, size_t *bad_at)
{
    return decode(text, length, value, mask, capacity, out_length, bad_at);
}

enum hex_result hex_encode(const uint8_t *bytes, size_t length, char *out, size_t capacity, char separator)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t width = separator != 0 ? 3 : 2;
    size_t at = 0;

    if (capacity == 0)
        return HEX_NO_SPACE;
    out[0] = '\0';
    if (length == 0)
        return HEX_OK;
    /* The capacity is divided, so that a large length cannot overflow in a multiplication. The NUL takes
     * the place of the separator that would follow the last byte. */
    if (length > (separator != 0 ? capacity : capacity - 1) / width)
        return HEX_NO_SPACE;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && separator != 0)
            out[at++] = separator;
        out[at++] = digits[bytes[i] >> 4];
        out[at++] = digits[bytes[i] & 0x0F];
    }
    out[at] = '\0';
    return HEX_OK;
}

const char *hex_result_text(enum hex_result result)
{
    switch (result) {
    case HEX_OK:
        return "no error";
    case HEX_BAD_CHARACTER:
        return "not a hexadecimal digit";
    case HEX_PREFIX:
        return "bytes are written without 0x";
    case HEX_ODD_DIGITS:
        return "a byte needs two digits, this one stands alone";
    case HEX_NO_SPACE:
        return "too many bytes";
    }
    return "unknown error";
}
