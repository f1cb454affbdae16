#include "cli/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) append(char text[DEVICE_MAX], const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, DEVICE_MAX - used, format, arguments);
    va_end(arguments);
}

const char *device_text(const struct reader *reader, const char *link, char text[DEVICE_MAX])
{
    const struct reader_options *options = &reader->options;
    text[0] = '\0';
    append(text, "/dev/null:rig=%s:reader=%u:slots=%u", link, reader->number, options->slots);
    if (options->ifd.patience_ms)
        append(text, ":timeout=%u",
               options->ifd.patience_ms + 1000); /* the simulator's own limit comes first */
    return text;
}
