/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/feature.h"

#include "rig/reader_script.h"

#include <stdio.h>
#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

/* The control code of a feature. Any code would do; these are the ones of other drivers. */
#define CODE(feature)      (uint32_t)(SCARD_CTL_CODE(0x330000) + (feature))
#define GET_TLV_PROPERTIES CODE(FEATURE_GET_TLV_PROPERTIES)

#define OWN_MAX            128 /* bytes of the reader's own lists */

/* The USB IDs of a reader that is not on USB: pid.codes reserves them for tests. */
#define ID_VENDOR  READER_USB_VENDOR
#define ID_PRODUCT 0x0001

const struct feature_name feature_names[] = {
    {"VERIFY_PIN_START", FEATURE_VERIFY_PIN_START},
    {"VERIFY_PIN_FINISH", FEATURE_VERIFY_PIN_FINISH},
    {"MODIFY_PIN_START", FEATURE_MODIFY_PIN_START},
    {"MODIFY_PIN_FINISH", FEATURE_MODIFY_PIN_FINISH},
    {"GET_KEY_PRESSED", FEATURE_GET_KEY_PRESSED},
    {"VERIFY_PIN_DIRECT", FEATURE_VERIFY_PIN_DIRECT},
    {"MODIFY_PIN_DIRECT", FEATURE_MODIFY_PIN_DIRECT},
    {"MCT_READER_DIRECT", FEATURE_MCT_READER_DIRECT},
    {"MCT_UNIVERSAL", FEATURE_MCT_UNIVERSAL},
    {"IFD_PIN_PROPERTIES", FEATURE_IFD_PIN_PROPERTIES},
    {"ABORT", FEATURE_ABORT},
    {"SET_SPE_MESSAGE", FEATURE_SET_SPE_MESSAGE},
    {"VERIFY_PIN_DIRECT_APP_ID", FEATURE_VERIFY_PIN_DIRECT_APP_ID},
    {"MODIFY_PIN_DIRECT_APP_ID", FEATURE_MODIFY_PIN_DIRECT_APP_ID},
    {"WRITE_DISPLAY", FEATURE_WRITE_DISPLAY},
    {"GET_KEY", FEATURE_GET_KEY},
    {"IFD_DISPLAY_PROPERTIES", FEATURE_IFD_DISPLAY_PROPERTIES},
    {"GET_TLV_PROPERTIES", FEATURE_GET_TLV_PROPERTIES},
    {"CCID_ESC_COMMAND", FEATURE_CCID_ESC_COMMAND},
    {"EXECUTE_PACE", FEATURE_EXECUTE_PACE},
    {0},
};

const struct feature_name property_names[] = {
    {"wLcdLayout", PCSCv2_PART10_PROPERTY_wLcdLayout},
    {"bEntryValidationCondition", PCSCv2_PART10_PROPERTY_bEntryValidationCondition},
    {"bTimeOut2", PCSCv2_PART10_PROPERTY_bTimeOut2},
    {"wLcdMaxCharacters", PCSCv2_PART10_PROPERTY_wLcdMaxCharacters},
    {"wLcdMaxLines", PCSCv2_PART10_PROPERTY_wLcdMaxLines},
    {"bMinPINSize", PCSCv2_PART10_PROPERTY_bMinPINSize},
    {"bMaxPINSize", PCSCv2_PART10_PROPERTY_bMaxPINSize},
    {"sFirmwareID", PCSCv2_PART10_PROPERTY_sFirmwareID},
    {"bPPDUSupport", PCSCv2_PART10_PROPERTY_bPPDUSupport},
    {"dwMaxAPDUDataSize", PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize},
    {"wIdVendor", PCSCv2_PART10_PROPERTY_wIdVendor},
    {"wIdProduct", PCSCv2_PART10_PROPERTY_wIdProduct},
    {0},
};

const struct feature_name *feature_find(const struct feature_name *names, const char *name)
{
    for (; names->name; names++)
        if (strcmp(names->name, name) == 0)
            return names;
    return NULL;
}

bool feature_code_find(const char *name, uint32_t *code)
{
    const struct feature_name *feature = feature_find(feature_names, name);
    *code = feature ? CODE(feature->tag) : (uint32_t)CM_IOCTL_GET_FEATURE_REQUEST;
    return feature || strcmp(name, "GET_FEATURE_REQUEST") == 0;
}

/* The first letter of a property's name says its type: byte, word, double word or string. */
uint8_t property_size(uint8_t tag)
{
    for (const struct feature_name *property = property_names; property->name; property++)
        if (property->tag == tag)
            return property->name[0] == 'b' ? 1 : property->name[0] == 'w' ? 2 : 4;
    return 4;
}

