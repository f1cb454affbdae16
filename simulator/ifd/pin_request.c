/* SPDX-License-Identifier: BSD-3-Clause */
#include "ifd/pin_request.h"

#include <string.h>

#define DATA_MAX 255u

/* Where the fields are in PIN_VERIFY_STRUCTURE and PIN_MODIFY_STRUCTURE. Both begin with the same five bytes. */
enum { TIMEOUT, TIMEOUT2, FORMAT_STRING, BLOCK_STRING, LENGTH_FORMAT };
enum { OFFSET_OLD = 5, OFFSET_NEW };                             /* of PIN_MODIFY_STRUCTURE alone */
enum { MAX_DIGITS, MIN_DIGITS };                                 /* wPINMaxExtraDigit */
enum { CONDITION, NUMBER_MESSAGE, LANGUAGE, MESSAGE_INDEX = 4 }; /* language: two bytes */

static uint32_t read_little(const uint8_t *bytes, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t read_big(const uint8_t *bytes, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static unsigned digit_bits(const struct pin_request *request)
{
    return request->format == PIN_BCD ? 4 : 8;
}

/* Reads bmFormatString, bmPINBlockString and bmPINLengthFormat. */
static bool read_formats(struct pin_request *request, const uint8_t *bytes, struct error *error)
{
    uint8_t format = bytes[FORMAT_STRING], block = bytes[BLOCK_STRING], length = bytes[LENGTH_FORMAT];
    unsigned unit = format & 0x80 ? 8 : 1, length_unit = length & 0x10 ? 8 : 1;
    if ((format & 3) == 3)
        return error_set(error, "bmFormatString %02X: there is no PIN format 3", format);
    if (length & 0xE0)
        return error_set(error, "bmPINLengthFormat %02X: bits 7 to 5 are reserved", length);
    request->format = format & 3;
    request->right = format & 4;
    request->position = (format >> 3 & 0xF) * unit;
    request->block_size = block & 0xF;
    request->length_size = block >> 4;
    request->length_position = (length & 0xF) * length_unit;
    return true;
}

static bool read_digits(struct pin_request *request, const uint8_t *bytes, struct error *error)
{
    request->max = bytes[MAX_DIGITS];
    request->min = bytes[MIN_DIGITS];
    if (request->max == 0)
        return error_set(error, "wPINMaxExtraDigit: a PIN of at most 0 digits");
    if (request->min > request->max)
        return error_set(error, "wPINMaxExtraDigit: at least %u digits, and at most %u; it is little-endian",
                         request->min, request->max);
    return true;
}

/* Reads from bEntryValidationCondition on. count is the number of message indexes. */
static bool read_dialogue(struct pin_request *request, const uint8_t *bytes, unsigned count,
                          struct error *error)
{
    unsigned number = bytes[NUMBER_MESSAGE];
    request->conditions = bytes[CONDITION];
    if (request->conditions == 0 || request->conditions > 7)
        return error_set(error, "bEntryValidationCondition %02X: expected 01 to 07", request->conditions);
    if (number > PIN_MESSAGES && number != 0xFF)
        return error_set(error, "bNumberMessage %02X: expected 00 to 03, or FF", number);
    for (unsigned i = 0; i < PIN_MESSAGES; i++)
        request->message[i] = PIN_NO_MESSAGE;
    for (unsigned i = 0; i < count && i < number; i++)
        request->message[i] = bytes[MESSAGE_INDEX + i];
    if (number == 0xFF) /* the reader's own: the prompts in their order */
        for (unsigned i = 0; i < count; i++)
            request->message[i] = (uint8_t)(i + (request->modifies && !request->asks_old));
    request->language = (uint16_t)read_little(bytes + LANGUAGE, 2);
    return true;
}

/* Reads ulDataLength and abData: a short command APDU. */
static bool read_apdu(struct pin_request *request, const uint8_t *bytes, size_t length, struct error *error)
{
    size_t said = read_little(bytes, 4), have = length - 4;
    const uint8_t *apdu = bytes + 4;
    if (said != have && read_big(bytes, 4) == have)
        return error_set(error, "ulDataLength is big-endian; part 10 has it little-endian");
    if (said != have)
        return error_set(error, "ulDataLength is %zu, but %zu bytes follow", said, have);
    if (have < 4 || have > PIN_APDU_MAX)
        return error_set(error, "abData has %zu bytes: expected a command APDU of 4 to %u", have,
                         PIN_APDU_MAX);
    memcpy(request->header, apdu, 4);
    size_t lc = have > 4 ? apdu[4] : 0, rest = have > 5 ? have - 5 : 0;
    request->data = lc > 0 && rest > 0 ? apdu + 5 : apdu;
    request->data_length = (uint8_t)lc;
    request->has_le = rest == lc + 1;
    if (rest != lc && !request->has_le)
        return error_set(error, "abData: Lc is %zu, but %zu bytes follow", lc, rest);
    request->le = request->has_le ? apdu[have - 1] : 0;
    return true;
}

/* Returns the first bit behind the block that begins at `begin`, in a frame of that length. */
static unsigned block_end(const struct pin_request *request, unsigned begin, unsigned frame_bits)
{
    unsigned end = request->block_size ? begin + 8 * request->block_size : frame_bits;
    return end < frame_bits ? end : frame_bits;
}

/* Returns how many digits there is room for at this offset. */
static unsigned digits_at(const struct pin_request *request, unsigned offset)
{
    bool grows = request->data_length == 0;
    unsigned begin = 8 * offset + request->position;
    unsigned end = block_end(request, begin, 8 * (grows ? DATA_MAX : request->data_length));
    return end > begin ? (end - begin) / digit_bits(request) : 0;
}

/* Limits the PIN to what there is room for: a longer one is too long. */
static bool limit_digits(struct pin_request *request, struct error *error)
{
    unsigned room = digits_at(request, request->offset_new);
    if (request->asks_old && digits_at(request, request->offset_old) < room)
        room = digits_at(request, request->offset_old);
    if (request->length_size > 0 && request->length_size < 6 && room >= 1u << request->length_size)
        room = (1u << request->length_size) - 1;
    if (room > PIN_DIGITS_MAX)
        room = PIN_DIGITS_MAX;
    if (room < request->min || room == 0)
        return error_set(error, "there is room for %u digits only, and the PIN has at least %u", room,
                         request->min);
    if (request->max > room)
        request->max = (uint8_t)room;
    unsigned offset = request->asks_old && request->offset_old > request->offset_new ? request->offset_old
                                                                                     : request->offset_new;
    unsigned length_end = 8 * offset + request->length_position + request->length_size;
    if (request->length_size > 0 && request->data_length > 0 && length_end > 8u * request->data_length)
        return error_set(error, "bmPINLengthFormat: the PIN's length is behind the data");
    return true;
}

bool pin_request_parse(struct pin_request *request, bool modifies, const uint8_t *bytes, size_t length,
                       struct error *error)
{
    size_t header = modifies ? PIN_MODIFY_HEADER : PIN_VERIFY_HEADER;
    *request = (struct pin_request){.modifies = modifies};
    if (length < header)
        return error_set(error, "%zu bytes: a %s has at least %zu", length,
                         modifies ? "PIN_MODIFY_STRUCTURE" : "PIN_VERIFY_STRUCTURE", header);
    const uint8_t *digits = bytes + (modifies ? 7 : 5), *dialogue = digits + (modifies ? 3 : 2);
    request->timeout = bytes[TIMEOUT];
    request->timeout2 = bytes[TIMEOUT2];
    if (modifies) {
        request->offset_old = bytes[OFFSET_OLD];
        request->offset_new = bytes[OFFSET_NEW];
        if (digits[2] > 3) /* bConfirmPIN */
            return error_set(error, "bConfirmPIN %02X: expected 00 to 03", digits[2]);
        request->confirms = digits[2] & 1;
        request->asks_old = digits[2] & 2;
    }
    return read_formats(request, bytes, error) && read_digits(request, digits, error) &&
           read_dialogue(request, dialogue, modifies ? 3 : 1, error) &&
           read_apdu(request, bytes + header - 4, length - header + 4, error) && limit_digits(request, error);
}

/* The data field of the command. */
struct frame {
    uint8_t data[DATA_MAX];
    unsigned length; /* bytes */
    bool grows;
};

/* Makes room for these bits. Returns false if there is none. */
static bool reserve(struct frame *frame, unsigned bits)
{
    unsigned bytes = (bits + 7) / 8;
    if (bytes <= frame->length)
        return true;
    if (!frame->grows || bytes > DATA_MAX)
        return false;
    memset(frame->data + frame->length, 0xFF, bytes - frame->length);
    frame->length = bytes;
    return true;
}

/* Writes the lowest `size` bits of value, the highest one first. */
static void write_bits(struct frame *frame, unsigned at, unsigned size, unsigned value)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = (uint8_t)(0x80 >> (at + i) % 8);
        bool bit = size - 1 - i < 32 && (value >> (size - 1 - i) & 1);
        frame->data[(at + i) / 8] &= (uint8_t)~mask;
        frame->data[(at + i) / 8] |= bit ? mask : 0;
    }
}

