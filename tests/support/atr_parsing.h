/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing ATRs so that AddressSanitizer sees a read beyond them. */
#ifndef TESTS_SUPPORT_ATR_PARSING_H
#define TESTS_SUPPORT_ATR_PARSING_H

#include "iso7816/atr.h"

#include "bytes.h"
#include "must.h"

/* Parses a copy of exactly len bytes. */
static inline enum atr_result parse_exact(const uint8_t *bytes, size_t len, struct atr *atr,
                                          struct atr_error *error)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    enum atr_result result;

    must(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    result = atr_parse(copy, len, atr, error);
    free(copy);
    must(result == error->result);
    return result;
}

static inline enum atr_result parse_hex(const char *text, struct atr *atr, struct atr_error *error)
{
    uint8_t bytes[64];
    size_t len = from_hex(text, bytes, sizeof bytes);

    return parse_exact(bytes, len, atr, error);
}

#endif
