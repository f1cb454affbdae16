/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors. */
#ifndef CARDRIG_BASE_DESCRIPTOR_H
#define CARDRIG_BASE_DESCRIPTOR_H

/* Closes it after something has failed, whose errno stays. A negative one is ignored. */
void close_keeping_errno(int fd);

#endif
