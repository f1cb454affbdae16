/* SPDX-License-Identifier: BSD-3-Clause */
/* A vpcd message of a length that the input chooses: short, about as long as an ATR, or about the longest. */
#ifndef CARDRIG_FUZZ_VPCD_MESSAGE_H
#define CARDRIG_FUZZ_VPCD_MESSAGE_H

#include "link/vpcd.h"

#include <string.h>

/* Made of two bytes of the input. Returns its size, with the two bytes of the length. */
static size_t vpcd_message_make(uint8_t message[2 + VPCD_MAX_MESSAGE], unsigned length, unsigned filler)
{
    if (length >= 0xF0)
        length = VPCD_MAX_MESSAGE - (0xFF - length);
    message[0] = (uint8_t)(length >> 8);
    message[1] = (uint8_t)length;
    memset(message + 2, (int)filler, length);
    return 2 + length;
}

#endif
