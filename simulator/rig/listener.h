/* A listening socket in the loop that lets only this user and root in. */
#ifndef CARDRIG_RIG_LISTENER_H
#define CARDRIG_RIG_LISTENER_H

#include "rig/loop.h"

struct listener;

/* accepted gets each connection (non-blocking, close-on-exec) and owns it. what names the socket in messages.
 * fd is taken over, also on failure (NULL). */
struct listener *listener_new(struct loop *loop, int fd, const char *what,
                              void (*accepted)(void *arg, int connection), void *arg);
void listener_free(struct listener *listener);

#endif
