/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Busy-polling for a short time. What one side of a link waits for usually comes within a few microseconds.
 * Waking a sleeping thread on another processor takes tens of microseconds, above all in virtual machines:
 * many times as long as the exchange itself. A waiting thread therefore polls for BUSY_POLL_US before it
 * sleeps, and yields the processor between two polls. The number of threads that do so at once is limited
 * by the number of processors: more of them would take the processors from the threads that they wait for.
 */
#ifndef CARDRIG_BUSY_POLL_H
#define CARDRIG_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

#define BUSY_POLL_US 60

/* Returns the time at which a wait that begins now should go to sleep. */
int64_t busy_poll_begin(void);

/* Yields the processor. Returns false if it is time to sleep, if too many threads busy-poll already, or if others compute
 * on this processor. */
bool busy_poll(int64_t end);

#endif
