/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USB readers: from pcscd's name of the device to the simulator's DEVICENAME.
 *
 * pcscd gives the IFD handler of a USB reader a name like "usb:1209/0001:libudev:0:/dev/bus/usb/003/002",
 * which does not lead to a simulator. `cardrig run` therefore gives each of its USB readers a bus of its
 * own, and gives its pcscd an environment variable CARDRIG_USB_BBB that holds the reader's DEVICENAME. BBB
 * is the three digits of the bus.
 */
#ifndef CARDRIG_DRIVER_USB_DEVICE_H
#define CARDRIG_DRIVER_USB_DEVICE_H

#include "base/error.h"

#include <stddef.h>

/* Returns the DEVICENAME for pcscd's name of a reader: for a USB reader the one of its bus, otherwise
 * the name itself. Returns NULL and sets *error if the name is not well formed, or if the USB reader is
 * none of `cardrig run`. */
const char *usb_device_resolve(const char *name, struct error *error);

#endif
