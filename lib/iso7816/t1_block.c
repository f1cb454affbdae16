/* SPDX-License-Identifier: BSD-3-Clause */
#include "t1_block.h"

#include <string.h>

enum { AT_NAD, AT_PCB, AT_LEN };

uint8_t t1_lrc(const uint8_t *bytes, size_t length)
{
    uint64_t lrcs = 0, word; /* eight LRCs side by side, each of every eighth byte */
    uint8_t lrc = 0;

    for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        lrcs ^= word;
    }
    for (size_t i = 0; i < length; i++)
        lrc ^= bytes[i];
    for (; lrcs > 0; lrcs >>= 8)
        lrc ^= (uint8_t)lrcs;
    return lrc;
}

uint16_t t1_crc(const uint8_t *bytes, size_t length)
{
    /* the remainders of one half byte, with the lowest bit first as in a character */
    static const uint16_t step[16] = {0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285, 0x6306, 0x7387,
                                      0x8408, 0x9489, 0xA50A, 0xB58B, 0xC60C, 0xD68D, 0xE70E, 0xF78F};
    unsigned crc = 0xFFFF;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ step[crc & 0xF];
        crc = crc >> 4 ^ step[crc & 0xF];
    }
    return (uint16_t)~crc;
}

size_t t1_edc_size(enum t1_edc edc)
{
    return edc == T1_CRC ? 2 : 1;
}

uint8_t t1_pcb_i(unsigned number, bool more)
{
    return (uint8_t)((number & 1) << 6 | (more ? 0x20u : 0));
}

uint8_t t1_pcb_r(unsigned number, enum t1_complaint complaint)
{
    return (uint8_t)(0x80 | (number & 1) << 4 | (unsigned)complaint);
}

uint8_t t1_pcb_s(enum t1_function function, bool response)
{
    return (uint8_t)(0xC0 | (response ? 0x20u : 0) | (unsigned)function);
}

uint8_t t1_nad_swap(uint8_t nad)
{
    return (uint8_t)(nad << 4 | nad >> 4);
}

/* Writes the EDC of length bytes in the order in which it is sent. */
static void write_edc(enum t1_edc edc, const uint8_t *bytes, size_t length, uint8_t *out)
{
    if (edc == T1_CRC) {
        uint16_t crc = t1_crc(bytes, length);

        out[0] = (uint8_t)crc;
        out[1] = (uint8_t)(crc >> 8);
    } else {
        out[0] = t1_lrc(bytes, length);
    }
}

size_t t1_block_encode(enum t1_edc edc, uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t length,
                       uint8_t *out)
{
    if (length > T1_INF_MAX)
        length = T1_INF_MAX;
    out[AT_NAD] = nad;
    out[AT_PCB] = pcb;
    out[AT_LEN] = (uint8_t)length;
    if (length > 0)
        memcpy(out + T1_PROLOGUE_SIZE, inf, length);
    write_edc(edc, out, T1_PROLOGUE_SIZE + length, out + T1_PROLOGUE_SIZE + length);
    return T1_PROLOGUE_SIZE + length + t1_edc_size(edc);
}

/* Decodes the PCB (11.3.2.2). Returns false if it is reserved. */
static bool decode_pcb(struct t1_block *block)
{
    uint8_t pcb = block->pcb;

    if ((pcb & 0x80) == 0) {
        block->kind = T1_I_BLOCK;
        block->number = pcb >> 6;
        block->more = (pcb & 0x20) != 0;
        return (pcb & 0x1F) == 0;
    }
    if ((pcb & 0x40) == 0) {
        block->kind = T1_R_BLOCK;
        block->number = pcb >> 4 & 1;
        block->complaint = (enum t1_complaint)(pcb & 0xF);
        return (pcb & 0x20) == 0 && (pcb & 0xF) <= T1_OTHER_COMPLAINT;
    }
    block->kind = (pcb & 0x20) != 0 ? T1_S_RESPONSE : T1_S_REQUEST;
    block->function = (enum t1_function)(pcb & 0x1F);
    return (pcb & 0x1F) <= T1_WTX;
}

static bool len_fits(const struct t1_block *block)
{
    switch (block->kind) {
    case T1_I_BLOCK:
        return true;
    case T1_R_BLOCK:
        return block->length == 0;
    default:
        return block->length == (block->function == T1_IFS || block->function == T1_WTX ? 1 : 0);
    }
}

