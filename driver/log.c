/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

/* pcscd exports this function to its drivers (PCSC/debuglog.h). It is missing in any other host. */
extern void log_msg(int priority, const char *format, ...) __attribute__((weak));

void driver_log(enum log_level level, const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_msg)
        log_msg((int)level, "cardrig: %s", line);
    else if (level >= LOG_LEVEL_ERROR)
        fprintf(stderr, "cardrig: %s\n", line);
}
