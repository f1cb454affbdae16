/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_options.h"

#include "base/fields.h"
#include "base/names.h"
#include "base/number.h"
#include "iso7816/hex.h"
#include "link/link.h"
#include "link/vpcd.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the value of a key, which is NULL if there is no '='. Returns false if the value is invalid. */
typedef bool value_function(const char *value, struct reader_options *options);

static bool read_slots(const char *value, struct reader_options *options)
{
    return value && number_parse(value, 1, LINK_MAX_SLOTS, &options->slots);
}

static bool read_level(const char *value, struct reader_options *options)
{
    if (!value || (strcmp(value, "apdu") != 0 && strcmp(value, "tpdu") != 0))
        return false;
    options->ifd.level = value[0] == 't' ? IFD_LEVEL_TPDU : IFD_LEVEL_APDU;
    return true;
}

static bool read_le(const char *value, struct reader_options *options)
{
    options->ifd.refuses_le = value && strcmp(value, "refuse") == 0;
    return options->ifd.refuses_le || (value && strcmp(value, "drop") == 0);
}

static bool read_tck(const char *value, struct reader_options *options)
{
    if (!value || (strcmp(value, "check") != 0 && strcmp(value, "ignore") != 0))
        return false;
    options->ifd.tck = value[0] == 'c' ? IFD_TCK_CHECK : IFD_TCK_IGNORE;
    return true;
}

static bool read_vpcd(const char *value, struct reader_options *options)
{
    struct error error;
    options->cards = READER_VPCD_LISTEN;
    return !value || address_parse(value, &options->vpcd, &error);
}

static bool read_vpcd_connect(const char *value, struct reader_options *options)
{
    struct error error;
    options->cards = READER_VPCD_CONNECT;
    options->vpcd.port = VPCD_PORT;
    return value && address_parse(value, &options->vpcd, &error);
}

static bool read_from(const char *value, struct reader_options *options)
{
    if (!value || strlen(value) >= sizeof options->from ||
        !(strcmp(value, "any") == 0 || address_is_network(value)))
        return false;
    strcpy(options->from, value);
    return true;
}

static bool read_timeout(const char *value, struct reader_options *options)
{
    return value && number_parse(value, 1, 600000, &options->timeout_ms);
}

static bool read_time(const char *value, struct reader_options *options)
{
    options->time_given = true;
    options->real_time = value && strcmp(value, "real") == 0;
    return options->real_time || (value && strcmp(value, "virtual") == 0);
}

static bool is_utf8(const char *text, size_t length)
{
    json_t *utf8 = json_stringn(text, length);
    json_decref(utf8);
    return utf8 != NULL;
}

static bool read_text(const char *value, char text[READER_TEXT_MAX + 1])
{
    size_t length = value ? strlen(value) : 0;
    if (!value || length > READER_TEXT_MAX || !is_utf8(value, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)value[i]))
            return false;
    memcpy(text, value, length + 1);
    return true;
}

static bool read_vendor(const char *value, struct reader_options *options)
{
    return read_text(value, options->vendor);
}

static bool read_type(const char *value, struct reader_options *options)
{
    return read_text(value, options->type);
}

static bool read_serial(const char *value, struct reader_options *options)
{
    return read_text(value, options->serial);
}

/* Reads a number from text, which must consist of digits up to end. Returns false if it does not. */
static bool read_number(const char *text, const char *end, unsigned base, uint32_t max, uint32_t *number)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    for (const char *at = text; at < end; at++) {
        const char *digit = memchr(digits, tolower((unsigned char)*at), base);
        if (!digit)
            return false;
        value = value * base + (uint64_t)(digit - digits);
        if (value > max)
            return false;
    }
    *number = (uint32_t)value;
    return text < end;
}

static bool read_version(const char *value, struct reader_options *options)
{
    const char *first = value ? strchr(value, '.') : NULL, *second = first ? strchr(first + 1, '.') : NULL;
    uint32_t major, minor, build;
    if (!second || !read_number(value, first, 10, UINT8_MAX, &major) ||
        !read_number(first + 1, second, 10, UINT8_MAX, &minor) ||
        !read_number(second + 1, second + strlen(second), 10, UINT16_MAX, &build))
        return false;
    options->version = major << 24 | minor << 16 | build;
    return true;
}

