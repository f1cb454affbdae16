#include "rig/log.h"

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
    /* one write, so that lines of several processes do not mix */
    ssize_t written = write(STDERR_FILENO, line, (size_t)(c - line));
    (void)written;
}
