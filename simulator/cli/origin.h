/* SPDX-License-Identifier: BSD-3-Clause */
/* The state that this process inherited from its caller. The command is started with it. */
#ifndef CARDRIG_CLI_ORIGIN_H
#define CARDRIG_CLI_ORIGIN_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct origin {
    sigset_t mask;
    mode_t umask;
    struct sigaction child, pipe, file_size; /* SIGCHLD, SIGPIPE, SIGXFSZ */
    struct rlimit files;
    pid_t group;
};

/* Saves the inherited state to *origin, and changes it to what a rig needs: signals are blocked and read
 * from a descriptor (origin_open_signal_fd), a failed write is an error and not a signal, the umask restricts
 * new files to this user, and the limit of open files is raised, as far as the hard limit allows. */
void origin_leave(struct origin *origin);

/* Restores the saved state. Call this in the child that becomes the command. Returns false and sets errno on
 * failure. */
bool origin_restore(const struct origin *origin);

/* Returns a nonblocking signalfd(2) for SIGCHLD and for the signals that are passed on to the command.
 * Returns -1 and sets errno on failure. */
int origin_open_signal_fd(void);

#endif
