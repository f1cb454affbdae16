/* SPDX-License-Identifier: BSD-3-Clause */
/* A listening socket in the loop that accepts only connections from our own user, root, and the users in an
 * access list. */
#ifndef CARDRIG_RIG_LISTENER_H
#define CARDRIG_RIG_LISTENER_H

#include "rig/access.h"
#include "rig/loop.h"

struct listener;

/* Makes a listener on fd, which it takes over, also on failure. Passes each connection (non-blocking,
 * close-on-exec) to accepted, which owns it from then on. what is the name of the socket in log lines. users
 * may be NULL, and must outlive the listener. Returns NULL on failure. */
struct listener *listener_new(struct loop *loop, int fd, const char *what, const struct access_list *users,
                              void (*accepted)(void *arg, int connection), void *arg);
void listener_free(struct listener *listener);

#endif
