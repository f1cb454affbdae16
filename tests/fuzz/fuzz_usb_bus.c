/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any device that is plugged in and pulled out: its message is read as libudev does
 * (sd_device_monitor_receive_device()), its files as sysfs. What was said is read from them, and nothing of it
 * is there afterwards.
 *
 * The input: bus and number, vendor and product ID, and three texts that zeros part.
 */
#include "base/error.h"
#include "fuzz.h"

#include "rig/directory.h"
#include "rig/usb_bus.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX 122 /* of a reader's name */

static char folder[DIRECTORY_MAX];
static int listener;

static void remove_folder(void)
{
    directory_remove(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error error;
    setenv("TMPDIR", "/dev/shm", 0);           /* many small files: on a disk, it is 50 times slower */
    CHECK(directory_new(folder, &error) >= 0); /* stays locked */
    atexit(remove_folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/event1", folder);
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    return 0;
}

/* systemd's string_hash32(): MurmurHash2 with the seed 0, by which libudev's filter knows a word. */
static uint32_t hash_of(const char *word)
{
    const uint8_t *at = (const uint8_t *)word;
    size_t left = strlen(word);
    uint32_t hash = (uint32_t)left;
    for (; left >= 4; at += 4, left -= 4) {
        uint32_t k;
        memcpy(&k, at, sizeof k);
        k *= 0x5bd1e995;
        k ^= k >> 24;
        hash = hash * 0x5bd1e995 ^ k * 0x5bd1e995;
    }
    if (left > 0) {
        for (size_t i = 0; i < left; i++)
            hash ^= (uint32_t)at[i] << (8 * i);
        hash *= 0x5bd1e995;
    }
    hash ^= hash >> 13;
    hash *= 0x5bd1e995;
    return hash ^ hash >> 15;
}

/* The value of a key in strings of KEY=VALUE, each of which ends with a zero; it is there once. */
static const char *property(const char *strings, size_t length, const char *key)
{
    const char *value = NULL;
    for (const char *at = strings; at < strings + length; at += strlen(at) + 1)
        if (strncmp(at, key, strlen(key)) == 0 && at[strlen(key)] == '=') {
            CHECK(!value);
            value = at + strlen(key) + 1;
        }
    CHECK(value);
    return value;
}

/* Takes the only message. Where the device is goes to path. */
static void check_message(const struct usb_device *device, const char *action, char path[PATH_MAX])
{
    union {
        struct {
            char prefix[8];
            uint32_t magic, header_size, offset, length, subsystem_hash, devtype_hash, tags[2];
        } header;
        char bytes[8192];
    } message;
    ssize_t got = recv(listener, &message, sizeof message, 0);
    CHECK(got > (ssize_t)sizeof message.header && got < (ssize_t)sizeof message);
    size_t size = (size_t)got, offset = message.header.offset;
    CHECK(memcmp(message.header.prefix, "libudev", 8) == 0 && message.header.magic == htonl(0xFEEDCAFE));
    CHECK(message.header.header_size == sizeof message.header && offset == sizeof message.header);
    CHECK(offset + message.header.length == size && message.bytes[size - 1] == '\0');
    CHECK(message.header.subsystem_hash == htonl(hash_of("usb")) &&
          message.header.devtype_hash == htonl(hash_of("usb_interface")));
    const char *strings = message.bytes + offset;
    for (const char *at = strings; at < message.bytes + size; at += strlen(at) + 1)
        CHECK(*at != '=' && strchr(at, '='));
    CHECK(strcmp(property(strings, size - offset, "ACTION"), action) == 0);
    CHECK(strcmp(property(strings, size - offset, "SUBSYSTEM"), "usb") == 0);
    CHECK(strcmp(property(strings, size - offset, "DEVTYPE"), "usb_interface") == 0);
    CHECK(strtoul(property(strings, size - offset, "SEQNUM"), NULL, 10) == device->number);
    const char *devpath = property(strings, size - offset, "DEVPATH");
    CHECK(devpath[0] == '/' && strstr(devpath, "/../") == NULL);
    CHECK(snprintf(path, PATH_MAX, "%s/sys%s", folder, devpath) < PATH_MAX);
    CHECK(recv(listener, &message, sizeof message, 0) < 0);
}

/* A file of sysfs is one line; an attribute without a text is not there. */
static void check_attribute(const char *directory, const char *name, const char *expected)
{
    char path[PATH_MAX + 32], text[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    CHECK((file != NULL) == (*expected != '\0'));
    if (!file)
        return;
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    CHECK(length == strlen(expected) + 1 && text[length - 1] == '\n');
    CHECK(memcmp(text, expected, length - 1) == 0);
}

static void check_number(const char *directory, const char *name, bool hexadecimal, unsigned number)
{
    char text[20];
    snprintf(text, sizeof text, hexadecimal ? "%04x" : "%u", number);
    check_attribute(directory, name, text);
}

static void check_files(const struct usb_device *device, const char *interface)
{
    char directory[PATH_MAX + 4], subsystem[PATH_MAX + 32], real[PATH_MAX], bus[PATH_MAX], real_bus[PATH_MAX];
    check_attribute(interface, "bInterfaceNumber", "00");
    check_attribute(interface, "bInterfaceClass", "0b");
    check_attribute(interface, "interface", device->interface);
    snprintf(directory, sizeof directory, "%s/..", interface);
    check_number(directory, "idVendor", true, device->vendor_id);
    check_number(directory, "idProduct", true, device->product_id);
    check_number(directory, "busnum", false, device->bus);
    check_number(directory, "devnum", false, device->number);
    check_attribute(directory, "product", device->product);
    check_attribute(directory, "serial", device->serial);
    snprintf(bus, sizeof bus, "%s/sys/bus/usb", folder);
    CHECK(realpath(bus, real_bus));
    for (int up = 0; up < 2; up++) {
        snprintf(subsystem, sizeof subsystem, "%s/%s", up ? directory : interface, "subsystem");
        CHECK(realpath(subsystem, real) && strcmp(real, real_bus) == 0);
    }
}

/* How many entries a folder has. */
static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    CHECK(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* . and .. */
}

static void check_device(const struct usb_device *device)
{
    char interface[PATH_MAX], again[PATH_MAX], devices[PATH_MAX];
    struct stat status;
    snprintf(devices, sizeof devices, "%s/sys/bus/usb/devices", folder);
    CHECK(usb_bus_plug(folder, device));
    check_message(device, "add", interface);
    check_files(device, interface);
    CHECK(count_entries(devices) == 2);
    CHECK(usb_bus_unplug(folder, device));
    check_message(device, "remove", again);
    CHECK(strcmp(interface, again) == 0 && stat(interface, &status) < 0);
    CHECK(count_entries(devices) == 0);
}

/* The next text of the input, without what reader_options_parse() lets no text have. */
static void take_text(const uint8_t **data, const uint8_t *end, char text[TEXT_MAX])
{
    size_t length = 0;
    for (; *data < end && **data; ++*data)
        if (**data >= 0x20 && **data != 0x7F && length + 1 < TEXT_MAX)
            text[length++] = (char)**data;
    text[length] = '\0';
    *data += *data < end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char product[TEXT_MAX], interface[TEXT_MAX], serial[TEXT_MAX];
    if (size < 6)
        return 0;
    struct usb_device device = {
        .bus = 1 + data[0] % 16u,
        .number = 2 + data[1] % 126u,
        .vendor_id = data[2] * 256u + data[3],
        .product_id = data[4] * 256u + data[5],
        .product = product,
        .interface = interface,
        .serial = serial,
    };
    const uint8_t *texts = data + 6;
    take_text(&texts, data + size, product);
    take_text(&texts, data + size, interface);
    take_text(&texts, data + size, serial);
    check_device(&device);
    return 0;
}
