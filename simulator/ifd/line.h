/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line between the interface device and a card: characters, and a clock. The clock is virtual, so nothing
 * here takes real time. When the interface device waits for a character that the card does not send, the
 * clock jumps to the end of the wait.
 *
 * With a pace, the time of the line is real. A character arrives when its transmission is complete, and a
 * wait takes as long as it would on real contacts. Real time that passes elsewhere meanwhile, such as in the
 * card's script, is included: an operation takes the longer of the two times.
 */
#ifndef CARDRIG_IFD_LINE_H
#define CARDRIG_IFD_LINE_H

#include "icc/contacts.h"
#include "ifd/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the time of a line real. */
struct pace {
    void (*wait_until)(void *arg, int64_t time_us); /* time_us is a time of clock_us; may return early */
    void *arg;
};

struct line {
    struct contacts *card;
    const struct pace *pace; /* NULL: the time is virtual */
    int64_t pace_offset_us;  /* clock_us minus the line's time */
    uint64_t pace_limit_us;  /* the line's time from which on it is virtual again */
    struct trace *trace;     /* NULL: none */
    const char *label;       /* the slot's name in the trace */
    uint64_t now; /* in units of 1/960 clock cycle: an etu is a whole number of these for every F and D */
    uint64_t etu; /* in the same units */
    uint64_t quiet_since;   /* the time of the last character in either direction */
    uint32_t card_guard;    /* etu between two characters of the card */
    bool repeats;           /* a parity error is signalled, and the character sent again */
    const uint8_t *sending; /* characters that the card still has to send */
    size_t sending_length;
    uint32_t sending_delay; /* etu from the last character to the next of these */
};

void line_init(struct line *line, struct contacts *card, struct trace *trace, const char *label);

/* Begins an operation. With a pace, the line's current time corresponds to real_us, a time of clock_us. The
 * time is real until the line's time is limit_us, and virtual afterwards. */
void line_begin(struct line *line, int64_t real_us, uint64_t limit_us);

/* Sets the etu to F / D clock cycles. */
void line_set_speed(struct line *line, unsigned f, unsigned d);

/* Sends at least one character to the card: the first one guard etu after the last character on the line, the
 * others gap etu apart. */
void line_send(struct line *line, const uint8_t *bytes, size_t length, uint32_t guard, uint32_t gap);

/* Waits for up to `most` characters of the card. Each must come within timeout etu after the last character
 * in either direction. Returns the number of characters that came, or 0 if none came in time. *bytes is valid
 * until the next call. *parity_ok is for the last character; the parity of the others is right. */
size_t line_receive(struct line *line, uint32_t timeout, size_t most, const uint8_t **bytes, bool *parity_ok);

/* Returns the line's time, in microseconds since line_init. */
uint64_t line_time_us(const struct line *line);

#endif
