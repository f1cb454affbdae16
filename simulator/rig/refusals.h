/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who was refused at the rig's link, for the user who can let them in.
 *
 * A driver that may not open the link cannot say so there. It sends an empty datagram to a
 * socket beside it that everybody can write to (link_report_refusal); the kernel says who
 * sent it. What comes from there is trusted with nothing but a line in the log: so many
 * datagrams are read, and then the socket is closed.
 */
#ifndef CARDRIG_RIG_REFUSALS_H
#define CARDRIG_RIG_REFUSALS_H

#include "rig/access.h"
#include "rig/loop.h"

/* Users who have been reported: each is once, and after so many nobody is. */
#define REFUSED_MAX 16

struct refused {
    uid_t user[REFUSED_MAX];
    unsigned count;
};

/* Logs that a process of this user was refused, and, for a driver, how to let it in. */
void refused_report(struct refused *refused, uid_t user, const char *what, bool driver);

struct refusals;

/* fd is a socket of link_listen_for_refusals, taken over. users, who are let in, outlives
 * it. NULL with errno. */
struct refusals *refusals_new(struct loop *loop, int fd, const struct access_list *users);
void refusals_free(struct refusals *refusals);

#endif
