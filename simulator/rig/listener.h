/* A listening socket in the loop that lets only this user, root and one more user in. */
#ifndef CARDRIG_RIG_LISTENER_H
#define CARDRIG_RIG_LISTENER_H

#include "rig/loop.h"

#include <sys/types.h>

struct listener;

/* accepted gets each connection (non-blocking, close-on-exec) and owns it. what names the socket in messages.
 * user is the user who is let in as well; LINK_NOBODY: none. fd is taken over, also on failure (NULL). */
struct listener *listener_new(struct loop *loop, int fd, const char *what, uid_t user,
                              void (*accepted)(void *arg, int connection), void *arg);
void listener_free(struct listener *listener);

#endif
