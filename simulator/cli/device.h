/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader's DEVICENAME in reader.conf, as in driver/devicename.h: what the driver knows of the reader.
 */
#ifndef CARDRIG_CLI_DEVICE_H
#define CARDRIG_CLI_DEVICE_H

#include "rig/slot.h"

#include <stddef.h>

#define DEVICE_MAX 320

/* link is the path of the rig's socket for drivers. Returns text. */
const char *device_text(const struct reader *reader, const char *link, char text[DEVICE_MAX]);

#endif
