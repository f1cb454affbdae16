/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reader does with control codes, and with commands before the card gets them: what its script says, and
 * otherwise what every reader does. */
#ifndef CARDRIG_RIG_READER_CONTROL_H
#define CARDRIG_RIG_READER_CONTROL_H

#include "rig/slot.h"

#include <stddef.h>
#include <stdint.h>

/* The functions must be called within a use of the slot. out has room for LINK_MAX_RESPONSE bytes. */

/* Carries out a control code. Returns an enum link_status. */
uint8_t reader_control(const struct slot_use *use, uint32_t code, const uint8_t *input, size_t input_length,
                       uint8_t *out, size_t *length);

/* Carries out a command; see ifd_transmit(). */
enum ifd_result reader_transmit(const struct slot_use *use, uint8_t protocol, const uint8_t *command,
                                size_t command_length, uint8_t *out, size_t *length);

#endif
