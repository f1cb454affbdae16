/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Busy-polling, for a moment. What one side of a link waits for mostly comes within a few microseconds, but
 * to be woken up from sleep on another processor takes tens of them, in virtual machines above all: many
 * times what the exchange itself takes. So a waiting thread polls for BUSY_POLL_US before it sleeps, and
 * gives way to others between looks. Only as many threads do so at once as there are processors for: more
 * of them would take these from the threads that they wait for.
 */
#ifndef CARDRIG_BUSY_POLL_H
#define CARDRIG_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

#define BUSY_POLL_US 60

/* When a wait that begins now is to go to sleep. */
int64_t busy_poll_begin(void);

/* Gives way to others. False: it is time to sleep, or enough threads are awake. */
bool busy_poll(int64_t end);

#endif
