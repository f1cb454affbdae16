/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/feature.h"

#include <stdio.h>
#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

/* The control code in the list of features. Any code would do; this is the one of other drivers. */
#define GET_TLV_PROPERTIES (SCARD_CTL_CODE(0x330000) + FEATURE_GET_TLV_PROPERTIES)

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

bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length)
{
    switch (code) {
    case CM_IOCTL_GET_FEATURE_REQUEST:
        *length = list_features(out);
        return true;
    case GET_TLV_PROPERTIES:
        *length = list_properties(use, out);
        return true;
    default:
        return false;
    }
}
