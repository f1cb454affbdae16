/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/feature.h"

#include "icc/sandbox.h"
#include "rig/feature_names.h"
#include "rig/reader_script.h"

#include <stdio.h>
#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

#define GET_TLV_PROPERTIES FEATURE_CODE(FEATURE_GET_TLV_PROPERTIES)
#define OWN_MAX            160 /* bytes of the reader's own lists */

/* The USB IDs of a reader that is not on USB: pid.codes reserves them for tests. */
#define ID_VENDOR  READER_USB_VENDOR
#define ID_PRODUCT 0x0001

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
static size_t list_features(const struct pin_pad_options *pad, uint8_t *out)
{
    uint8_t *at = out;
    for (const struct feature_name *feature = feature_names; feature->name; feature++)
        if (feature->tag == FEATURE_GET_TLV_PROPERTIES || pin_pad_has_feature(pad, feature->tag))
            at = put(at, feature->tag, 4, FEATURE_CODE(feature->tag), true);
    return (size_t)(at - out);
}

/* Appends the properties of the PIN pad, in the order of their tags. */
static uint8_t *put_pin_pad(uint8_t *at, const struct pin_pad_options *pad)
{
    at = put(at, PCSCv2_PART10_PROPERTY_bEntryValidationCondition, 1, PIN_PAD_CONDITIONS, false);
    at = put(at, PCSCv2_PART10_PROPERTY_bTimeOut2, 1, 1, false);
    at = put(at, PCSCv2_PART10_PROPERTY_wLcdMaxCharacters, 2, pad->characters, false);
    at = put(at, PCSCv2_PART10_PROPERTY_wLcdMaxLines, 2, pad->lines, false);
    at = put(at, PCSCv2_PART10_PROPERTY_bMinPINSize, 1, pad->min, false);
    return put(at, PCSCv2_PART10_PROPERTY_bMaxPINSize, 1, pad->max, false);
}

/* Writes the list of properties. PC/SC part 10, 2.6.14: values are little-endian. dwMaxAPDUDataSize is the
 * largest number of data bytes in a command or a response; 0: short APDUs only. */
static size_t list_properties(const struct slot_use *use, const struct pin_pad_options *pad, uint8_t *out)
{
    const struct reader_options *options = &use->slot->reader->options;
    uint32_t version = options->version;
    char firmware[16];
    int length = snprintf(firmware, sizeof firmware, "%u.%u.%u", version >> 24, version >> 16 & 0xFF,
                          version & 0xFFFF);
    uint32_t max_data = ifd_command_max(use->ifd) == APDU_COMMAND_MAX ? APDU_NE_MAX : 0;

    uint8_t *at =
        put(out, PCSCv2_PART10_PROPERTY_wLcdLayout, 2, (uint32_t)pad->lines << 8 | pad->characters, false);
    if (pad->exists)
        at = put_pin_pad(at, pad);
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
    const struct pin_pad_options no_pad = {0}, *pad = script ? &script->pin_pad : &no_pad;
    uint8_t own[OWN_MAX];
    size_t own_length;
    if (code == CM_IOCTL_GET_FEATURE_REQUEST)
        own_length = list_features(pad, own);
    else if (code == GET_TLV_PROPERTIES)
        own_length = list_properties(use, pad, own);
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
