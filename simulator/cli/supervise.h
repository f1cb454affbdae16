/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor of `cardrig run`, parent of the simulator, pcscd and the command. */
#ifndef CARDRIG_CLI_SUPERVISE_H
#define CARDRIG_CLI_SUPERVISE_H

#include "cli/origin.h"
#include "cli/rig_options.h"
#include "pcscd/pcscd.h"
#include "rig/rig.h"

#include <stdbool.h>

struct supervise_plan {
    struct rig *rig; /* owned by supervise(); has its readers, but no cards yet */
    const struct rig_options *rig_options;
    struct pcscd *pcscd; /* configured */
    char **command;
    const struct origin *origin;
    int front;          /* the socket from front_split */
    pid_t keeper;       /* of keeper_start; must not be ended as a leftover of the command */
    bool stale_cleared; /* stale_rigs_clear() has been called already; supervise() must not call it */
};

/*
 * Starts the simulator and pcscd, runs the command when they are ready, and clears everything away, the rig's
 * directory included. Returns an exit status:
 *
 *  - If the rig does not get ready, logs the reason and returns an exit status, usually EXIT_RIG_FAILED. The
 *    command is not started.
 *  - When the command ends, returns its exit status. If a signal ended it, the same signal ends the front.
 *  - If the simulator or pcscd dies without a request, logs it, ends the command by SIGTERM and after 5 s by
 *    SIGKILL, and returns EXIT_RIG_FAILED.
 *  - Signals from the front, and those sent to this process, are passed on to the command. A signal that
 *    comes before the command has started ends the run, unless the caller had it ignored.
 *  - If the front is killed, the command is killed as well.
 *  - If this process is killed by SIGKILL, pcscd dies with it, the simulator and the command end, and the
 *    front clears the rig away.
 *
 * Sets PCSCLITE_CSOCK_NAME, CARDRIG_SOCKET and CARDRIG_READER in the command's environment, and the
 * variables of vpcd_ports_set_environment.
 */
int supervise(const struct supervise_plan *plan);

#endif
