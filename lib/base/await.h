/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits for a file descriptor, with a deadline. */
#ifndef CARDRIG_BASE_AWAIT_H
#define CARDRIG_BASE_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

#define AWAIT_FOREVER INT64_MAX

/* Waits until fd is ready for events (poll(2)), the clock (clock_ms, base/clock.h) reaches the deadline,
 * or stop_fd is readable. Either descriptor may be -1, for none. Returns true if fd is ready and stop_fd
 * is not readable. */
bool await_ready(int fd, short events, int stop_fd, int64_t deadline);

#endif
