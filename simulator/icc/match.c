/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/match.h"

#include <stdlib.h>
#include <string.h>

#include "icc/command.h"
#include "icc/heap.h"
#include "icc/watchdog.h"

struct match_shape {
    size_t first, count; /* its commands in `sorted` */
    int lowest;          /* the lowest number of its commands */
};

static int compare_shapes(const struct pattern *a, const struct pattern *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->mask, b->mask, a->length);
}

static int compare_commands(const void *a, const void *b)
{
    const struct script_command *x = *(const struct script_command *const *)a;
    const struct script_command *y = *(const struct script_command *const *)b;
    int order = compare_shapes(&x->pattern, &y->pattern);

    if (order == 0)
        order = memcmp(x->pattern.value, y->pattern.value, x->pattern.length);
    return order ? order : x->number - y->number;
}

static int compare_lowest(const void *a, const void *b)
{
    return ((const struct match_shape *)a)->lowest - ((const struct match_shape *)b)->lowest;
}

/* Returns the end, in `sorted`, of the shape that begins at first. */
static size_t end_of_shape(const struct match_index *index, size_t first, size_t count)
{
    size_t end = first + 1;

    while (end < count && compare_shapes(&index->sorted[first]->pattern, &index->sorted[end]->pattern) == 0)
        end++;
    return end;
}

bool match_index(struct match_index *index, const struct script_command *commands, size_t count,
                 struct heap *heap)
{
    size_t end;

    *index = (struct match_index){.sorted = heap_alloc(heap, count * sizeof *index->sorted)};
    if (!index->sorted)
        return false;
    for (size_t i = 0; i < count; i++)
        index->sorted[i] = &commands[i];
    watchdog_hold(); /* qsort may allocate memory */
    if (count > 0)   /* and may not accept the pointer of an empty array */
        qsort(index->sorted, count, sizeof *index->sorted, compare_commands);
    watchdog_release();
    for (size_t first = 0; first < count; first = end_of_shape(index, first, count))
        index->shape_count++;
    index->shapes = heap_alloc(heap, index->shape_count * sizeof *index->shapes);
    if (!index->shapes)
        return false;
    struct match_shape *shape = index->shapes;
    for (size_t first = 0; first < count; first = end, shape++) {
        end = end_of_shape(index, first, count);
        *shape = (struct match_shape){
            .first = first, .count = end - first, .lowest = index->sorted[first]->number};
        for (size_t i = first; i < end; i++)
            if (index->sorted[i]->number < shape->lowest)
                shape->lowest = index->sorted[i]->number;
    }
    watchdog_hold();
    qsort(index->shapes, index->shape_count, sizeof *index->shapes, compare_lowest);
    watchdog_release();
    return true;
}

/* Compares a pattern with the beginning of an APDU, like memcmp. The APDU must be long enough. */
static int compare_apdu(const struct pattern *pattern, const uint8_t *apdu)
{
    for (size_t i = 0; i < pattern->length; i++) {
        int order = pattern->value[i] - (apdu[i] & pattern->mask[i]);
        if (order)
            return order;
    }
    return 0;
}

/* Returns the first command of the shape that matches, behind the number `after`. Commands with the same value are
 * sorted by number, so the search for the lowest index finds the first. */
static const struct script_command *find(const struct match_index *index, const struct match_shape *shape,
                                         const uint8_t *apdu, int after)
{
    size_t low = shape->first, high = shape->first + shape->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_apdu(&index->sorted[middle]->pattern, apdu);
        if (order < 0 || (order == 0 && index->sorted[middle]->number <= after))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == shape->first + shape->count || compare_apdu(&index->sorted[low]->pattern, apdu) != 0)
        return NULL;
    return index->sorted[low];
}

const struct script_command *match_command(const struct match_index *index, const uint8_t *apdu,
                                           size_t length, int after)
{
    const struct script_command *best = NULL;

    for (const struct match_shape *shape = index->shapes; shape < index->shapes + index->shape_count;
         shape++) {
        if (best && shape->lowest > best->number)
            break;
        if (index->sorted[shape->first]->pattern.length > length)
            continue;
        const struct script_command *found = find(index, shape, apdu, after);
        if (found && (!best || found->number < best->number))
            best = found;
    }
    return best;
}
