/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that a card script may read: those in the folder of the script and below. */
#ifndef CARDRIG_ICC_FOLDER_H
#define CARDRIG_ICC_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define FOLDER_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of a file */

/*
 * Sets *size to the size of the file `name`, a path relative to folder. No symbolic link and no ".." is followed,
 * so that the file is in the folder or below. Returns false with the reason, without the name, in error, if it is
 * not a regular file of at most FOLDER_FILE_MAX bytes.
 */
bool folder_size(const char *folder, const char *name, size_t *size, struct error *error);

/* Reads up to size bytes of the same file, and sets *length to their number. */
bool folder_read(const char *folder, const char *name, char *bytes, size_t size, size_t *length,
                 struct error *error);

#endif
