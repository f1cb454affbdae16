/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of a script, with a search for line numbers. Lua knows the lines of code, but not those of the
 * values in a table. So a message about a value finds its line by a search in the text.
 */
#ifndef CARDRIG_ICC_SOURCE_H
#define CARDRIG_ICC_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SOURCE_MAX ((size_t)4 * 1024 * 1024) /* bytes */

struct source {
    const char *name; /* for messages */
    const char *text;
    size_t length;
};

/*
 * Reads a regular file of at most SOURCE_MAX bytes. source->name is path itself, not a copy. The caller frees
 * source->text with source_free(). Returns false with one line in error on failure.
 */
bool source_read(struct source *source, const char *path, struct error *error);
void source_free(struct source *source);

/* The following functions return a line, counted from 1, or 0 if the text has no such thing. */

/* Returns the line of the first `field =` that is not in a comment. */
int source_line_of_field(const struct source *source, const char *field);

/*
 * Returns the line of the first string literal that consists of the length bytes of text. If after is not
 * NULL, the search starts behind the string literal that consists of the after_length bytes of after, if the
 * text has one. A literal with escape sequences is not found.
 */
int source_line_of_string(const struct source *source, const char *after, size_t after_length,
                          const char *text, size_t length);

#endif
