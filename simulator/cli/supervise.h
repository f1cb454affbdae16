/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of `cardrig run`: the simulator, pcscd and the command. */
#ifndef CARDRIG_CLI_SUPERVISE_H
#define CARDRIG_CLI_SUPERVISE_H

#include "cli/origin.h"
#include "cli/rig_options.h"
#include "pcscd/pcscd.h"
#include "rig/rig.h"

#include <stdbool.h>

struct supervise_plan {
    struct rig *rig; /* taken over; it has readers, but no cards yet */
    const struct rig_options *rig_options;
    struct pcscd *pcscd; /* configured */
    char **command;
    const struct origin *origin;
    int front;          /* as of front_split */
    pid_t keeper;       /* as of keeper_start; it is not among what the command has left running */
    bool stale_cleared; /* stale_rigs_clear() was called, and is not to be called from here */
};

/*
 * Starts the rig and pcscd, runs the command when they are ready, and clears away all that there was, the
 * rig's directory included, however it ends:
 *
 *  - the rig does not get ready, which is said: EXIT_RIG_FAILED, and the command was not started.
 *  - the command ends: its exit status is returned. If a signal ended it, that signal ends the front, too.
 *  - the simulator or pcscd dies without having been asked to: said so; the command is ended, by SIGTERM and
 *    after 5 s by SIGKILL; EXIT_RIG_FAILED.
 *  - signals that come from the front, or to this process, are passed on to the command; one that comes
 *    before that has been started ends all.
 *  - the front is killed: the command is, too.
 *  - this process is killed outright: pcscd dies with it, the simulator and the command end, and the front
 *    clears away.
 *
 * The command's environment gets PCSCLITE_CSOCK_NAME, CARDRIG_SOCKET and CARDRIG_READER.
 */
int supervise(const struct supervise_plan *plan);

#endif
