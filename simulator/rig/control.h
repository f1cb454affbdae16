/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket (rig/control_server.h): from one line to its answer. */
#ifndef CARDRIG_RIG_CONTROL_H
#define CARDRIG_RIG_CONTROL_H

#include "rig/control_server.h"
#include "rig/rig.h"

#include <stddef.h>
#include <stdint.h>

/* Does what the line (without its newline) asks for, as control_server.h says. */
char *control_answer(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                     enum control_when *when);

#endif
