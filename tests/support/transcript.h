/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transcripts of exchanges, in text files beside the tests.
 *
 *   # A comment on a line of its own
 *   == NAME      begins a transcript
 *   LINE         a line of the transcript; its meaning depends on the test
 *
 * Empty lines are allowed. These are errors, reported with file and line: a line before the first NAME, a
 * NAME that is not unique or has no lines, a space at the beginning or the end of a line, a control
 * character, a last line without a newline, a file without transcripts.
 */
#ifndef TESTS_SUPPORT_TRANSCRIPT_H
#define TESTS_SUPPORT_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct transcript_line {
    const char *text;
    unsigned number; /* line number in the file */
};

struct transcript {
    const char *file; /* name of the file without its folder */
    const char *name;
    int count;
    struct transcript_line *lines;
};

struct transcripts {
    char *text; /* content of the file */
    int count;
    struct transcript *transcripts;
};

/* Reads a file before a suite runs. An error in it ends the program with a message. */
struct transcripts transcripts_read(const char *path);

/* The same for text, which must be allocated. Takes ownership of it, and frees it on failure.
 * Returns false and a message on failure. */
bool transcripts_parse(struct transcripts *transcripts, const char *file, char *text, char *error,
                       size_t error_size);

void transcripts_free(struct transcripts *transcripts);

#endif
