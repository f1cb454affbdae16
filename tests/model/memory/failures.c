/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

#include "scheduler.h"

#include <stdlib.h>

/* The blocks are a ring, so that those of a run that has failed can be freed. */
struct block {
    struct block *before, *after;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct block ring = {&ring, &ring};
static unsigned rate, count, blocks;

static void unlink_block(struct block *block)
{
    block->before->after = block->after;
    block->after->before = block->before;
    blocks--;
}

static void link_block(struct block *block)
{
    block->before = &ring;
    block->after = ring.after;
    ring.after->before = block;
    ring.after = block;
    blocks++;
}

void failures_begin(void)
{
    while (ring.after != &ring) {
        struct block *block = ring.after;
        unlink_block(block);
        free(block);
    }
    rate = count = 0;
}

void failures_set_rate(unsigned one_in)
{
    rate = one_in;
}

bool failures_happen(void)
{
    bool happens = rate > 0 && scheduler_once_in(rate);
    count += happens;
    return happens;
}

unsigned failures_count(void)
{
    return count;
}

unsigned failures_blocks(void)
{
    return blocks;
}

static struct block *block_of(void *memory)
{
    return (struct block *)(void *)((unsigned char *)memory - offsetof(struct block, bytes));
}

static void *reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    if (failures_happen())
        return NULL;
    if (memory)
        unlink_block(block_of(memory));
    struct block *block = realloc(memory ? block_of(memory) : NULL, sizeof *block + size);
    if (!block)
        abort();
    link_block(block);
    return block->bytes;
}

static void *allocate(void *context, size_t size)
{
    return reallocate(context, NULL, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    if (!memory)
        return;
    unlink_block(block_of(memory));
    free(block_of(memory));
}

const scardmanage_allocator failures_allocator = {sizeof failures_allocator, NULL, allocate, reallocate,
                                                  release};
