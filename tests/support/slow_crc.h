/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame checking sequence of ISO/IEC 13239, bit by bit. It shares no code with t1_crc(). */
#ifndef TESTS_SUPPORT_SLOW_CRC_H
#define TESTS_SUPPORT_SLOW_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint16_t slow_crc(const uint8_t *bytes, size_t length)
{
    unsigned crc = 0xFFFF;

    for (size_t i = 0; i < length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool out = ((crc ^ (unsigned)bytes[i] >> bit) & 1) != 0;

            crc = out ? crc >> 1 ^ 0x8408 : crc >> 1;
        }
    }
    return (uint16_t)(crc ^ 0xFFFF);
}

#endif
