/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The name that somebody may have meant who wrote another: "did you mean ...?"
 */
#ifndef CARDRIG_BASE_SIMILAR_H
#define CARDRIG_BASE_SIMILAR_H

#include <stddef.h>

struct similar {
    const char *text; /* what was written, `length` bytes */
    size_t length;
    const char *best; /* the name most like it; NULL: none is like it */
    size_t distance;
};

/* Begins with no name. */
struct similar similar_to(const char *text, size_t length);

/* Is this one more like it? One mistake (a letter more, less, another, or two swapped) is let pass in short
 * names, two in names of five letters or more. */
void similar_consider(struct similar *similar, const char *name);

#endif
