/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands for transparent files: ISO/IEC 7816-4:2013, 11.2. */
#include "file_access.h"
#include "tlv.h"

#include <string.h>

#define INS_READ        0xB0
#define ODD             0x01u  /* instructions with the offset in a data object */
#define OFFSET_MAX      0x7FFF /* that P1-P2 can have */
#define TAG_OFFSET      0x54
#define TAG_DATA        0x53
#define OFFSET_SIZE     4 /* bytes of an offset in a data object */
#define OFFSET_TLV_SIZE (2 + OFFSET_SIZE)

static const uint8_t change_ins[] = {[FILE_UPDATE] = 0xD6, [FILE_WRITE] = 0xD0, [FILE_ERASE] = 0x0E};

static size_t put_offset(uint32_t offset, uint8_t *out)
{
    size_t length = tlv_write_header(TAG_OFFSET, OFFSET_SIZE, out);
    for (int shift = 24; shift >= 0; shift -= 8)
        out[length++] = (uint8_t)(offset >> shift);
    return length;
}

/*
 * Reading
 */

/* Takes the data out of the data object 53 or 73 of a response. If Ne was too small for all of it, it is cut off. */
static bool unpack(struct file_answer *answer, const uint8_t **data)
{
    const uint8_t *bytes = answer->data;
    size_t length = answer->length, header = 2;
    *data = bytes;
    if (length == 0)
        return true;
    if (length < 2 || (bytes[0] != TAG_DATA && bytes[0] != 0x73))
        return false;
    size_t value_length = bytes[1];
    if (bytes[1] >= 0x80) {
        size_t count = bytes[1] & 0x7Fu;
        header += count;
        if (count == 0 || count > 3 || header > length)
            return false;
        value_length = 0;
        for (size_t i = 0; i < count; i++)
            value_length = value_length << 8 | bytes[2 + i];
    }
    *data = bytes + header;
    answer->length = value_length < length - header ? value_length : length - header;
    return true;
}

static scardmanage_result send_read(struct file_call *c, uint32_t offset, size_t length,
                                    struct file_answer *answer)
{
    uint8_t offset_tlv[OFFSET_TLV_SIZE];
    if (offset <= OFFSET_MAX) {
        struct command command = file_command(c, INS_READ, offset, NULL, 0, length);
        return file_send(c, &command, answer);
    }
    size_t tlv_length = put_offset(offset, offset_tlv);
    struct command command = file_command(c, INS_READ | ODD, 0, offset_tlv, tlv_length, length);
    return file_send(c, &command, answer);
}

static scardmanage_result read_in_room(struct file_call *c, uint32_t offset, size_t room, uint8_t *memory,
                                       uint8_t *out, size_t *length, bool *is_end)
{
    struct file_answer answer = {.data = memory};
    const uint8_t *data = memory;
    size_t wanted = *length;
    *length = 0;
    scardmanage_result result = send_read(c, offset, room, &answer);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = status_word_result(answer.status_word, STATUS_OF_READ);
    *is_end = result == SCARDMANAGE_W_EOF;
    if (result != SCARDMANAGE_S_OK && !*is_end)
        return result;
    if (offset > OFFSET_MAX && !unpack(&answer, &data))
        return SCARDMANAGE_E_UNEXPECTED;
    *is_end |= answer.length == 0; /* else it would be asked for ever */
    *length = answer.length < wanted ? answer.length : wanted;
    memcpy(out, data, *length);
    return SCARDMANAGE_S_OK;
}

scardmanage_result file_read_binary(struct file_call *c, uint32_t offset, uint8_t *out, size_t *length,
                                    bool *is_end)
{
    size_t room = c->f->options.read_max;
    if (offset > OFFSET_MAX) {
        /* In T=0 a card does not see Le after data, and may return up to 256 bytes. */
        if (room < FILE_SHORT_MAX)
            room = FILE_SHORT_MAX;
        size_t data_max = room - (tlv_size(TAG_DATA, room) - room); /* a data object is around the data */
        if (*length > data_max)
            *length = data_max;
    } else {
        if (*length > room)
            *length = room;
        room = *length;
    }
    size_t size = room > FILE_SHORT_MAX ? room : FILE_SHORT_MAX;
    uint8_t *memory = file_reserve(c, size);
    if (!memory)
        return SCARDMANAGE_E_OUTOFMEMORY;
    scardmanage_result result = read_in_room(c, offset, room, memory, out, length, is_end);
    file_release(c, memory, size);
    return result;
}

/*
 * Changing
 */

static scardmanage_result erase(struct file_call *c, uint32_t offset, size_t length)
{
    uint8_t data[2 * OFFSET_TLV_SIZE];
    uint32_t end = offset + (uint32_t)length; /* of what is erased */
    if (offset <= OFFSET_MAX && end <= UINT16_MAX) {
        data[0] = (uint8_t)(end >> 8);
        data[1] = (uint8_t)end;
        struct command command = file_command(c, change_ins[FILE_ERASE], offset, data, 2, 0);
        return file_send_change(c, &command);
    }
    size_t used = put_offset(offset, data);
    used += put_offset(end, data + used);
    struct command command = file_command(c, change_ins[FILE_ERASE] | ODD, 0, data, used, 0);
    return file_send_change(c, &command);
}

/* Sends one command. Sets *length to what was written by it. memory has room for write_max bytes. */
static scardmanage_result change_chunk(struct file_call *c, enum file_change change, uint32_t offset,
                                       const uint8_t *data, size_t *length, uint8_t *memory)
{
    size_t room = c->f->options.write_max;
    if (offset <= OFFSET_MAX) {
        if (*length > room)
            *length = room;
        struct command command = file_command(c, change_ins[change], offset, data, *length, 0);
        return file_send_change(c, &command);
    }
    room -= OFFSET_TLV_SIZE;
    room -= tlv_size(TAG_DATA, room) - room;
    if (*length > room)
        *length = room;
    size_t used = put_offset(offset, memory);
    used += tlv_write_header(TAG_DATA, *length, memory + used);
    memcpy(memory + used, data, *length);
    struct command command = file_command(c, change_ins[change] | ODD, 0, memory, used + *length, 0);
    return file_send_change(c, &command);
}

scardmanage_result file_change_binary(struct file_call *c, enum file_change change, uint32_t offset,
                                      const uint8_t *data, size_t length)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (length > UINT32_MAX - offset)
        return SCARDMANAGE_E_WRITE_TOO_MANY;
    if (change == FILE_ERASE)
        return length > 0 ? erase(c, offset, length) : SCARDMANAGE_S_OK;
    size_t room = c->f->options.write_max;
    uint8_t *memory = file_reserve(c, room);
    if (!memory)
        return SCARDMANAGE_E_OUTOFMEMORY;
    for (size_t done = 0; done < length && result == SCARDMANAGE_S_OK;) {
        size_t chunk = length - done;
        result = change_chunk(c, change, offset + (uint32_t)done, data + done, &chunk, memory);
        done += chunk;
    }
    file_release(c, memory, room);
    return result;
}
