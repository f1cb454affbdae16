/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card that all systems of the benchmark have: its ATR, and commands of which each is answered by so many
 * bytes, the status word included. bench.lua is the same card as a script.
 *
 *   80 01 00 00 08              10 bytes
 *   80 02 00 00 FE              256 bytes
 *   80 03 00 00 00 00 00        65,535 bytes, the most that the vpcd protocol can carry
 *   80 04 00 00 00 FF F8 data   90 00, to a command of 65,535 bytes
 *
 * Anything else is answered 6D 00.
 */
#ifndef BENCH_CARD_H
#define BENCH_CARD_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_CARD_MAX 65535u /* bytes in a command and in an answer */

/* T=1 with blocks of up to 254 bytes, historical bytes "bench". */
extern const uint8_t bench_card_atr[12];

/* The answer to a command; static. */
const uint8_t *bench_card_answer(const uint8_t *command, size_t length, size_t *answer_length);

#endif
