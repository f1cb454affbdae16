/* SPDX-License-Identifier: BSD-3-Clause */
/* BER-TLV data objects: ISO/IEC 7816-4:2013, 5.2.2. */
#include "tlv.h"

#include <stdbool.h>

#define FIELD_MAX 4 /* bytes of a tag, and of a length */

static bool read_tag(const uint8_t *bytes, size_t length, size_t *used, uint32_t *tag)
{
    *tag = bytes[0];
    *used = 1;
    if ((bytes[0] & 0x1F) != 0x1F)
        return true;
    do {
        if (*used == length || *used == FIELD_MAX)
            return false;
        *tag = *tag << 8 | bytes[*used];
    } while (bytes[(*used)++] & 0x80);
    return true;
}

static bool read_length(const uint8_t *bytes, size_t length, size_t *used, size_t *value_length)
{
    if (length == 0)
        return false;
    *value_length = bytes[0];
    *used = 1;
    if (bytes[0] < 0x80)
        return true;
    size_t count = bytes[0] & 0x7F;
    if (count == 0 || count > FIELD_MAX || count > length - 1)
        return false;
    *value_length = 0;
    for (size_t i = 0; i < count; i++)
        *value_length = *value_length << 8 | bytes[1 + i];
    *used += count;
    return true;
}

scardmanage_result scardmanage_tlv_next(const uint8_t **bytes, size_t *length, scardmanage_tlv *tlv)
{
    size_t used, value_length;
    if (!bytes || !*bytes || !length || !tlv)
        return SCARDMANAGE_E_POINTER;
    const uint8_t *at = *bytes;
    size_t left = *length;
    for (; left > 0 && (*at == 0x00 || *at == 0xFF); at++)
        left--;
    if (left == 0)
        return SCARDMANAGE_W_EOF;
    if (!read_tag(at, left, &used, &tlv->tag))
        return SCARDMANAGE_E_UNEXPECTED;
    at += used;
    left -= used;
    if (!read_length(at, left, &used, &value_length) || value_length > left - used)
        return SCARDMANAGE_E_UNEXPECTED;
    tlv->value = at + used;
    tlv->length = value_length;
    *bytes = tlv->value + value_length;
    *length = left - used - value_length;
    return SCARDMANAGE_S_OK;
}

static size_t tag_size(uint32_t tag)
{
    return tag > 0xFFFFFF ? 4 : tag > 0xFFFF ? 3 : tag > 0xFF ? 2 : 1;
}

static size_t length_size(size_t length)
{
    return length < 0x80 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : length < 0x1000000 ? 4 : 5;
}

size_t tlv_size(uint32_t tag, size_t length)
{
    return tag_size(tag) + length_size(length) + length;
}

size_t tlv_write_header(uint32_t tag, size_t length, uint8_t *out)
{
    size_t tags = tag_size(tag), lengths = length_size(length);
    for (size_t i = 0; i < tags; i++)
        out[i] = (uint8_t)(tag >> 8 * (tags - 1 - i));
    out += tags;
    out[0] = lengths == 1 ? (uint8_t)length : (uint8_t)(0x80 | (lengths - 1));
    for (size_t i = 1; i < lengths; i++)
        out[i] = (uint8_t)(length >> 8 * (lengths - 1 - i));
    return tags + lengths;
}
