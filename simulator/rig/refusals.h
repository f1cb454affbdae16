/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reports of drivers that were refused at the rig's link, for the user, who can let them in.
 *
 * A driver that may not open the link cannot report that through the link. It sends an empty datagram to a
 * socket beside it that every user can write to (link_report_refusal), and the kernel adds the sender's user
 * ID. A datagram has no effect other than a line in the log, and the socket is closed after a certain number
 * of datagrams.
 */
#ifndef CARDRIG_RIG_REFUSALS_H
#define CARDRIG_RIG_REFUSALS_H

#include "rig/access.h"
#include "rig/loop.h"

/* The users who have been reported. Each is reported once, and at most this many are. */
#define REFUSED_MAX 16

struct refused {
    uid_t user[REFUSED_MAX];
    unsigned count;
};

/* Logs that a process of this user was refused at the socket what. For a driver, also says how to let it
 * in. */
void refused_report(struct refused *refused, uid_t user, const char *what, bool driver);

struct refusals;

/* Reads reports from fd, a socket of link_listen_for_refusals, which it takes over, also on failure. Ignores
 * reports of users, who are allowed; users must outlive it. Returns NULL with errno on failure. */
struct refusals *refusals_new(struct loop *loop, int fd, const struct access_list *users);
void refusals_free(struct refusals *refusals);

#endif
