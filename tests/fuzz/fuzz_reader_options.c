/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as the argument of --reader, and then every attribute and property of the reader that it makes; and
 * its DEVICENAME, of which the driver reads the same. */
#include "base/error.h"
#include "fuzz.h"
#include "numeric.h"

#include "cli/device.h"
#include "devicename.h"
#include "rig/attribute.h"
#include "rig/feature.h"

static void check_reader(const struct reader_options *options)
{
    static struct ifd ifd;
    struct reader reader = {.options = *options};
    struct slot slot = {.reader = &reader};
    struct slot_use use = {.slot = &slot, .ifd = &ifd};
    ifd.protocol = IFD_NO_PROTOCOL;
    for (unsigned i = 0; i < options->attribute_count; i++) {
        uint8_t *value = malloc(READER_ATTRIBUTE_SIZE);
        size_t length = 0;
        CHECK(value);
        CHECK(attribute_get(&use, options->attribute[i].tag, value, &length) ==
              (options->attribute[i].length > 0));
        CHECK(length == options->attribute[i].length);
        for (unsigned j = 0; j < i; j++)
            CHECK(options->attribute[j].tag != options->attribute[i].tag);
        free(value);
    }
    uint8_t *output = malloc(FEATURE_OUTPUT_MAX);
    size_t length;
    CHECK(output && feature_control(&use, 0x42330012, output, &length) && length <= FEATURE_OUTPUT_MAX);
    free(output);
}

static void check_device(const struct reader_options *options)
{
    static const char link[] = "/tmp/cardrig-XXXXXX/link";
    struct reader reader = {.options = *options, .number = 7};
    char text[DEVICE_MAX];
    struct error error;
    struct devicename device;
    CHECK(device_text(&reader, link, text) == text && strlen(text) < DEVICE_MAX - 1);
    CHECK(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=\\/-._@:") ==
          strlen(text)); /* what pcscd's lexer takes */
    CHECK(devicename_parse(text, &device, &error));
    CHECK(device.slots == options->slots);
    CHECK(strcmp(device.socket, link) == 0 && device.reader == 7);
    CHECK(options->timeout_ms == 0 || device.timeout_ms > options->timeout_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reader_options options;
    char *text = malloc(size + 1);
    struct error error;
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    memset(&error, 'x', sizeof error);
    if (reader_options_parse(text, &options, &error)) {
        CHECK(options.slots >= 1 && options.slots <= LINK_MAX_SLOTS);
        CHECK(options.name[0] && memchr(options.name, '\0', sizeof options.name));
        CHECK(memchr(options.vendor, '\0', sizeof options.vendor) &&
              memchr(options.type, '\0', sizeof options.type) &&
              memchr(options.serial, '\0', sizeof options.serial) &&
              memchr(options.interface, '\0', sizeof options.interface));
        char name[READER_NAME_MAX + 1];
        memset(name, 'x', sizeof name);
        reader_options_pcsc_name(&options, name);
        CHECK(memchr(name, '\0', sizeof name) && strncmp(name, options.name, strlen(options.name)) == 0);
        CHECK(options.usb || !(options.token || options.unplugged || options.interface[0]));
        CHECK(options.attribute_count <= READER_ATTRIBUTES_MAX);
        CHECK(options.timeout_ms <= 600000 && memchr(options.from, '\0', sizeof options.from));
        CHECK(options.cards == READER_OWN_CARDS || !options.usb);
        check_reader(&options);
        check_device(&options);
    } else {
        CHECK(memchr(error.text, '\0', sizeof error.text) && error.text[0] != 'x');
    }
    free(text);
    return 0;
}
