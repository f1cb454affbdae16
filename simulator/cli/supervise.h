/* The processes of `cardrig run`: the simulator, pcscd and the command. */
#ifndef CARDRIG_CLI_SUPERVISE_H
#define CARDRIG_CLI_SUPERVISE_H

#include "pcscd/pcscd.h"
#include "rig/rig.h"

#include <signal.h>

/* How things were before we changed them; the command gets them so. */
struct supervise_origin {
    sigset_t mask;
    mode_t umask;
};

/* To be called before anything is made that has to be cleared away: signals that come from now on wait for
 * the command. What is made is for this user alone. */
void supervise_prepare(struct supervise_origin *origin);

/*
 * Runs the command with the rig and with pcscd, and clears away all that there was, the rig's directory
 * included, however it ends:
 *
 *  - the command ends: its exit status is returned. If a signal ended it, that signal ends this process, too.
 *  - the simulator or pcscd dies: said so; the command is ended, by SIGTERM and after 5 s by SIGKILL;
 *    EXIT_RIG_FAILED.
 *  - SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGUSR1 and SIGUSR2 are passed on to the command, but for a
 * SIGINT or SIGQUIT from the terminal, which sends it to the command as well.
 *  - this process is killed outright: the simulator clears away, and pcscd and the command die, too.
 *
 * Takes the rig over. The command's environment gets PCSCLITE_CSOCK_NAME, CARDRIG_SOCKET and CARDRIG_READER.
 */
int supervise(struct rig *rig, struct pcscd *pcscd, char **command, const struct supervise_origin *origin);

#endif
