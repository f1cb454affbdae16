/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/names.h"

#include <string.h>

#define LONGEST 40 /* no name is longer */

bool names_find(name_list *names, const char *text, size_t length, unsigned *number)
{
    const char *name;

    for (unsigned i = 0; (name = names(i)); i++) {
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Returns how many letters have to be inserted, removed, replaced, or swapped with their neighbour, to
 * make b from a (optimal string alignment). */
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

const char *names_similar(name_list *names, const char *text, size_t length)
{
    const char *name, *best = NULL;
    size_t fewest = length < 5 ? 2 : 3;

    for (unsigned i = 0; (name = names(i)); i++) {
        size_t name_length = strlen(name), found;
        if (length > LONGEST || name_length > LONGEST)
            continue;
        found = distance(text, length, name, name_length);
        if (found < fewest && found < name_length) {
            best = name;
            fewest = found;
        }
    }
    return best;
}

void names_suggest(name_list *names, const char *text, size_t length, struct error *error)
{
    const char *name, *best = names_similar(names, text, length);

    if (best) {
        error_add(error, ": did you mean '%s'?", best);
        return;
    }
    for (unsigned i = 0; (name = names(i)); i++)
        error_add(error, "%s %s", i ? "," : ": expected one of", name);
}
