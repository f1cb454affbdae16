/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends processes that a command has left running. */
#ifndef CARDRIG_CLI_ORPHANS_H
#define CARDRIG_CLI_ORPHANS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Both functions send SIGTERM, and after patience_ms SIGKILL to the processes that are still alive. Unless
 * patience_ms is 0, a process has a moment to end by itself before that. They return the number of those that
 * did not.
 */

/* Ends all children of the caller except the spared ones. The caller is a subreaper (prctl(2)): it becomes
 * the parent of every descendant whose own parent ends. */
unsigned orphans_end(const pid_t *spared, size_t spared_count, int patience_ms);

/* Ends all processes of this user, except the caller, that were started with mark, a "NAME=VALUE", in their
 * environment. */
unsigned orphans_end_marked(const char *mark, int patience_ms);

#endif
