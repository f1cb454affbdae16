/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vpcd protocol of Virtual Smart Card Architecture (vsmartcard), both ends: a reader and a card over TCP.
 *
 * Each message is a length of two bytes, big-endian, and that many bytes. From the reader: a message of one
 * byte is an enum vpcd_control, anything longer a command APDU. From the card: its ATR in answer to
 * VPCD_GET_ATR, a response APDU in answer to a command; the other controls have no answer. Normally the
 * reader listens and the card connects; in reversed mode it is the other way round.
 *
 * (vsmartcard 3.3: virtualsmartcard/src/vpcd/vpcd.h, and "Virtual Smart Card" in its manual, section
 * "Protocol".)
 */
#ifndef CARDRIG_LINK_VPCD_H
#define CARDRIG_LINK_VPCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPCD_PORT        35963u /* where a reader listens for the card of its first slot; slot N: VPCD_PORT + N */
#define VPCD_MAX_MESSAGE 65535u

enum vpcd_control { VPCD_POWER_OFF, VPCD_POWER_ON, VPCD_RESET, VPCD_GET_ATR = 4 };

/* What has come from the peer: the message under way, and whatever came behind it. */
struct vpcd_input {
    size_t used;
    uint8_t bytes[2 * (2 + VPCD_MAX_MESSAGE)];
};

enum vpcd_result {
    VPCD_OK,
    VPCD_PARTIAL, /* the rest has not come yet */
    VPCD_CLOSED,  /* the peer has hung up, or the connection failed, with errno (0: an orderly end) */
};

/* Sets a connection up: small messages leave at once, and a peer that vanishes without a word is noticed.
 * False with errno. */
bool vpcd_prepare(int fd);

/* Whether a whole message is there. Its bytes are *data, inside input, *length how many; valid until
 * vpcd_drop or vpcd_receive. */
bool vpcd_message(const struct vpcd_input *input, const uint8_t **data, size_t *length);

/* Takes the first message, which is whole, out of the input. */
void vpcd_drop(struct vpcd_input *input);

/* Receives once, with the flags of recv(2) (MSG_DONTWAIT), unless a whole message is there already.
 * VPCD_PARTIAL: none is there yet; also when there was nothing to receive. */
enum vpcd_result vpcd_receive(int fd, int flags, struct vpcd_input *input);

/* Receives as vpcd_receive, and waits only for a moment: the first of a message, which is mostly all of it,
 * comes soon after the one before has left. */
enum vpcd_result vpcd_receive_soon(int fd, struct vpcd_input *input);

/* Sends a message of 1 to VPCD_MAX_MESSAGE bytes with the flags of send(2), in one write. *done is how much
 * of it has left; 0 at first. VPCD_PARTIAL: there was no room, or not enough; to be called again with that
 * *done. VPCD_CLOSED with EMSGSIZE: there is no message of that length. */
enum vpcd_result vpcd_send(int fd, int flags, const void *data, size_t length, size_t *done);

/* Sends up to four controls in one write, and never waits. False with errno; a connection without room even
 * for these (EAGAIN) has failed, too. */
bool vpcd_send_controls(int fd, const enum vpcd_control *controls, size_t count);

#endif