static bool read_get_response(const char *value, struct reader_options *options)
{
    uint32_t class = T0_APDU_CLASS_OF_COMMAND;
    if (!value || (strcmp(value, "command") != 0 &&
                   !(strlen(value) == 2 && read_number(value, value + 2, 16, UINT8_MAX, &class))))
        return false;
    options->ifd.response_class = (uint16_t) class;
    return true;
}

/* Returns the attribute of that tag, which may be a new one, or NULL if there is no room for it. */
static struct reader_attribute *attribute_of(struct reader_options *options, uint32_t tag)
{
    struct reader_attribute *attribute = options->attribute;
    for (unsigned i = 0; i < options->attribute_count; i++, attribute++)
        if (attribute->tag == tag)
            return attribute;
    if (options->attribute_count == READER_ATTRIBUTES_MAX)
        return NULL;
    options->attribute_count++;
    attribute->tag = tag;
    return attribute;
}

bool reader_options_attribute(struct reader_options *options, uint32_t tag, const uint8_t *bytes,
                              size_t length)
{
    struct reader_attribute *attribute = length > READER_ATTRIBUTE_SIZE ? NULL : attribute_of(options, tag);
    if (!attribute)
        return false;
    memcpy(attribute->value, bytes, length);
    attribute->length = (uint16_t)length;
    return true;
}

static bool read_attribute(const char *value, struct reader_options *options)
{
    const char *colon = value ? strchr(value, ':') : NULL;
    if (!colon)
        return false;
    bool hexadecimal = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
    uint32_t tag;
    if (!read_number(hexadecimal ? value + 2 : value, colon, hexadecimal ? 16 : 10, UINT32_MAX, &tag))
        return false;
    uint8_t bytes[READER_ATTRIBUTE_SIZE];
    size_t length;
    if (hex_decode(colon + 1, strlen(colon + 1), bytes, sizeof bytes, &length, NULL) != HEX_OK)
        return false;
    return reader_options_attribute(options, tag, bytes, length);
}

/* Takes only ASCII, because pcscd replaces other characters in an interface's name, but in no other text. */
static bool read_interface(const char *value, struct reader_options *options)
{
    for (const char *c = value; c && *c; c++)
        if (!isascii(*c))
            return false;
    return read_text(value, options->interface);
}

/* Reads the first four characters of text, which must be hexadecimal digits. */
static bool read_id(const char *text, uint16_t *id)
{
    if (strspn(text, "0123456789abcdefABCDEF") < 4)
        return false;
    *id = (uint16_t)strtoul((char[]){text[0], text[1], text[2], text[3], 0}, NULL, 16);
    return true;
}

static bool read_usb(const char *value, struct reader_options *options)
{
    options->usb = true;
    options->vendor_id = READER_USB_VENDOR;
    options->product_id = 0;
    return !value || (strlen(value) == 9 && value[4] == ':' && read_id(value, &options->vendor_id) &&
                      read_id(value + 5, &options->product_id) && options->product_id != 0);
}

static bool read_token(const char *value, struct reader_options *options)
{
    options->token = true;
    return !value;
}

static bool read_unplugged(const char *value, struct reader_options *options)
{
    options->unplugged = true;
    return !value;
}

/* Checks that reader.conf can hold the name as a quoted FRIENDLYNAME, and that it has no '/', which
 * separates the reader's name from the number in the name of a slot. */
static bool check_name(const char *name, struct error *error)
{
    size_t length = strlen(name);
    if (length == 0 || length > READER_NAME_MAX)
        return error_set(error, "reader name '%.40s': must have 1 to %d bytes, has %zu", name,
                         READER_NAME_MAX, length);
    if (!is_utf8(name, length))
        return error_set(error, "reader name: not UTF-8");
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)name[i]) || name[i] == '"' || name[i] == '/')
            return error_set(error, "reader name '%.*s': must not contain '\"', '/' or control characters",
                             (int)length, name);
    return true;
}

