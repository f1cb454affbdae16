/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket (rig/control_server.h): from one line to its answer. */
#ifndef CARDRIG_RIG_CONTROL_H
#define CARDRIG_RIG_CONTROL_H

#include "rig/rig.h"

#include <stddef.h>
#include <stdint.h>

enum control_when {
    CONTROL_NOW,   /* the answer is there */
    CONTROL_LATER, /* rig_answer comes, with the ticket */
    CONTROL_BUSY,  /* nothing has been done: to be asked again when rig_answer has come for somebody else */
};

/* Does what the line (without its newline) asks for. Returns the answer with a newline, for the caller to
 * free; NULL: out of memory, or it is not there now. */
char *control_answer(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                     enum control_when *when);

/* The answer to such a line: error, or if that is NULL the rig's status. */
char *control_late_answer(struct rig *rig, const char *error);

#endif
