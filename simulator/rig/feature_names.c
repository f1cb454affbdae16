/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/feature_names.h"

#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

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

const struct feature_name feature_property_names[] = {
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
    *code = feature ? FEATURE_CODE(feature->tag) : (uint32_t)CM_IOCTL_GET_FEATURE_REQUEST;
    return feature || strcmp(name, "GET_FEATURE_REQUEST") == 0;
}

/* The first letter of a property's name says its type: byte, word, double word or string. */
uint8_t feature_property_size(uint8_t tag)
{
    for (const struct feature_name *property = feature_property_names; property->name; property++)
        if (property->tag == tag)
            return property->name[0] == 'b' ? 1 : property->name[0] == 'w' ? 2 : 4;
    return 4;
}
