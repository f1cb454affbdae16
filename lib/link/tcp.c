/* SPDX-License-Identifier: BSD-3-Clause */
#include "link/tcp.h"

#include "base/descriptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

socklen_t tcp_address(const char *host, unsigned port, union tcp_address *address)
{
    memset(address, 0, sizeof *address);
    if (strchr(host, ':')) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, host, &address->v6.sin6_addr);
        return sizeof address->v6;
    }
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address->v4.sin_addr);
    return sizeof address->v4;
}

static unsigned port_of(const union tcp_address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

const char *tcp_text(const union tcp_address *address, char text[TCP_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool v6 = address->any.sa_family == AF_INET6;
    inet_ntop(address->any.sa_family, v6 ? (const void *)&address->v6.sin6_addr : &address->v4.sin_addr, host,
              sizeof host);
    snprintf(text, TCP_TEXT_MAX, "%s:%u", host, port_of(address));
    return text;
}

int tcp_listen(const char *host, unsigned *port, int backlog)
{
    union tcp_address address;
    socklen_t length = tcp_address(host, *port, &address);
    int yes = 1, fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, &address.any, length) == 0 && listen(fd, backlog) == 0 &&
        getsockname(fd, &address.any, &length) == 0) {
        *port = port_of(&address);
        return fd;
    }
    close_keeping_errno(fd);
    return -1;
}

int tcp_connect(const char *host, unsigned port)
{
    union tcp_address to;
    socklen_t length = tcp_address(host, port, &to);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, &to.any, length) == 0 || errno == EINPROGRESS)
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static bool met_itself(int fd)
{
    union tcp_address here, there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    socklen_t here_length = sizeof here, there_length = sizeof there;
    return getsockname(fd, &here.any, &here_length) == 0 && getpeername(fd, &there.any, &there_length) == 0 &&
           here_length == there_length && memcmp(&here, &there, here_length) == 0;
}

int tcp_connect_result(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return !error && met_itself(fd) ? ECONNREFUSED : error;
}
