/* SPDX-License-Identifier: BSD-3-Clause */
#include "usb_device.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES "/dev/bus/usb/"

/* Returns the three digits of the bus in a name that ends in NODES, three digits of the bus, a slash and
 * three digits of the device. Returns NULL for any other name. */
static const char *find_bus(const char *name)
{
    static const char pattern[] = NODES "000/000";
    size_t length = strlen(name);
    if (length < sizeof pattern - 1)
        return NULL;
    const char *node = name + length - (sizeof pattern - 1);
    for (size_t i = 0; i < sizeof pattern - 1; i++)
        if (pattern[i] == '0' ? !isdigit((unsigned char)node[i]) : node[i] != pattern[i])
            return NULL;
    return node + sizeof NODES - 1;
}

const char *usb_device_resolve(const char *name, struct error *error)
{
    if (strncmp(name, "usb:", 4) != 0)
        return name;
    const char *bus = find_bus(name);
    if (!bus) {
        error_set(error, "device '%s': expected usb:VVVV/PPPP:libudev:N:" NODES "BBB/DDD", name);
        return NULL;
    }
    char variable[] = "CARDRIG_USB_000";
    memcpy(variable + sizeof variable - 4, bus, 3);
    const char *device = getenv(variable);
    if (!device)
        error_set(error, "device '%s': no reader of a 'cardrig run': %s is not set in pcscd's environment",
                  name, variable);
    return device;
}
