/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the command of a script that a command APDU matches: the first one in the script whose pattern the
 * APDU begins with. The index avoids a test of every pattern. Patterns of the same length and mask have the
 * same shape; a script has few shapes. Within a shape the commands are sorted by the values of their
 * patterns.
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
    const struct script_command **sorted; /* by shape, then value, then number */
    struct match_shape *shapes;           /* by the lowest number of a command in each */
    size_t shape_count;
};

/* Makes the index of count commands, which must stay where they are, in the heap. Returns false if the heap
 * has no memory left. */
bool match_index(struct match_index *index, const struct script_command *commands, size_t count,
                 struct heap *heap);

/* Returns the first command that matches and whose number is above `after`, or NULL if there is none. */
const struct script_command *match_command(const struct match_index *index, const uint8_t *apdu,
                                           size_t length, int after);

#endif
