#include "hex.h"

#include <stdbool.h>

/* The locale must not have a say, so <ctype.h> stays out of here. */
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

enum hex_result hex_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len,
                           size_t *bad_at)
{
    enum hex_result result = HEX_OK;
    size_t count = 0;
    size_t i = 0;

    while (i < len) {
        int high, low;

        if (is_separator(text[i])) {
            i++;
            continue;
        }
        high = digit_value(text[i]);
        if (high < 0) {
            result = HEX_BAD_CHARACTER;
            break;
        }
        if (i + 1 == len || is_separator(text[i + 1])) {
            result = HEX_ODD_DIGITS;
            break;
        }
        low = digit_value(text[i + 1]);
        if (low < 0) {
            i++;
            result = HEX_BAD_CHARACTER;
            break;
        }
        if (count == cap) {
            result = HEX_NO_SPACE;
            break;
        }
        out[count++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    *out_len = count;
    if (bad_at != NULL)
        *bad_at = i;
    return result;
}

enum hex_result hex_encode(const uint8_t *bytes, size_t len, char *out, size_t cap, char separator)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t width = separator != 0 ? 3 : 2;
    size_t at = 0;

    if (cap == 0)
        return HEX_NO_SPACE;
    out[0] = '\0';
    if (len == 0)
        return HEX_OK;
    /* Divided, not multiplied, so that no length can wrap around. The NUL takes the place of the separator
     * that the last byte has not got. */
    if (len > (separator != 0 ? cap : cap - 1) / width)
        return HEX_NO_SPACE;
    for (size_t i = 0; i < len; i++) {
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
    case HEX_ODD_DIGITS:
        return "a byte needs two digits, this one stands alone";
    case HEX_NO_SPACE:
        return "too many bytes";
    }
    return "unknown error";
}
