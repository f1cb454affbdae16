/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of drivers for exchanges, each of which has a thread that serves it: it waits for a
 * request, has the slot's card do what it asks, and answers.
 *
 * When the card is taken out meanwhile the request is answered at once, and another thread goes on with the
 * connection; the first one ends when the card lets it go.
 */
#ifndef CARDRIG_RIG_LINK_WORKER_H
#define CARDRIG_RIG_LINK_WORKER_H

#include "base/threads.h"
#include "rig/slot.h"

struct link_workers;

/* threads outlives them. NULL: out of memory. */
struct link_workers *link_workers_new(struct threads *threads);

/* When all the threads have ended. */
void link_workers_free(struct link_workers *workers);

/* Serves a connection, which is taken over, on which the driver has said hello for a slot; plugging is the
 * reader's at that time, and driver the driver's number, see slot.h. Hangs up when that cannot be. */
void link_workers_add(struct link_workers *workers, int fd, struct slot *slot, unsigned plugging,
                      unsigned driver);

/* How many connections there are. */
unsigned link_workers_count(struct link_workers *workers);

/* Hangs up on all drivers. */
void link_workers_hang_up(struct link_workers *workers);

/* Tells the user of a request that is wrong, and that the connection is closed for it. */
void link_report_bad_request(unsigned type);

#endif
