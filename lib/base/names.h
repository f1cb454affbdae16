/* SPDX-License-Identifier: BSD-3-Clause */
/* A list of names that the user can choose from, and suggestions for a text that is not in the list. */
#ifndef CARDRIG_BASE_NAMES_H
#define CARDRIG_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Returns the name with index i, and NULL after the last one. */
typedef const char *name_list(unsigned i);

/* Looks for the name that equals the length bytes of text, and sets *number to its index. Returns false
 * if there is none. */
bool names_find(name_list *names, const char *text, size_t length, unsigned *number);

/* Returns the name that the user probably meant by the length bytes of text, or NULL if no name is
 * similar. A mistake is a letter too many, a missing letter, a wrong letter, or two letters swapped. A
 * text of at least five letters may have two mistakes, a shorter one may have one. */
const char *names_similar(name_list *names, const char *text, size_t length);

/* Appends ": did you mean 'NAME'?" to error, or ": expected one of NAME, NAME" if no name is similar to
 * text. */
void names_suggest(name_list *names, const char *text, size_t length, struct error *error);

#endif
