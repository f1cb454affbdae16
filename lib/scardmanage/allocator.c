/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory. No other file of the library allocates; tests/e2e/test_scardmanage_abi.py checks that. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *default_reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    return realloc(memory, size);
}

static void default_release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

scardmanage_result allocator_check_and_copy(const scardmanage_allocator *allocator,
                                            scardmanage_allocator *out)
{
    static const scardmanage_allocator defaults = {sizeof defaults, NULL, default_allocate,
                                                   default_reallocate, default_release};
    if (!allocator)
        allocator = &defaults;
    if (!options_struct_is_readable(allocator, allocator->size, sizeof *allocator, sizeof *allocator) ||
        !allocator->allocate || !allocator->reallocate || !allocator->release)
        return SCARDMANAGE_E_INVALIDARG;
    *out = *allocator;
    out->size = sizeof *out;
    return SCARDMANAGE_S_OK;
}

void *allocator_allocate(const scardmanage_allocator *allocator, size_t size)
{
    void *memory = allocator->allocate(allocator->context, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void allocator_release(const scardmanage_allocator *allocator, void *memory)
{
    if (memory)
        allocator->release(allocator->context, memory);
}
