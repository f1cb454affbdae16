/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of a rig's contacts, as text: a line for each character, with the card's time in seconds, the
 * slot, the direction and the character; and lines that begin with '#', for what there is to say about them.
 *
 *        0.010340 cardrig/0 card 3B
 *     # 0.015120 cardrig/0 PPS for T=1
 *        0.015120 cardrig/0 ifd  FF
 *
 * Any thread may add to it, a line at a time. The rig never waits for a trace. A reader that is slow loses
 * lines, which are counted; a file that cannot be written ends with a whole line. Both are reported. Each
 * line is as oneline() makes it.
 */
#ifndef CARDRIG_IFD_TRACE_H
#define CARDRIG_IFD_TRACE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace;

/* Gets a line, without its end, for the user. */
typedef void trace_report(void *arg, const char *line);

/* Begins a new file; as output_open() does. NULL with error. */
struct trace *trace_open(const char *path, trace_report *report, void *arg, struct error *error);

/* Writes what is left, with a limit to the waiting. */
void trace_close(struct trace *trace);

/* The same for a process whose child goes on with the trace: writes nothing. */
void trace_leave(struct trace *trace);

/* A character in one direction, at a time in microseconds. All functions take a NULL trace, and do nothing.
 */
void trace_character(struct trace *trace, const char *slot, uint64_t time_us, bool from_card,
                     uint8_t character, bool parity_error);
void trace_note(struct trace *trace, const char *slot, uint64_t time_us, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Has what was traced so far written, as after each exchange. */
void trace_flush(struct trace *trace);

#endif
