/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's private network: `cardrig run --private-network`. */
#ifndef CARDRIG_CLI_NETWORK_H
#define CARDRIG_CLI_NETWORK_H

/* Leaves the network for a new one that has nothing but a loopback device, for this process and
 * all that it starts from now on. Without privileges that takes a user namespace, too
 * (namespaces_enter), in which programs that are run have no other capabilities than before. On
 * failure the name of the step, with errno, and the process is of no further use; else NULL. */
const char *network_enter_private(void);

/* What to do where that failed. */
const char *network_remedy(void);

#endif
