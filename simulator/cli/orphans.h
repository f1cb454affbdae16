/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that a command has left running. */
#ifndef CARDRIG_CLI_ORPHANS_H
#define CARDRIG_CLI_ORPHANS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Both end processes by SIGTERM, and those that are still there after patience_ms by SIGKILL, and return how
 * many there were.
 */

/* All children of the caller but those to spare. The caller is a subreaper (prctl(2)): whatever its children
 * have started, and their children, become its own when their parents end. */
unsigned orphans_end(const pid_t *spared, size_t spared_count, int patience_ms);

/* All processes of this user that were started with this "NAME=VALUE" in their environment, but the
 * caller. */
unsigned orphans_end_marked(const char *mark, int patience_ms);

#endif
