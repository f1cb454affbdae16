/* SPDX-License-Identifier: BSD-3-Clause */
/* How the process was when it was started. The command gets it so. */
#ifndef CARDRIG_CLI_ORIGIN_H
#define CARDRIG_CLI_ORIGIN_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct origin {
    sigset_t mask;
    mode_t umask;
    struct sigaction pipe, file_size; /* SIGPIPE, SIGXFSZ */
    struct rlimit files;
    pid_t group;
};

/* Notes how things are, and changes them to what a rig needs: signals wait until somebody reads them
 * (origin_signals), what cannot be written is an error and not a signal, what is made is for this user alone,
 * and there are file descriptors enough, as far as the hard limit allows. */
void origin_leave(struct origin *origin);

/* In a child: goes back to all that. False with errno. */
bool origin_restore(const struct origin *origin);

/* A descriptor from which the signals that are passed on to the command, and SIGCHLD, can be read without
 * waiting. -1 with errno. */
int origin_signals(void);

#endif
