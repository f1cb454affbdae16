/* SPDX-License-Identifier: BSD-3-Clause */
#include "link/vpcd.h"

#include "link/busy_poll.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEADER_SIZE 2u

/* A peer that has vanished is noticed after about a minute. */
#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     3

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool vpcd_prepare(int fd)
{
    return set(fd, IPPROTO_TCP, TCP_NODELAY, 1) && set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S) &&
           set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S) &&
           set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

static size_t message_length(const struct vpcd_input *input)
{
    return (size_t)(input->bytes[0] << 8 | input->bytes[1]);
}

bool vpcd_message(const struct vpcd_input *input, const uint8_t **data, size_t *length)
{
    if (input->used < HEADER_SIZE || input->used - HEADER_SIZE < message_length(input))
        return false;
    *data = input->bytes + HEADER_SIZE;
    *length = message_length(input);
    return true;
}

void vpcd_drop(struct vpcd_input *input)
{
    size_t size = HEADER_SIZE + message_length(input);
    input->used -= size;
    memmove(input->bytes, input->bytes + size, input->used);
}

enum vpcd_result vpcd_receive(int fd, int flags, struct vpcd_input *input)
{
    const uint8_t *data;
    size_t length;
    if (vpcd_message(input, &data, &length))
        return VPCD_OK;
    /* the input holds less than one message, so there is room for more than another one */
    ssize_t count;
    do
        count = recv(fd, input->bytes + input->used, sizeof input->bytes - input->used, flags);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EAGAIN ? VPCD_PARTIAL : VPCD_CLOSED;
    if (count == 0) {
        errno = 0;
        return VPCD_CLOSED;
    }
    input->used += (size_t)count;
    if (vpcd_message(input, &data, &length))
        return VPCD_OK;
    /* A peer that writes a message in pieces, with Nagle's algorithm, holds the next piece back until
     * this one is acknowledged. That must happen now, and not in 40 ms. The kernel soon resets this
     * option, so it is set each time. */
    set(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
    return VPCD_PARTIAL;
}

enum vpcd_result vpcd_receive_soon(int fd, struct vpcd_input *input)
{
    enum vpcd_result result;
    int64_t end = busy_poll_begin();
    do
        result = vpcd_receive(fd, MSG_DONTWAIT, input);
    while (result == VPCD_PARTIAL && input->used == 0 && busy_poll(end));
    return result;
}

enum vpcd_result vpcd_send(int fd, int flags, const void *data, size_t length, size_t *done)
{
    if (length == 0 || length > VPCD_MAX_MESSAGE) {
        errno = EMSGSIZE;
        return VPCD_CLOSED;
    }
    uint8_t header[HEADER_SIZE] = {(uint8_t)(length >> 8), (uint8_t)length};
    size_t head = *done < HEADER_SIZE ? *done : HEADER_SIZE, body = *done - head;
    struct iovec parts[2] = {
        {.iov_base = header + head, .iov_len = HEADER_SIZE - head},
        {.iov_base = (uint8_t *)(uintptr_t)data + body, .iov_len = length - body},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? VPCD_PARTIAL : VPCD_CLOSED;
    *done += (size_t)sent;
    return *done == HEADER_SIZE + length ? VPCD_OK : VPCD_PARTIAL;
}

bool vpcd_send_controls(int fd, const enum vpcd_control *controls, size_t count)
{
    uint8_t bytes[4 * (HEADER_SIZE + 1)];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        bytes[length++] = 0;
        bytes[length++] = 1;
        bytes[length++] = (uint8_t)controls[i];
    }
    ssize_t sent;
    do
        sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0 && sent < (ssize_t)length)
        errno = EAGAIN;
    return sent == (ssize_t)length;
}
