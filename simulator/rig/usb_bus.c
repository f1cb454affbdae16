/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/usb_bus.h"

#include "base/descriptor.h"
#include "base/unix_socket.h"
#include "rig/directory.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The names of a device and its interface in sysfs: bus and port, then configuration and interface. */
#define DEVICE_NAME    "%u-1"
#define INTERFACE_NAME "%u-1:1.0"

/* The place of a device in sysfs. udev lists devices in the order of these names, and pcscd numbers readers
 * in that order. */
#define CONTROLLERS     "devices/pci0000:00"
#define DEVICE_PATH     CONTROLLERS "/0000:00:%02x.0/usb%u/" DEVICE_NAME
#define BUS_DEVICES     "bus/usb/devices"
#define UP_TO_SYS       "../../../../.."
#define DEVICE_PATH_MAX 128

static void device_path(const struct usb_device *device, char path[DEVICE_PATH_MAX])
{
    snprintf(path, DEVICE_PATH_MAX, DEVICE_PATH, device->bus, device->bus, device->bus);
}

/* Writes FOLDER/sys/ and the formatted rest to path. */
static void __attribute__((format(printf, 3, 4)))
sys_path(char path[PATH_MAX], const char *folder, const char *format, ...)
{
    int length = snprintf(path, PATH_MAX, "%s/sys/", folder);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + length, PATH_MAX - (size_t)length, format, arguments);
    va_end(arguments);
}

/* Makes a directory and its missing parents. */
static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int result = mkdir(path, S_IRWXU);
        *slash = '/';
        if (result < 0 && errno != EEXIST)
            return false;
    }
    return mkdir(path, S_IRWXU) == 0 || errno == EEXIST;
}

bool usb_bus_make(const char *folder)
{
    char devices[PATH_MAX];
    sys_path(devices, folder, BUS_DEVICES);
    return make_directories(devices);
}

/* Writes an attribute file of sysfs. */
static bool __attribute__((format(printf, 3, 4)))
write_attribute(const char *directory, const char *name, const char *format, ...)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    bool ok = fputc('\n', file) != EOF;
    return fclose(file) == 0 && ok;
}

/* Writes an attribute file for text, or none if text is empty. */
static bool write_text(const char *directory, const char *name, const char *text)
{
    return !*text || write_attribute(directory, name, "%s", text);
}

static bool link_to(const char *target, const char *directory, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return symlink(target, path) == 0;
}

static bool write_device(const char *directory, const struct usb_device *device)
{
    return write_attribute(directory, "uevent",
                           "DEVTYPE=usb_device\nDEVNAME=bus/usb/%03u/%03u\nBUSNUM=%03u\nDEVNUM=%03u\n"
                           "PRODUCT=%x/%x/100",
                           device->bus, device->number, device->bus, device->number, device->vendor_id,
                           device->product_id) &&
           write_attribute(directory, "idVendor", "%04x", device->vendor_id) &&
           write_attribute(directory, "idProduct", "%04x", device->product_id) &&
           write_attribute(directory, "busnum", "%u", device->bus) &&
           write_attribute(directory, "devnum", "%u", device->number) &&
           write_text(directory, "product", device->product) &&
           write_text(directory, "serial", device->serial) &&
           link_to(UP_TO_SYS "/bus/usb", directory, "subsystem");
}

static bool write_interface(const char *directory, const struct usb_device *device)
{
    return write_attribute(directory, "uevent", "DEVTYPE=usb_interface\nINTERFACE=11/0/0") &&
           write_attribute(directory, "bInterfaceNumber", "00") &&
           write_attribute(directory, "bInterfaceClass", "0b") && /* smart card */
           write_text(directory, "interface", device->interface) &&
           link_to(UP_TO_SYS "/../bus/usb", directory, "subsystem");
}

