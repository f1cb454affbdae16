/* SPDX-License-Identifier: BSD-3-Clause */
/* Helpers for file descriptors. */
#ifndef CARDRIG_BASE_DESCRIPTOR_H
#define CARDRIG_BASE_DESCRIPTOR_H

/* Closes a file descriptor without changing errno, for cleaning up after a failure. Ignores a negative
 * fd. */
void close_keeping_errno(int fd);

#endif
