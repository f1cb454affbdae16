/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper, a process that prevents the caller's process group from becoming orphaned.
 *
 * The command is in the caller's group. Its parent, the supervisor, is in another group of the same session.
 * If no shell is the parent of another process in the group (CI, setsid), the end of the command would orphan
 * the group. If any process in it is stopped at that moment, Linux sends SIGHUP to all of them, the caller
 * included (setpgid(2); POSIX.1-2017, _Exit(), "Consequences of Process Termination"). The keeper is another
 * child of the supervisor in the caller's group, and leaves the group before it ends.
 */
#ifndef CARDRIG_CLI_KEEPER_H
#define CARDRIG_CLI_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper {
    pid_t pid;
    int line; /* write end of a pipe; the keeper ends when it closes, also by the death of this process */
};

/* Starts a keeper in the process group. Call this before opening any descriptor that the keeper must not
 * inherit: it only closes front, and replaces standard input, output and error by /dev/null. Returns false
 * and sets errno on failure. */
bool keeper_start(struct keeper *keeper, pid_t group, int front);

/* Ends the keeper. It may already have been killed and reaped. */
void keeper_end(struct keeper *keeper);

#endif
