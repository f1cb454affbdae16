/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz targets share. A target is a function that libFuzzer calls with bytes of its own making; it
 * must return 0, and whatever the bytes are, no CHECK may fail and no sanitizer find anything. */
#ifndef CARDRIG_FUZZ_FUZZ_H
#define CARDRIG_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A copy of exactly size bytes, so that the address sanitizer sees each step beyond. Never NULL. */
static inline void *exact_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    CHECK(copy);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

#endif
