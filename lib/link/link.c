/* SPDX-License-Identifier: BSD-3-Clause */
#include "link/link.h"

#include "base/descriptor.h"
#include "base/unix_socket.h"
#include "link/busy_poll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINK_FLAGS (LINK_READY_T0 | LINK_READY_T1)

static void put32(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

void link_encode_header(const struct link_message *message, uint8_t out[LINK_HEADER_SIZE])
{
    out[0] = message->type;
    out[1] = message->arg;
    out[2] = message->flags;
    out[3] = 0;
    put32(out + 4, message->event);
    put32(out + 8, message->value);
}

bool link_decode(const uint8_t *packet, size_t length, struct link_message *message)
{
    if (length < LINK_HEADER_SIZE || (packet[2] & ~LINK_FLAGS) || packet[3] != 0)
        return false;
    *message = (struct link_message){
        .type = packet[0],
        .arg = packet[1],
        .flags = packet[2],
        .event = get32(packet + 4),
        .value = get32(packet + 8),
        .data = packet + LINK_HEADER_SIZE,
        .length = length - LINK_HEADER_SIZE,
    };
    return true;
}

const char *link_status_text(unsigned status)
{
    static const char *const text[] = {
        [LINK_OK] = "ok",
        [LINK_REMOVED] = "the card was removed",
        [LINK_UNPOWERED] = "the card has no power",
        [LINK_MUTE] = "the card does not answer",
        [LINK_GARBLED] = "the card's answer is garbled",
        [LINK_PROTOCOL_UNAVAILABLE] = "the card does not offer that protocol",
        [LINK_PPS_FAILED] = "the PPS exchange failed",
        [LINK_UNSUPPORTED] = "not supported",
        [LINK_UNPLUGGED] = "the reader is not plugged in",
        [LINK_BAD_REQUEST] = "the simulator could not make sense of the request",
    };
    return status < sizeof text / sizeof text[0] ? text[status] : "unknown status";
}

/* Binds the socket and gives the path exactly this mode. chmod(2) after bind(2) would not be safe,
 * because the path may lead elsewhere by then. */
static bool bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
    /* on Linux, the path gets the mode of the socket, less the umask */
    mode_t mask = umask(0);
    bool ok = fchmod(fd, mode) == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    umask(mask);
    return ok;
}

int link_listen(const char *path, int type, mode_t mode)
{
    struct sockaddr_un address;
    if (!unix_address(&address, path))
        return -1;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind_with_mode(fd, &address, mode) && listen(fd, SOMAXCONN) == 0)
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static bool refusals_address(struct sockaddr_un *address, const char *path)
{
    char beside[sizeof address->sun_path + 1];
    snprintf(beside, sizeof beside, "%s.refused", path);
    return unix_address(address, beside);
}

int link_listen_for_refusals(const char *path)
{
    struct sockaddr_un address;
    int yes = 1;
    if (!refusals_address(&address, path))
        return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) == 0 && bind_with_mode(fd, &address, 0622))
        return fd;
    close_keeping_errno(fd);
    return -1;
}

void link_report_refusal(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (refusals_address(&address, path))
        sendto(fd, "", 0, MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address);
    close(fd);
}

bool link_peer_trusted(int fd, uid_t user)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user);
}

int link_connect(const char *path, int timeout_ms, uid_t user)
{
    struct sockaddr_un address;
    if (!unix_address(&address, path))
        return -1;
    /* non-blocking only for connect(2): a stopped listener must not stop the driver too */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && fcntl(fd, F_SETFL, 0) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0;
    if (ok && link_peer_trusted(fd, user))
        return fd;
    if (ok)
        errno = EPERM;
    close_keeping_errno(fd);
    return -1;
}

static int send_message(int fd, const struct link_message *message, int flags)
{
    uint8_t header[LINK_HEADER_SIZE];
    link_encode_header(message, header);
    struct iovec parts[2] = {
        {.iov_base = header, .iov_len = sizeof header},
        {.iov_base = (void *)(uintptr_t)message->data, .iov_len = message->length},
    };
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = message->length ? 2 : 1};
    ssize_t sent;
    do
        sent = sendmsg(fd, &packet, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int link_send(int fd, const struct link_message *message)
{
    return send_message(fd, message, 0);
}

int link_send_if_room(int fd, const struct link_message *message)
{
    return send_message(fd, message, MSG_DONTWAIT);
}

static int receive(int fd, int flags, uint8_t *buffer, size_t capacity, struct link_message *message)
{
    struct iovec part = {.iov_base = buffer, .iov_len = capacity};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t received;
    do
        received = recvmsg(fd, &packet, flags);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -1;
    if (received == 0) {
        errno = ECONNRESET;
        return -1;
    }
    if ((packet.msg_flags & MSG_TRUNC) || !link_decode(buffer, (size_t)received, message)) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}

int link_receive(int fd, uint8_t *buffer, size_t capacity, struct link_message *message)
{
    return receive(fd, 0, buffer, capacity, message);
}

int link_await(int fd, uint8_t *buffer, size_t capacity, struct link_message *message)
{
    int64_t end = busy_poll_begin();
    do {
        if (receive(fd, MSG_DONTWAIT, buffer, capacity, message) == 0)
            return 0;
        if (errno != EAGAIN)
            return -1;
    } while (busy_poll(end));
    return link_receive(fd, buffer, capacity, message);
}
