/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of the contacts of a rig, as text. Each character is a line: the card's time in seconds, the
 * slot, the direction and the character. Lines that begin with '#' are notes.
 *
 *        0.010340 cardrig/0 card 3B
 *     # 0.015120 cardrig/0 PPS for T=1
 *        0.015120 cardrig/0 ifd  FF
 *
 * Any thread may add lines. The rig never waits for the trace's reader: if the reader is too slow, lines are
 * lost and counted. If writing to a file fails, the trace ends there, after a whole line. Both are reported.
 * oneline() cleans each line.
 */
#ifndef CARDRIG_IFD_TRACE_H
#define CARDRIG_IFD_TRACE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace;

/* Takes one line for the user, without newline. */
typedef void trace_report(void *arg, const char *line);

/* Opens path as output_open() does, and empties a regular file. Calls report with arg for problems with the
 * trace. Returns NULL with error on failure. */
struct trace *trace_open(const char *path, trace_report *report, void *arg, struct error *error);

/* Writes the lines that are left, with a limited wait for a slow reader, and closes and frees the trace. */
void trace_close(struct trace *trace);

/* Closes and frees the trace without writing. For a process whose child continues with the trace. */
void trace_leave(struct trace *trace);

/* If trace is NULL, all functions do nothing. Times are the card's, in microseconds. */

/* Adds one character in one direction. */
void trace_character(struct trace *trace, const char *slot, uint64_t time_us, bool from_card,
                     uint8_t character, bool parity_error);

/* Adds a note. */
void trace_note(struct trace *trace, const char *slot, uint64_t time_us, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes the lines added so far. The interface device calls this after each operation. */
void trace_flush(struct trace *trace);

#endif
