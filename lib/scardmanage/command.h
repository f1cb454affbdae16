/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds command APDUs: ISO/IEC 7816-4:2013, 5.1. It chooses the short form of the length fields if
 * the lengths allow it, because many cards and readers do not support the extended form.
 */
#ifndef SCARDMANAGE_COMMAND_H
#define SCARDMANAGE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_DATA_MAX     65535u
#define COMMAND_RESPONSE_MAX 65536u
/* Header, extended Lc, data, extended Le. */
#define COMMAND_SIZE_MAX (4u + 3u + COMMAND_DATA_MAX + 2u)
/* The same in the short form. */
#define COMMAND_SHORT_SIZE_MAX (4u + 1u + 255u + 1u)

struct command {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data; /* may be null if data_length is 0 */
    size_t data_length;  /* Nc, up to COMMAND_DATA_MAX */
    uint32_t expected; /* Ne, the maximum length of the response data, up to COMMAND_RESPONSE_MAX. 0: no Le */
};

/* Returns whether the command certainly selects no other file: it is an interindustry command that presents a code,
 * authenticates, computes, or gets data. */
bool command_keeps_selection(const uint8_t *apdu, size_t length);

/* Returns the length of the APDU in bytes, or 0 if data_length or expected is too large. */
size_t command_size(const struct command *command);

/* Writes the APDU to out, which has room for command_size() bytes, and returns its length. Returns 0 if
 * data_length or expected is too large. */
size_t command_encode(const struct command *command, uint8_t *out);

#endif
