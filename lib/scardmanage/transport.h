/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What readers that exchange TPDUs leave to the application: GET RESPONSE after 61XX, a corrected Le
 * after 6CXX, and command chaining. ISO/IEC 7816-4:2013, 5.1, 5.3.3 and 5.3.4. No I/O.
 */
#ifndef SCARDMANAGE_TRANSPORT_H
#define SCARDMANAGE_TRANSPORT_H

#include "command.h"

/* Sets *command, whose data stay where they are. Returns false if the bytes are not a command APDU. */
bool transport_parse(const uint8_t *bytes, size_t length, struct command *command);

/* Writes the short command that sends the data from offset on, at most 255 bytes: the next command of a
 * chain, or its last. Returns its length, and sets *sent to the number of bytes of data in it. */
size_t transport_chain(const struct command *command, size_t offset, uint8_t out[COMMAND_SHORT_SIZE_MAX],
                       size_t *sent);
/* Returns whether the command has to be sent as a chain. Commands to the reader itself (CLA FF) are not. */
bool transport_needs_chain(const struct command *command);

/* Writes the command again, as a short command with the Le that the card asked for: 0 for 256. Returns its length. */
size_t transport_correct_le(const struct command *command, uint8_t le, uint8_t out[COMMAND_SHORT_SIZE_MAX]);

/* Writes GET RESPONSE with the channel of the command. */
void transport_get_response(uint8_t cla, uint8_t le, uint8_t out[5]);

#endif
