/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_fcp.h"

#include <string.h>

static uint32_t read_number(const uint8_t *bytes, size_t length)
{
    uint32_t number = 0;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The file descriptor byte: ISO/IEC 7816-4:2013, table 14. */
static enum file_structure structure_of(uint8_t descriptor)
{
    static const enum file_structure structures[] = {
        FCP_UNKNOWN,  FCP_TRANSPARENT, FCP_FIXED,  FCP_FIXED,
        FCP_VARIABLE, FCP_VARIABLE,    FCP_CYCLIC, FCP_CYCLIC,
    };
    if (descriptor & 0x80)
        return FCP_OTHER;
    if ((descriptor & 0x38) == 0x38)
        return (descriptor & 0x07) == 0 ? FCP_DIRECTORY : FCP_OTHER;
    return structures[descriptor & 0x07];
}

/* The data coding byte: ISO/IEC 7816-4:2013, table 118. Its lower half is the size of the data units in quartets, a
 * power of 2. Many cards put 0 there for one byte. */
static void read_coding(uint8_t coding, struct file_fcp *out)
{
    out->write_function = (enum file_write_function)(coding >> 5 & 3);
    out->has_other_units = (coding & 0x0F) > 1;
}

/* The file descriptor: its byte, the data coding byte, the maximum length of records and their number. */
static bool read_descriptor(const uint8_t *value, size_t length, struct file_fcp *out)
{
    if (length < 1 || length > 6)
        return false;
    out->structure = structure_of(value[0]);
    if (length >= 2)
        read_coding(value[1], out);
    if (length >= 3)
        out->record_max = read_number(value + 2, length == 3 ? 1 : 2);
    if (length >= 5) {
        out->has_record_count = true;
        out->record_count = read_number(value + 4, length - 4);
    }
    return true;
}

static bool read_object(const scardmanage_tlv *tlv, struct file_fcp *out)
{
    switch (tlv->tag) {
    case 0x80:
        if (tlv->length < 1 || tlv->length > 4)
            return false;
        out->has_size = true;
        out->size = read_number(tlv->value, tlv->length);
        return true;
    case 0x82:
        return read_descriptor(tlv->value, tlv->length, out);
    case 0x83:
        if (tlv->length != 2)
            return false;
        out->has_id = true;
        out->id = (uint16_t)read_number(tlv->value, 2);
        return true;
    case 0x8A:
        if (tlv->length < 1)
            return false;
        out->life_cycle = tlv->value[0];
        return true;
    default:
        return true;
    }
}

bool file_fcp_parse_objects(const uint8_t *objects, size_t length, struct file_fcp *out)
{
    scardmanage_tlv tlv;
    scardmanage_result result;
    memset(out, 0, sizeof *out);
    out->write_function = FCP_WRITE_UNKNOWN;
    out->objects = objects;
    out->objects_length = length;
    while ((result = scardmanage_tlv_next(&objects, &length, &tlv)) == SCARDMANAGE_S_OK)
        if (!read_object(&tlv, out))
            return false;
    return result == SCARDMANAGE_W_EOF;
}

bool file_fcp_parse(const uint8_t *data, size_t length, struct file_fcp *out)
{
    scardmanage_tlv tlv;
    memset(out, 0, sizeof *out);
    out->write_function = FCP_WRITE_UNKNOWN;
    if (length == 0 || (data[0] != 0x62 && data[0] != 0x6F))
        return true;
    return scardmanage_tlv_next(&data, &length, &tlv) == SCARDMANAGE_S_OK &&
           file_fcp_parse_objects(tlv.value, tlv.length, out);
}

bool file_structure_has_records(enum file_structure structure)
{
    return structure == FCP_FIXED || structure == FCP_VARIABLE || structure == FCP_CYCLIC;
}

scardmanage_filetype file_structure_type(enum file_structure structure)
{
    switch (structure) {
    case FCP_TRANSPARENT:
        return SCARDMANAGE_TYPE_TRANSPARENT_EF;
    case FCP_FIXED:
        return SCARDMANAGE_TYPE_FIXED_EF;
    case FCP_VARIABLE:
        return SCARDMANAGE_TYPE_VARIABLE_EF;
    case FCP_CYCLIC:
        return SCARDMANAGE_TYPE_CYCLIC_EF;
    default:
        return SCARDMANAGE_TYPE_DIRECTORY_FILE;
    }
}
