/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reader does with control codes, and with commands before the card gets them: what its script says,
 * and otherwise what every reader does. */
#ifndef CARDRIG_RIG_READER_CONTROL_H
#define CARDRIG_RIG_READER_CONTROL_H

#include "link/link.h"
#include "rig/slot.h"

#include <stddef.h>
#include <stdint.h>

/* The functions must be called within a use of the slot. out has room for LINK_MAX_RESPONSE bytes. */

/* Carries out a control code; card_event is that of the request. Returns an enum link_status. */
uint8_t reader_control(struct slot_use *use, uint32_t card_event, uint32_t code, const uint8_t *input,
                       size_t input_length, uint8_t *out, size_t *length);

/* Carries out a command; see ifd_transmit(). */
enum ifd_result reader_transmit(struct slot_use *use, uint8_t protocol, const uint8_t *command,
                                size_t command_length, uint8_t *out, size_t *length);

/* Returns the enum link_status for a result. */
uint8_t reader_link_status(enum ifd_result result);

#endif
