/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a reader tells of itself, of its slot and of the card in it: the attributes of PC/SC part 3, which
 * SCardGetAttrib asks for.
 *
 * A number is a DWORD in 32 bits of the host's byte order, a text ends with a NUL, as in other drivers. What
 * is not so, or not now (no card, no power, another protocol) is not given. Where PC/SC leaves open what the
 * time of an attribute is counted in, it is what Windows has: the integer of the ATR from which it follows.
 */
#ifndef CARDRIG_RIG_ATTRIBUTE_H
#define CARDRIG_RIG_ATTRIBUTE_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For who uses the slot: the attribute of that tag (SCARD_ATTR_...): its bytes go to out, their number to
 * *length. False: the reader does not tell it. */
bool attribute_get(const struct slot_use *use, uint32_t tag, uint8_t out[READER_ATTRIBUTE_SIZE],
                   size_t *length);

#endif