static bool write_files(const char *folder, const struct usb_device *device)
{
    char name[DEVICE_PATH_MAX], directory[PATH_MAX], interface[PATH_MAX], devices[PATH_MAX],
        target[DEVICE_PATH_MAX + 64];
    device_path(device, name);
    sys_path(directory, folder, "%s", name);
    sys_path(interface, folder, "%s/" INTERFACE_NAME, name, device->bus);
    sys_path(devices, folder, BUS_DEVICES);
    if (!usb_bus_make(folder) || !make_directories(interface) || !write_device(directory, device) ||
        !write_interface(interface, device))
        return false;
    char entry[32];
    snprintf(target, sizeof target, "../../../%s", name);
    snprintf(entry, sizeof entry, DEVICE_NAME, device->bus);
    if (!link_to(target, devices, entry))
        return false;
    snprintf(target, sizeof target, "../../../%s/" INTERFACE_NAME, name, device->bus);
    snprintf(entry, sizeof entry, INTERFACE_NAME, device->bus);
    return link_to(target, devices, entry);
}

static void remove_files(const char *folder, const struct usb_device *device)
{
    char name[DEVICE_PATH_MAX], path[PATH_MAX];
    device_path(device, name);
    sys_path(path, folder, BUS_DEVICES "/" INTERFACE_NAME, device->bus);
    unlink(path);
    sys_path(path, folder, BUS_DEVICES "/" DEVICE_NAME, device->bus);
    unlink(path);
    sys_path(path, folder, "%s", name);
    directory_remove(path);
}

/*
 * The messages that udev sends to programs that listen with libudev. As in systemd's sd-device, a message is
 * this header, followed by strings KEY=VALUE. Programs filter messages by the hashes (MurmurHash2) of
 * subsystem and device type.
 */

struct monitor_header {
    char prefix[8];
    uint32_t magic; /* big-endian, as are the hashes */
    uint32_t header_size;
    uint32_t properties_offset;
    uint32_t properties_length;
    uint32_t subsystem_hash;
    uint32_t devtype_hash;
    uint32_t tags[2];
};

#define MONITOR_MAGIC      0xFEEDCAFEu
#define HASH_USB           0x0577C5E5u /* of "usb" */
#define HASH_USB_INTERFACE 0xB1024765u /* of "usb_interface" */

/* Sends a message to one listener. A listener that has ended is no failure. */
static bool send_to(int fd, const char *folder, const char *name, const struct iovec *parts, size_t count)
{
    struct sockaddr_un address;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s/%s", PATH_MAX - NAME_MAX - 2, folder, name);
    if (!unix_address(&address, path))
        return false;
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = (struct iovec *)(uintptr_t)parts};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count; /* an int in musl */
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == ECONNREFUSED;
}

/* Sends all listeners a message about the interface. For each listener, umockdev makes a socket in the
 * folder, whose name is "event" and a number. */
static bool send_uevent(const char *folder, const struct usb_device *device, const char *action)
{
    char name[DEVICE_PATH_MAX], properties[512];
    device_path(device, name);
    int length = snprintf(properties, sizeof properties,
                          "ACTION=%s%cDEVPATH=/%s/" INTERFACE_NAME "%cSUBSYSTEM=usb%cDEVTYPE=usb_interface%c"
                          "SEQNUM=%u%c",
                          action, 0, name, device->bus, 0, 0, 0, device->number, 0);
    struct monitor_header header = {
        .prefix = "libudev",
        .magic = htonl(MONITOR_MAGIC),
        .header_size = sizeof header,
        .properties_offset = sizeof header,
        .properties_length = (uint32_t)length,
        .subsystem_hash = htonl(HASH_USB),
        .devtype_hash = htonl(HASH_USB_INTERFACE),
    };
    const struct iovec parts[2] = {{&header, sizeof header}, {properties, (size_t)length}};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    DIR *listeners = fd < 0 ? NULL : opendir(folder);
    bool ok = listeners != NULL;
    for (struct dirent *entry; ok && (entry = readdir(listeners));)
        if (strncmp(entry->d_name, "event", 5) == 0)
            ok = send_to(fd, folder, entry->d_name, parts, 2);
    int error = errno;
    if (listeners)
        closedir(listeners);
    errno = error;
    close_keeping_errno(fd);
    return ok;
}

bool usb_bus_plug(const char *folder, const struct usb_device *device)
{
    if (write_files(folder, device) && send_uevent(folder, device, "add"))
        return true;
    int error = errno;
    remove_files(folder, device);
    errno = error;
    return false;
}

bool usb_bus_unplug(const char *folder, const struct usb_device *device)
{
    if (!send_uevent(folder, device, "remove"))
        return false;
    remove_files(folder, device);
    return true;
}
