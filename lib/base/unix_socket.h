/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets with a path: unix(7). */
#ifndef CARDRIG_BASE_UNIX_SOCKET_H
#define CARDRIG_BASE_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/un.h>

/* The address of a socket at this path. False with ENAMETOOLONG: 107 bytes are the most. */
bool unix_address(struct sockaddr_un *address, const char *path);

#endif
