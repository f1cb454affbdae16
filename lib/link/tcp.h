/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP sockets, for vpcd (vpcd.h). */
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

/* Makes an address. host is an IP address as inet_pton(3) reads it, port is in host byte order. Returns
 * the length of the address. */
socklen_t tcp_address(const char *host, unsigned port, union tcp_address *address);

/* Writes HOST:PORT to text, and returns text. */
const char *tcp_text(const union tcp_address *address, char text[TCP_TEXT_MAX]);

/* Returns a blocking, close-on-exec socket that listens at this address, even if another socket listened
 * there a moment ago. If *port is 0, the system chooses a free port, which is stored in *port. Returns
 * -1 with errno on failure. */
int tcp_listen(const char *host, unsigned *port, int backlog);

/* Starts to connect, and returns a non-blocking, close-on-exec socket. It becomes writable when the
 * connection is established or has failed; tcp_connect_result then tells which. Returns -1 with errno on
 * failure. */
int tcp_connect(const char *host, unsigned port);

/* Returns 0 if the connection is established, otherwise an errno that says why not. A socket that is
 * connected to itself counts as refused. That can happen at a local port without a listener, if the
 * system chooses this very port for the socket's own end. */
int tcp_connect_result(int fd);

#endif
