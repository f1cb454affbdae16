/* SPDX-License-Identifier: BSD-3-Clause */
/* What targets of the rig have in common; linked with --wrap=rig_log,--wrap=sched_yield. */
#ifndef CARDRIG_FUZZ_RIG_H
#define CARDRIG_FUZZ_RIG_H

#include "fuzz.h"

#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

int __wrap_sched_yield(void);

void __wrap_rig_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is said is put together, and goes nowhere. */
void __wrap_rig_log(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    CHECK(vsnprintf(text, sizeof text, format, arguments) > 0);
    va_end(arguments);
}

/* Before each wait: on a busy machine others would have their turn all the time. */
int __wrap_sched_yield(void)
{
    return 0;
}

/* How many descriptors are open: as many as before if none was left. */
static unsigned count_descriptors(void)
{
    struct pollfd all[128];
    unsigned count = 0;
    for (int fd = 0; fd < 128; fd++)
        all[fd] = (struct pollfd){.fd = fd};
    CHECK(poll(all, 128, 0) >= 0);
    for (int fd = 0; fd < 128; fd++)
        count += !(all[fd].revents & POLLNVAL);
    return count;
}

#endif
