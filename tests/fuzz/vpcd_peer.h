/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end of vpcd connections, for targets in virtual time: what it says, and what comes of connecting to
 * it (linked with --wrap=tcp_connect_result).
 */
#ifndef CARDRIG_FUZZ_VPCD_PEER_H
#define CARDRIG_FUZZ_VPCD_PEER_H

#include "virtual.h"
#include "vpcd_message.h"

#define PEER_BYTES_MAX 63

int __wrap_tcp_connect_result(int fd);

/* What comes of trying to connect. */
static enum { REFUSED, CONNECTED, REFUSED_LATER, NOTHING, OUTCOMES } outcome;

int __wrap_tcp_connect_result(int fd)
{
    CHECK(fd >= 0);
    return outcome == REFUSED_LATER ? ECONNREFUSED : 0;
}

static bool peer_is_open(int fd)
{
    struct pollfd ended = {.fd = fd, .events = POLLRDHUP};
    return fd >= 0 && __real_poll(&ended, 1, 0) == 0;
}

/* The next message of the input, or the first bytes of one. Returns the size. */
static size_t peer_message(uint8_t message[2 + VPCD_MAX_MESSAGE], bool whole)
{
    unsigned length = next();
    size_t size = vpcd_message_make(message, length, next());
    return whole ? size : size * next() / 256;
}

/* The next bytes of the input, as they are. Returns how many. */
static size_t peer_bytes(uint8_t bytes[PEER_BYTES_MAX])
{
    size_t length = next() % (PEER_BYTES_MAX + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)next();
    return length;
}

#endif