/* Inserts a PIN at an offset in bits. */
static bool insert(const struct pin_request *request, struct frame *frame, unsigned offset,
                   const struct pin *pin)
{
    unsigned size = digit_bits(request), pin_bits = size * pin->length;
    unsigned begin = offset + request->position, length_at = offset + request->length_position;
    unsigned block = request->block_size ? 8 * request->block_size : pin_bits;
    if (frame->grows && !reserve(frame, begin + block))
        return false;
    unsigned end = block_end(request, begin, 8 * frame->length);
    if (begin + pin_bits > end ||
        (request->length_size > 0 && !reserve(frame, length_at + request->length_size)))
        return false;
    unsigned at = request->right ? end - pin_bits : begin;
    for (unsigned i = 0; i < pin->length; i++, at += size)
        write_bits(frame, at, size, request->format == PIN_ASCII ? '0' + pin->digit[i] : pin->digit[i]);
    write_bits(frame, length_at, request->length_size, pin->length);
    return true;
}

size_t pin_request_build(const struct pin_request *request, const struct pin *old, const struct pin *new_pin,
                         uint8_t out[PIN_APDU_MAX])
{
    struct frame frame = {.length = request->data_length, .grows = request->data_length == 0};
    unsigned new_offset = 8u * request->offset_new;
    memcpy(frame.data, request->data, frame.length);
    bool ok = !request->asks_old || insert(request, &frame, 8u * request->offset_old, old);
    if (frame.grows && new_offset < 8 * frame.length)
        new_offset = 8 * frame.length; /* behind the old PIN */
    ok = ok && insert(request, &frame, new_offset, new_pin);
    size_t length = 4;
    memcpy(out, request->header, 4);
    if (ok && frame.length > 0) {
        out[length++] = (uint8_t)frame.length;
        memcpy(out + length, frame.data, frame.length);
        length += frame.length;
    }
    if (request->has_le)
        out[length++] = request->le;
    explicit_bzero(&frame, sizeof frame);
    return ok ? length : 0;
}
