/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals for poll() and event loops. */
#include "platform.h"

#ifdef _WIN32

int platform_signal_init(platform_signal *signal)
{
    *signal = CreateEvent(NULL, TRUE, FALSE, NULL);
    return !*signal;
}

void platform_signal_destroy(platform_signal *signal)
{
    CloseHandle(*signal);
}

void platform_signal_set(platform_signal *signal)
{
    SetEvent(*signal);
}

void platform_signal_clear(platform_signal *signal)
{
    ResetEvent(*signal);
}

intptr_t platform_signal_descriptor(const platform_signal *signal)
{
    return (intptr_t)*signal;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int platform_signal_init(platform_signal *signal)
{
    int ends[2];
    if (pipe(ends) != 0)
        return errno;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    *signal = (platform_signal){.read = ends[0], .write = ends[1]};
    return 0;
}

void platform_signal_destroy(platform_signal *signal)
{
    close(signal->read);
    close(signal->write);
}

/* The pipe has one byte while the signal is set, so it is never full. */
void platform_signal_set(platform_signal *signal)
{
    while (write(signal->write, "", 1) < 0 && errno == EINTR)
        ;
}

void platform_signal_clear(platform_signal *signal)
{
    char byte;
    while (read(signal->read, &byte, 1) < 0 && errno == EINTR)
        ;
}

intptr_t platform_signal_descriptor(const platform_signal *signal)
{
    return signal->read;
}

#endif
