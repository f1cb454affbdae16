/* SPDX-License-Identifier: BSD-3-Clause */
/* Locates the files that belong to this program. */
#ifndef CARDRIG_CLI_PATHS_H
#define CARDRIG_CLI_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the path of the driver, libifdcardrig.so: $CARDRIG_DRIVER, or else its place in the build or
 * installation tree, relative to this program. Returns false, after logging why, if it is not there. */
bool paths_driver(char *path, size_t size);

/* Writes the path of libcardrig-redirect.so, relative to this program. Returns false, after logging why, if
 * it is not there. */
bool paths_redirect(char *path, size_t size);

/* The same two functions, without a log message. */
bool paths_find_driver(char *path, size_t size);
bool paths_find_redirect(char *path, size_t size);

#endif
