/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of drivers for exchanges. Each has a thread, which waits for a request, carries it out with
 * the slot's card, and answers it.
 *
 * If the card is removed meanwhile, the request is answered at once, and a new thread takes over the
 * connection. The first thread ends when the interrupted operation of the card returns.
 */
#ifndef CARDRIG_RIG_LINK_WORKER_H
#define CARDRIG_RIG_LINK_WORKER_H

#include "base/threads.h"
#include "rig/slot.h"

struct link_workers;

/* threads must outlive the workers. Returns NULL if there is no memory. */
struct link_workers *link_workers_new(struct threads *threads);

/* Frees the workers. All their threads must have ended. Accepts NULL. */
void link_workers_free(struct link_workers *workers);

/* Serves a connection on which the driver has said hello for a slot, and takes over fd. plug_count is
 * that of the reader at the time of the hello, and driver the number of the driver, see slot.h. Closes the
 * connection if there is no memory or thread for it. */
void link_workers_add(struct link_workers *workers, int fd, struct slot *slot, unsigned plug_count,
                      unsigned driver);

/* Returns the number of connections. */
unsigned link_workers_count(struct link_workers *workers);

/* Disconnects all drivers. */
void link_workers_hang_up(struct link_workers *workers);

/* Logs that a request of this type is malformed, and that its connection is closed because of that. */
void link_worker_log_bad_request(unsigned type);

#endif
