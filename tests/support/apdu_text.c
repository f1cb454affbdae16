/* SPDX-License-Identifier: BSD-3-Clause */
#include "apdu_text.h"

#include <stdio.h>

const char *apdu_case_name(enum apdu_case kind)
{
    switch (kind) {
    case APDU_CASE_1:
        return "1";
    case APDU_CASE_2S:
        return "2S";
    case APDU_CASE_3S:
        return "3S";
    case APDU_CASE_4S:
        return "4S";
    case APDU_CASE_2E:
        return "2E";
    case APDU_CASE_3E:
        return "3E";
    case APDU_CASE_4E:
        return "4E";
    }
    return "?";
}

/* snprintf() only fails here if the C library does. The text is empty then. */
static size_t text_length(int n, char *buf, size_t capacity)
{
    if (n >= 0)
        return (size_t)n;
    if (capacity > 0)
        buf[0] = '\0';
    return 0;
}

#define CLAUSE " (ISO/IEC 7816-3:2006, 12.1.3)"

size_t apdu_error_text(const struct apdu_error *error, char *buf, size_t capacity)
{
    size_t at = error->position;
    size_t expected = error->expected;
    size_t found = error->found;
    int n = 0;

    switch (error->result) {
    case APDU_OK:
        n = snprintf(buf, capacity, "no error");
        break;
    case APDU_TOO_SHORT:
        n = snprintf(buf, capacity, "byte %zu: the command ends inside the header of 4 bytes" CLAUSE, at);
        break;
    case APDU_TOO_LONG:
        n = snprintf(buf, capacity,
                     "byte %zu: the command is %zu bytes long, the longest possible has %zu" CLAUSE, at,
                     found, expected);
        break;
    case APDU_BAD_BODY:
        n = snprintf(buf, capacity,
                     "byte %zu: 00 begins an extended length, but only one byte follows" CLAUSE, at);
        break;
    case APDU_LC_ZERO:
        n = snprintf(buf, capacity, "byte %zu: the extended Lc is 0000, though %zu %s" CLAUSE, at, found,
                     found == 1 ? "byte follows" : "bytes follow");
        break;
    case APDU_DATA_SHORT:
        n = snprintf(buf, capacity, "byte %zu: Lc says that %zu %s, %zu %s there" CLAUSE, at, expected,
                     expected == 1 ? "byte follows" : "bytes follow", found, found == 1 ? "is" : "are");
        break;
    case APDU_DATA_LONG:
        n = snprintf(buf, capacity, "byte %zu: Lc says that %zu %s, %zu are there, too many for an Le" CLAUSE,
                     at, expected, expected == 1 ? "byte follows" : "bytes follow", found);
        break;
    case APDU_LE_SHORT:
        n = snprintf(buf, capacity, "byte %zu: Le has one byte, but after an extended Lc it needs two" CLAUSE,
                     at);
        break;
    case APDU_BAD_COMMAND:
        n = snprintf(buf, capacity,
                     "the lengths do not fit the case of the command (ISO/IEC 7816-3:2006, 12.1)");
        break;
    case APDU_NO_SPACE:
        n = snprintf(buf, capacity, "the buffer is too small for the command");
        break;
    }
    return text_length(n, buf, capacity);
}
