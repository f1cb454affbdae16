/* The simulator's end of the rig link: serves drivers that connect for a slot. */
#ifndef CARDRIG_RIG_LINK_SERVER_H
#define CARDRIG_RIG_LINK_SERVER_H

#include "rig/loop.h"
#include "rig/slot.h"

struct link_server;

/* fd is a socket of link_listen, taken over. user is the user whose drivers are served besides root's and
 * our own; LINK_NOBODY: none. NULL with errno. */
struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots, uid_t user);
void link_server_free(struct link_server *server);

/* Tells the slot's drivers that its card has moved. */
void link_server_card_moved(struct link_server *server, const struct slot *slot);

/* Whether a driver listens to the slot, and whether its pcscd has the slot ready for clients. */
bool link_server_is_connected(const struct link_server *server, const struct slot *slot, bool *ready);

#endif
