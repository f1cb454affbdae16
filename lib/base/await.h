/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a descriptor, with a deadline. */
#ifndef CARDRIG_BASE_AWAIT_H
#define CARDRIG_BASE_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

#define AWAIT_FOREVER INT64_MAX

/* Waits until fd (-1: none) is ready for events, as of poll(2), or the clock (base/clock.h) has reached the
 * deadline, or stop_fd (-1: none) can be read. Returns whether fd is ready, and is not to stop. */
bool await_ready(int fd, short events, int stop_fd, int64_t deadline);

#endif
