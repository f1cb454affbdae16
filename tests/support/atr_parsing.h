/* SPDX-License-Identifier: BSD-3-Clause */
/* Parses ATRs from buffers of their exact size, so that AddressSanitizer detects a read beyond the
 * end. */
#ifndef TESTS_SUPPORT_ATR_PARSING_H
#define TESTS_SUPPORT_ATR_PARSING_H

#include "iso7816/atr.h"

#include "bytes.h"
#include "must.h"

/* Parses a copy of exactly length bytes. */
static inline enum atr_result parse_exact(const uint8_t *bytes, size_t length, struct atr *atr,
                                          struct atr_error *error)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    enum atr_result result;

    must(copy != NULL);
    if (length > 0)
        memcpy(copy, bytes, length);
    result = atr_parse(copy, length, atr, error);
    free(copy);
    must(result == error->result);
    return result;
}

static inline enum atr_result parse_hex(const char *text, struct atr *atr, struct atr_error *error)
{
    uint8_t bytes[64];
    size_t length = from_hex(text, bytes, sizeof bytes);

    return parse_exact(bytes, length, atr, error);
}

#endif
