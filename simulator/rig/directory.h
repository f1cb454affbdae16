/* The rig's directory: private, short-lived, with a name that pcscd's configuration can hold. */
#ifndef CARDRIG_RIG_DIRECTORY_H
#define CARDRIG_RIG_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

/* Long enough for any directory_new: what lies in it must fit a socket's address, of 108 bytes. */
#define DIRECTORY_MAX 88

/* Makes a directory of mode 0700 below $TMPDIR, or below /tmp where that will not do, and writes its path.
 * False with errno. */
bool directory_new(char path[DIRECTORY_MAX]);

/* Removes a directory and all that is in it, as far as that can be done. Does not follow links. */
void directory_remove(const char *path);

#endif
