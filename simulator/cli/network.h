/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's private network: `cardrig run --private-network`. */
#ifndef CARDRIG_CLI_NETWORK_H
#define CARDRIG_CLI_NETWORK_H

/* Moves this process, and all that it starts from now on, into a new network namespace that has only a
 * loopback device. Without privileges this takes a user namespace as well (namespaces_enter). Programs that
 * run in it have no more capabilities than before. Returns NULL, or the name of the step that failed, with
 * errno set; the process must then end. */
const char *network_enter_private(void);

/* Returns advice for the user after network_enter_private has failed. */
const char *network_remedy(void);

#endif
