/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of one card. The heap counts and limits it, and keeps a list of all blocks. So it can free a
 * card as a whole in any state of its Lua machine, without running any code of the script: finalizers do not
 * run.
 */
#ifndef CARDRIG_ICC_HEAP_H
#define CARDRIG_ICC_HEAP_H

#include <stddef.h>

/* The header before the data of each block. Its alignment also aligns the data. */
struct heap_block {
    _Alignas(max_align_t) struct heap_block *next;
    struct heap_block *prev;
    size_t size; /* bytes, header included */
};

struct heap {
    struct heap_block ring; /* sentinel of the ring of all blocks; the heap must not be copied or moved */
    size_t used, limit;     /* bytes, headers included */
};

/* Initialises an empty heap of at most limit bytes. Allocates nothing. */
void heap_init(struct heap *heap, size_t limit);

/* Frees every block. The heap is then empty and may be used again. */
void heap_drop(struct heap *heap);

/* Returns a new block of size bytes, not initialised, which lives as long as the heap. Returns NULL if that
 * exceeds the limit, or if malloc fails. */
void *heap_alloc(struct heap *heap, size_t size);

/* A lua_Alloc; its first argument is the heap. */
void *heap_lua_alloc(void *heap, void *block, size_t old_size, size_t new_size);

#endif
