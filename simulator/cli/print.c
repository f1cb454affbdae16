#include "cli/print.h"

#include "base/oneline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void print_line(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t size = 4 * (size_t)length + 8;
    char *line = malloc(size);
    if (line) {
        oneline(line, size, text, (size_t)length);
        puts(line);
    }
    free(line);
    free(text);
}
