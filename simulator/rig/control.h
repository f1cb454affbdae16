/* SPDX-License-Identifier: BSD-3-Clause */
/* Carries out the commands of the control socket (rig/control_server.h). */
#ifndef CARDRIG_RIG_CONTROL_H
#define CARDRIG_RIG_CONTROL_H

#include "rig/control_server.h"
#include "rig/rig.h"

#include <stddef.h>
#include <stdint.h>

/* Carries out the request in line (without its newline). A control_function, see control_server.h. */
char *control_answer(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                     enum control_when *when);

#endif
