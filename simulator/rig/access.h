/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which users' drivers may connect to a rig's link, besides root's and our own.
 *
 * A service may run as a user of its own (pcscd does, from 2.4 on), or as root without the
 * right to open what belongs to others (2.3 in Debian 13). The link's socket is therefore
 * one that these users can open, by a POSIX ACL, and nobody else: whom the kernel keeps out
 * cannot fill the backlog of a listener and keep pcscd waiting.
 */
#ifndef CARDRIG_RIG_ACCESS_H
#define CARDRIG_RIG_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCESS_MAX 4

struct access_list {
    uid_t user[ACCESS_MAX];
    unsigned count;
};

#define ACCESS_USER_TEXT 64

/* Adds a user, unless it is root or in the list. False: the list is full. */
bool access_add(struct access_list *list, uid_t user);

/* Whether a user is root, or ours, or on the list (NULL: there is no list). */
bool access_allows(const struct access_list *list, uid_t user);

/* Lets root and the users of the list open a socket of ours at path, whose mode is 0600.
 * False with errno: ENOTSUP, say, where the file system has no ACLs. */
bool access_grant(const struct access_list *list, const char *path);

/* Lets everybody open the socket: who is not allowed has to be refused after accept(2). */
bool access_grant_all(const char *path);

/* A user's name, or else number. Returns text. */
const char *access_user_text(uid_t user, char text[ACCESS_USER_TEXT]);

#endif
