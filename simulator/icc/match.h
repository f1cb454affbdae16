/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of a script's commands a command APDU is: the first whose pattern is its beginning. Found without
 * asking each one. Patterns with the same mask are of one shape, of which a script has few; within a shape
 * they are sorted by their values.
 */
#ifndef CARDRIG_ICC_MATCH_H
#define CARDRIG_ICC_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap;
struct script_command;
struct match_shape;

struct match_index {
    const struct script_command **sorted; /* by shape, by value, by number */
    struct match_shape *shapes;           /* by the lowest number in each */
    size_t shape_count;
};

/* Makes the index, in the heap. The commands are to stay where they are. False: no memory is left. */
bool match_index(struct match_index *index, const struct script_command *commands, size_t count,
                 struct heap *heap);

/* The first command that matches; NULL if none does. */
const struct script_command *match_command(const struct match_index *index, const uint8_t *apdu,
                                           size_t length);

#endif
