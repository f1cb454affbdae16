/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory. Nothing else in this library allocates; tests/e2e/test_scardmanage_abi.py holds it to that. */
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

scardmanage_result allocator_read(const scardmanage_allocator *allocator, scardmanage_allocator *out)
{
    static const scardmanage_allocator defaults = {sizeof defaults, NULL, default_allocate,
                                                   default_reallocate, default_release};
    if (allocator == NULL)
        allocator = &defaults;
    if (!options_sized(allocator, allocator->size, sizeof *allocator, sizeof *allocator) ||
        allocator->allocate == NULL || allocator->reallocate == NULL || allocator->release == NULL)
        return SCARDMANAGE_E_INVALIDARG;
    *out = *allocator;
    out->size = sizeof *out;
    return SCARDMANAGE_S_OK;
}

void *allocator_get(const scardmanage_allocator *allocator, size_t size)
{
    void *memory = allocator->allocate(allocator->context, size);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

void allocator_put(const scardmanage_allocator *allocator, void *memory)
{
    if (memory != NULL)
        allocator->release(allocator->context, memory);
}
