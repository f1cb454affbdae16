/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USB devices that are not there: files that stand for /sys, and the messages of udev that tell of them. Only
 * a process that umockdev's library is preloaded into, with UMOCKDEV_DIR naming the folder, takes them for
 * real.
 *
 * umockdev's own way to make such devices, its GLib testbed, is of no use in the simulator: it sends messages
 * only from a process that itself has the library preloaded, ends the process where something fails, and does
 * not say when a message was lost.
 */
#ifndef CARDRIG_RIG_USB_BUS_H
#define CARDRIG_RIG_USB_BUS_H

#include <stdbool.h>

struct usb_device {
    unsigned bus;    /* from 1; the device is the only one there */
    unsigned number; /* on its bus, from 2; another one each time it is plugged in */
    unsigned vendor_id, product_id;
    const char *product, *interface, *serial; /* "": it has none */
};

/* Makes the folder, if it is not there: before a program with umockdev's library starts. False with errno. */
bool usb_bus_make(const char *folder);

/* Plugs a device in. False with errno, and nothing has changed: EAGAIN
 * when pcscd has not taken earlier messages yet. */
bool usb_bus_plug(const char *folder, const struct usb_device *device);

/* Pulls it out: likewise. */
bool usb_bus_unplug(const char *folder, const struct usb_device *device);

#endif
