/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/oneline.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Returns whether a character of more than one byte must be escaped. */
static bool is_hidden(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x0080, 0x009F},   /* control characters */
        {0x00AD, 0x00AD},   /* soft hyphen */
        {0x034F, 0x034F},   /* combining grapheme joiner */
        {0x061C, 0x061C},   /* Arabic letter mark */
        {0x115F, 0x1160},   /* Hangul fillers */
        {0x17B4, 0x17B5},   /* invisible Khmer vowels */
        {0x180B, 0x180F},   /* Mongolian selectors and vowel separator */
        {0x200B, 0x200F},   /* zero width characters, direction marks */
        {0x2028, 0x202E},   /* line and paragraph separators, direction embeddings and overrides */
        {0x2060, 0x206F},   /* zero width characters, direction isolates */
        {0x3164, 0x3164},   /* Hangul filler */
        {0xD800, 0xDFFF},   /* surrogates */
        {0xFEFF, 0xFEFF},   /* byte order mark */
        {0xFFA0, 0xFFA0},   /* Hangul filler */
        {0xFFF0, 0xFFFB},   /* interlinear annotation */
        {0x1D173, 0x1D17A}, /* musical controls */
        {0xE0000, 0xE0FFF}, /* tags, variation selectors */
    };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (code >= hidden[i].first && code <= hidden[i].last)
            return true;
    return false;
}

/* Returns the number of bytes at p that make up one printable character, or 0 if they do not. */
static size_t printable(const uint8_t *p, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7F;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC0 || p[0] > 0xF7 || n > length)
        return 0;
    uint32_t code = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    return code < least[n] || code > 0x10FFFF || is_hidden(code) ? 0 : n;
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

void oneline(char *out, size_t out_size, const char *text, size_t length)
{
    static const char more[] = "...";
    size_t used = 0, last_fit = 0;

    for (size_t i = 0; i < length;) {
        const uint8_t *p = (const uint8_t *)text + i;
        char escape[5];
        const char *piece = (const char *)p;
        size_t taken = printable(p, length - i), n = taken;

        if (taken == 0) {
            taken = 1;
            n = escaped(escape, *p);
            piece = escape;
        }
        if (used + sizeof more <= out_size)
            last_fit = used; /* up to here, "..." still fits */
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