static bool read_name(const char *value, struct reader_options *options)
{
    struct error error;
    if (!value || !check_name(value, &error))
        return false;
    strcpy(options->name, value);
    return true;
}

static const struct reader_key {
    const char *name, *expected;
    value_function *read;
} keys[] = {
    {"name", "name=TEXT, of 1 to 121 bytes without '\"', '/' and control characters", read_name},
    {"slots", "slots=N, with N from 1 to 255", read_slots},
    {"level", "level=apdu or level=tpdu", read_level},
    {"get-response", "get-response=command, or get-response=HH, a class in hexadecimal", read_get_response},
    {"tck", "tck=check or tck=ignore", read_tck},
    {"le", "le=drop or le=refuse", read_le},
    {"time", "time=real or time=virtual", read_time},
    {"vpcd",
     "vpcd, vpcd=PORT or vpcd=HOST:PORT, where the reader is to listen, with a host that can be found",
     read_vpcd},
    {"vpcd-connect", "vpcd-connect=HOST:PORT, where a vpcd card listens, with a host that can be found",
     read_vpcd_connect},
    {"from", "from=ADDRESS, from=ADDRESS/BITS or from=any", read_from},
    {"timeout", "timeout=MS, with MS from 1 to 600000", read_timeout},
    {"vendor", "vendor=TEXT, of at most 63 bytes", read_vendor},
    {"type", "type=TEXT, of at most 63 bytes", read_type},
    {"version", "version=MAJOR.MINOR.BUILD, of at most 255.255.65535", read_version},
    {"serial", "serial=TEXT, of at most 63 bytes", read_serial},
    {"attribute",
     "attribute=TAG:HEX, with a tag in decimal or 0x hexadecimal and at most 264 bytes, for at most 32 tags",
     read_attribute},
    {"usb", "usb or usb=VVVV:PPPP, vendor and product ID in hexadecimal, the latter not 0000", read_usb},
    {"interface", "interface=TEXT, of at most 63 ASCII characters", read_interface},
    {"token", "token without a value", read_token},
    {"unplugged", "unplugged without a value", read_unplugged},
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

const char *reader_options_key(unsigned i)
{
    return i < KEY_COUNT ? keys[i].name : NULL;
}

bool reader_options_is_key(const char *field)
{
    unsigned i;
    return names_find(reader_options_key, field, strcspn(field, "="), &i);
}

bool reader_options_field(struct reader_options *options, const char *field, struct error *error)
{
    const char *equals = strchr(field, '='), *value = equals ? equals + 1 : NULL;
    size_t length = strcspn(field, "=");
    unsigned i;
    if (names_find(reader_options_key, field, length, &i))
        return keys[i].read(value, options) ||
               error_set(error, "reader '%s': '%.200s': expected %s", options->name, field, keys[i].expected);
    error_set(error, "reader '%s': '%.200s'", options->name, field);
    names_suggest(reader_options_key, field, length, error);
    if (!equals)
        error_add(error, "; a comma in a name or value is written twice: ',,'");
    return false;
}

/* Builds the name as pcscd 1.9.9 does (hotplug_libudev.c). Returns its length, even if it does not fit. */
static int print_pcsc_name(const struct reader_options *options, char *name, size_t size)
{
    const char *interface = options->interface, *serial = options->serial;
    bool show_interface = options->usb && *interface;
    bool show_serial = options->usb && *serial && !(show_interface && strstr(interface, serial));
    return snprintf(name, size, "%s%s%s%s%s%s%s", options->name, show_interface ? " [" : "",
                    show_interface ? interface : "", show_interface ? "]" : "", show_serial ? " (" : "",
                    show_serial ? serial : "", show_serial ? ")" : "");
}

void reader_options_pcsc_name(const struct reader_options *options, char name[READER_NAME_MAX + 1])
{
    if (print_pcsc_name(options, name, READER_NAME_MAX + 1) > READER_NAME_MAX)
        *name = '\0'; /* check_usb() refuses such options */
}

/* Checks the options for USB readers. */
static bool check_usb(const struct reader_options *options, struct error *error)
{
    const char *name = options->name;
    if (!options->usb) {
        const char *key = *options->interface  ? "interface"
                          : options->token     ? "token"
                          : options->unplugged ? "unplugged"
                                               : NULL;
        if (key)
            error_set(error, "reader '%s': %s is for USB readers: add usb", name, key);
        return !key;
    }
    if (options->cards != READER_OWN_CARDS)
        return error_set(error, "reader '%s': vpcd cards are for readers that are not on USB", name);
    if (options->token && options->slots != 1)
        return error_set(error, "reader '%s': a token is one card, and has one slot", name);
    if (strchr(name, '<')) { /* pcscd's parser of Info.plist does not know &lt; */
        return error_set(error, "reader '%s': the name of a USB reader must not contain '<'", name);
    }
    char whole[READER_NAME_MAX + 1];
    int length = print_pcsc_name(options, whole, sizeof whole);
    if (length > READER_NAME_MAX)
        error_set(
            error,
            "reader '%s': with interface and serial number the name has %d bytes; pcscd has room for %d",
            name, length, READER_NAME_MAX);
    return length <= READER_NAME_MAX;
}

/* Returns what is wrong with a key that is not for this kind of reader, or NULL if there is no such key. */
static const char *misplaced_key(const struct reader_options *options)
{
    if (options->from[0] && options->cards != READER_VPCD_LISTEN)
        return "from= goes with vpcd, where the reader listens";
    if (options->timeout_ms && options->cards == READER_OWN_CARDS)
        return "timeout= is for vpcd cards";
    if (options->ifd.level == IFD_LEVEL_TPDU && options->ifd.response_class != T0_APDU_CLASS_INTERINDUSTRY)
        return "get-response= goes with level=apdu, where the reader sends GET RESPONSE";
    if (options->ifd.level == IFD_LEVEL_APDU && options->ifd.refuses_le)
        return "le= goes with level=tpdu: an APDU may have an Le behind its data";
    return NULL;
}

/* Sets the limit for an operation. */
static void set_operation_limit(struct reader_options *options)
{
    unsigned *ms = &options->ifd.patience_ms;
    if (options->cards != READER_OWN_CARDS)
        *ms = options->timeout_ms + 1000; /* the limit for the card's answer expires first */
    if (options->real_time && *ms < READER_REAL_TIME_MS)
        *ms = READER_REAL_TIME_MS;
}

void reader_options_real_time(struct reader_options *options)
{
    options->real_time = options->real_time || !options->time_given;
    set_operation_limit(options);
}

bool reader_options_begin(struct reader_options *options, const char *name, struct error *error)
{
    *options = (struct reader_options){
        .slots = 1,
        .ifd = {.level = IFD_LEVEL_APDU, .response_class = T0_APDU_CLASS_INTERINDUSTRY},
        .vpcd.host = "127.0.0.1",
        .vendor = "cardrig",
        .type = "virtual reader",
        .version = CARDRIG_VERSION_MAJOR << 24 | CARDRIG_VERSION_MINOR << 16 | CARDRIG_VERSION_PATCH,
    };
    if (!check_name(name, error))
        return false;
    strcpy(options->name, name);
    return true;
}

bool reader_options_end(struct reader_options *options, struct error *error)
{
    const char *misplaced = misplaced_key(options);
    if (misplaced)
        return error_set(error, "reader '%s': %s", options->name, misplaced);
    if (options->vpcd.port + options->slots - 1 > 65535)
        return error_set(error, "reader '%s': there are no %u ports from %u on", options->name,
                         options->slots, options->vpcd.port);
    if (options->cards != READER_OWN_CARDS && !options->timeout_ms)
        options->timeout_ms = READER_VPCD_TIMEOUT_MS;
    set_operation_limit(options);
    return check_usb(options, error);
}

bool reader_options_parse(const char *text, struct reader_options *options, struct error *error)
{
    char *fields = strdup(text), *rest = fields, *name = fields_next(&rest);
    bool ok = name ? reader_options_begin(options, name, error) : error_set(error, "out of memory");
    for (char *field; ok && (field = fields_next(&rest));)
        ok = reader_options_field(options, field, error);
    free(fields);
    return ok && reader_options_end(options, error);
}
