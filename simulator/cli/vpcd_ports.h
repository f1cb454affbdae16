/* SPDX-License-Identifier: BSD-3-Clause */
/* How the command of a rig learns where its readers listen for vpcd cards. */
#ifndef CARDRIG_CLI_VPCD_PORTS_H
#define CARDRIG_CLI_VPCD_PORTS_H

#include "rig/slot.h"

#include <stdbool.h>

/* Tells in the environment where the readers listen: CARDRIG_VPCD_HOST and CARDRIG_VPCD_PORT, of the first
 * such slot, and CARDRIG_VPCD_PORTS, of all, separated by spaces. Without such a reader there are none of
 * these. */
bool vpcd_ports_set_environment(const struct slots *slots);

#endif
