#include "rig/log.h"

#include "base/oneline.h"

#include <poll.h>
#include <stdarg.h>
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
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}
