/* SPDX-License-Identifier: BSD-3-Clause */
/* Clears away the remains of rigs whose processes were all killed. */
#ifndef CARDRIG_CLI_STALE_H
#define CARDRIG_CLI_STALE_H

/* The environment variable that marks the processes of a rig. Its value is the rig's directory.
 * CARDRIG_SOCKET would not do: users set it in other terminals to control a rig, and their shells must not
 * be ended. */
#define STALE_MARK "CARDRIG_RIG"

/*
 * Ends the processes that the commands of this user's dead rigs have left running, removes the directories of
 * these rigs, and logs what it did.
 *
 * A rig is alive as long as a process of cardrig holds the lock of its directory, in whatever namespace that
 * process runs. around is the directory of the rig that the caller itself runs in, which is left alone, or
 * NULL.
 */
void stale_rigs_clear(const char *around);

#endif
