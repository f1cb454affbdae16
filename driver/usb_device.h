/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USB readers: what pcscd calls them, and whose they are.
 *
 * The IFD handler of a USB reader gets a name like "usb:1209/0001:libudev:0:/dev/bus/usb/003/002" and nothing
 * that leads to a simulator. `cardrig run` gives each of its USB readers a bus of its own, and its pcscd an
 * environment variable CARDRIG_USB_BBB with the reader's DEVICENAME, BBB being the three digits of the bus.
 */
#ifndef CARDRIG_DRIVER_USB_DEVICE_H
#define CARDRIG_DRIVER_USB_DEVICE_H

#include "base/error.h"

#include <stddef.h>

/* The DEVICENAME of a reader that pcscd calls so: for a USB reader that of its bus, else the name itself.
 * NULL: the name is that of another USB reader, or not a name; error says which. */
const char *usb_device_resolve(const char *name, struct error *error);

#endif
