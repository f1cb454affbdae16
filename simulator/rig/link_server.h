/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's end of the rig link: serves the drivers that connect for a slot. The loop handles new
 * connections and connections for events. Each connection for exchanges has its own thread (link_worker.h),
 * so that a slow card delays no other slot.
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
    void (*connecting)(void *arg); /* a driver has connected, and the server does not count it yet */
    void (*ready)(void *arg);      /* a slot may have become ready for PC/SC clients */
};

/* Makes a server on fd, a socket of link_listen, which it takes over, also on failure. It serves drivers that
 * run as root, as our own user or as one of users. users and threads must outlive the server. Free the server
 * only when the threads have ended. Returns NULL with errno on failure. */
struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots,
                                    const struct access_list *users, struct threads *threads,
                                    const struct link_host *host);

/* link_server_stop closes the listening socket and disconnects all drivers; their threads end soon. Call
 * link_server_free after that. Both accept NULL. */
void link_server_stop(struct link_server *server);
void link_server_free(struct link_server *server);

/* Disconnects all drivers. Their threads end soon. */
void link_server_forget(struct link_server *server);

/* Reports the slot's latest card event to its drivers. May be called from any thread. */
void link_server_on_card_event(struct link_server *server, const struct slot *slot);

/* Returns whether a driver has connected for the slot's events, and sets *ready to whether its pcscd has made
 * the slot available to PC/SC clients, and has told them of its last insertion or removal. */
bool link_server_is_connected(struct link_server *server, const struct slot *slot, bool *ready);

/* Returns whether each slot of a plugged reader is connected and ready. */
bool link_server_all_ready(struct link_server *server);

#endif
