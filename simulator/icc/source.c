/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/source.h"

#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool source_read(struct source *source, const char *path, struct error *error)
{
    const char *reason = NULL;
    struct stat st;
    char *text = NULL;
    size_t length = 0;
    /* O_NONBLOCK: open must not wait for the writer of a FIFO, which is refused below */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0)
        reason = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        reason = "not a regular file";
    else if ((size_t)st.st_size > SOURCE_MAX)
        reason = "too big for a card script";
    else if (!(text = malloc((size_t)st.st_size + 1)) || !read_to_end(fd, text, (size_t)st.st_size, &length))
        reason = strerror(errno);
    if (fd >= 0)
        close(fd);
    if (reason) {
        free(text);
        return error_set(error, "%s: %s", path, reason);
    }
    *source = (struct source){.name = path, .text = text, .length = length};
    return true;
}

void source_free(struct source *source)
{
    free((char *)source->text);
    source->text = NULL;
}

static int line_at(const struct source *source, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += source->text[i] == '\n';
    return line;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Returns whether a single '=' follows at or after `at`. Before it may come blanks, and the end of a key like
 * ["this"]. */
static bool assigns(const struct source *source, size_t at)
{
    const char *text = source->text;

    while (at < source->length && strchr(" \t\"'])", text[at]) && text[at] != '\0')
        at++;
    return at < source->length && text[at] == '=' && (at + 1 == source->length || text[at + 1] != '=');
}

int source_line_of_field(const struct source *source, const char *field)
{
    const char *text = source->text;
    bool comment = false; /* from "--" to the end of the line */
    size_t n = strlen(field);
    int line = 1;

    for (size_t at = 0; n > 0 && at + n <= source->length; at++) {
        if (text[at] == '\n') {
            line++;
            comment = false;
        } else if (text[at] == '-' && at > 0 && text[at - 1] == '-') {
            comment = true;
        }
        if (comment || memcmp(text + at, field, n) != 0 || (at > 0 && is_name_character(text[at - 1])))
            continue;
        if (assigns(source, at + n))
            return line;
    }
    return 0;
}

/* Returns whether the length bytes at `at` are between quotes or long brackets. */
static bool quoted(const struct source *source, size_t at, size_t length)
{
    const char *text = source->text;
    char before, after;

    if (at == 0 || at + length >= source->length)
        return false;
    before = text[at - 1];
    after = text[at + length];
    return ((before == '"' || before == '\'') && after == before) || (before == '[' && after == ']') ||
           (before == '\n' && after == ']'); /* a long bracket drops a first newline */
}

/* Returns where the string literal begins, at or after from, or source->length if there is none. */
static size_t find_string(const struct source *source, size_t from, const char *text, size_t length)
{
    for (size_t at = from; at + length <= source->length; at++)
        if (memcmp(source->text + at, text, length) == 0 && quoted(source, at, length))
            return at;
    return source->length;
}

int source_line_of_string(const struct source *source, const char *after, size_t after_length,
                          const char *text, size_t length)
{
    size_t from = 0, at;

    if (after) {
        from = find_string(source, 0, after, after_length);
        from = from == source->length ? 0 : from + after_length;
    }
    at = find_string(source, from, text, length);
    return at == source->length ? 0 : line_at(source, at);
}
