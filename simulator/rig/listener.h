/* SPDX-License-Identifier: BSD-3-Clause */
/* A listening socket in the loop that accepts only connections of this user, root, and an
 * access list. */
#ifndef CARDRIG_RIG_LISTENER_H
#define CARDRIG_RIG_LISTENER_H

#include "rig/access.h"
#include "rig/loop.h"

struct listener;

/* accepted gets each connection (non-blocking, close-on-exec) and owns it. what names the
 * socket in messages. users, which may be NULL, outlives the listener. fd is taken over,
 * also on failure (NULL). */
struct listener *listener_new(struct loop *loop, int fd, const char *what, const struct access_list *users,
                              void (*accepted)(void *arg, int connection), void *arg);
void listener_free(struct listener *listener);

#endif
