/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of Unix domain sockets: unix(7). */
#ifndef CARDRIG_BASE_UNIX_SOCKET_H
#define CARDRIG_BASE_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/un.h>

/* Makes the address of the socket at this path. Returns false with ENAMETOOLONG if the path is longer
 * than 107 bytes. */
bool unix_address(struct sockaddr_un *address, const char *path);

#endif
