/*
 * The trace of a rig's contacts, as text: a line for each character, with the card's time in seconds, the
 * slot, the direction and the character; and lines that begin with '#', for what there is to say about them.
 *
 *        0.010340 cardrig/0 card 3B
 *     # 0.015120 cardrig/0 PPS for T=1
 *        0.015120 cardrig/0 ifd  FF
 */
#ifndef CARDRIG_IFD_TRACE_H
#define CARDRIG_IFD_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace;

/* Begins a new file. NULL with errno. */
struct trace *trace_open(const char *path);
void trace_close(struct trace *trace);

/* A character in one direction, at a time in microseconds. All functions take a NULL trace, and do nothing.
 */
void trace_character(struct trace *trace, const char *slot, uint64_t time_us, bool from_card,
                     uint8_t character, bool parity_error);
void trace_note(struct trace *trace, const char *slot, uint64_t time_us, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Has what was traced so far written, as after each exchange. */
void trace_flush(struct trace *trace);

#endif
