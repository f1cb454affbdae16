/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/log.h"

#include "base/oneline.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rig_log(const char *format, ...)
{
    char text[2048], line[1024] = "cardrig: ";
    size_t start = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    oneline(line + start, sizeof line - start - 1, text, strlen(text));
    size_t length = strlen(line);
    line[length++] = '\n';
    /* One write, so that lines of several processes do not mix. It must not block: a reader of standard error
     * that is slow or stuck must not stop the rig. */
    static atomic_uint lost;
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) {
        lost++;
        return;
    }
    unsigned before = atomic_exchange(&lost, 0);
    if (before > 0)
        dprintf(STDERR_FILENO, "cardrig: (%u lines were lost here)\n", before);
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}
