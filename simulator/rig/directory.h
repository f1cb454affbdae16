/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's directory: either a private one for a single run, or one at a well-known place, for an installed
 * pcscd. Its path always consists of characters that pcscd's configuration accepts. */
#ifndef CARDRIG_RIG_DIRECTORY_H
#define CARDRIG_RIG_DIRECTORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The default directory of a rig for an installed pcscd. */
#define DIRECTORY_DEFAULT "/run/cardrig"

/* The size of a path from directory_new, with its NUL: run/pcscd/pcscd.comm in the directory must fit into
 * the 108 bytes of a socket's address. */
#define DIRECTORY_MAX 86

/* The name of a single run's directory is DIRECTORY_PREFIX and DIRECTORY_RANDOM letters. The sticky bit in
 * its mode has no meaning for a directory that nobody else can write to; it distinguishes our directories
 * from others with such a name. */
#define DIRECTORY_PREFIX "cardrig-"
#define DIRECTORY_RANDOM 6
#define DIRECTORY_MODE   01700

/* Returns a place for such directories: $TMPDIR, /tmp, /var/tmp or /dev/shm. number is less than
 * DIRECTORY_BASES. Returns NULL if TMPDIR is not set. */
#define DIRECTORY_BASES 4
const char *directory_base(size_t number);

/* Makes a directory for one run, in the first of these places that is suitable, and writes its path. Its
 * file system allows pcscd to load a driver from there. Returns a descriptor that holds a lock on the
 * directory; a directory that no process has locked is stale (cli/stale.h). Returns -1 on failure and sets
 * *error, which says for each place what is wrong with it. */
int directory_new(char path[DIRECTORY_MAX], struct error *error);

/* Returns why base is not suitable for the rig's directory, or NULL if it is. */
const char *directory_why_not_in(const char *base);

/* Returns whether path is absolute and has only characters that a value in pcscd's configuration can have.
 * ':' is not among them, because it separates the fields of a DEVICENAME. */
bool directory_is_plain(const char *path);

/* Returns whether path is suitable for directory_claim as far as its name goes. Otherwise sets *error. */
bool directory_check_name(const char *path, struct error *error);

/* A directory at a well-known place, held by this process. */
struct directory_claim {
    char path[DIRECTORY_MAX];
    int fd;    /* holds the lock as long as it is open */
    bool made; /* this process has made the directory */
};

/* Claims a directory for this process. Makes it, with mode 0711, if it does not exist, and removes the
 * sockets that a dead rig left there. Returns false and sets *error if the name is not suitable, if a user
 * other than root and ourselves could put files there, or if another process holds the directory. */
bool directory_claim(struct directory_claim *claim, const char *path, struct error *error);

/* Removes the rig's sockets, removes the directory if the claim made it, and releases it. */
void directory_release(struct directory_claim *claim);

/* Removes a directory and everything in it, as far as possible. Does not follow links. */
void directory_remove(const char *path);

/* Does the same for name in an open directory, even if that has been moved. */
void directory_remove_at(int parent, const char *name);

#endif
