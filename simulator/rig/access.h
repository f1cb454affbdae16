/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users whose drivers may connect to a rig's link, in addition to root and our own user.
 *
 * pcscd may run as a user of its own (from 2.4 on), or as root without the right to open files
 * of other users (2.3 in Debian 13). A POSIX ACL therefore lets these users open the link's
 * socket, and nobody else: a user whom the kernel keeps out cannot fill the backlog of the
 * listener and keep pcscd waiting.
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

/* Adds a user to the list, unless it is root or already there. Returns false if the list is full. */
bool access_add(struct access_list *list, uid_t user);

/* Returns whether a user is root, our own user or in the list. list may be NULL. */
bool access_allows(const struct access_list *list, uid_t user);

/* Lets root and the users in the list open our own socket at path, whose mode is 0600. Returns false with
 * errno on failure, such as ENOTSUP if the file system has no ACLs. */
bool access_grant(const struct access_list *list, const char *path);

/* Lets every user open the socket. The caller must then refuse users who are not allowed after accept(2). */
bool access_grant_all(const char *path);

/* Writes a user's name, or the number of a user without a name, to text. Returns text. */
const char *access_user_text(uid_t user, char text[ACCESS_USER_TEXT]);

#endif
