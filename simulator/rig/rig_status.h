/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a rig and its slots as JSON, for the control socket: cardrig-control(7). */
#ifndef CARDRIG_RIG_RIG_STATUS_H
#define CARDRIG_RIG_RIG_STATUS_H

#include "rig/rig.h"

#include <jansson.h>

/* Each returns a new object, or NULL if there is no memory. */
json_t *rig_status(struct rig *rig);
json_t *slot_status(struct rig *rig, struct slot *slot);

/* Replaces all bytes but printable ASCII by '?', for a text that JSON cannot hold because it is not UTF-8. */
void status_make_ascii(char *text);

#endif
