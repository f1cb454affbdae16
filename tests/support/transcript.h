/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transcripts: what goes over a line, in text files beside the tests.
 *
 *   # A comment, on a line of its own.
 *   == NAME      begins a transcript
 *   LINE         of it; what lines mean is the test's business
 *
 * There may be empty lines. All else is a mistake, reported with its file and line: a line before the
 * first NAME, a NAME that is not unique or has no lines, a blank at the beginning or the end of a
 * line, a control character.
 */
#ifndef TESTS_SUPPORT_TRANSCRIPT_H
#define TESTS_SUPPORT_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct transcript_line {
    const char *text;
    unsigned number; /* in its file */
};

struct transcript {
    const char *file; /* without its folder */
    const char *name;
    int count;
    struct transcript_line *lines;
};

struct transcripts {
    char *text; /* the file's */
    int count;
    struct transcript *transcripts;
};

/* Reads a file, before a suite runs. A mistake in it ends the program, with a message. */
struct transcripts transcripts_read(const char *path);

/* The same for text, which it takes over: on failure it is freed. False with a message. */
bool transcripts_parse(struct transcripts *transcripts, const char *file, char *text, char *error,
                       size_t error_size);

void transcripts_free(struct transcripts *transcripts);

#endif
