/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/print.h"

#include "base/oneline.h"
#include "icc/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void print_to(FILE *to, const char *format, va_list arguments)
{
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    if (length < 0)
        return;
    size_t size = 4 * (size_t)length + 8;
    char *line = malloc(size);
    if (line) {
        oneline(line, size, text, (size_t)length);
        fprintf(to, "%s\n", line);
    }
    free(line);
    free(text);
}

void print_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_to(stdout, format, arguments);
    va_end(arguments);
}

void print_error_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_to(stderr, format, arguments);
    va_end(arguments);
}

void print_script_arguments(const struct script_head *head)
{
    for (size_t i = 0; i < head->argument_count; i++)
        print_line("  %-14s %s", head->arguments[i].key, head->arguments[i].help);
}
