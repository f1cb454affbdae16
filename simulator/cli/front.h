/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front, the process that the caller starts and waits for. It forks the supervisor, passes signals on to
 * it, and ends with the exit status or signal that the supervisor chooses.
 *
 * The front exists because its process may already have children, which have nothing to do with the rig, for
 * example if a shell ends with `exec cardrig run`. Such children, and orphans that they leave behind, stay
 * with the front. Every orphan that the supervisor adopts therefore comes from the command.
 *
 * The two processes communicate over a socket pair of type SOCK_SEQPACKET.
 */
#ifndef CARDRIG_CLI_FRONT_H
#define CARDRIG_CLI_FRONT_H

#include <stdbool.h>

/* The message that the front sends for each signal it receives. */
struct front_signal {
    int number;
    bool typed; /* sent by a terminal, which has sent it to the command as well */
};

/*
 * Forks the supervisor. Call origin_leave first, which blocks the signals.
 *
 * Returns only in the child, with the socket to the front, which closes when the front dies. Returns -1 and
 * sets errno if no child could be made. The front exits with the child's exit status, or by the signal of
 * front_end_by. If the child is killed, the front clears the rig away.
 */
int front_split(void);

/* Makes the front end by a signal, once this process has ended. */
void front_end_by(int front, int signal);

#endif
