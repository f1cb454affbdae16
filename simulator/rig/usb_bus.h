/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulated USB devices: a folder of files in place of /sys, and udev messages about them. Only a process
 * with umockdev's library preloaded, and with the folder in UMOCKDEV_DIR, sees these devices.
 *
 * The simulator cannot use umockdev's own interface for such devices, its GLib testbed. The testbed sends
 * messages only from a process that has the library preloaded itself, ends the process when something fails,
 * and does not report a lost message.
 */
#ifndef CARDRIG_RIG_USB_BUS_H
#define CARDRIG_RIG_USB_BUS_H

#include <stdbool.h>

struct usb_device {
    unsigned bus;    /* from 1; each bus has one device */
    unsigned number; /* on its bus, from 2; changes each time the device is plugged in */
    unsigned vendor_id, product_id;
    const char *product, *interface, *serial; /* "": the device has none */
};

/* Makes the folder if it does not exist. Call this before a program with umockdev's library starts. Returns
 * false with errno on failure. */
bool usb_bus_make(const char *folder);

/* Plugs a device in. Returns false with errno, and with nothing changed, on failure: EAGAIN if pcscd has not
 * read the earlier messages yet. */
bool usb_bus_plug(const char *folder, const struct usb_device *device);

/* Unplugs a device. Returns as usb_bus_plug does. */
bool usb_bus_unplug(const char *folder, const struct usb_device *device);

#endif
