/*
 * A process that keeps the caller's group of processes from being orphaned. The command is in that group, and its
 * parent, the supervisor, is in another one of the same session. Where no shell is the parent of others in the group
 * (CI, setsid), the end of the command would orphan it, and if any process in it is stopped then, Linux sends SIGHUP to
 * all of them, the caller included (setpgid(2); POSIX.1-2017, _Exit(), "Consequences of Process Termination"). The
 * keeper is one more such child, and leaves the group before it ends.
 */
#ifndef CARDRIG_CLI_KEEPER_H
#define CARDRIG_CLI_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper {
    pid_t pid;
    int line; /* the keeper ends when this is closed, as it is when this process dies */
};

/* Starts one in that group. It has no descriptor of this process open but one end of the line; so this comes before
 * anything is opened that it must not hold, and front, the one that is there, is closed in it. False with errno. */
bool keeper_start(struct keeper *keeper, pid_t group, int front);

/* Ends it; it may have been killed and reaped before. */
void keeper_end(struct keeper *keeper);

#endif
