/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks at the smart card service, beside PC/SC. */
#include "platform.h"

#if defined(_WIN32) || defined(__APPLE__)

/* Windows says so. It is not known what macOS does. */
bool platform_service_refuses_us(void)
{
    return false;
}

#else

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVICE_SOCKET "/run/pcscd/pcscd.comm" /* unless pcsc-lite was built in another way */
#define HANG_UP_MS     100

/* Returns whether the service accepts a connection, and closes it at once. */
static bool service_hangs_up(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("PCSCLITE_CSOCK_NAME"); /* as getSocketName() in winscard_msg.c */
    if (!path)
        path = SERVICE_SOCKET;
    if (strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    struct pollfd connection = {.fd = fd, .events = POLLIN};
    bool hangs_up = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                    poll(&connection, 1, HANG_UP_MS) == 1 && (connection.revents & POLLHUP);
    close(fd);
    return hangs_up;
}

/* A service that is ending may do so once. */
bool platform_service_refuses_us(void)
{
    return service_hangs_up() && service_hangs_up();
}

#endif
