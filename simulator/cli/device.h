/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader's DEVICENAME in reader.conf, which tells the driver about the reader. driver/devicename.h
 * documents its format. */
#ifndef CARDRIG_CLI_DEVICE_H
#define CARDRIG_CLI_DEVICE_H

#include "rig/slot.h"

#include <stddef.h>

#define DEVICE_MAX 320

/* Writes the reader's DEVICENAME to text, and returns text. link is the path of the rig's socket for
 * drivers. */
const char *device_text(const struct reader *reader, const char *link, char text[DEVICE_MAX]);

#endif
