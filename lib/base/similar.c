/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/similar.h"

#include <string.h>

#define LONGEST 40 /* names are shorter */

struct similar similar_to(const char *text, size_t length)
{
    return (struct similar){.text = text, .length = length, .distance = length < 5 ? 2 : 3};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters that are more, less, others, or swapped with their neighbours (optimal string alignment). */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(row[j], least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

void similar_consider(struct similar *similar, const char *name)
{
    size_t length = strlen(name), found;

    if (similar->length > LONGEST || length > LONGEST)
        return;
    found = distance(similar->text, similar->length, name, length);
    if (found < similar->distance && found < length) {
        similar->best = name;
        similar->distance = found;
    }
}
