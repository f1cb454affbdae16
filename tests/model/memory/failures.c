/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

#include "scheduler.h"
#include "truth.h"

#include <stdlib.h>
#include <string.h>

/* The blocks are a ring, so that those of a run that has failed can be freed. */
struct block {
    struct block *before, *after;
    size_t size;
    _Alignas(max_align_t) unsigned char bytes[];
};

#define LIKELY 3 /* once in so many times */

static struct block ring = {.before = &ring, .after = &ring};
static unsigned rate, rate_of_pcsc, count, blocks, secrets;

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
    rate = rate_of_pcsc = count = secrets = 0;
}

void failures_set_rates(unsigned allocations, unsigned calls_of_pcsc)
{
    rate = allocations;
    rate_of_pcsc = calls_of_pcsc;
}

static bool happen_once_in(unsigned times)
{
    bool happens = times > 0 && scheduler_once_in(times);
    count += happens;
    return happens;
}

bool failures_happen(void)
{
    return happen_once_in(rate);
}

bool failures_happen_in_pcsc(bool is_likely)
{
    return happen_once_in(is_likely && rate_of_pcsc > LIKELY ? LIKELY : rate_of_pcsc);
}

unsigned failures_count(void)
{
    return count;
}

unsigned failures_secrets(void)
{
    return secrets;
}

unsigned failures_blocks(void)
{
    return blocks;
}

static struct block *block_of(void *memory)
{
    return (struct block *)(void *)((unsigned char *)memory - offsetof(struct block, bytes));
}

/* A PIN must not stay in memory. */
static void check_for_secret(const struct block *block)
{
    if (memmem(block->bytes, block->size, TRUTH_SECRET, sizeof TRUTH_SECRET - 1))
        secrets++;
}

static void *reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    if (failures_happen())
        return NULL;
    if (memory) {
        unlink_block(block_of(memory));
        check_for_secret(block_of(memory));
    }
    struct block *block = realloc(memory ? block_of(memory) : NULL, sizeof *block + size);
    if (!block)
        abort();
    block->size = size;
    link_block(block);
    return block->bytes;
}

static void *allocate(void *context, size_t size)
{
    return reallocate(context, NULL, size);
}

static void *(*volatile fill)(void *, int, size_t) = memset; /* which the compiler does not leave out */

static void release(void *context, void *memory)
{
    (void)context;
    if (!memory)
        return;
    unlink_block(block_of(memory));
    check_for_secret(block_of(memory));
    fill(memory, 0xA5, block_of(memory)->size); /* so that nobody can use it */
    free(block_of(memory));
}

const scardmanage_allocator failures_allocator = {sizeof failures_allocator, NULL, allocate, reallocate,
                                                  release};
