/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times that follow from an Answer-to-Reset and from the transmission parameters in force.
 *
 * Unless stated otherwise, a time is in elementary time units (etu), is counted between the leading edges
 * of two characters, and is rounded up to a whole number. 1 etu is F/D clock cycles. F and D are the
 * conversion integers, not their codes in TA1. They must not be 0. During the ATR and a PPS exchange they
 * are 372 and 1. ISO/IEC 7816-3:2006, 7.1.
 */
#ifndef CARDRIG_ISO7816_TIMING_H
#define CARDRIG_ISO7816_TIMING_H

#include "atr.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMING_FD 372u /* default F and D (8.1) */
#define TIMING_DD 1u

/* From the rising edge of RST to the first character of the ATR, in clock cycles (6.2.2, 6.2.3). */
#define TIMING_ATR_MIN_CYCLES 400u
#define TIMING_ATR_MAX_CYCLES 40000u

/* Between two characters of the ATR, and in a PPS exchange (8.1, 9.1): the initial waiting time. */
#define TIMING_INITIAL_WAIT 9600u

#define TIMING_GUARD        12u /* guard time without extra guard time (7.2) */
#define TIMING_BLOCK_GUARD  22u /* T=1: between characters in opposite directions (11.4.3) */

/* As step.timeout: no limit. A card waits for as long as the interface device takes. */
#define TIMING_NEVER UINT32_MAX

struct timing {
    /* Minimum times, for the interface device. Extra guard time does not apply to the card (8.3). */
    uint32_t gt;  /* guard time in T=0 and PPS: 12 plus N of TC1 (8.3) */
    uint32_t cgt; /* T=1: character guard time: gt, but 11 if N is 255 (11.2) */
    uint32_t bgt; /* T=1: block guard time, 22 (11.4.3) */
    /* Maximum times: */
    uint32_t wwt; /* T=0: waiting time for the card's next character, 960 * WI * Fi clock cycles (10.2) */
    uint32_t cwt; /* T=1: between characters of a block, 11 + 2^CWI (11.4.3) */
    uint32_t bwt; /* T=1: until a block is answered, 11 etu + 2^BWI * 960 * 372 clock cycles (11.4.3) */
};

/*
 * Computes the times for a card with this ATR when F and D are in force. These may differ from atr->f and
 * atr->d, which TA1 offers. ISO/IEC 7816-3:2006, 8.3, 10.2, 11.2, 11.4.3.
 *
 * Extra guard time is N etu, or N * (Fi/Di) clock cycles with the values of TA1 if the ATR names T=15.
 * Values that no ATR can have (wi 0, cwi over 15, bwi over 9) are not checked.
 */
void timing_of(const struct atr *atr, uint16_t f, uint8_t d, struct timing *out);

/*
 * Decodes the F and D of a TA1 or PPS1, ISO/IEC 7816-3:2006, 8.3, tables 7 and 8. Returns false, with *f
 * 372 and *d 1, if either half is reserved.
 */
bool timing_factors(uint8_t ta1, uint16_t *f, uint8_t *d);

#define TIMING_CLOCK_KHZ 4000 /* the clock that many readers provide, and that every card accepts */

/* Returns the time of a number of etu (below 2^40), in microseconds rounded up, with a clock of khz (not
 * 0). */
uint64_t timing_microseconds(uint64_t etu, uint16_t f, uint8_t d, uint32_t khz);

/* Returns how many etu there are in a time in milliseconds (below 2^24), with a clock of TIMING_CLOCK_KHZ. */
uint32_t timing_etu_of_ms(uint32_t ms, uint16_t f, uint8_t d);

#endif
