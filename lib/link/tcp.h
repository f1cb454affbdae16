/* The ends of TCP connections: vpcd goes over TCP (vpcd.h). */
#ifndef CARDRIG_TCP_H
#define CARDRIG_TCP_H

#include <netinet/in.h>
#include <stdbool.h>
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

/* Whether a connection to a port of this machine has met itself: that can happen where nobody listens, when
 * it is given that very port for its own end. */
bool tcp_met_itself(int fd);

#endif
