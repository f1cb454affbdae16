/* A reader's DEVICENAME in reader.conf, as driver/devicename.h has it: what the driver is told of the reader.
 */
#ifndef CARDRIG_CLI_DEVICE_H
#define CARDRIG_CLI_DEVICE_H

#include "rig/slot.h"

#include <stddef.h>

#define DEVICE_MAX 320

/* link is the path of the rig's socket for drivers. first_socket is the descriptor at which pcscd finds the
 * socket of a reader's first slot that listens for vpcd cards; -1: the driver is to open it. Returns text. */
const char *device_text(const struct reader *reader, const char *link, int first_socket,
                        char text[DEVICE_MAX]);

#endif
