/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/listener.h"

#include "rig/log.h"
#include "rig/refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The loop serves its other descriptors after this many connections in a row. */
#define TURN_CONNECTIONS 64

struct listener {
    struct loop *loop;
    int fd;
    int reserve; /* a descriptor to close when none is left, so that a connection can be accepted and
                    refused */
    const char *what;
    const struct access_list *users;
    struct refused refused;
    void (*accepted)(void *arg, int connection);
    void *arg;
};

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void refuse_for_want_of_descriptors(struct listener *listener)
{
    rig_log("%s: no file descriptors left: connection refused", listener->what);
    close(listener->reserve);
    int connection = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (connection >= 0)
        close(connection);
    listener->reserve = open_reserve();
}

/* Accepts or refuses one connection. Returns false if there was none to accept. */
static bool accept_one(struct listener *listener)
{
    int connection = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
        bool more = errno == ECONNABORTED;
        if (errno == EMFILE || errno == ENFILE)
            refuse_for_want_of_descriptors(listener);
        return more;
    }
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
        close(connection);
    } else if (!access_allows(listener->users, peer.uid)) {
        close(connection);
        refused_report(&listener->refused, peer.uid, listener->what, listener->users != NULL);
    } else {
        listener->accepted(listener->arg, connection);
    }
    return true;
}

/* Accepts up to TURN_CONNECTIONS connections in a row, so that those that are refused do not delay those
 * behind them. */
static void on_connection(void *arg, uint32_t events)
{
    (void)events;
    for (unsigned turn = 0; turn < TURN_CONNECTIONS && accept_one(arg); turn++)
        ;
}

struct listener *listener_new(struct loop *loop, int fd, const char *what, const struct access_list *users,
                              void (*accepted)(void *arg, int connection), void *arg)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return NULL;
    }
    *listener = (struct listener){.loop = loop,
                                  .fd = fd,
                                  .reserve = open_reserve(),
                                  .what = what,
                                  .users = users,
                                  .accepted = accepted,
                                  .arg = arg};
    if (listener->reserve < 0 || !loop_add(loop, fd, EPOLLIN, on_connection, listener)) {
        close(fd);
        if (listener->reserve >= 0)
            close(listener->reserve);
        free(listener);
        return NULL;
    }
    return listener;
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    loop_remove(listener->loop, listener->fd);
    close(listener->fd);
    close(listener->reserve);
    free(listener);
}
