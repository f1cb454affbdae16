/* SPDX-License-Identifier: BSD-3-Clause */
/* Output files that the user has named, such as a trace or a log. The name may lead to anything:
 * /dev/full, a FIFO that nobody reads, the file of another rig. */
#ifndef CARDRIG_BASE_OUTPUT_H
#define CARDRIG_BASE_OUTPUT_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Replaces %p in the user's name of the file by the process ID, and %% by %. Returns false if the result
 * is too long. */
bool output_expand_path(const char *name, char path[PATH_MAX]);

/* Opens the file for appending, and empties a regular file. Neither opening nor writing blocks. A
 * regular file stays locked until all copies of the descriptor are closed, because two writers would
 * destroy each other's lines. Returns the descriptor, or -1 and sets *error, which also says what to do
 * if there is a remedy. */
int output_open(const char *path, struct error *error);

/* write(2) without signals: it fails with EPIPE if the reader has gone, and with EFBIG if the file has
 * reached its limit. */
ssize_t output_write(int fd, const void *bytes, size_t length);

#endif
