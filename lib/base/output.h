/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the user has named for us to write to: a trace, a log. They may be anything:
 * /dev/full, a FIFO that nobody reads, the file of another rig. */
#ifndef CARDRIG_BASE_OUTPUT_H
#define CARDRIG_BASE_OUTPUT_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The file's path: in the name that the user gave, %p is this process's number, and %% is
 * %. False: too long. */
bool output_path(const char *name, char path[PATH_MAX]);

/* Opens the file for appending, empty. Does not block, neither here nor in writing. A
 * regular file is locked, until all copies of the descriptor are closed: two writers would
 * destroy each other's lines. Returns the descriptor, or -1 with error, which says what to
 * do where there is something. */
int output_open(const char *path, struct error *error);

/* write(2), in which a reader that has gone is EPIPE, and a file that may not grow EFBIG:
 * no signal comes of it. */
ssize_t output_write(int fd, const void *bytes, size_t length);

#endif
