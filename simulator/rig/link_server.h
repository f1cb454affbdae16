/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's end of the rig link: serves drivers that connect for a slot. New connections and those for
 * events are in the loop; each one for exchanges has a thread of its own (link_worker.h), so that a card
 * which takes its time delays nobody else.
 */
#ifndef CARDRIG_RIG_LINK_SERVER_H
#define CARDRIG_RIG_LINK_SERVER_H

#include "base/threads.h"
#include "rig/access.h"
#include "rig/loop.h"
#include "rig/slot.h"

struct link_server;

struct link_host {
    void *arg;
    void (*connecting)(void *arg); /* a driver connects, and is not among those that there are yet */
    void (*ready)(void *arg);      /* a slot has become ready for clients */
};

/* fd is a socket of link_listen, taken over. users, whose drivers are served, and threads outlive the
 * server, which is to be freed when the threads have ended. NULL with errno. */
struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots,
                                    const struct access_list *users, struct threads *threads,
                                    const struct link_host *host);

/* Accepts no more drivers, and hangs up on those there are. Their threads end soon; then comes
 * link_server_free. Both take NULL. */
void link_server_stop(struct link_server *server);
void link_server_free(struct link_server *server);

/* Hangs up on all drivers. Their threads end soon. */
void link_server_forget(struct link_server *server);

/* From any thread: reports the slot's card event to its drivers. */
void link_server_on_card_event(struct link_server *server, const struct slot *slot);

/* Whether a driver listens to the slot, and whether its pcscd has the slot ready for clients. */
bool link_server_is_connected(struct link_server *server, const struct slot *slot, bool *ready);

/* Whether that is so for each slot whose reader is plugged in. */
bool link_server_all_ready(struct link_server *server);

#endif
