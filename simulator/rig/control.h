/* The commands of the control socket (rig/control_server.h): from one line to its answer. */
#ifndef CARDRIG_RIG_CONTROL_H
#define CARDRIG_RIG_CONTROL_H

#include "rig/rig.h"

#include <stddef.h>

/* Does what the line (without its newline) asks for. Returns the answer with a newline, for the caller to
 * free; NULL: out of memory, or, with *later, the answer comes when control_server_answer is called. */
char *control_answer(struct rig *rig, const char *line, size_t length, bool *later);

/* The answer to such a line: error, or if that is NULL the rig's status. */
char *control_late_answer(struct rig *rig, const char *error);

#endif
