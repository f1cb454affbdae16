/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua texts that are part of the program: the ready cards (simulator/cards), the modules for scripts
 * (simulator/cards/lib, simulator/readers/lib) and the ready readers (simulator/readers). The build turns them into C
 * (library.cmake).
 */
#ifndef CARDRIG_ICC_LIBRARY_H
#define CARDRIG_ICC_LIBRARY_H

#include <stddef.h>

struct library_text {
    const char *name; /* without ".lua" */
    const char *text; /* ends with a NUL that length does not count */
    size_t length;
};

/* In alphabetical order; the last one has no name. */
extern const struct library_text library_cards[], library_modules[], library_readers[];

/* Returns the text of that name, or NULL. */
const struct library_text *library_find(const struct library_text *texts, const char *name, size_t length);

/* For base/names.h: the names of the ready cards, and of the ready readers. */
const char *library_card_name(unsigned i);
const char *library_reader_name(unsigned i);

#endif
