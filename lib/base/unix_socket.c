/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool unix_address(struct sockaddr_un *address, const char *path)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, length + 1);
    return true;
}
