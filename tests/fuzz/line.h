/* SPDX-License-Identifier: BSD-3-Clause */
/* Input bytes as what comes in on a card's I/O line. Each is a character, but LINE_ESCAPE and the byte after
 * it are: 00 a character LINE_ESCAPE, 01 and a byte a character with wrong parity, 02 silence until the time
 * is over, and anything else a call with that code, which means something else in each target. */
#ifndef CARDRIG_FUZZ_LINE_H
#define CARDRIG_FUZZ_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_ESCAPE 0xE7

enum line_kind { LINE_CHARACTER, LINE_SILENCE, LINE_CALL, LINE_END };

struct line_event {
    enum line_kind kind;
    uint8_t byte; /* of LINE_CHARACTER; of LINE_CALL the code */
    bool parity_ok;
};

/* Bytes not used yet. */
struct line {
    const uint8_t *at, *end;
};

/* The next byte, 0 at the end. */
static inline uint8_t line_byte(struct line *line)
{
    return line->at < line->end ? *line->at++ : 0;
}

/* The next two. */
static inline size_t line_number(struct line *line)
{
    size_t high = line_byte(line);
    return high << 8 | line_byte(line);
}

/* Up to length bytes; fewer, and *length says how many, when there are not that many. */
static inline const uint8_t *line_bytes(struct line *line, size_t *length)
{
    const uint8_t *bytes = line->at;
    if (*length > (size_t)(line->end - line->at))
        *length = (size_t)(line->end - line->at);
    line->at += *length;
    return bytes;
}

static inline struct line_event line_next(struct line *line)
{
    if (line->at == line->end)
        return (struct line_event){.kind = LINE_END};
    uint8_t byte = line_byte(line);
    if (byte != LINE_ESCAPE)
        return (struct line_event){.kind = LINE_CHARACTER, .byte = byte, .parity_ok = true};
    uint8_t code = line_byte(line);
    if (code == 0)
        return (struct line_event){.kind = LINE_CHARACTER, .byte = LINE_ESCAPE, .parity_ok = true};
    if (code == 1)
        return (struct line_event){.kind = LINE_CHARACTER, .byte = line_byte(line)};
    if (code == 2)
        return (struct line_event){.kind = LINE_SILENCE};
    return (struct line_event){.kind = LINE_CALL, .byte = code};
}

#endif
