/* SPDX-License-Identifier: BSD-3-Clause */
/* What is left of rigs whose processes were all killed. */
#ifndef CARDRIG_CLI_STALE_H
#define CARDRIG_CLI_STALE_H

/* The environment variable by which a rig's processes are known: its value is the rig's directory. It is not
 * CARDRIG_SOCKET, which people set in other terminals to drive a rig, and whose shells are theirs. */
#define STALE_MARK "CARDRIG_RIG"

/* Clears away after such rigs of this user, and says so: ends the processes that were started by their
 * commands, and removes their directories. One that any of cardrig's processes still has locked is alive,
 * wherever that process runs; and if the caller runs in one of them, whose directory is around, that one
 * stays. around: NULL: it does not. */
void stale_rigs_clear(const char *around);

#endif
