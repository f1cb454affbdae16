/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the files are that belong to this program. */
#ifndef CARDRIG_CLI_PATHS_H
#define CARDRIG_CLI_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/* libifdcardrig.so: $CARDRIG_DRIVER, or where it is built or installed relative to this program. False: not
 * there, which has been said. */
bool paths_driver(char *path, size_t size);

/* libcardrig-redirect.so, likewise. */
bool paths_redirect(char *path, size_t size);

/* The same, without a word. */
bool paths_find_driver(char *path, size_t size);
bool paths_find_redirect(char *path, size_t size);

#endif
