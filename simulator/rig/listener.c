#include "rig/listener.h"

#include "link/link.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of so many users in a row who are refused each gets one line. */
#define REFUSED_MAX 16

struct listener {
    struct loop *loop;
    int fd;
    int reserve; /* a descriptor to give up when there is no other, so that a connection can at least be
                    refused */
    const char *what;
    uid_t user;
    uid_t refused[REFUSED_MAX]; /* who has been told of */
    unsigned refused_count;     /* in all: the last ones are kept */
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

/* One line for each user: whoever knocks for ever is not to fill the log. */
static void tell_of_refused(struct listener *listener, int connection)
{
    struct ucred credentials = {.uid = LINK_NOBODY};
    socklen_t length = sizeof credentials;
    getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
    for (unsigned i = 0; i < REFUSED_MAX && i < listener->refused_count; i++)
        if (listener->refused[i] == credentials.uid)
            return;
    listener->refused[listener->refused_count++ % REFUSED_MAX] = credentials.uid;
    rig_log("%s: a process of another user was refused: user ID %lu (this is said once)", listener->what,
            (unsigned long)credentials.uid);
}

static void on_connection(void *arg, uint32_t events)
{
    struct listener *listener = arg;
    (void)events;
    int connection = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
        if (errno == EMFILE || errno == ENFILE)
            refuse_for_want_of_descriptors(listener);
        return;
    }
    if (!link_peer_trusted(connection, listener->user)) {
        tell_of_refused(listener, connection);
        close(connection);
        return;
    }
    listener->accepted(listener->arg, connection);
}

struct listener *listener_new(struct loop *loop, int fd, const char *what, uid_t user,
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
                                  .user = user,
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
