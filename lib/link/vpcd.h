/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vpcd protocol of Virtual Smart Card Architecture (vsmartcard), for both ends: a reader and a card
 * over TCP.
 *
 * Each message is a length of two bytes, big-endian, and that many bytes. From the reader, a message of one
 * byte is an enum vpcd_control, and a longer one is a command APDU. The card answers VPCD_GET_ATR with its
 * ATR, and a command with a response APDU; the other controls have no answer. Normally the reader listens
 * and the card connects; in reversed mode it is the other way round.
 *
 * (vsmartcard 3.3: virtualsmartcard/src/vpcd/vpcd.h, and "Virtual Smart Card" in its manual, section
 * "Protocol".)
 */
#ifndef CARDRIG_LINK_VPCD_H
#define CARDRIG_LINK_VPCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPCD_PORT        35963u /* a reader's port for the card of its first slot; slot N: VPCD_PORT + N */
#define VPCD_MAX_MESSAGE 65535u

enum vpcd_control { VPCD_POWER_OFF, VPCD_POWER_ON, VPCD_RESET, VPCD_GET_ATR = 4 };

/* What has been received: the present message, and anything that came after it. */
struct vpcd_input {
    size_t used;
    uint8_t bytes[2 * (2 + VPCD_MAX_MESSAGE)];
};

enum vpcd_result {
    VPCD_OK,
    VPCD_PARTIAL, /* there is more to receive, or to send */
    VPCD_CLOSED,  /* the peer has closed the connection (errno 0), or it has failed (errno) */
};

/* Sets up a connection: small messages leave at once, and a peer that vanishes silently is noticed.
 * Returns false with errno on failure. */
bool vpcd_prepare(int fd);

/* Returns whether the input holds a whole message. If so, sets *data to its bytes, inside input, and
 * *length to their number. They are valid until vpcd_drop or vpcd_receive. */
bool vpcd_message(const struct vpcd_input *input, const uint8_t **data, size_t *length);

/* Removes the first message, which must be whole, from the input. */
void vpcd_drop(struct vpcd_input *input);

/* Receives once, with the flags of recv(2) (MSG_DONTWAIT), unless the input already holds a whole
 * message. Returns VPCD_PARTIAL if it does not hold one afterwards either, or if there was nothing to
 * receive. */
enum vpcd_result vpcd_receive(int fd, int flags, struct vpcd_input *input);

/* Does the same as vpcd_receive, but waits only for a moment for a message to begin. A message usually
 * comes soon after the previous one has left, and mostly in one piece. */
enum vpcd_result vpcd_receive_soon(int fd, struct vpcd_input *input);

/* Sends a message of 1 to VPCD_MAX_MESSAGE bytes in one write, with the flags of send(2). *done is 0 at
 * first, and then the number of bytes that have left. Returns VPCD_PARTIAL if there was not enough room:
 * call it again with the same *done. Returns VPCD_CLOSED with EMSGSIZE if length is out of range. */
enum vpcd_result vpcd_send(int fd, int flags, const void *data, size_t length, size_t *done);

/* Sends up to four controls in one write, and never waits. Returns false with errno on failure. A
 * connection without room even for these has failed, too (EAGAIN). */
bool vpcd_send_controls(int fd, const enum vpcd_control *controls, size_t count);

#endif
