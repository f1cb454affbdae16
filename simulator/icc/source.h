/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of a script, and where in it things are. Lua knows the lines of code, but not those of the values
 * in a table; so messages about a value look it up in the text.
 */
#ifndef CARDRIG_ICC_SOURCE_H
#define CARDRIG_ICC_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SOURCE_MAX ((size_t)4 * 1024 * 1024)

struct source {
    const char *name; /* for messages */
    const char *text;
    size_t length;
};

/*
 * Reads a file. False with a line in `error` if that does not work. Otherwise source->text is to be freed
 * with source_free(), and source->name is `path` itself.
 */
bool source_read(struct source *source, const char *path, struct error *error);
void source_free(struct source *source);

/* Lines count from 1; all of these return 0 when there is no such thing in the text. */

/* The line of the first `field = ` that is not in a comment. */
int source_line_of_field(const struct source *source, const char *field);

/*
 * The line of the string literal with these `length` bytes, at or after the string literal with the
 * `after_length` bytes of `after`, if that is not NULL. A literal written with escape sequences is not
 * found.
 */
int source_line_of_string(const struct source *source, const char *after, size_t after_length,
                          const char *text, size_t length);

#endif
