/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transcripts: what goes over a line, in text files beside the tests.
 *
 *   # A comment, on a line of its own.
 *   == NAME      begins a transcript
 *   LINE         of it; what lines mean is the test's business
 *
 * Lines may be empty between transcripts. All else is a mistake, reported with its file and line: a line in front of the
 * first NAME, a NAME that is not unique or has no lines, blanks at the end of a line or at its beginning, control characters.
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

/* Reads a file. Ends the program, with a message, if there is a mistake in it: it is called before a suite runs. */
struct transcripts transcripts_read(const char *path);

/* The same for text, which is taken: it is freed in any case. False with a message. */
bool transcripts_parse(struct transcripts *transcripts, const char *file, char *text, char *error,
                       size_t error_size);

void transcripts_free(struct transcripts *transcripts);

#endif
