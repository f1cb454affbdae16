/* SPDX-License-Identifier: BSD-3-Clause */
/* The ends of TCP connections: vpcd goes over TCP (vpcd.h). */
#ifndef CARDRIG_TCP_H
#define CARDRIG_TCP_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

union tcp_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

#define TCP_TEXT_MAX (INET6_ADDRSTRLEN + 8)

/* host is an IP address as inet_pton(3) reads it, port in the host's byte order. Returns the length of the
 * address. */
socklen_t tcp_address(const char *host, unsigned port, union tcp_address *address);

/* HOST:PORT in text, which is returned. */
const char *tcp_text(const union tcp_address *address, char text[TCP_TEXT_MAX]);

/* A blocking socket, close-on-exec, that listens there, also where one listened a moment ago. *port 0 is
 * replaced by the free one that the system has found. -1 with errno. */
int tcp_listen(const char *host, unsigned *port, int backlog);

/* Begins to connect, or has connected: a non-blocking socket, close-on-exec, that can be written when it is
 * known which. -1 with errno. */
int tcp_connect(const char *host, unsigned port);

/* Then: 0 if the connection is there, else the errno that says why not. One that has met itself (which can
 * happen at a port of this machine where nobody listens, when it is given that very port for its own end)
 * counts as refused. */
int tcp_connect_result(int fd);

#endif
