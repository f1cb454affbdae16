/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's directory: either private and short-lived, for one run, or at a place that is known to others,
 * for an installed pcscd. Its name is always one that pcscd's configuration can hold. */
#ifndef CARDRIG_RIG_DIRECTORY_H
#define CARDRIG_RIG_DIRECTORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Where a rig for an installed pcscd is, by default. */
#define DIRECTORY_DEFAULT "/run/cardrig"

/* Long enough for any directory_new: its run/pcscd/pcscd.comm must fit a socket's address, of 108 bytes. */
#define DIRECTORY_MAX 86

/* What the directories of single runs are called, before DIRECTORY_RANDOM letters, and their mode. The sticky
 * bit, which means nothing for a directory that nobody else can write to, tells them from others of such a
 * name. */
#define DIRECTORY_PREFIX "cardrig-"
#define DIRECTORY_RANDOM 6
#define DIRECTORY_MODE   01700

/* Where they can be: $TMPDIR, /tmp, /var/tmp and /dev/shm. number is less than DIRECTORY_BASES; NULL: there
 * is no such place. */
#define DIRECTORY_BASES 4
const char *directory_base(size_t number);

/* Makes a directory for one run and writes its path: in the first of these places that can hold it. It is on
 * a file system from which pcscd can load a driver. Returns a descriptor, by which the directory is locked:
 * one that no process has locked has been left (cli/stale.h). -1 with error, which names each place and what
 * is wrong with it. */
int directory_new(char path[DIRECTORY_MAX], struct error *error);

/* Why the rig's directory cannot be in base; NULL if it can. */
const char *directory_why_not_in(const char *base);

/* Whether path is absolute, and of characters that a value in pcscd's configuration can have (without ':',
 * which parts the fields of a DEVICENAME). */
bool directory_is_plain(const char *path);

/* Whether path will do for directory_claim, as far as its name goes; else error. */
bool directory_check_name(const char *path, struct error *error);

/* A directory at a known place, held by this process. */
struct directory_claim {
    char path[DIRECTORY_MAX];
    int fd;    /* locked as long as it is open */
    bool made; /* it was not there */
};

/* Takes a directory for this process, and makes it (of mode 0711) if it is not there. What a rig that died
 * left there is removed. False with error: its name will not do, somebody else than root and we could put
 * something into it, or another process holds it. */
bool directory_claim(struct directory_claim *claim, const char *path, struct error *error);

/* Removes the rig's sockets, and the directory if it was made, and lets go of it. */
void directory_release(struct directory_claim *claim);

/* Removes a directory and all that is in it, as far as that can be done. Does not follow links. */
void directory_remove(const char *path);

/* The same for one below an open directory, wherever that may be by now. */
void directory_remove_at(int parent, const char *name);

#endif