/* Appends a tag, a length in bytes, and a number of that length. Returns the end of what it has appended. */
static uint8_t *put(uint8_t *at, uint8_t tag, uint8_t length, uint32_t value, bool big_endian)
{
    *at++ = tag;
    *at++ = length;
    for (uint8_t i = 0; i < length; i++)
        *at++ = (uint8_t)(value >> 8 * (big_endian ? length - 1 - i : i));
    return at;
}

/* Writes the list of features. PC/SC part 10, 2.2: control codes are big-endian. */
static size_t list_features(uint8_t *out)
{
    return (size_t)(put(out, FEATURE_GET_TLV_PROPERTIES, 4, GET_TLV_PROPERTIES, true) - out);
}

/* Writes the list of properties. PC/SC part 10, 2.6.14: values are little-endian. dwMaxAPDUDataSize is the
 * largest number of data bytes in a command or a response; 0: short APDUs only. */
static size_t list_properties(const struct slot_use *use, uint8_t *out)
{
    const struct reader_options *options = &use->slot->reader->options;
    uint32_t version = options->version;
    char firmware[16];
    int length = snprintf(firmware, sizeof firmware, "%u.%u.%u", version >> 24, version >> 16 & 0xFF,
                          version & 0xFFFF);
    uint32_t max_data = ifd_command_max(use->ifd) == APDU_COMMAND_MAX ? APDU_NE_MAX : 0;

    uint8_t *at = put(out, PCSCv2_PART10_PROPERTY_wLcdLayout, 2, 0, false);
    *at++ = PCSCv2_PART10_PROPERTY_sFirmwareID;
    *at++ = (uint8_t)length;
    memcpy(at, firmware, (size_t)length);
    at += length;
    at = put(at, PCSCv2_PART10_PROPERTY_bPPDUSupport, 1, 0, false);
    at = put(at, PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize, 4, max_data, false);
    at = put(at, PCSCv2_PART10_PROPERTY_wIdVendor, 2, options->usb ? options->vendor_id : ID_VENDOR, false);
    at =
        put(at, PCSCv2_PART10_PROPERTY_wIdProduct, 2, options->usb ? options->product_id : ID_PRODUCT, false);
    return (size_t)(at - out);
}

/* Appends the change, unless it removes the entry. Returns the end of the list. */
static uint8_t *put_change(uint8_t *at, const struct reader_change *change)
{
    if (change->removed)
        return at;
    *at++ = change->tag;
    *at++ = change->length;
    memcpy(at, change->value, change->length);
    return at + change->length;
}

/* Writes the reader's own list with the changes: each takes the place of an entry, or is appended. */
static size_t merge(const uint8_t *own, size_t own_length, const struct reader_list *list, uint8_t *out)
{
    uint8_t *at = out;
    bool used[UINT8_MAX + 1] = {false};
    for (size_t i = 0; i < own_length; i += 2u + own[i + 1]) {
        const struct reader_change *change = NULL;
        for (size_t j = 0; j < list->change_count && !change; j++)
            if (list->changes[j].tag == own[i])
                change = &list->changes[j];
        used[own[i]] = true;
        if (change) {
            at = put_change(at, change);
        } else {
            memcpy(at, own + i, 2u + own[i + 1]);
            at += 2u + own[i + 1];
        }
    }
    for (size_t j = 0; j < list->change_count; j++)
        if (!used[list->changes[j].tag])
            at = put_change(at, &list->changes[j]);
    return (size_t)(at - out);
}

/* Writes the list as the script wants it. Returns false if there is none. */
static bool adapt(const struct reader_list *list, const uint8_t *own, size_t own_length, uint8_t *out,
                  size_t *length)
{
    switch (list->kind) {
    case READER_LIST_NONE:
        return false;
    case READER_LIST_WHOLE:
        memcpy(out, list->bytes, list->length);
        *length = list->length;
        return true;
    case READER_LIST_CHANGED:
        *length = merge(own, own_length, list, out);
        return true;
    case READER_LIST_OWN:
        break;
    }
    memcpy(out, own, own_length);
    *length = own_length;
    return true;
}

bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length)
{
    struct reader_script *script = use->slot->reader->script;
    const struct reader_list none = {.kind = READER_LIST_OWN}, *list = &none;
    uint8_t own[OWN_MAX];
    size_t own_length;
    if (code == CM_IOCTL_GET_FEATURE_REQUEST)
        own_length = list_features(own);
    else if (code == GET_TLV_PROPERTIES)
        own_length = list_properties(use, own);
    else
        return false;
    if (!script)
        return adapt(list, own, own_length, out, length);
    pthread_mutex_lock(&script->lock);
    if (!sandbox_dead(script->sandbox))
        list = code == GET_TLV_PROPERTIES ? &script->properties : &script->features;
    bool ok = adapt(list, own, own_length, out, length);
    pthread_mutex_unlock(&script->lock);
    return ok;
}
