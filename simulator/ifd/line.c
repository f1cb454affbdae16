/* SPDX-License-Identifier: BSD-3-Clause */
#include "ifd/line.h"

#include "iso7816/timing.h"

#define UNITS_PER_CYCLE 960 /* the least common multiple of all D of ISO/IEC 7816-3:2006, table 8 */
#define REPETITIONS_MAX 3   /* of one character; after that the parity error is reported to the receiver */

void line_init(struct line *line, struct contacts *card, struct trace *trace, const char *label)
{
    *line = (struct line){.card = card, .trace = trace, .label = label, .card_guard = 12};
    line_set_speed(line, 372, 1);
}

static uint64_t in_us(uint64_t time)
{
    return time / (UNITS_PER_CYCLE * TIMING_CLOCK_KHZ / 1000);
}

void line_begin(struct line *line, int64_t real_us, uint64_t limit_us)
{
    line->pace_offset_us = real_us - (int64_t)in_us(line->now);
    line->pace_limit_us = limit_us;
}

void line_set_speed(struct line *line, unsigned f, unsigned d)
{
    line->etu = (uint64_t)f * UNITS_PER_CYCLE / d;
}

uint64_t line_time_us(const struct line *line)
{
    return in_us(line->now);
}

/* Moves the clock to `then`. With a pace, waits for it in real time, but not if the card has been removed: a
 * reader detects that with its switch. */
static void pass_time(struct line *line, uint64_t then)
{
    if (then <= line->now)
        return;
    line->now = then;
    if (!line->pace || contacts_wants_removal(line->card))
        return;
    uint64_t us = in_us(then) < line->pace_limit_us ? in_us(then) : line->pace_limit_us;
    line->pace->wait_until(line->pace->arg, line->pace_offset_us + (int64_t)us);
}

/* Moves characters over the line: the first one etu after the last character on the line, the others gap etu
 * apart. parity_ok is for the last one. */
static void pass(struct line *line, uint64_t etu, uint64_t gap, bool from_card, const uint8_t *bytes,
                 size_t count, bool parity_ok)
{
    uint64_t first = line->quiet_since + etu * line->etu;
    if (first < line->now)
        first = line->now;
    for (size_t i = 0; line->trace && i < count; i++)
        trace_character(line->trace, line->label, in_us(first + i * gap * line->etu), from_card, bytes[i],
                        !parity_ok && i + 1 == count);
    pass_time(line, first + (count - 1) * gap * line->etu);
    line->quiet_since = line->now;
}

void line_send(struct line *line, const uint8_t *bytes, size_t length, uint32_t guard, uint32_t gap)
{
    /* the card has nothing more to send, or what it still sends is lost, because the interface device is
     * sending; in both cases the card now receives */
    struct contacts_output unheard;
    contacts_next(line->card, &unheard);
    line->sending_length = 0;
    pass(line, guard, gap, false, bytes, length, true);
    contacts_bytes(line->card, bytes, length);
}

/* Returns how many of the characters that the card still has to send can be taken at once. */
static size_t run_length(const struct line *line, uint32_t timeout, size_t most)
{
    if (contacts_may_garble(line->card) || line->card_guard > timeout)
        return 1;
    return most < line->sending_length ? most : line->sending_length;
}

/* Takes the next count characters from the card. A single character may have a parity error. If the receiver
 * signals the error, the card sends the character again (ISO/IEC 7816-3:2006, 7.3). */
static void take_run(struct line *line, size_t count, bool *parity_ok)
{
    for (int attempt = 0;; attempt++) {
        *parity_ok = count > 1 || !contacts_take_parity_error(line->card);
        pass(line, line->sending_delay, line->card_guard, true, line->sending, count, *parity_ok);
        line->sending_delay = line->card_guard;
        if (*parity_ok || !line->repeats || attempt == REPETITIONS_MAX)
            break;
        line->sending_delay = line->card_guard + 2; /* 2 etu for the error signal */
    }
    line->sending += count;
    line->sending_length -= count;
}

size_t line_receive(struct line *line, uint32_t timeout, size_t most, const uint8_t **bytes, bool *parity_ok)
{
    uint64_t end = line->quiet_since + (uint64_t)timeout * line->etu;
    for (;;) {
        if (line->sending_length > 0) {
            if (line->quiet_since + (uint64_t)line->sending_delay * line->etu > end)
                break;
            size_t count = run_length(line, timeout, most);
            *bytes = line->sending;
            take_run(line, count, parity_ok);
            return count;
        }
        struct contacts_output output;
        contacts_next(line->card, &output);
        if (output.kind == CONTACTS_SEND) {
            line->sending = output.bytes;
            line->sending_length = output.length;
            line->sending_delay = output.delay;
            continue;
        }
        /* the card's own deadline may be earlier than that of the interface device */
        uint64_t card_end = line->quiet_since + (uint64_t)output.timeout * line->etu;
        if (output.kind == CONTACTS_SILENT || card_end >= end)
            break;
        pass_time(line, card_end);
        contacts_timeout(line->card);
    }
    pass_time(line, end);
    return 0;
}
