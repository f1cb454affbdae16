/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as text for a terminal. What comes out is one line of UTF-8 in which nothing is obeyed or
 * misleads: no control characters, none that end a line or change direction. It is itself again, and as much
 * of it as there is room for. The first byte says how much.
 */
#include "fuzz.h"

#include "base/oneline.h"

#include <stdbool.h>

/* The code of the character at text, and its bytes; fails unless it is UTF-8 in its shortest form. */
static uint32_t take_character(const uint8_t **text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code = *(*text)++;
    if (code < 0x80)
        return code;
    int more = code >= 0xF0 ? 3 : code >= 0xE0 ? 2 : 1;
    CHECK(code >= 0xC2 && code <= 0xF4);
    code &= 0x3Fu >> more;
    for (int i = 0; i < more; i++) {
        CHECK((**text & 0xC0) == 0x80);
        code = code << 6 | (*(*text)++ & 0x3F);
    }
    CHECK(code >= least[more + 1] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF));
    return code;
}

/* Unicode's Cc, Zl and Zp; its Bidi_Control; and the zero-width characters that hide. */
static bool is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

static void check_line(const char *line)
{
    for (const uint8_t *at = (const uint8_t *)line; *at;)
        CHECK(!is_dangerous(take_character(&at)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t length = size - 1, room = 8 + data[0], enough = 4 * length + 8;
    char *text = exact_copy(data + 1, length), *whole = malloc(enough), *again = malloc(enough),
         *cut = malloc(room);
    CHECK(whole && again && cut);
    oneline(whole, enough, text, length);
    CHECK(strlen(whole) <= 4 * length);
    check_line(whole);
    oneline(again, enough, whole, strlen(whole));
    CHECK(strcmp(whole, again) == 0);
    oneline(cut, room, text, length);
    check_line(cut);
    size_t kept = strlen(cut);
    CHECK(kept < room);
    if (strcmp(cut, whole) != 0) {
        CHECK(strlen(whole) >= room && kept >= 3 && strcmp(cut + kept - 3, "...") == 0);
        CHECK(strncmp(cut, whole, kept - 3) == 0 && kept + 8 > room);
    }
    free(text);
    free(whole);
    free(again);
    free(cut);
    return 0;
}
