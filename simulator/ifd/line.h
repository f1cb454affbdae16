/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contacts between the interface device and a card, as a line of characters with a virtual clock. Nothing
 * here takes real time: when the interface device waits for a character that the card does not send, the
 * clock moves on to the end of the wait.
 *
 * Unless there is a pace: then all of the line's time is real. Characters get to the other side
 * when they have gone over the line, and a wait is over when that time has passed. What else takes
 * real time meanwhile, such as a card's script, counts: an operation takes the longer of the two.
 */
#ifndef CARDRIG_IFD_LINE_H
#define CARDRIG_IFD_LINE_H

#include "icc/contacts.h"
#include "ifd/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_CLOCK_KHZ 4000 /* what many readers give a card */

/* What makes the time real. */
struct pace {
    void (*wait_until)(void *arg, int64_t time_us); /* a time of clock_us; it may return early */
    void *arg;
};

struct line {
    struct contacts *card;
    const struct pace *pace; /* NULL: the time is virtual */
    int64_t pace_offset_us;  /* from the line's time to clock_us */
    uint64_t pace_limit_us;  /* the line's time after which it is virtual again */
    struct trace *trace;     /* NULL: none */
    const char *label;       /* of the slot, in the trace */
    uint64_t now;            /* in 1/960 clock cycles, of which an etu is a whole number for every F and D */
    uint64_t etu;
    uint64_t quiet_since;   /* when the last character went, in either direction */
    uint32_t card_guard;    /* etu between characters of the card */
    bool repeats;           /* characters with a parity error are signalled and sent again */
    const uint8_t *sending; /* what the card is sending */
    size_t sending_length;
    uint32_t sending_delay; /* etu until the next character of it, after the last that went */
};

void line_init(struct line *line, struct contacts *card, struct trace *trace, const char *label);

/* Begins an operation, with a pace: the line's time and the real one are the same now, up to
 * limit_us of the line's. */
void line_begin(struct line *line, int64_t real_us, uint64_t limit_us);

/* The length of an etu is F / D clock cycles from now on. */
void line_set_speed(struct line *line, unsigned f, unsigned d);

/* Sends characters to the card, at least one: the first one guard etu after the last that went, the others
 * gap etu apart. */
void line_send(struct line *line, const uint8_t *bytes, size_t length, uint32_t guard, uint32_t gap);

/* Waits for characters of the card, most at most, for each of them timeout etu after the last one that went
 * in either direction. Returns how many came one after the other, in bytes until the next call; parity_ok
 * is that of the last, the others are right. 0: none came in time. */
size_t line_receive(struct line *line, uint32_t timeout, size_t most, const uint8_t **bytes, bool *parity_ok);

/* The card's time, in microseconds since the line was set up. */
uint64_t line_time_us(const struct line *line);

#endif
