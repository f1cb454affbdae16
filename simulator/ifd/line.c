#include "ifd/line.h"

#define UNITS_PER_CYCLE 960 /* the least common multiple of all D of ISO/IEC 7816-3:2006, table 8 */
#define REPETITIONS_MAX 3   /* of one character, after which the interface device gives up on it */

void line_init(struct line *line, struct contacts *card, struct trace *trace, const char *label)
{
    *line = (struct line){.card = card, .trace = trace, .label = label, .card_guard = 12};
    line_set_speed(line, 372, 1);
}

void line_set_speed(struct line *line, unsigned f, unsigned d)
{
    line->etu = (uint64_t)f * UNITS_PER_CYCLE / d;
}

uint64_t line_time_us(const struct line *line)
{
    return line->now / (UNITS_PER_CYCLE * LINE_CLOCK_KHZ / 1000);
}

/* A character goes over the line, so many etu after the one before. */
static void pass(struct line *line, uint64_t etu, bool from_card, uint8_t byte, bool parity_ok)
{
    uint64_t when = line->quiet_since + etu * line->etu;
    if (when > line->now)
        line->now = when;
    line->quiet_since = line->now;
    if (line->trace)
        trace_character(line->trace, line->label, line_time_us(line), from_card, byte, !parity_ok);
}

void line_send(struct line *line, const uint8_t *bytes, size_t length, uint32_t guard, uint32_t gap)
{
    /* the card has sent all, or else who speaks while being spoken to is not heard; either way it listens now
     */
    struct contacts_output unheard;
    contacts_next(line->card, &unheard);
    line->sending_length = 0;
    for (size_t i = 0; i < length; i++) {
        pass(line, i == 0 ? guard : gap, false, bytes[i], true);
        contacts_byte(line->card, bytes[i]);
    }
}

/* Takes the next character of those that the card sends. Where the receiver signals parity errors, the card
 * sends the character again (ISO/IEC 7816-3:2006, 7.3). */
static void take_character(struct line *line, uint8_t *byte, bool *parity_ok)
{
    *byte = *line->sending++;
    line->sending_length--;
    for (int attempt = 0;; attempt++) {
        *parity_ok = !contacts_parity_error(line->card);
        pass(line, line->sending_delay, true, *byte, *parity_ok);
        line->sending_delay = line->card_guard;
        if (*parity_ok || !line->repeats || attempt == REPETITIONS_MAX)
            return;
        line->sending_delay = line->card_guard + 2; /* of the error signal */
    }
}

bool line_receive(struct line *line, uint32_t timeout, uint8_t *byte, bool *parity_ok)
{
    uint64_t end = line->quiet_since + (uint64_t)timeout * line->etu;
    for (;;) {
        if (line->sending_length > 0) {
            if (line->quiet_since + (uint64_t)line->sending_delay * line->etu > end)
                break;
            take_character(line, byte, parity_ok);
            return true;
        }
        struct contacts_output output;
        contacts_next(line->card, &output);
        if (output.kind == CONTACTS_SEND) {
            line->sending = output.bytes;
            line->sending_length = output.length;
            line->sending_delay = output.delay;
            continue;
        }
        /* the card has a deadline of its own, which may be earlier than ours */
        uint64_t card_end = line->quiet_since + (uint64_t)output.timeout * line->etu;
        if (output.kind == CONTACTS_SILENT || card_end >= end)
            break;
        if (card_end > line->now)
            line->now = card_end;
        contacts_timeout(line->card);
    }
    if (end > line->now)
        line->now = end;
    return false;
}
