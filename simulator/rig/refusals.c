/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/refusals.h"

#include "rig/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A pcscd with many readers sends one datagram for each reader, and does so again after each start. */
#define DATAGRAMS_MAX 256

struct refusals {
    struct loop *loop;
    int fd; /* -1 after DATAGRAMS_MAX datagrams */
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

/* Sets *user to the user who sent the datagram. Returns false if the kernel does not say. */
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
    /* with MSG_CMSG_CLOEXEC, and no room for them, the kernel closes descriptors that a sender attaches */
    if (recvmsg(refusals->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return;
    /* a driver of an allowed user may have come before the ACL was set; it will try again */
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
