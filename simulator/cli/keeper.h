/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that keeps the caller's group of processes from being orphaned. The command is in that group, and
 * its parent, the supervisor, is in another one of the same session. Where no shell is the parent of others
 * in the group (CI, setsid), the end of the command would orphan it, and if any process in it is stopped
 * then, Linux sends SIGHUP to all of them, the caller included (setpgid(2); POSIX.1-2017, _Exit(),
 * "Consequences of Process Termination"). The keeper is one more such child, and leaves the group before it
 * ends.
 */
#ifndef CARDRIG_CLI_KEEPER_H
#define CARDRIG_CLI_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper {
    pid_t pid;
    int line; /* the keeper ends when this is closed, as it is when this process dies */
};

/* Starts one in that group. Call it before anything is opened that the keeper must not hold: it closes front,
 * and has /dev/null in place of the standard ones. False with errno. */
bool keeper_start(struct keeper *keeper, pid_t group, int front);

/* Ends it; it may have been killed and reaped before. */
void keeper_end(struct keeper *keeper);

#endif
