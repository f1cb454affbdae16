/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/heap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "icc/watchdog.h"

void heap_init(struct heap *heap, size_t limit)
{
    heap->ring.next = heap->ring.prev = &heap->ring;
    heap->used = 0;
    heap->limit = limit;
}

static struct heap_block *block_of(void *data)
{
    return (struct heap_block *)data - 1;
}

static void link_in(struct heap *heap, struct heap_block *block)
{
    block->next = heap->ring.next;
    block->prev = &heap->ring;
    block->next->prev = block;
    block->prev->next = block;
    heap->used += block->size;
}

static void unlink_block(struct heap *heap, struct heap_block *block)
{
    block->next->prev = block->prev;
    block->prev->next = block->next;
    heap->used -= block->size;
}

static bool has_room(const struct heap *heap, size_t old_size, size_t size)
{
    size_t left = heap->limit - (heap->used - old_size);

    return left >= sizeof(struct heap_block) && size <= left - sizeof(struct heap_block);
}

static void release_block(struct heap *heap, struct heap_block *block)
{
    unlink_block(heap, block);
    free(block);
}

static void *resize_block(struct heap *heap, struct heap_block *block, size_t size)
{
    size_t old_size = block ? block->size : 0;
    struct heap_block *moved;

    if (!has_room(heap, old_size, size))
        return NULL;
    if (block)
        unlink_block(heap, block);
    moved = realloc(block, sizeof *moved + size);
    if (moved)
        moved->size = sizeof *moved + size;
    else if (block)
        moved = block;
    else
        return NULL;
    link_in(heap, moved);
    /* if realloc has failed, the old block stays; it will do only if it is large enough */
    return moved->size >= sizeof *moved + size ? moved + 1 : NULL;
}

void heap_drop(struct heap *heap)
{
    while (heap->ring.next != &heap->ring)
        release_block(heap, heap->ring.next);
}

void *heap_alloc(struct heap *heap, size_t size)
{
    void *data;

    watchdog_hold();
    data = resize_block(heap, NULL, size);
    watchdog_release();
    return data;
}

void *heap_lua_alloc(void *heap, void *block, size_t old_size, size_t new_size)
{
    void *data = NULL;

    (void)old_size; /* for a new block Lua passes the kind of object here */
    watchdog_hold();
    if (new_size > 0)
        data = resize_block(heap, block ? block_of(block) : NULL, new_size);
    else if (block)
        release_block(heap, block_of(block));
    watchdog_release();
    return data;
}
