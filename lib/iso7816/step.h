/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How to drive the protocol machines of this folder. A machine does no I/O and knows no clock: it says what
 * to do next, and is told the outcome. With X as the prefix of a machine's functions:
 *
 *   for (;;) {
 *       X_next(&x, &step);
 *       switch (step.kind) {
 *       case STEP_SEND:    send step.bytes, the first after at least step.guard etu; break;
 *       case STEP_RECEIVE: wait for a character, for at most step.timeout etu after the last character in
 *                          either direction; X_byte(&x, byte, parity_ok), or X_timeout(&x); break;
 *       case STEP_PROCESS: (card side) give step.bytes, a command, to the card; X_answer(&x, ...); break;
 *       case STEP_DONE:    step.bytes is the result; return;
 *       case STEP_FAILED:  the machine's reason field says why; return;
 *       }
 *   }
 *
 * X_bytes(&x, bytes, count, parity_ok) replaces a call of X_byte for each of several characters. parity_ok
 * is that of the last character; the others have the right parity. In a STEP_RECEIVE, the same time limit
 * holds for each of the next step.most characters.
 *
 * Pointers in a step stay valid until the next call on the machine. Times are in elementary time units
 * (etu), counted between the leading edges of characters as ISO/IEC 7816-3 does.
 */
#ifndef CARDRIG_ISO7816_STEP_H
#define CARDRIG_ISO7816_STEP_H

#include <stddef.h>
#include <stdint.h>

enum step_kind { STEP_SEND, STEP_RECEIVE, STEP_PROCESS, STEP_DONE, STEP_FAILED };

struct step {
    enum step_kind kind;
    const uint8_t *bytes;
    size_t length;
    uint32_t timeout; /* STEP_RECEIVE: etu */
    size_t most;      /* STEP_RECEIVE: characters that can be given at once, at least 1 */
    uint32_t guard;   /* STEP_SEND: etu */
};

#endif
