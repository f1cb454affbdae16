/* SPDX-License-Identifier: BSD-3-Clause */
/* Test bytes from hexadecimal text, and buffers of exact size. */
#ifndef TESTS_SUPPORT_BYTES_H
#define TESTS_SUPPORT_BYTES_H

#include "iso7816/hex.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Returns the number of bytes. Fails the test if the text is not hexadecimal, or too long. */
static inline size_t from_hex(const char *text, uint8_t *out, size_t capacity)
{
    size_t length, bad_at;
    ck_assert_msg(hex_decode(text, strlen(text), out, capacity, &length, &bad_at) == HEX_OK,
                  "not hexadecimal at %zu: %s", bad_at, text);
    return length;
}

/* Returns a zeroed buffer of exactly this size, so that AddressSanitizer detects an access beyond
 * it. The caller frees it. */
static inline void *exact(size_t size)
{
    void *buffer = calloc(1, size > 0 ? size : 1);
    ck_assert_ptr_nonnull(buffer);
    return buffer;
}

#endif
