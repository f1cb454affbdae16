/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/await.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

bool await_ready(int fd, short events, int stop_fd, int64_t deadline)
{
    struct pollfd ready[] = {{.fd = fd, .events = events}, {.fd = stop_fd, .events = POLLIN}};
    int64_t left;
    int count = 0;
    while (count == 0 && (left = deadline - clock_ms()) > 0) {
        count = poll(ready, 2, left < INT_MAX ? (int)left : INT_MAX);
        if (count < 0 && errno == EINTR)
            count = 0;
    }
    return count > 0 && !ready[1].revents;
}
