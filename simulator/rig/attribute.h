/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attributes of a reader, its slot and the card in it, as SCardGetAttrib returns them: PC/SC part 3.
 *
 * A number is a DWORD of 32 bits in the host's byte order, and a text ends with a NUL, as with other drivers.
 * An attribute that the reader does not have, or does not have at the moment (no card, no power, another
 * protocol), is not supported. PC/SC leaves the unit of some times open; here they are as on Windows: the
 * integer in the ATR from which the time follows.
 */
#ifndef CARDRIG_RIG_ATTRIBUTE_H
#define CARDRIG_RIG_ATTRIBUTE_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the attribute tag (SCARD_ATTR_...) to out and its length in bytes to *length. Must be called within
 * the use of the slot. Returns false if the reader does not support the attribute. */
bool attribute_get(const struct slot_use *use, uint32_t tag, uint8_t out[READER_ATTRIBUTE_SIZE],
                   size_t *length);

#endif
