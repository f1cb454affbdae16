#include "icc/oneline.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* how many of the bytes at p are one printable character; 0 if they are none */
static size_t printable(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t n;

    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7F;
    n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC0 || p[0] > 0xF7 || n > len)
        return 0;
    code = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    /* 80 to 9F are control characters, D800 to DFFF halves of characters, 2028 and 2029 end a line */
    if (code < least[n] || code < 0xA0 || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF ||
        code == 0x2028 || code == 0x2029)
        return 0;
    return n;
}

static size_t escaped(char out[5], uint8_t byte)
{
    switch (byte) {
    case '\t':
        return (size_t)snprintf(out, 5, " ");
    case '\n':
        return (size_t)snprintf(out, 5, "\\n");
    case '\r':
        return (size_t)snprintf(out, 5, "\\r");
    default:
        return (size_t)snprintf(out, 5, "\\x%02X", byte);
    }
}

void oneline(char *out, size_t out_size, const char *text, size_t len)
{
    static const char more[] = "...";
    size_t used = 0, last_fit = 0;

    for (size_t i = 0; i < len;) {
        const uint8_t *p = (const uint8_t *)text + i;
        char escape[5];
        const char *piece = (const char *)p;
        size_t taken = printable(p, len - i), n = taken;

        if (taken == 0) {
            taken = 1;
            n = escaped(escape, *p);
            piece = escape;
        }
        if (used + sizeof more <= out_size)
            last_fit = used; /* up to here there is still room for the dots */
        if (used + n >= out_size) {
            memcpy(out + last_fit, more, sizeof more);
            return;
        }
        memcpy(out + used, piece, n);
        used += n;
        i += taken;
    }
    out[used] = '\0';
}