enum t1_block_result t1_block_decode(enum t1_edc edc, const uint8_t *bytes, size_t size, struct t1_block *out)
{
    struct t1_block block = {0};
    uint8_t check[2] = {0};
    size_t covered, sad, dad;

    if (size < T1_PROLOGUE_SIZE)
        return T1_BLOCK_TRUNCATED;
    if (bytes[AT_LEN] > T1_INF_MAX)
        return T1_BLOCK_BAD_LEN;
    covered = T1_PROLOGUE_SIZE + (size_t)bytes[AT_LEN];
    if (size < covered + t1_edc_size(edc))
        return T1_BLOCK_TRUNCATED;
    if (size > covered + t1_edc_size(edc))
        return T1_BLOCK_TRAILING;
    write_edc(edc, bytes, covered, check);
    if (memcmp(check, bytes + covered, t1_edc_size(edc)) != 0)
        return T1_BLOCK_BAD_EDC;

    block.nad = bytes[AT_NAD];
    block.pcb = bytes[AT_PCB];
    block.length = bytes[AT_LEN];
    block.inf = bytes + T1_PROLOGUE_SIZE;
    sad = block.nad & 7;
    dad = block.nad >> 4 & 7;
    if (sad == dad && sad != 0)
        return T1_BLOCK_BAD_NAD; /* 'FF' is such a NAD */
    if (!decode_pcb(&block))
        return T1_BLOCK_BAD_PCB;
    if (!len_fits(&block))
        return T1_BLOCK_BAD_LEN;
    if (block.length == 1 && (block.kind == T1_S_REQUEST || block.kind == T1_S_RESPONSE) &&
        block.function == T1_IFS && (block.inf[0] == 0 || block.inf[0] > T1_INF_MAX))
        return T1_BLOCK_BAD_IFS;
    *out = block;
    return (block.nad & 0x88) != 0 ? T1_BLOCK_BAD_VPP : T1_BLOCK_OK;
}

const char *t1_block_result_text(enum t1_block_result result)
{
    switch (result) {
    case T1_BLOCK_OK:
        return "no error";
    case T1_BLOCK_TRUNCATED:
        return "the block is shorter than LEN says";
    case T1_BLOCK_TRAILING:
        return "the block is longer than LEN says";
    case T1_BLOCK_BAD_EDC:
        return "the error detection code is wrong";
    case T1_BLOCK_BAD_NAD:
        return "NAD is not valid";
    case T1_BLOCK_BAD_PCB:
        return "PCB is reserved";
    case T1_BLOCK_BAD_LEN:
        return "LEN does not fit the kind of block";
    case T1_BLOCK_BAD_IFS:
        return "an information field size must be 01 to FE";
    case T1_BLOCK_BAD_VPP:
        return "NAD has a bit set that once controlled VPP";
    }
    return "?";
}

void t1_receiver_start(struct t1_receiver *receiver, enum t1_edc edc)
{
    receiver->edc = edc;
    receiver->parity_error = false;
    receiver->count = 0;
}

size_t t1_receiver_wants(const struct t1_receiver *receiver)
{
    size_t size = T1_PROLOGUE_SIZE;

    if (receiver->count >= T1_PROLOGUE_SIZE)
        size += (size_t)receiver->bytes[AT_LEN] + t1_edc_size(receiver->edc);
    return size - receiver->count;
}

enum t1_receiver_state t1_receiver_bytes(struct t1_receiver *receiver, const uint8_t *bytes, size_t count,
                                         bool parity_ok)
{
    size_t right = parity_ok ? count : count - 1;

    if (right > sizeof receiver->bytes - receiver->count)
        return T1_RECEIVER_SPOILT;
    memcpy(receiver->bytes + receiver->count, bytes, right);
    receiver->count += right;
    if (!parity_ok) {
        receiver->parity_error = true;
        return T1_RECEIVER_SPOILT;
    }
    if (receiver->count < T1_PROLOGUE_SIZE)
        return T1_RECEIVER_MORE;
    if (receiver->bytes[AT_LEN] > T1_INF_MAX)
        return T1_RECEIVER_SPOILT;
    return t1_receiver_wants(receiver) > 0 ? T1_RECEIVER_MORE : T1_RECEIVER_COMPLETE;
}

enum t1_receiver_state t1_receiver_byte(struct t1_receiver *receiver, uint8_t byte, bool parity_ok)
{
    return t1_receiver_bytes(receiver, &byte, 1, parity_ok);
}
