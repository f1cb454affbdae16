/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of which the user can choose one, and what to say of a text that is none of them. */
#ifndef CARDRIG_BASE_NAMES_H
#define CARDRIG_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Such names: the i-th of them, and NULL after the last one. */
typedef const char *name_list(unsigned i);

/* The number of the name that is text, length bytes of it. False: there is none. */
bool names_find(name_list *names, const char *text, size_t length, unsigned *number);

/* The name that somebody may have meant who wrote text, length bytes of it. NULL: none is like it. In names
 * of five letters or more two mistakes may be made, in shorter ones one: a letter more, less, another, or two
 * that are swapped. */
const char *names_similar(name_list *names, const char *text, size_t length);

/* Adds to error ": did you mean 'NAME'?", or, if none is like text, ": expected one of NAME, NAME". */
void names_suggest(name_list *names, const char *text, size_t length, struct error *error);

#endif
