/* The simulator's end of the rig link: serves drivers that connect for a slot. */
#ifndef CARDRIG_RIG_LINK_SERVER_H
#define CARDRIG_RIG_LINK_SERVER_H

#include "rig/access.h"
#include "rig/loop.h"
#include "rig/slot.h"

struct link_server;

/* fd is a socket of link_listen, taken over. users, whose drivers are served, outlives the
 * server. ready is called when a slot has become ready for clients. NULL with errno. */
struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots,
                                    const struct access_list *users, void (*ready)(void *arg),
                                    void *ready_arg);
void link_server_free(struct link_server *server);

/* Hangs up on all drivers. */
void link_server_forget(struct link_server *server);

/* Tells the slot's drivers that its card has moved. */
void link_server_card_moved(struct link_server *server, const struct slot *slot);

/* Whether a driver listens to the slot, and whether its pcscd has the slot ready for clients. */
bool link_server_is_connected(const struct link_server *server, const struct slot *slot, bool *ready);

/* Whether that is so for each slot of the rig's own cards whose reader is plugged in. */
bool link_server_all_ready(const struct link_server *server);

#endif
