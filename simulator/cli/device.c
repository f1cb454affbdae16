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

/* ':' parts the fields of a DEVICENAME; in an address '_' stands for it. */
static void append_address(char text[DEVICE_MAX], const char *key, const char *address)
{
    size_t used = strlen(text);
    append(text, ":%s=%s", key, address);
    for (char *c = text + used + 1; *c; c++)
        if (*c == ':')
            *c = '_';
}

const char *device_text(const struct reader *reader, const char *link, int first_socket,
                        char text[DEVICE_MAX])
{
    const struct reader_options *options = &reader->options;
    text[0] = '\0';
    if (options->cards == READER_OWN_CARDS) {
        append(text, "/dev/null:rig=%s:reader=%u", link, reader->number);
    } else {
        append(text, "/dev/null:vpcd=%s:port=%u", options->cards == READER_VPCD_LISTEN ? "listen" : "connect",
               options->vpcd.port);
        append_address(text, "host", options->vpcd.host);
        if (options->cards == READER_VPCD_LISTEN && first_socket >= 0)
            append(text, ":fd=%d", first_socket);
        if (options->from[0])
            append_address(text, "from", options->from);
        if (options->timeout_ms)
            append(text, ":timeout=%u", options->timeout_ms);
    }
    append(text, ":slots=%u", options->slots);
    return text;
}
