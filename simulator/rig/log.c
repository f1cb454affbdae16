#include "rig/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rig_log(const char *format, ...)
{
    char line[1024] = "cardrig: ";
    size_t start = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, sizeof line - start - 1, format, arguments);
    va_end(arguments);
    char *c = line + start;
    for (; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    *c++ = '\n';
    /* one write, so that lines of several processes do not mix; and none that could block: who does not read
     * what we say is not to stop the rig */
    static unsigned lost;
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) {
        lost++;
        return;
    }
    if (lost > 0)
        dprintf(STDERR_FILENO, "cardrig: (%u lines were lost here)\n", lost);
    lost = 0;
    ssize_t written = write(STDERR_FILENO, line, (size_t)(c - line));
    (void)written;
}
