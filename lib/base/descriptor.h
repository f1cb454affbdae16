/* SPDX-License-Identifier: BSD-3-Clause */
/* Helpers for file descriptors. */
#ifndef CARDRIG_BASE_DESCRIPTOR_H
#define CARDRIG_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

/* Closes a file descriptor without changing errno, for cleaning up after a failure. Ignores a negative
 * fd. */
void close_keeping_errno(int fd);

/* Reads length bytes, or less if the file ends before. Sets *got to their number. Returns false and sets errno on
 * failure. */
bool read_to_end(int fd, char *bytes, size_t length, size_t *got);

#endif
