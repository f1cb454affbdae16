/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells the command of a rig where the rig's readers listen for vpcd cards. */
#ifndef CARDRIG_CLI_VPCD_PORTS_H
#define CARDRIG_CLI_VPCD_PORTS_H

#include "rig/slot.h"

#include <stdbool.h>

/* Sets CARDRIG_VPCD_HOST and CARDRIG_VPCD_PORT in the environment to the address of the first slot that
 * listens for a vpcd card, and CARDRIG_VPCD_PORTS to the ports of all of them, separated by spaces. Unsets
 * the three variables if no slot listens. Returns false and sets errno on failure. */
bool vpcd_ports_set_environment(const struct slots *slots);

#endif
