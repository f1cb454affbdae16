/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of one card: counted, limited, and remembered block by block. So a card can be thrown away as a
 * whole, whatever state its Lua machine is in and without asking the script (finalizers do not run).
 */
#ifndef CARDRIG_ICC_HEAP_H
#define CARDRIG_ICC_HEAP_H

#include <stddef.h>

/* what stands before each block; aligned so that the block after it is */
struct heap_block {
    _Alignas(max_align_t) struct heap_block *next;
    struct heap_block *prev;
    size_t size; /* with this header */
};

struct heap {
    struct heap_block ring; /* a ring of all blocks, with this one as its clasp; not to be copied or moved */
    size_t used, limit;     /* bytes, headers included */
};

/* Makes an empty heap of at most `limit` bytes. Allocates nothing. */
void heap_init(struct heap *heap, size_t limit);

/* Frees every block; the heap is then empty and may be used again. */
void heap_drop(struct heap *heap);

/* A new block of `size` bytes, not initialised, for as long as the heap lives. NULL if that is more than is
 * left. */
void *heap_alloc(struct heap *heap, size_t size);

/* The same for Lua: a lua_Alloc whose first argument is the heap. */
void *heap_lua_alloc(void *heap, void *block, size_t old_size, size_t new_size);

#endif
