/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process that the caller knows. The caller may have had children before it became cardrig (a shell that
 * ends with `exec cardrig run`), and may get others from those. None of our business: so the front only
 * passes signals on to the supervisor, its child, and ends as that says. All that the supervisor inherits
 * from processes that end was started by the command.
 *
 * The two know each other by a socket, of SOCK_SEQPACKET.
 */
#ifndef CARDRIG_CLI_FRONT_H
#define CARDRIG_CLI_FRONT_H

#include <stdbool.h>

/* What the front sends: a signal that has come. */
struct front_signal {
    int number;
    bool typed; /* by a terminal, which has sent it to the command, too */
};

/* Splits the process in two; signals are blocked, as of origin_leave. Returns in the child, with the socket,
 * which closes when the front has died; -1 with errno, where there is no child. The front ends with the exit
 * status of the child, or by the signal of front_end_by. When the child is killed it clears away. */
int front_split(void);

/* Has the front end by a signal, once this process has ended. */
void front_end_by(int front, int signal);

#endif
