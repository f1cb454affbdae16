/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/refusals.h"

#include "rig/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A pcscd with many readers sends one for each, and again after each start. */
#define DATAGRAMS_MAX 256

struct refusals {
    struct loop *loop;
    int fd; /* -1: there have been enough */
    unsigned received;
    const struct access_list *users;
    struct refused refused;
};

void refused_report(struct refused *refused, uid_t user, const char *what, bool driver)
{
    char text[ACCESS_USER_TEXT];
    for (unsigned i = 0; i < refused->count; i++)
        if (refused->user[i] == user)
            return;
    if (refused->count == REFUSED_MAX)
        return;
    refused->user[refused->count++] = user;
    access_user_text(user, text);
    if (driver)
        rig_log("%s: a driver that runs as %s was refused; --pcscd-user %s lets it in", what, text, text);
    else
        rig_log("%s: a process of user %s was refused", what, text);
}

static void stop(struct refusals *refusals)
{
    if (refusals->fd < 0)
        return;
    loop_remove(refusals->loop, refusals->fd);
    close(refusals->fd);
    refusals->fd = -1;
}

/* Whose datagram it was, if the kernel says so. */
static bool sender(struct msghdr *message, uid_t *user)
{
    struct ucred credentials;
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS ||
        header->cmsg_len < CMSG_LEN(sizeof credentials))
        return false;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    *user = credentials.uid;
    return true;
}

static void on_datagram(void *arg, uint32_t events)
{
    (void)events;
    struct refusals *refusals = arg;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control};
    uid_t user;
    /* with MSG_CMSG_CLOEXEC and no room for them, descriptors that come along are closed by
     * the kernel */
    if (recvmsg(refusals->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return;
    /* one that came before we had let its user in will be back */
    if (sender(&message, &user) && !access_allows(refusals->users, user))
        refused_report(&refusals->refused, user, "rig link", true);
    if (++refusals->received == DATAGRAMS_MAX)
        stop(refusals);
}

struct refusals *refusals_new(struct loop *loop, int fd, const struct access_list *users)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals && loop_add(loop, fd, EPOLLIN, on_datagram, refusals)) {
        refusals->loop = loop;
        refusals->fd = fd;
        refusals->users = users;
        return refusals;
    }
    close(fd);
    free(refusals);
    return NULL;
}

void refusals_free(struct refusals *refusals)
{
    if (!refusals)
        return;
    stop(refusals);
    free(refusals);
}
