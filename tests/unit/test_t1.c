/* SPDX-License-Identifier: BSD-3-Clause */
#include "iso7816/hex.h"
#include "iso7816/t1.h"

#include "run_suite.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof array / sizeof array[0]))

/* For loops: ck_assert writes to a file each time, even when all is well. */
#define must_say(condition, ...)                                                                             \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)
#define must(condition) must_say(condition, "%s", #condition)

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* A zeroed buffer of exactly len bytes, so that the address sanitizer sees a step beyond it. */
static uint8_t *exact(size_t len)
{
    uint8_t *buf = calloc(1, len > 0 ? len : 1);

    ck_assert_ptr_nonnull(buf);
    return buf;
}

static size_t from_hex(const char *text, uint8_t *out, size_t cap)
{
    size_t len;

    ck_assert_msg(hex_decode(text, strlen(text), out, cap, &len, NULL) == HEX_OK, "not hex: %s", text);
    return len;
}

/* ---- blocks ---- */

/* The frame checking sequence of ISO/IEC 13239, bit by bit, with nothing in common with t1_crc. */
static uint16_t slow_crc(const uint8_t *bytes, size_t len)
{
    unsigned crc = 0xFFFF;

    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool out = ((crc ^ (unsigned)bytes[i] >> bit) & 1) != 0;

            crc = out ? crc >> 1 ^ 0x8408 : crc >> 1;
        }
    }
    return (uint16_t)(crc ^ 0xFFFF);
}

START_TEST(known_edc)
{
    uint32_t seed = 7;
    uint8_t bytes[300];

    ck_assert_uint_eq(t1_crc((const uint8_t *)"123456789", 9), 0x906E); /* CRC-16/ISO-HDLC */
    ck_assert_uint_eq(t1_crc((const uint8_t *)"\x00\xC1\x01\xFE", 4), 0xABB1);
    ck_assert_uint_eq(t1_crc(NULL, 0), 0);
    ck_assert_uint_eq(t1_lrc((const uint8_t *)"\x00\xC1\x01\xFE", 4), 0x3E);
    ck_assert_uint_eq(t1_lrc(NULL, 0), 0);
    ck_assert_uint_eq(t1_edc_size(T1_LRC), 1);
    ck_assert_uint_eq(t1_edc_size(T1_CRC), 2);
    for (size_t len = 0; len < sizeof bytes; len++) {
        uint8_t lrc = 0;

        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)next_random(&seed);
            lrc ^= bytes[i];
        }
        ck_assert_uint_eq(t1_lrc(bytes, len), lrc);
        ck_assert_uint_eq(t1_crc(bytes, len), slow_crc(bytes, len));
    }
}
END_TEST

static const struct {
    enum t1_edc edc;
    const char *bytes;
    enum t1_block_result result;
    const char *text; /* when decoded */
} blocks[] = {
    {T1_LRC, "00 00 00 00", T1_BLOCK_OK, "I(0,0)"},
    {T1_LRC, "00 20 01 AA 8B", T1_BLOCK_OK, "I(0,1)"},
    {T1_LRC, "00 40 02 90 00 D2", T1_BLOCK_OK, "I(1,0)"},
    {T1_LRC, "12 60 00 72", T1_BLOCK_OK, "I(1,1)"},
    {T1_LRC, "00 80 00 80", T1_BLOCK_OK, "R(0)"},
    {T1_LRC, "00 90 00 90", T1_BLOCK_OK, "R(1)"},
    {T1_LRC, "00 81 00 81", T1_BLOCK_OK, "R(0:1)"},
    {T1_LRC, "00 92 00 92", T1_BLOCK_OK, "R(1:2)"},
    {T1_LRC, "00 C0 00 C0", T1_BLOCK_OK, "S(RESYNCH request)"},
    {T1_LRC, "00 E0 00 E0", T1_BLOCK_OK, "S(RESYNCH response)"},
    {T1_LRC, "00 C1 01 FE 3E", T1_BLOCK_OK, "S(IFS request)"},
    {T1_LRC, "00 E1 01 01 E1", T1_BLOCK_OK, "S(IFS response)"},
    {T1_LRC, "00 C2 00 C2", T1_BLOCK_OK, "S(ABORT request)"},
    {T1_LRC, "00 E2 00 E2", T1_BLOCK_OK, "S(ABORT response)"},
    {T1_LRC, "00 C3 01 00 C2", T1_BLOCK_OK, "S(WTX request)"},
    {T1_LRC, "00 E3 01 FF 1D", T1_BLOCK_OK, "S(WTX response)"},
    {T1_CRC, "00 C1 01 FE B1 AB", T1_BLOCK_OK, "S(IFS request)"},
    {T1_CRC, "00 C1 01 FE AB B1", T1_BLOCK_BAD_EDC, NULL},
    {T1_CRC, "00 C1 01 FE B1", T1_BLOCK_TRUNCATED, NULL},
    {T1_CRC, "00 C1 01 FE 3E", T1_BLOCK_TRUNCATED, NULL},
    {T1_LRC, "", T1_BLOCK_TRUNCATED, NULL},
    {T1_LRC, "00 80", T1_BLOCK_TRUNCATED, NULL},
    {T1_LRC, "00 80 00", T1_BLOCK_TRUNCATED, NULL},
    {T1_LRC, "00 00 02 AA", T1_BLOCK_TRUNCATED, NULL},
    {T1_LRC, "00 80 00 80 00", T1_BLOCK_TRAILING, NULL},
    {T1_LRC, "00 80 00 81", T1_BLOCK_BAD_EDC, NULL},
    {T1_LRC, "00 00 FF FF", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "11 00 00 11", T1_BLOCK_BAD_NAD, NULL},
    {T1_LRC, "77 80 00 F7", T1_BLOCK_BAD_NAD, NULL},
    {T1_LRC, "FF 80 00 7F", T1_BLOCK_BAD_NAD, NULL},
    {T1_LRC, "80 80 00 00", T1_BLOCK_BAD_VPP, "R(0)"},
    {T1_LRC, "08 80 00 88", T1_BLOCK_BAD_VPP, "R(0)"},
    {T1_LRC, "9A 90 00 0A", T1_BLOCK_BAD_VPP, "R(1)"},
    {T1_LRC, "00 80 01 00 81", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 C0 01 00 C1", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 E2 01 00 E3", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 C1 00 C1", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 E3 00 E3", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 C3 02 01 01 C1", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 C1 02 20 20 C3", T1_BLOCK_BAD_LEN, NULL},
    {T1_LRC, "00 C1 01 00 C0", T1_BLOCK_BAD_IFS, NULL},
    {T1_LRC, "00 E1 01 FF 1F", T1_BLOCK_BAD_IFS, NULL},
    {T1_LRC, "00 C4 00 C4", T1_BLOCK_BAD_PCB, NULL},
    {T1_LRC, "00 E4 00 E4", T1_BLOCK_BAD_PCB, NULL}, /* S(VPP response) of older editions */
};

START_TEST(each_block)
{
    for (int i = 0; i < COUNT(blocks); i++) {
        uint8_t bytes[16], out[T1_BLOCK_MAX];
        size_t size = from_hex(blocks[i].bytes, bytes, sizeof bytes);
        uint8_t *copy = exact(size);
        struct t1_block block;
        char text[32];

        memcpy(copy, bytes, size);
        ck_assert_msg(t1_block_decode(blocks[i].edc, copy, size, &block) == blocks[i].result, "%s",
                      blocks[i].bytes);
        if (blocks[i].text != NULL) {
            ck_assert_uint_eq(t1_block_text(&block, text, sizeof text), strlen(blocks[i].text));
            ck_assert_str_eq(text, blocks[i].text);
            ck_assert_uint_eq(block.nad, bytes[0]);
            ck_assert_uint_eq(block.pcb, bytes[1]);
            ck_assert_uint_eq(block.len, bytes[2]);
            ck_assert_ptr_eq(block.inf, copy + 3);
            ck_assert_uint_eq(t1_block_encode(blocks[i].edc, block.nad, block.pcb, block.inf, block.len, out),
                              size);
            ck_assert_mem_eq(out, bytes, size);
        }
        free(copy);
    }
}
END_TEST

/* All 256 values of PCB and of NAD against their definitions, written another way. */
START_TEST(every_pcb_and_nad)
{
    uint8_t bytes[T1_BLOCK_MAX], value[2] = {0x20, 0x20};
    struct t1_block block;
    int valid = 0;

    for (unsigned pcb = 0; pcb < 256; pcb++) {
        for (size_t len = 0; len < 3; len++) {
            size_t size = t1_block_encode(T1_LRC, 0, (uint8_t)pcb, value, len, bytes);
            enum t1_block_result result = t1_block_decode(T1_LRC, bytes, size, &block), expected;
            bool sized = pcb == 0xC1 || pcb == 0xE1 || pcb == 0xC3 || pcb == 0xE3;

            switch (pcb) {
            case 0x00:
            case 0x20:
            case 0x40:
            case 0x60:
                expected = T1_BLOCK_OK;
                must(t1_pcb_i(block.number, block.more) == pcb);
                break;
            case 0x80:
            case 0x81:
            case 0x82:
            case 0x90:
            case 0x91:
            case 0x92:
                expected = len == 0 ? T1_BLOCK_OK : T1_BLOCK_BAD_LEN;
                if (len == 0)
                    must(t1_pcb_r(block.number, block.complaint) == pcb);
                break;
            case 0xC0:
            case 0xC1:
            case 0xC2:
            case 0xC3:
            case 0xE0:
            case 0xE1:
            case 0xE2:
            case 0xE3:
                expected = len == (sized ? 1 : 0) ? T1_BLOCK_OK : T1_BLOCK_BAD_LEN;
                if (expected == T1_BLOCK_OK)
                    must(t1_pcb_s(block.function, block.kind == T1_S_RESPONSE) == pcb);
                break;
            default:
                expected = T1_BLOCK_BAD_PCB;
                break;
            }
            must(result == expected);
            valid += result == T1_BLOCK_OK;
        }
    }
    must(valid == 4 * 3 + 6 + 8);

    for (unsigned nad = 0; nad < 256; nad++) {
        size_t size = t1_block_encode(T1_CRC, (uint8_t)nad, 0x80, NULL, 0, bytes);
        unsigned sad = nad % 8, dad = nad / 16 % 8;
        enum t1_block_result expected = T1_BLOCK_OK;

        if (sad == dad && sad > 0)
            expected = T1_BLOCK_BAD_NAD;
        else if (nad >= 128 || nad % 16 >= 8)
            expected = T1_BLOCK_BAD_VPP;
        must(t1_block_decode(T1_CRC, bytes, size, &block) == expected);
        must(t1_nad_swap((uint8_t)nad) == nad % 16 * 16 + nad / 16);
    }
}
END_TEST

START_TEST(every_length)
{
    uint8_t inf[255], bytes[T1_BLOCK_MAX + 1];
    struct t1_receiver receiver;
    struct t1_block block;

    for (size_t i = 0; i < sizeof inf; i++)
        inf[i] = (uint8_t)(i * 5 + 3);
    for (int edc = T1_LRC; edc <= T1_CRC; edc++) {
        for (size_t len = 0; len <= 254; len++) {
            size_t size = t1_block_encode((enum t1_edc)edc, 0x21, 0x40, inf, len, bytes);

            must(size == 3 + len + t1_edc_size((enum t1_edc)edc));
            t1_receiver_start(&receiver, (enum t1_edc)edc);
            for (size_t i = 0; i < size; i++)
                must(t1_receiver_byte(&receiver, bytes[i], true) ==
                     (i + 1 < size ? T1_RECEIVER_MORE : T1_RECEIVER_COMPLETE));
            must(receiver.count == size);
            must(t1_block_decode((enum t1_edc)edc, receiver.bytes, size, &block) == T1_BLOCK_OK);
            must(block.len == len);
            ck_assert_mem_eq(block.inf, inf, len);
            for (size_t i = 0; i < size; i++) {
                bytes[i] ^= 0x10;
                must(t1_block_decode((enum t1_edc)edc, bytes, size, &block) != T1_BLOCK_OK);
                bytes[i] ^= 0x10;
            }
        }
        must(t1_block_encode((enum t1_edc)edc, 0, 0, inf, 255, bytes) == 257 + t1_edc_size((enum t1_edc)edc));
    }
    t1_receiver_start(&receiver, T1_LRC);
    must(t1_receiver_byte(&receiver, 0, true) == T1_RECEIVER_MORE);
    must(t1_receiver_byte(&receiver, 0, false) == T1_RECEIVER_SPOILT);
    must(receiver.parity_error);
    t1_receiver_start(&receiver, T1_LRC);
    must(!receiver.parity_error);
    t1_receiver_byte(&receiver, 0, true);
    t1_receiver_byte(&receiver, 0, true);
    must(t1_receiver_byte(&receiver, 0xFF, true) == T1_RECEIVER_SPOILT);
    /* one who does not stop after the end of a block does no harm */
    t1_receiver_start(&receiver, T1_LRC);
    for (int i = 0; i < 1000; i++)
        t1_receiver_byte(&receiver, 0xFE, true);
    must(receiver.count <= T1_BLOCK_MAX);
}
END_TEST

START_TEST(texts)
{
    char buf[8];
    struct t1_block block = {.kind = T1_S_REQUEST, .function = T1_RESYNCH};

    ck_assert_uint_eq(t1_block_text(&block, buf, sizeof buf), 18);
    ck_assert_str_eq(buf, "S(RESYN");
    for (int a = T1_BLOCK_OK; a <= T1_BLOCK_BAD_VPP; a++) {
        ck_assert_str_ne(t1_block_result_text((enum t1_block_result)a), "?");
        for (int b = T1_BLOCK_OK; b < a; b++)
            ck_assert_str_ne(t1_block_result_text((enum t1_block_result)a),
                             t1_block_result_text((enum t1_block_result)b));
    }
    ck_assert_str_eq(t1_block_result_text((enum t1_block_result)99), "?");
    for (int a = T1_NO_REASON; a <= T1_IFS_REFUSED; a++) {
        ck_assert_str_ne(t1_reason_text((enum t1_reason)a), "?");
        for (int b = T1_NO_REASON; b < a; b++)
            ck_assert_str_ne(t1_reason_text((enum t1_reason)a), t1_reason_text((enum t1_reason)b));
    }
    ck_assert_str_eq(t1_reason_text((enum t1_reason)99), "?");
}
END_TEST

/* ---- scenarios ---- */

#define CWT 100
#define BWT 1000

static struct t1_parameters parameters(enum t1_role role, uint8_t *buffer, size_t capacity)
{
    return (struct t1_parameters){.role = role,
                                  .edc = T1_LRC,
                                  .ifsc = T1_IFS_DEFAULT,
                                  .ifsd = T1_IFS_DEFAULT,
                                  .cwt = CWT,
                                  .bwt = BWT,
                                  .bgt = T1_BGT,
                                  .buffer = buffer,
                                  .capacity = capacity};
}

/*
 * Each script is played twice: with our machine as the interface device and the card's blocks from the
 * script, and the other way round. Lines:
 *
 * - > and <: a block of the interface device, of the card; then '!' if it arrives spoilt, '?' if it is lost
 * - C, D, E: interface device: command to transmit, answer got, text of the reason why it failed
 * - F, Y, B: interface device: t1_request_ifs, t1_resynchronise, t1_request_abort
 * - P, A: card: command got, its answer
 * - W, S, X: card: t1_request_wtx, t1_request_ifs, t1_request_abort
 * - N, M: first of all: IFSC and IFSD; IFSD to announce
 * - only ...: the script is for that side only
 *
 * The numbers are those of the scenarios in ISO/IEC 7816-3:2006, annex A; what follows without a number are
 * rules of 11.6.3.
 */
static const struct {
    const char *name, *lines;
} scripts[] = {
    /* clang-format off */
    {"1: exchange of I-blocks",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "P 03 04\n"
     "A F3 F4\n"
     "<  I(1,0): 00 40 02 F3 F4 45\n"
     "D F3 F4\n"
     "C 05\n"
     ">  I(0,0): 00 00 01 05 04\n"
     "P 05\n"
     "A F5\n"
     "<  I(0,0): 00 00 01 F5 F4\n"
     "D F5\n"},
    {"2: waiting time extension",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "W 10\n"
     "<  S(WTX request): 00 C3 01 10 D2\n"
     ">  S(WTX response): 00 E3 01 10 F2\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"3: IFS of the card",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"
     "C 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"
     ">  I(1,0): 00 40 21 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 "
     "19 1A 1B 1C 1D 1E 1F 20 41\n"
     "P 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"},
    {"4: IFS of the interface device",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"
     "F 21\n"
     ">  S(IFS request): 00 C1 01 21 E1\n"
     "<  S(IFS response): 00 E1 01 21 C1\n"
     "D\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "P 03 04\n"
     "A 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"
     "<  I(1,0): 00 40 21 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 "
     "19 1A 1B 1C 1D 1E 1F 20 41\n"
     "D 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"},
    {"5: chain of the interface device",
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,1): 00 60 02 03 04 65\n"
     "<  R(0): 00 80 00 80\n"
     ">  I(0,0): 00 00 02 05 06 01\n"
     "P 01 02 03 04 05 06\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"
     "C 07\n"
     ">  I(1,0): 00 40 01 07 46\n"
     "P 07\n"
     "A F3\n"
     "<  I(1,0): 00 40 01 F3 B2\n"
     "D F3\n"},
    {"6: chain of the card",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3 F4\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  R(1): 00 90 00 90\n"
     "<  I(1,0): 00 40 02 F3 F4 45\n"
     "D F1 F2 F3 F4\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "P 03 04\n"
     "A F5 F6\n"
     "<  I(0,0): 00 00 02 F5 F6 01\n"
     "D F5 F6\n"},
    {"7: chain with an empty block",
     "only device\n"
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  R(1): 00 90 00 90\n"
     "<  I(1,0): 00 40 00 40\n"
     "D F1 F2\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "<  I(0,0): 00 00 02 F3 F4 05\n"
     "D F3 F4\n"},
    {"7, from the interface device",
     "only card\n"
     "N 2\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,0): 00 40 00 40\n"
     "P 01 02\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"},
    {"8: I-block of the interface device spoilt",
     "C 01 02\n"
     ">! I(0,0): 00 00 02 01 02 01\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"9: I-block of the card spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"10: I-block, then R-block of the card spoilt",
     "C 01 02\n"
     ">! I(0,0): 00 00 02 01 02 01\n"
     "<! R(0:1): 00 81 00 81\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"11: I-block of the card, then R-block spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">! R(0:1): 00 81 00 81\n"
     "<  R(1:1): 00 91 00 91\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"12: I-block of the card, then both R-blocks spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">! R(0:1): 00 81 00 81\n"
     "<! R(1:1): 00 91 00 91\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"13: as 12, and the R-block once more",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">! R(0:1): 00 81 00 81\n"
     "<! R(1:1): 00 91 00 91\n"
     ">! R(0:1): 00 81 00 81\n"
     "<  R(1:1): 00 91 00 91\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"14: S(WTX request) spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "W 10\n"
     "<! S(WTX request): 00 C3 01 10 D2\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  S(WTX request): 00 C3 01 10 D2\n"
     ">  S(WTX response): 00 E3 01 10 F2\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"15: S(WTX response) spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "W 02\n"
     "<  S(WTX request): 00 C3 01 02 C0\n"
     ">! S(WTX response): 00 E3 01 02 E0\n"
     "<  S(WTX request): 00 C3 01 02 C0\n"
     ">  S(WTX response): 00 E3 01 02 E0\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"16: S(IFS request) of the card spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<! S(IFS request): 00 C1 01 79 B9\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"17: S(IFS request), then R-block spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<! S(IFS request): 00 C1 01 79 B9\n"
     ">! R(0:1): 00 81 00 81\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"18: S(IFS response) spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">! S(IFS response): 00 E1 01 79 99\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"19: I-block after S(IFS response) spoilt",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"20: as 19, and then the R-block",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "S 79\n"
     "<  S(IFS request): 00 C1 01 79 B9\n"
     ">  S(IFS response): 00 E1 01 79 99\n"
     "P 01 02\n"
     "A F1 F2\n"
     "<! I(0,0): 00 00 02 F1 F2 01\n"
     ">! R(0:1): 00 81 00 81\n"
     "<  R(1:1): 00 91 00 91\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"21: R-block of the card in the chain of the interface device spoilt",
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<! R(1): 00 90 00 90\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,1): 00 60 02 03 04 65\n"
     "<  R(0): 00 80 00 80\n"
     ">  I(0,0): 00 00 02 05 06 01\n"
     "P 01 02 03 04 05 06\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"22: as 21, and then the R-block of the interface device",
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<! R(1): 00 90 00 90\n"
     ">! R(0:1): 00 81 00 81\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,1): 00 60 02 03 04 65\n"
     "<  R(0): 00 80 00 80\n"
     ">  I(0,0): 00 00 02 05 06 01\n"
     "P 01 02 03 04 05 06\n"
     "A F1 F2\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"23: R-block of the interface device in the chain of the card spoilt",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3 F4\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">! R(1): 00 90 00 90\n"
     "<  R(1:1): 00 91 00 91\n"
     ">  R(1): 00 90 00 90\n"
     "<  I(1,0): 00 40 02 F3 F4 45\n"
     "D F1 F2 F3 F4\n"},
    {"24: as 23, and then the R-block of the card",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3 F4\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">! R(1): 00 90 00 90\n"
     "<! R(1:1): 00 91 00 91\n"
     ">  R(1): 00 90 00 90\n"
     "<  I(1,0): 00 40 02 F3 F4 45\n"
     "D F1 F2 F3 F4\n"},
    {"25: the interface device aborts its own chain",
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "B\n"
     "<  R(1): 00 90 00 90\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  S(ABORT response): 00 E2 00 E2\n"
     "E the exchange was aborted as requested\n"
     "C 07 08\n"
     ">  I(1,0): 00 40 02 07 08 4D\n"
     "P 07 08\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"26: the card aborts its own chain",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3 F4 F5 F6\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     "X\n"
     ">  R(1): 00 90 00 90\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  R(1): 00 90 00 90\n"
     "E the card aborted the exchange\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "P 03 04\n"
     "A F7\n"
     "<  I(1,0): 00 40 01 F7 B6\n"
     "D F7\n"},
    {"27: the card aborts the chain of the interface device",
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  R(1): 00 90 00 90\n"
     "X\n"
     ">  I(1,1): 00 60 02 03 04 65\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  R(0): 00 80 00 80\n"
     "E the card aborted the exchange\n"
     "C 07 08\n"
     ">  I(0,0): 00 00 02 07 08 0D\n"
     "P 07 08\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"28: the interface device aborts the chain of the card",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "B\n"
     "P 01 02\n"
     "A F1 F2 F3 F4 F5 F6\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  S(ABORT response): 00 E2 00 E2\n"
     "E the exchange was aborted as requested\n"
     "C 03 04\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "P 03 04\n"
     "A F7\n"
     "<  I(1,0): 00 40 01 F7 B6\n"
     "D F7\n"},
    {"29: resynchronisation",
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"
     "Y\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "D\n"
     "C 03 04\n"
     ">  I(0,0): 00 00 02 03 04 05\n"
     "P 03 04\n"
     "A F2\n"
     "<  I(0,0): 00 00 01 F2 F3\n"
     "D F2\n"},
    {"30: S(RESYNCH response) spoilt",
     "Y\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<! S(RESYNCH response): 00 E0 00 E0\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "D\n"},
    {"31: S(RESYNCH request) spoilt",
     "Y\n"
     ">! S(RESYNCH request): 00 C0 00 C0\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "D\n"},
    {"32: as 31, and then the R-block",
     "Y\n"
     ">! S(RESYNCH request): 00 C0 00 C0\n"
     "<! R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "D\n"},
    {"rule 7.4.1: no first block, card mute",
     "C 01 02\n"
     ">? I(0,0): 00 00 02 01 02 01\n"
     ">  R(0:2): 00 82 00 82\n"
     "<? R(0:2): 00 82 00 82\n"
     ">  R(0:2): 00 82 00 82\n"
     "<? R(0:2): 00 82 00 82\n"
     "E the card is mute\n"},
    {"rule 7.4.1: no first block without error",
     "only device\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "<! I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<! I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<! I(0,0): 00 00 01 F1 F0\n"
     "E the card never sent a block without error\n"},
    {"rule 7.4.2: three attempts, then resynchronisation, then the command again",
     "C 00\n"
     ">  I(0,0): 00 00 01 00 01\n"
     "P 00\n"
     "A F0\n"
     "<  I(0,0): 00 00 01 F0 F1\n"
     "D F0\n"
     "C 01 02\n"
     ">  I(1,0): 00 40 02 01 02 41\n"
     "P 01 02\n"
     "A F1\n"
     "<! I(1,0): 00 40 01 F1 B0\n"
     ">  R(1:1): 00 91 00 91\n"
     "<! I(1,0): 00 40 01 F1 B0\n"
     ">  R(1:1): 00 91 00 91\n"
     "<! I(1,0): 00 40 01 F1 B0\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"rule 6.4: three S(RESYNCH request) in vain, card mute",
     "C 00\n"
     ">  I(0,0): 00 00 01 00 01\n"
     "P 00\n"
     "A F0\n"
     "<  I(0,0): 00 00 01 F0 F1\n"
     "D F0\n"
     "Y\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     "E the card is mute\n"},
    {"rule 6.4: three wrong answers to S(RESYNCH request)",
     "only device\n"
     "C 00\n"
     ">  I(0,0): 00 00 01 00 01\n"
     "<  I(0,0): 00 00 01 F0 F1\n"
     "D F0\n"
     "Y\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  I(1,0): 00 40 01 F0 B1\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<! S(RESYNCH response): 00 E0 00 E0\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  R(0): 00 80 00 80\n"
     "E the card did not answer S(RESYNCH request)\n"},
    {"rule 6.3: resynchronisation in the middle of a chain of the card",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3 F4\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  R(1): 00 90 00 90\n"
     "Y\n"
     "<  I(1,0): 00 40 02 F3 F4 45\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1 F2 F3\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  R(1): 00 90 00 90\n"
     "<  I(1,0): 00 40 01 F3 B2\n"
     "D F1 F2 F3\n"},
    {"rule 7.4.3: a card stays mute after its attempts, and wakes for a block without error",
     "only card\n"
     ">! I(0,0): 00 00 02 01 02 01\n"
     "<  R(0:1): 00 81 00 81\n"
     ">! I(0,0): 00 00 02 01 02 01\n"
     "<  R(0:1): 00 81 00 81\n"
     ">! I(0,0): 00 00 02 01 02 01\n"
     ">! R(0): 00 80 00 80\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">! I(1,0): 00 40 01 03 42\n"
     "<  R(1:1): 00 91 00 91\n"
     ">  I(1,0): 00 40 01 03 42\n"
     "P 03\n"},
    {"rule 7.3: a card gives its request up, and still heeds S(RESYNCH request)",
     "only card\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "W 05\n"
     "<  S(WTX request): 00 C3 01 05 C7\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  S(WTX request): 00 C3 01 05 C7\n"
     ">! R(0:2): 00 82 00 82\n"
     "<  S(WTX request): 00 C3 01 05 C7\n"
     ">  S(WTX response): 00 E3 01 06 E4\n"
     ">  R(0:2): 00 82 00 82\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 02 03\n"
     "P 02\n"},
    {"rule 7.3: the response must be the one to the request",
     "only device\n"
     "F 40\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  S(IFS response): 00 E1 01 41 A1\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  S(WTX response): 00 E3 01 40 A2\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  S(IFS response): 00 E1 01 40 A0\n"
     "D\n"},
    {"S(IFS request) in vain: resynchronised, and usable",
     "only device\n"
     "F 40\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0): 00 80 00 80\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0): 00 80 00 80\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0): 00 80 00 80\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "E the card did not accept the information field size\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"rule 7.1: time-outs of the interface device",
     "C 01\n"
     ">? I(0,0): 00 00 01 01 00\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "A F1\n"
     "<? I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"
     "C 02\n"
     ">? I(1,0): 00 40 01 02 43\n"
     ">  R(1:2): 00 92 00 92\n"
     "<  R(1:2): 00 92 00 92\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "P 02\n"
     "A F2\n"
     "<  I(1,0): 00 40 01 F2 B3\n"
     "D F2\n"},
    {"BWT is extended for one block only",
     "only device\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  S(WTX request): 00 C3 01 09 CB\n"
     ">  S(WTX response): 00 E3 01 09 EB\n"
     "<? I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  S(WTX request): 00 C3 01 00 C2\n"
     ">  S(WTX response): 00 E3 01 00 E2\n"
     "<  S(WTX request): 00 C3 01 FF 3D\n"
     ">  S(WTX response): 00 E3 01 FF 1D\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"
     "C 02\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "<? I(1,0): 00 40 01 F2 B3\n"
     ">  R(1:2): 00 92 00 92\n"
     "<  I(1,0): 00 40 01 F2 B3\n"
     "D F2\n"},
    {"wrong N(S), and an I-block where the chain needs an R-block",
     "only device\n"
     "N 2\n"
     "C 01 02 03\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,0): 00 40 01 03 42\n"
     "<  I(1,0): 00 40 01 F1 B0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"wrong N(S) at the card",
     "only card\n"
     ">  I(1,0): 00 40 01 01 40\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  I(0,0): 00 00 01 02 03\n"
     "<  R(1:2): 00 92 00 92\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "P 02\n"},
    {"an I-block over IFSD",
     "only device\n"
     "N 2\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  I(0,0): 00 00 03 F1 F2 F3 F3\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  I(0,0): 00 00 02 F1 F2 01\n"
     "D F1 F2\n"},
    {"an I-block over IFSC",
     "only card\n"
     "N 2\n"
     ">  I(0,0): 00 00 03 01 02 03 03\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "P 01 02\n"},
    {"S-blocks that a card may not send",
     "only device\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  S(RESYNCH request): 00 C0 00 C0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  S(IFS response): 00 E1 01 20 C0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"S-blocks that an interface device may not send",
     "only card\n"
     ">  S(WTX request): 00 C3 01 01 C3\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  S(RESYNCH response): 00 E0 00 E0\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"},
    {"the card asks for the same block again and again",
     "only device\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     "E the exchange fails again and again in spite of resynchronisation\n"},
    {"the interface device asks for the same block again and again",
     "only card\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"},
    {"the right to send comes back only with an R-block",
     "only device\n"
     "N 2\n"
     "C 01 02 03\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<? R(1): 00 90 00 90\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  R(1): 00 90 00 90\n"
     "E the card aborted the exchange\n"
     "C 04\n"
     ">  I(1,0): 00 40 01 04 45\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"the card aborts before it took the block",
     "only device\n"
     "N 2\n"
     "C 01 02 03\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  R(0): 00 80 00 80\n"
     "E the card aborted the exchange\n"
     "C 04\n"
     ">  I(0,0): 00 00 01 04 05\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"the card aborts in place of an answer, and S(ABORT response) is lost",
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "X\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">! S(ABORT response): 00 E2 00 E2\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  R(1): 00 90 00 90\n"
     "E the card aborted the exchange\n"
     "C 02\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "P 02\n"
     "A F1\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"S(ABORT response) of the card spoilt",
     "N 2\n"
     "C 01 02\n"
     ">  I(0,0): 00 00 02 01 02 01\n"
     "B\n"
     "P 01 02\n"
     "A F1 F2 F3 F4\n"
     "<  I(0,1): 00 20 02 F1 F2 21\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<! S(ABORT response): 00 E2 00 E2\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  S(ABORT response): 00 E2 00 E2\n"
     "E the exchange was aborted as requested\n"
     "C 03\n"
     ">  I(1,0): 00 40 01 03 42\n"
     "P 03\n"
     "A F7\n"
     "<  I(1,0): 00 40 01 F7 B6\n"
     "D F7\n"},
    {"a smaller IFSC comes between an I-block and its repetition",
     "only device\n"
     "N 4\n"
     "C 01 02 03 04\n"
     ">  I(0,0): 00 00 04 01 02 03 04 00\n"
     "<  S(IFS request): 00 C1 01 02 C2\n"
     ">  S(IFS response): 00 E1 01 02 E2\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,0): 00 40 02 03 04 45\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"IFSD is announced before the first block, and again after a resynchronisation",
     "only device\n"
     "M 40\n"
     "C 01\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  S(IFS response): 00 E1 01 40 A0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  I(0,0): 00 00 21 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 "
     "19 1A 1B 1C 1D 1E 1F 20 01\n"
     "D 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"
     "C 02\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "<  I(1,0): 00 40 01 F1 B0\n"
     "D F1\n"
     "Y\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "D\n"
     "C 03\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  S(IFS response): 00 E1 01 40 A0\n"
     ">  I(0,0): 00 00 01 03 02\n"
     "<  I(0,0): 00 00 01 F2 F3\n"
     "D F2\n"},
    {"a card that does not know S(IFS request)",
     "only device\n"
     "M 40\n"
     "C 01\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  S(IFS request): 00 C1 01 40 80\n"
     "<  R(0:2): 00 82 00 82\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"resynchronisation gives the card its first IFS values back",
     "only card\n"
     ">  S(IFS request): 00 C1 01 21 E1\n"
     "<  S(IFS response): 00 E1 01 21 C1\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "P 01\n"
     "A 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E "
     "1F 20\n"
     "<  I(0,1): 00 20 20 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 "
     "19 1A 1B 1C 1D 1E 1F 00\n"},
    {"after S(ABORT response) an I-block is none of the card's business",
     "only device\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  S(ABORT request): 00 C2 00 C2\n"
     ">  S(ABORT response): 00 E2 00 E2\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:2): 00 82 00 82\n"
     "<  R(1): 00 90 00 90\n"
     "E the card aborted the exchange\n"},
    {"attempts are counted in succession",
     "only device\n"
     "N 2\n"
     "C 01 02 03 04 05 06\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "<! R(1): 00 90 00 90\n"
     ">  R(0:1): 00 81 00 81\n"
     "<! R(1): 00 90 00 90\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  R(1): 00 90 00 90\n"
     ">  I(1,1): 00 60 02 03 04 65\n"
     "<! R(0): 00 80 00 80\n"
     ">  R(0:1): 00 81 00 81\n"
     "<! R(0): 00 80 00 80\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  R(0): 00 80 00 80\n"
     ">  I(0,0): 00 00 02 05 06 01\n"
     "<! I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<! I(0,0): 00 00 01 F1 F0\n"
     ">  R(0:1): 00 81 00 81\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"rule 6.4: first spoilt blocks, then silence",
     "only device\n"
     "C 01\n"
     ">  I(0,0): 00 00 01 01 00\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"
     "C 02\n"
     ">  I(1,0): 00 40 01 02 43\n"
     "<! I(1,0): 00 40 01 F2 B3\n"
     ">  R(1:1): 00 91 00 91\n"
     "<! I(1,0): 00 40 01 F2 B3\n"
     ">  R(1:1): 00 91 00 91\n"
     "<! I(1,0): 00 40 01 F2 B3\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     ">? S(RESYNCH request): 00 C0 00 C0\n"
     "E the card is mute\n"},
    {"no S(ABORT response): resynchronised, but still aborted",
     "only device\n"
     "N 2\n"
     "C 01 02 03\n"
     ">  I(0,1): 00 20 02 01 02 21\n"
     "B\n"
     "<  R(1): 00 90 00 90\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  R(1): 00 90 00 90\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  R(1): 00 90 00 90\n"
     ">  S(ABORT request): 00 C2 00 C2\n"
     "<  R(1): 00 90 00 90\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     "E the exchange was aborted as requested\n"
     "C 04\n"
     ">  I(0,0): 00 00 01 04 05\n"
     "<  I(0,0): 00 00 01 F1 F0\n"
     "D F1\n"},
    {"rule 7.4.3: S(RESYNCH request) wakes a mute card",
     "only card\n"
     ">! I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">! I(0,0): 00 00 01 01 00\n"
     "<  R(0:1): 00 81 00 81\n"
     ">! I(0,0): 00 00 01 01 00\n"
     ">  S(RESYNCH request): 00 C0 00 C0\n"
     "<  S(RESYNCH response): 00 E0 00 E0\n"
     ">  I(0,0): 00 00 01 02 03\n"
     "P 02\n"},
    /* clang-format on */
};

struct play {
    const char *name;
    enum t1_role role;
    struct t1 t1;
    struct step step;
    uint8_t buffer[64];
    uint8_t data[64];    /* what was given to the machine has to stay */
    uint32_t multiplier; /* that BWT must have */
};

static void next_is(struct play *play, enum step_kind kind, const char *line)
{
    t1_next(&play->t1, &play->step);
    ck_assert_msg(play->step.kind == kind, "%s (%s): %.40s: step is %d, reason %s", play->name,
                  play->role == T1_CARD ? "card" : "interface device", line, (int)play->step.kind,
                  t1_reason_text(play->t1.reason));
}

static void bytes_are(struct play *play, const uint8_t *bytes, size_t len, const char *line)
{
    ck_assert_msg(play->step.length == len && (len == 0 || memcmp(play->step.bytes, bytes, len) == 0),
                  "%s (%s): %.40s: step has %zu bytes, %02X %02X ...", play->name,
                  play->role == T1_CARD ? "card" : "interface device", line, play->step.length,
                  play->step.length > 0 ? play->step.bytes[0] : 0,
                  play->step.length > 1 ? play->step.bytes[1] : 0);
}

/* An interface device that still waits gets its time-out. */
static void let_time_pass(struct play *play)
{
    t1_next(&play->t1, &play->step);
    if (play->step.kind == STEP_RECEIVE && play->role == T1_INTERFACE_DEVICE) {
        ck_assert_uint_eq(play->step.timeout, BWT * play->multiplier);
        t1_timeout(&play->t1);
        play->multiplier = 1;
        t1_next(&play->t1, &play->step);
    }
}

/* A block of ours: it must come out. */
static void ours(struct play *play, const char *line, const uint8_t *bytes, size_t len)
{
    let_time_pass(play);
    ck_assert_msg(play->step.kind == STEP_SEND, "%s (%s): %.40s: not sent, step %d, reason %s", play->name,
                  play->role == T1_CARD ? "card" : "interface device", line, (int)play->step.kind,
                  t1_reason_text(play->t1.reason));
    bytes_are(play, bytes, len, line);
    ck_assert_uint_eq(play->step.guard, 22);
    if (bytes[1] == 0xE3)
        play->multiplier = bytes[3] > 0 ? bytes[3] : 1;
}

/* A block of the other side: it must be waited for. */
static void theirs(struct play *play, const char *line, const uint8_t *bytes, size_t len)
{
    next_is(play, STEP_RECEIVE, line);
    ck_assert_uint_eq(play->step.timeout, play->role == T1_CARD ? T1_NO_TIMEOUT : BWT * play->multiplier);
    if (line[1] == '?')
        return;
    for (size_t i = 0; i < len; i++) {
        t1_byte(&play->t1, (uint8_t)(bytes[i] ^ (line[1] == '!' && i == len - 1 ? 0x40 : 0)), true);
        if (i < len - 1) {
            next_is(play, STEP_RECEIVE, line);
            ck_assert_uint_eq(play->step.timeout, CWT);
        }
    }
    play->multiplier = 1;
    if (line[1] == '!') {
        next_is(play, STEP_RECEIVE, line); /* for silence */
        ck_assert_uint_eq(play->step.timeout, CWT);
        t1_byte(&play->t1, 0, true);
        next_is(play, STEP_RECEIVE, line);
        t1_timeout(&play->t1);
    }
}

static void play_line(struct play *play, const char *line)
{
    bool device = play->role == T1_INTERFACE_DEVICE;
    uint8_t block_bytes[64], *data = block_bytes;
    size_t len = 0;
    const char *hex;
    struct t1_block block;
    char name[32];

    if (line[0] == '>' || line[0] == '<') {
        hex = strstr(line, "): ");
        ck_assert_ptr_nonnull(hex);
        len = from_hex(hex + 2, data, sizeof block_bytes);
        /* the bytes are what the script says they are */
        ck_assert_int_eq(t1_block_decode(T1_LRC, data, len, &block), T1_BLOCK_OK);
        t1_block_text(&block, name, sizeof name);
        ck_assert_msg(strncmp(line + 3, name, strlen(name)) == 0, "%s: %s is %s", play->name, line, name);
        if (device == (line[0] == '>'))
            ours(play, line, data, len);
        else
            theirs(play, line, data, len);
        return;
    }
    if (device != (strchr("CDEFYB", line[0]) != NULL))
        return;
    if (line[0] == 'C' || line[0] == 'A')
        data = play->data;
    if (line[0] != 'E')
        len = from_hex(line + 1, data, sizeof block_bytes);
    switch (line[0]) {
    case 'C':
        ck_assert(t1_transmit(&play->t1, data, len));
        break;
    case 'D':
        next_is(play, STEP_DONE, line);
        bytes_are(play, data, len, line);
        break;
    case 'E':
        let_time_pass(play);
        next_is(play, STEP_FAILED, line);
        ck_assert_str_eq(t1_reason_text(play->t1.reason), line + 2);
        ck_assert_int_eq(t1_needs_reset(&play->t1), play->t1.reason <= T1_BABBLE);
        break;
    case 'F':
        ck_assert(t1_request_ifs(&play->t1, data[0]));
        break;
    case 'Y':
        ck_assert(t1_resynchronise(&play->t1));
        break;
    case 'B':
    case 'X':
        ck_assert(t1_request_abort(&play->t1));
        break;
    case 'P':
        next_is(play, STEP_PROCESS, line);
        bytes_are(play, data, len, line);
        break;
    case 'A':
        ck_assert(t1_answer(&play->t1, data, len));
        break;
    case 'W':
        ck_assert(t1_request_wtx(&play->t1, data[0]));
        break;
    case 'S':
        ck_assert(t1_request_ifs(&play->t1, data[0]));
        break;
    default:
        ck_abort_msg("%s: %s", play->name, line);
    }
}

static void play_script(int number, enum t1_role role)
{
    struct play play = {.name = scripts[number].name, .role = role, .multiplier = 1};
    struct t1_parameters p = parameters(role, play.buffer, sizeof play.buffer);
    char line[256];
    bool begun = false;

    for (const char *at = scripts[number].lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        ck_assert_uint_lt(strcspn(at, "\n"), sizeof line);
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (strncmp(line, "only ", 5) == 0) {
            if ((line[5] == 'c') != (role == T1_CARD))
                return;
        } else if (line[0] == 'N') {
            p.ifsc = p.ifsd = (uint8_t)strtoul(line + 2, NULL, 16);
        } else if (line[0] == 'M') {
            p.announce_ifsd = (uint8_t)strtoul(line + 2, NULL, 16);
        } else {
            if (!begun) {
                ck_assert(t1_init(&play.t1, &p));
                ck_assert_int_eq(t1_listen(&play.t1), role == T1_CARD);
                begun = true;
            }
            play_line(&play, line);
        }
    }
    ck_assert(begun);
}

START_TEST(each_script_as_interface_device)
{
    for (int i = 0; i < COUNT(scripts); i++)
        play_script(i, T1_INTERFACE_DEVICE);
}
END_TEST

START_TEST(each_script_as_card)
{
    for (int i = 0; i < COUNT(scripts); i++)
        play_script(i, T1_CARD);
}
END_TEST

/* ---- what scripts can't say ---- */

static void feed(struct t1 *t1, const char *hex)
{
    uint8_t bytes[T1_BLOCK_MAX];
    size_t len = from_hex(hex, bytes, sizeof bytes);

    for (size_t i = 0; i < len; i++)
        t1_byte(t1, bytes[i], true);
}

static void sends(struct t1 *t1, const char *hex)
{
    uint8_t bytes[T1_BLOCK_MAX];
    size_t len = from_hex(hex, bytes, sizeof bytes);
    struct step step;

    t1_next(t1, &step);
    ck_assert_int_eq(step.kind, STEP_SEND);
    ck_assert_uint_eq(step.length, len);
    ck_assert_mem_eq(step.bytes, bytes, len);
}

static void waits(struct t1 *t1, uint32_t timeout)
{
    struct step step;

    t1_next(t1, &step);
    ck_assert_int_eq(step.kind, STEP_RECEIVE);
    ck_assert_uint_eq(step.timeout, timeout);
}

static void fails(struct t1 *t1, enum t1_reason reason)
{
    struct step step;

    for (int i = 0; i < 2; i++) {
        t1_next(t1, &step);
        ck_assert_int_eq(step.kind, STEP_FAILED);
        ck_assert_str_eq(t1_reason_text(t1->reason), t1_reason_text(reason));
    }
}

START_TEST(init_refuses)
{
    uint8_t buffer[4];
    struct t1 t1;
    struct t1_parameters good = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer), bad;

    ck_assert(t1_init(&t1, &good));
#define REFUSES(field, value)                                                                                \
    bad = good;                                                                                              \
    bad.field = value;                                                                                       \
    ck_assert(!t1_init(&t1, &bad))
    REFUSES(ifsc, 0);
    REFUSES(ifsc, 255);
    REFUSES(ifsd, 0);
    REFUSES(ifsd, 255);
    REFUSES(announce_ifsd, 255);
    REFUSES(cwt, 0);
    REFUSES(bwt, 0);
    REFUSES(buffer, NULL);
    REFUSES(nad, 0x11);
    REFUSES(nad, 0x80);
    REFUSES(nad, 0x08);
    bad = good;
    bad.buffer = NULL;
    bad.capacity = 0;
    ck_assert(t1_init(&t1, &bad));
    bad = good;
    bad.role = T1_CARD;
    bad.bwt = 0;
    ck_assert(t1_init(&t1, &bad));
}
END_TEST

START_TEST(calls_at_the_wrong_moment)
{
    uint8_t buffer[8];
    struct t1 device, card;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    ck_assert(t1_init(&device, &p));
    p.role = T1_CARD;
    ck_assert(t1_init(&card, &p));

    t1_next(&device, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 0);
    ck_assert(!t1_listen(&device));
    ck_assert(!t1_answer(&device, buffer, 1));
    ck_assert(!t1_request_wtx(&device, 1));
    ck_assert(!t1_request_abort(&device));
    ck_assert(!t1_request_ifs(&device, 0));
    ck_assert(!t1_request_ifs(&device, 255));
    t1_timeout(&device);
    feed(&device, "00 00 00 00");
    ck_assert(t1_transmit(&device, (const uint8_t *)"\1", 1));
    ck_assert(!t1_transmit(&device, (const uint8_t *)"\2", 1));
    ck_assert(!t1_request_ifs(&device, 40));
    feed(&device, "00 00 00 00"); /* it is not the card's turn */
    t1_timeout(&device);
    sends(&device, "00 00 01 01 00");
    ck_assert(!t1_transmit(&device, (const uint8_t *)"\2", 1));
    feed(&device, "00 00 01 07 06");
    t1_next(&device, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 1);
    ck_assert(!t1_request_abort(&device));
    /* resynchronising is no task that could be aborted */
    ck_assert(t1_resynchronise(&device));
    ck_assert(!t1_request_abort(&device));

    ck_assert(!t1_transmit(&card, buffer, 1));
    ck_assert(!t1_resynchronise(&card));
    ck_assert(!t1_request_abort(&card));
    ck_assert(t1_listen(&card));
    ck_assert(!t1_listen(&card));
    ck_assert(!t1_answer(&card, buffer, 1));
    ck_assert(!t1_request_wtx(&card, 1));
    ck_assert(!t1_request_ifs(&card, 40));
    t1_timeout(&card);
    waits(&card, T1_NO_TIMEOUT);
    feed(&card, "00 00 00 00");
    t1_next(&card, &step);
    ck_assert_int_eq(step.kind, STEP_PROCESS);
    ck_assert_uint_eq(step.length, 0);
    t1_timeout(&card);
    feed(&card, "00 00 00 00");
    ck_assert(!t1_request_ifs(&card, 0));
    ck_assert(t1_answer(&card, NULL, 0));
    sends(&card, "00 00 00 00");
}
END_TEST

START_TEST(times)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);

    p.bwt = 31457291; /* BWI 9 at D=64 */
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    sends(&t1, "00 00 01 01 00");
    waits(&t1, 31457291);
    feed(&t1, "00 C3 01 02 C0");
    sends(&t1, "00 E3 01 02 E0");
    waits(&t1, 62914582);
    ck_assert_uint_eq(t1.counters.last_multiplier, 2);
    t1_byte(&t1, 0, true);
    waits(&t1, CWT);
    t1_timeout(&t1); /* the block stops short */
    sends(&t1, "00 82 00 82");
    waits(&t1, 31457291); /* the extension was for one block */
    feed(&t1, "00 C3 01 FF 3D");
    sends(&t1, "00 E3 01 FF 1D");
    waits(&t1, T1_NO_TIMEOUT - 1); /* more than fits */
    t1_timeout(&t1);
    sends(&t1, "00 82 00 82");
    waits(&t1, 31457291);
    ck_assert_uint_eq(t1.counters.wtx, 2);
    ck_assert_uint_eq(t1.counters.timeouts, 1);
    ck_assert_uint_eq(t1.counters.invalid, 1);
}
END_TEST

START_TEST(what_r_blocks_say)
{
    static const struct {
        const char *bytes;
        int parity_at;
        uint8_t pcb;
    } cases[] = {
        {"00 00 01 07 07", -1, 0x81},                                                         /* EDC */
        {"00 00 01 07 06", 0, 0x81},                                                          /* parity */
        {"00 00 01 07 06", 2, 0x81},  {"00 00 01 07 06", 4, 0x81}, {"00 00 01 07", -1, 0x82}, /* short */
        {"00 00 02 07 06", -1, 0x82}, {"00 00 FF 07", -1, 0x82},                              /* LEN */
        {"00 83 00 83", -1, 0x82},                                                            /* PCB */
        {"00 C1 01 FF 3F", -1, 0x82},                                                         /* IFS */
        {"11 00 01 07 17", -1, 0x82},                                                         /* NAD */
        {"12 00 01 07 14", -1, 0x82}, /* not the card's NAD */
    };

    for (int role = T1_INTERFACE_DEVICE; role <= T1_CARD; role++) {
        for (int i = 0; i < COUNT(cases); i++) {
            uint8_t buffer[8], bytes[8];
            size_t len = from_hex(cases[i].bytes, bytes, sizeof bytes);
            struct t1 t1;
            struct t1_parameters p = parameters((enum t1_role)role, buffer, sizeof buffer);
            struct step step;

            if (role == T1_CARD && i == COUNT(cases) - 1)
                break; /* a card takes any */
            ck_assert(t1_init(&t1, &p));
            if (role == T1_CARD) {
                ck_assert(t1_listen(&t1));
            } else {
                ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
                sends(&t1, "00 00 01 01 00");
            }
            for (size_t k = 0; k < len; k++)
                t1_byte(&t1, bytes[k], (int)k != cases[i].parity_at);
            waits(&t1, CWT); /* for silence */
            t1_timeout(&t1);
            t1_next(&t1, &step);
            ck_assert_int_eq(step.kind, STEP_SEND);
            ck_assert_uint_eq(step.bytes[1], cases[i].pcb);
            ck_assert_uint_eq(t1.counters.invalid, 1);
        }
    }
}
END_TEST

START_TEST(addresses)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    p.nad = 0x21;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    sends(&t1, "21 00 01 01 21");
    feed(&t1, "21 00 01 07 27"); /* an echo */
    t1_timeout(&t1);
    sends(&t1, "21 82 00 A3");
    feed(&t1, "9A 00 01 07 9C"); /* bits 8 and 4 are ignored */
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);

    p = parameters(T1_CARD, buffer, sizeof buffer);
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    feed(&t1, "53 00 01 07 55");
    ck_assert(t1_answer(&t1, (const uint8_t *)"\1", 1));
    sends(&t1, "35 00 01 01 35");
    feed(&t1, "80 40 01 07 C6"); /* not from an interface device */
    t1_timeout(&t1);
    sends(&t1, "35 92 00 A7");
}
END_TEST

START_TEST(with_crc)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    p.edc = T1_CRC;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_request_ifs(&t1, 0xFE));
    sends(&t1, "00 C1 01 FE B1 AB");
    feed(&t1, "00 E1 01 FE 8A A8");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(t1.ifs_in, 0xFE);
}
END_TEST

START_TEST(answer_too_long)
{
    uint8_t *buffer = exact(3);
    struct t1 t1;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, 3);
    struct step step;

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    sends(&t1, "00 00 01 01 00");
    feed(&t1, "00 20 02 F1 F2 21");
    sends(&t1, "00 90 00 90");
    feed(&t1, "00 60 02 F3 F4 65");
    sends(&t1, "00 C2 00 C2");
    feed(&t1, "00 E2 00 E2");
    fails(&t1, T1_TOO_LONG);
    ck_assert(!t1_needs_reset(&t1));
    /* the end of a chain is too long: nothing to abort */
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\2", 1));
    sends(&t1, "00 40 01 02 43");
    feed(&t1, "00 00 04 F1 F2 F3 F4 00");
    fails(&t1, T1_TOO_LONG);
    /* exactly fits */
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\3", 1));
    sends(&t1, "00 00 01 03 02");
    feed(&t1, "00 40 03 F1 F2 F3 B3");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 3);
    ck_assert_int_eq(t1.reason, T1_NO_REASON);
    free(buffer);
}
END_TEST

START_TEST(command_too_long)
{
    uint8_t *buffer = exact(3);
    struct t1 t1;
    struct t1_parameters p = parameters(T1_CARD, buffer, 3);
    struct step step;

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    feed(&t1, "00 20 02 F1 F2 21");
    sends(&t1, "00 90 00 90");
    feed(&t1, "00 40 02 F3 F4 45");
    sends(&t1, "00 C2 00 C2");
    feed(&t1, "00 E2 00 E2");
    sends(&t1, "00 80 00 80");
    feed(&t1, "00 00 03 F1 F2 F3 F3");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_PROCESS);
    ck_assert_uint_eq(step.length, 3);
    free(buffer);
}
END_TEST

START_TEST(babble)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    sends(&t1, "00 00 01 01 00");
    for (int i = 0; i < 5 + T1_BABBLE_MAX; i++) {
        t1_byte(&t1, 1, true);
        waits(&t1, CWT);
    }
    t1_byte(&t1, 1, true);
    fails(&t1, T1_BABBLE);
    ck_assert(t1_needs_reset(&t1));
    ck_assert(!t1_transmit(&t1, (const uint8_t *)"\1", 1));
    ck_assert(!t1_resynchronise(&t1));

    p.role = T1_CARD;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    for (int i = 0; i < 5000; i++)
        t1_byte(&t1, 1, true);
    t1_timeout(&t1);
    sends(&t1, "00 81 00 81");
}
END_TEST

/* ---- two machines, and a bad line between them ---- */

enum fault {
    FAULT_BIT,
    FAULT_BITS,
    FAULT_BURST,
    FAULT_PARITY,
    FAULT_LOST,
    FAULT_BYTE_LOST,
    FAULT_CUT,
    FAULT_TWICE,
    FAULT_NOISE,
    FAULT_COUNT
};

struct line {
    uint32_t seed;
    uint32_t one_in; /* blocks that get a fault; 0: none */
    enum t1_edc edc;
    uint64_t blocks, faults;
};

static bool chance(struct line *line, uint32_t one_in)
{
    return one_in > 0 && next_random(&line->seed) % one_in == 0;
}

/* Whether a receiver must take these bytes for a block, going by the standard alone. */
static bool looks_right(enum t1_edc edc, const uint8_t *bytes, size_t len, size_t parity_at, size_t *end)
{
    size_t covered;
    uint8_t lrc = 0;

    if (len < 4 || bytes[2] == 0xFF)
        return false;
    covered = 3u + bytes[2];
    *end = covered + (edc == T1_CRC ? 2 : 1);
    if (len < *end || parity_at < *end)
        return false;
    if (edc == T1_CRC)
        return slow_crc(bytes, covered) == (bytes[covered] | bytes[covered + 1] << 8);
    for (size_t i = 0; i <= covered; i++)
        lrc ^= bytes[i];
    return lrc == 0;
}

/*
 * Carries a block to the other side, perhaps with a fault. Faults that the EDC can't show are left out: what
 * arrives is the block, or does not look like one.
 */
static void carry(struct line *line, const uint8_t *block, size_t len, struct t1 *to)
{
    uint8_t bytes[2 * T1_BLOCK_MAX + 1];
    size_t n = len, parity_at = SIZE_MAX, at, end;

    line->blocks++;
    memcpy(bytes, block, len);
    if (chance(line, line->one_in)) {
        line->faults++;
        at = next_random(&line->seed) % len;
        switch ((enum fault)(next_random(&line->seed) % FAULT_COUNT)) {
        case FAULT_BIT:
            bytes[at] ^= (uint8_t)(1u << next_random(&line->seed) % 8);
            break;
        case FAULT_BITS:
            for (int i = 0; i < 3; i++)
                bytes[next_random(&line->seed) % len] ^= (uint8_t)(1u << next_random(&line->seed) % 8);
            break;
        case FAULT_BURST:
            for (size_t i = at; i < len && i < at + 8; i++)
                bytes[i] = (uint8_t)(next_random(&line->seed) >> 7);
            break;
        case FAULT_PARITY:
            parity_at = at;
            bytes[at] ^= (uint8_t)(next_random(&line->seed) % 2);
            break;
        case FAULT_LOST:
            n = 0;
            break;
        case FAULT_BYTE_LOST:
            memmove(bytes + at, bytes + at + 1, len - at - 1);
            n = len - 1;
            break;
        case FAULT_CUT:
            n = at;
            break;
        case FAULT_TWICE:
            memcpy(bytes + len, block, len);
            n = 2 * len;
            break;
        case FAULT_NOISE:
            memmove(bytes + at + 1, bytes + at, len - at);
            bytes[at] = (uint8_t)(next_random(&line->seed) >> 9);
            n = len + 1;
            break;
        case FAULT_COUNT:
            break;
        }
        if (looks_right(line->edc, bytes, n, parity_at, &end) &&
            (end != len || memcmp(bytes, block, len) != 0)) {
            memcpy(bytes, block, len);
            n = len;
        }
    }
    for (size_t i = 0; i < n; i++)
        t1_byte(to, bytes[i], i != parity_at);
}

static const struct run {
    const char *name;
    enum t1_edc edc;
    uint32_t one_in;
    bool aborts;
    bool must_work;
} runs[] = {
    {"LRC, no faults", T1_LRC, 0, false, true},
    {"CRC, no faults, chains aborted", T1_CRC, 0, true, false},
    {"LRC, a fault in 200 blocks", T1_LRC, 200, false, true},
    {"CRC, a fault in 200 blocks", T1_CRC, 200, false, true},
    {"LRC, a fault in 12 blocks, chains aborted", T1_LRC, 12, true, false},
    {"CRC, a fault in 12 blocks", T1_CRC, 12, false, false},
    {"LRC, a fault in 3 blocks", T1_LRC, 3, false, false},
    {"CRC, a fault in 3 blocks, chains aborted", T1_CRC, 3, true, false},
};

struct pair {
    struct line line;
    const struct run *run;
    struct t1 device, card;
    uint8_t *got_by_device, *got_by_card, *command, *answer;
    size_t command_len, answer_len;
    unsigned answered; /* times that the card got the command and answered it */
};

#define ANSWER_MAX  65538
#define COMMAND_MAX 65544

static void reset(struct pair *pair)
{
    struct t1_parameters p = parameters(T1_CARD, pair->got_by_card, COMMAND_MAX);

    p.edc = pair->run->edc;
    p.ifsc = chance(&pair->line, 2) ? 254 : (uint8_t)(1 + next_random(&pair->line.seed) % 254);
    must(t1_init(&pair->card, &p));
    must(t1_listen(&pair->card));
    p.role = T1_INTERFACE_DEVICE;
    p.buffer = pair->got_by_device;
    p.capacity = ANSWER_MAX;
    p.announce_ifsd = chance(&pair->line, 2) ? 254 : 0;
    must(t1_init(&pair->device, &p));
}

/* Lets the card react until it waits for a block; carries what it sends. */
static void card_turn(struct pair *pair)
{
    struct step step;

    for (;;) {
        t1_next(&pair->card, &step);
        switch (step.kind) {
        case STEP_RECEIVE:
            if (step.timeout == T1_NO_TIMEOUT)
                return;
            t1_timeout(&pair->card);
            break;
        case STEP_SEND:
            carry(&pair->line, step.bytes, step.length, &pair->device);
            return;
        case STEP_PROCESS:
            must(step.length == pair->command_len);
            must_say(step.length == 0 || memcmp(step.bytes, pair->command, step.length) == 0,
                     "the card got another command");
            if (chance(&pair->line, 16))
                must(t1_request_wtx(&pair->card, (uint8_t)next_random(&pair->line.seed)));
            else if (chance(&pair->line, 16))
                must(t1_request_ifs(&pair->card, (uint8_t)(1 + next_random(&pair->line.seed) % 254)));
            else if (pair->run->aborts && chance(&pair->line, 64))
                must(t1_request_abort(&pair->card));
            else if (++pair->answered > 0)
                must(t1_answer(&pair->card, pair->answer, pair->answer_len));
            break;
        default:
            ck_abort_msg("a card got step %d", (int)step.kind);
        }
    }
}

/* Until the interface device has done what was started. */
static enum step_kind exchange(struct pair *pair, struct step *step)
{
    size_t limit = 1000 + 200 * (pair->command_len + pair->answer_len);

    for (size_t i = 0; i < limit; i++) {
        t1_next(&pair->device, step);
        switch (step->kind) {
        case STEP_SEND:
            if (pair->run->aborts && chance(&pair->line, 200))
                t1_request_abort(chance(&pair->line, 2) ? &pair->device : &pair->card);
            if (!pair->run->must_work && chance(&pair->line, 2000))
                t1_resynchronise(&pair->device);
            carry(&pair->line, step->bytes, step->length, &pair->card);
            card_turn(pair);
            break;
        case STEP_RECEIVE:
            t1_timeout(&pair->device);
            break;
        default:
            return step->kind;
        }
    }
    ck_abort_msg("no end after %zu steps", limit);
    return STEP_FAILED;
}

static size_t random_length(struct line *line, size_t min, size_t max)
{
    uint32_t r = next_random(&line->seed) >> 4;

    if (r % 4000 == 0)
        return max;
    if (r % 2000 == 1)
        return min + (r >> 8) % (max - min + 1);
    if (r % 10 == 0)
        return min + (r >> 8) % 600;
    return min + (r >> 8) % 40;
}

/* Only the first bytes and the last differ each time: 65,538 random bytes would take longer than the
 * exchange. */
static void randomise(struct line *line, uint8_t *bytes, size_t len)
{
    size_t at = next_random(&line->seed) % len;

    for (size_t i = 0; i < 16; i++)
        bytes[(at + i) % len] = (uint8_t)(next_random(&line->seed) >> 11);
    for (size_t i = 0; i < 8 && i < len; i++)
        bytes[i] = (uint8_t)(next_random(&line->seed) >> 13);
    bytes[len - 1] = (uint8_t)(next_random(&line->seed) >> 5);
}

static uint32_t number_from(const char *variable, uint32_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL && *text != '\0' ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

START_TEST(bad_line)
{
    uint32_t exchanges = number_from("T1_EXCHANGES", 800000) / COUNT(runs);
    uint32_t seed = number_from("T1_SEED", 20061101);
    struct pair pair = {.run = &runs[_i]};
    uint64_t worked = 0, again = 0, failed[T1_IFS_REFUSED + 1] = {0}, resynchs = 0, bytes = 0;
    struct step step;

    pair.line = (struct line){.seed = seed + (uint32_t)_i, .one_in = runs[_i].one_in, .edc = runs[_i].edc};
    pair.got_by_device = exact(ANSWER_MAX);
    pair.got_by_card = exact(COMMAND_MAX);
    pair.command = exact(COMMAND_MAX);
    pair.answer = exact(ANSWER_MAX);
    for (size_t i = 0; i < ANSWER_MAX; i++)
        pair.command[i] = pair.answer[ANSWER_MAX - 1 - i] = (uint8_t)next_random(&pair.line.seed);
    reset(&pair);
    for (uint32_t i = 0; i < exchanges; i++) {
        enum step_kind end;
        uint64_t resynchs_before;

        pair.command_len = random_length(&pair.line, 4, COMMAND_MAX);
        pair.answer_len = random_length(&pair.line, 2, ANSWER_MAX);
        randomise(&pair.line, pair.command, pair.command_len);
        randomise(&pair.line, pair.answer, pair.answer_len);
        pair.answered = 0;
        if (chance(&pair.line, 16)) {
            must(t1_request_ifs(&pair.device, (uint8_t)(1 + next_random(&pair.line.seed) % 254)));
            end = exchange(&pair, &step);
            must(step.length == 0);
            if (pair.run->must_work)
                must(end == STEP_DONE);
        }
        if (t1_needs_reset(&pair.device))
            reset(&pair);
        resynchs_before = pair.device.counters.resynchs;
        must(t1_transmit(&pair.device, pair.command, pair.command_len));
        end = exchange(&pair, &step);
        resynchs += pair.device.counters.resynchs - resynchs_before;
        if (end == STEP_DONE) {
            must(step.length == pair.answer_len);
            must_say(memcmp(step.bytes, pair.answer, step.length) == 0, "the device got another answer");
            must(pair.answered >= 1);
            worked++;
            again += pair.answered > 1;
            /* only a resynchronisation makes the card get a command twice */
            must(pair.answered == 1 || pair.device.counters.resynchs > resynchs_before);
            bytes += pair.command_len + pair.answer_len;
        } else {
            must_say(!pair.run->must_work, "%s: exchange %" PRIu32 " failed: %s", pair.run->name, i,
                     t1_reason_text(pair.device.reason));
            must(pair.device.reason != T1_NO_REASON);
            must(pair.device.reason != T1_BABBLE);
            must(pair.device.reason != T1_TOO_LONG);
            if (!pair.run->aborts) {
                must(pair.device.reason != T1_ABORTED_BY_US);
                must(pair.device.reason != T1_ABORTED_BY_PEER);
            }
            /* without faults, only what was asked for */
            if (pair.run->one_in == 0)
                must(!t1_needs_reset(&pair.device));
            failed[pair.device.reason]++;
            if (t1_needs_reset(&pair.device))
                reset(&pair);
        }
    }
    must(worked > exchanges / 2);
    printf(
        "t1: %s: %" PRIu32 " exchanges, seed %" PRIu32 ": %" PRIu64 " worked (%" PRIu64 " bytes), %" PRIu64
        " blocks, %" PRIu64 " faults, %" PRIu64 " resynchronisations, answered more than once %" PRIu64 "\n",
        runs[_i].name, exchanges, seed, worked, bytes, pair.line.blocks, pair.line.faults, resynchs, again);
    for (int i = 0; i <= T1_IFS_REFUSED; i++)
        if (failed[i] > 0)
            printf("t1:     %" PRIu64 " failed: %s\n", failed[i], t1_reason_text((enum t1_reason)i));
    fflush(stdout);
    free(pair.got_by_device);
    free(pair.got_by_card);
    free(pair.command);
    free(pair.answer);
}
END_TEST

/* ---- garbage ---- */

/* Asks for steps as long as the machine gives some that need no answer; it must come to rest at once. */
static int rest(struct t1 *t1, size_t capacity, uint32_t *seed)
{
    struct step step;
    uint8_t sum = 0;
    int sent = 0;

    for (int i = 0; i < 4; i++) {
        t1_next(t1, &step);
        for (size_t k = 0; k < step.length; k++)
            sum ^= step.bytes[k];
        switch (step.kind) {
        case STEP_SEND:
            sent++;
            must(step.length >= 4);
            must(step.length <= T1_BLOCK_MAX);
            break;
        case STEP_RECEIVE:
            must(step.timeout > 0);
            break;
        default:
            must(step.length <= capacity);
            break;
        }
    }
    must(sent <= 1);
    *seed += sum & 1; /* so that the bytes are read */
    *seed |= 1u << 30;
    return sent;
}

static void garbage(enum t1_role role, enum t1_edc edc, uint32_t seed, unsigned operations)
{
    static const uint8_t pcbs[] = {0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0x81, 0x92, 0xC0, 0xC1,
                                   0xC2, 0xC3, 0xE0, 0xE1, 0xE2, 0xE3, 0xC4, 0x10, 0xA0, 0x8F};
    size_t capacity = 300;
    int sent = 0;
    uint8_t *buffer = exact(capacity), data[700], block[T1_BLOCK_MAX];
    struct t1 t1;
    struct t1_parameters p = parameters(role, buffer, capacity);

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)next_random(&seed);
    p.edc = edc;
    p.announce_ifsd = seed % 2 != 0 ? 200 : 0;
    must(t1_init(&t1, &p));
    t1_listen(&t1);
    for (unsigned i = 0; i < operations; i++) {
        uint32_t r = next_random(&seed) >> 3;
        size_t len;
        uint8_t pcb;

        switch (r % 16) {
        case 0:
            t1_timeout(&t1);
            break;
        case 1:
            for (uint32_t k = 0; k < r / 16 % 300; k++)
                t1_byte(&t1, (uint8_t)next_random(&seed), next_random(&seed) % 64 != 0);
            break;
        case 2:
            t1_byte(&t1, (uint8_t)(r >> 8), (r & 16) != 0);
            break;
        case 3:
            t1_request_wtx(&t1, (uint8_t)(r >> 8));
            t1_request_ifs(&t1, (uint8_t)(r >> 9));
            break;
        case 4:
            if (r / 16 % 8 == 0)
                t1_request_abort(&t1);
            if (r / 16 % 32 == 1)
                t1_resynchronise(&t1);
            break;
        case 5:
        case 6:
            t1_transmit(&t1, data, r / 16 % sizeof data);
            t1_answer(&t1, data, r / 16 % sizeof data);
            break;
        default:
            pcb = pcbs[r / 16 % sizeof pcbs];
            len = (pcb & 0x80) == 0 ? (r >> 12) % 40 : (pcb & 0x41) == 0x41 ? 1 : 0;
            if (r % 256 == 15)
                len = (r >> 12) % 255;
            len = t1_block_encode(edc, 0, pcb, data + (r >> 12) % 400, len, block);
            for (size_t k = 0; k < len; k++)
                t1_byte(&t1, block[k], true);
            break;
        }
        sent += rest(&t1, capacity, &seed);
        if (t1_needs_reset(&t1)) {
            must(t1_init(&t1, &p));
            t1_listen(&t1);
        }
    }
    must(sent > 100);
    free(buffer);
}

START_TEST(garbage_in)
{
    for (uint32_t round = 1; round <= 10; round++) {
        garbage(T1_INTERFACE_DEVICE, T1_LRC, _i * 1000 + round * 2654435761u, 4000);
        garbage(T1_CARD, T1_CRC, _i * 1000 + round * 2654435761u + 7, 4000);
        garbage(T1_CARD, T1_LRC, _i * 1000 + round * 2654435761u + 9, 4000);
    }
}
END_TEST

/* ---- runs of characters ---- */

/* Two machines that are told the same: one of each character, one of as many at once as comes. */
struct twins {
    struct t1 single, run;
    uint8_t single_buffer[300], run_buffer[300];
    size_t most; /* of the last STEP_RECEIVE, less the characters since; */
    uint32_t timeout;
    unsigned received; /* blocks without error */
};

static void same_step(struct twins *twins)
{
    struct step single, run;

    t1_next(&twins->single, &single);
    t1_next(&twins->run, &run);
    must(single.kind == run.kind && single.length == run.length && single.most == run.most);
    must(single.timeout == run.timeout && single.guard == run.guard);
    must(single.length == 0 || memcmp(single.bytes, run.bytes, run.length) == 0);
    must(memcmp(&twins->single.counters, &twins->run.counters, sizeof twins->run.counters) == 0);
    must(twins->single.reason == twins->run.reason);
    must((single.kind == STEP_RECEIVE) == (single.most > 0));
    must(single.most <= 1 || single.timeout == CWT); /* the first of a block has another limit */
    twins->most = single.most;
    twins->timeout = single.timeout;
}

/* What may be taken at once is under one time limit, as long as all is right. */
static void same_limit(struct twins *twins)
{
    size_t most = twins->most;
    uint32_t timeout = twins->timeout;

    same_step(twins);
    must(most <= 1 || twins->timeout == timeout);
    if (most > 1)
        must(twins->most == most - 1);
}

static void both_get(struct twins *twins, const uint8_t *bytes, size_t count, bool parity_ok, uint32_t *seed)
{
    for (size_t i = 0; i < count; i++)
        t1_byte(&twins->single, bytes[i], parity_ok || i + 1 < count);
    for (size_t at = 0, now; at < count; at += now) {
        now = 1 + next_random(seed) % (next_random(seed) % 2 ? 8 : count);
        now = now < count - at ? now : count - at;
        t1_bytes(&twins->run, bytes + at, now, parity_ok || at + now < count);
    }
    same_step(twins);
}

/* A block, in good order or not, and more behind it. */
static void both_get_block(struct twins *twins, uint32_t *seed)
{
    static const uint8_t pcbs[] = {0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0x81, 0xC0, 0xC1, 0xC3, 0xE0, 0xE1};
    uint8_t inf[T1_INF_MAX], bytes[2 * T1_BLOCK_MAX];
    uint8_t pcb = pcbs[next_random(seed) % sizeof pcbs];
    size_t length = (pcb & 0x80) == 0 ? next_random(seed) % 33 : (pcb & 0x41) == 0x41;

    for (size_t i = 0; i < sizeof inf; i++)
        inf[i] = (uint8_t)(next_random(seed) >> 5);
    if (next_random(seed) % 16 == 0)
        length = next_random(seed) % sizeof inf;
    length = t1_block_encode(twins->run.parameters.edc, 0, pcb, inf, length, bytes);
    if (next_random(seed) % 8 == 0)
        bytes[next_random(seed) % length] ^= (uint8_t)next_random(seed);
    for (; next_random(seed) % 8 == 0 && length < sizeof bytes; length++)
        bytes[length] = (uint8_t)next_random(seed);
    both_get(twins, bytes, length, next_random(seed) % 16 != 0, seed);
}

static void begin_twins(struct twins *twins, enum t1_role role, enum t1_edc edc)
{
    struct t1_parameters p = parameters(role, twins->single_buffer, sizeof twins->single_buffer);

    twins->received += (unsigned)twins->run.counters.blocks_received;
    p.edc = edc;
    must(t1_init(&twins->single, &p));
    p.buffer = twins->run_buffer;
    must(t1_init(&twins->run, &p));
    t1_listen(&twins->single);
    t1_listen(&twins->run);
}

START_TEST(runs_are_as_single_characters)
{
    enum t1_role role = _i % 2 ? T1_CARD : T1_INTERFACE_DEVICE;
    enum t1_edc edc = _i / 2 ? T1_CRC : T1_LRC;
    struct twins twins = {.received = 0};
    uint32_t seed = 4711 + (uint32_t)_i;
    uint8_t data[400];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(next_random(&seed) >> 3);
    begin_twins(&twins, role, edc);
    for (unsigned i = 0; i < 100000; i++) {
        size_t length = next_random(&seed) % sizeof data;
        switch (next_random(&seed) % 8) {
        case 0:
            t1_timeout(&twins.single);
            t1_timeout(&twins.run);
            break;
        case 1:
            both_get(&twins, data, length, next_random(&seed) % 2 != 0, &seed);
            break;
        case 2:
        case 3:
            must(t1_transmit(&twins.single, data, length) == t1_transmit(&twins.run, data, length));
            must(t1_answer(&twins.single, data, length) == t1_answer(&twins.run, data, length));
            break;
        default:
            both_get_block(&twins, &seed);
        }
        same_step(&twins);
        if (next_random(&seed) % 4 == 0) {
            both_get(&twins, (const uint8_t *)"\0\x40\x09", 3, true, &seed);
            for (int more = 0; more < 9; more++) {
                t1_byte(&twins.single, data[more], true);
                t1_bytes(&twins.run, data + more, 1, true);
                same_limit(&twins);
            }
        }
        if (t1_needs_reset(&twins.run))
            begin_twins(&twins, role, edc);
    }
    begin_twins(&twins, role, edc);
    must(twins.received > 1000);
}
END_TEST

/* Whatever an interface device does, silence ends it soon. */
START_TEST(silence_ends_it)
{
    uint8_t buffer[8];

    for (int before = 0; before < 3; before++) {
        struct t1 t1;
        struct t1_parameters p = parameters(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
        struct step step;
        int sent = 0, waited = 0;

        ck_assert(t1_init(&t1, &p));
        if (before > 0) {
            ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
            sends(&t1, "00 00 01 01 00");
            feed(&t1, "00 00 01 07 06");
        }
        ck_assert(before == 2 ? t1_request_ifs(&t1, 99) : t1_transmit(&t1, (const uint8_t *)"\1", 1));
        for (t1_next(&t1, &step); step.kind != STEP_FAILED; t1_next(&t1, &step)) {
            if (step.kind == STEP_SEND) {
                sent++;
            } else {
                ck_assert_int_eq(step.kind, STEP_RECEIVE);
                t1_timeout(&t1);
                waited++;
            }
            ck_assert_int_le(sent, 6);
        }
        ck_assert_int_eq(t1.reason, T1_PEER_MUTE);
        ck_assert_int_eq(sent, before > 0 ? 6 : 3);
        ck_assert_int_eq(waited, sent);
        ck_assert_uint_eq(t1.counters.timeouts, (unsigned)waited);
    }
}
END_TEST

START_TEST(counters_count)
{
    uint8_t buffer[64], *answer = buffer;
    struct pair pair = {.run = &runs[0]};
    struct step step;

    pair.line.seed = 5;
    pair.got_by_device = exact(ANSWER_MAX);
    pair.got_by_card = exact(COMMAND_MAX);
    pair.command = exact(64);
    pair.answer = answer;
    memset(buffer, 7, sizeof buffer);
    pair.command_len = 64;
    pair.answer_len = 64;
    reset(&pair);
    ck_assert(t1_resynchronise(&pair.device));
    ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    for (int i = 0; i < 100; i++) {
        ck_assert(t1_transmit(&pair.device, pair.command, 64));
        ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    }
    ck_assert_uint_eq(pair.device.counters.resynchs, 1);
    ck_assert_uint_eq(pair.card.counters.resynchs, 1);
    ck_assert_uint_eq(pair.device.counters.blocks_sent, pair.card.counters.blocks_received);
    ck_assert_uint_eq(pair.card.counters.blocks_sent, pair.device.counters.blocks_received);
    ck_assert_uint_eq(pair.device.counters.blocks_sent, pair.device.counters.blocks_received);
    ck_assert_uint_gt(pair.device.counters.wtx, 0);
    ck_assert_uint_eq(pair.device.counters.wtx, pair.card.counters.wtx);
    ck_assert_uint_eq(pair.device.counters.last_multiplier, pair.card.counters.last_multiplier);
    ck_assert_uint_eq(pair.device.counters.invalid + pair.card.counters.invalid, 0);
    ck_assert_uint_eq(pair.device.counters.retransmissions + pair.card.counters.retransmissions, 0);
    ck_assert_uint_eq(pair.device.counters.timeouts + pair.device.counters.aborts, 0);
    /* one block gets lost on its way to the card, one is spoilt on its way back */
    ck_assert(t1_transmit(&pair.device, pair.command, 64));
    t1_next(&pair.device, &step);
    ck_assert_int_eq(step.kind, STEP_SEND);
    ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    ck_assert_uint_eq(pair.device.counters.timeouts, 1);
    ck_assert_uint_eq(pair.device.counters.retransmissions, 1);
    free(pair.got_by_device);
    free(pair.got_by_card);
    free(pair.command);
}
END_TEST

static Suite *t1_suite(void)
{
    Suite *suite = suite_create("t1");
    TCase *tc = tcase_create("blocks");

    tcase_add_test(tc, known_edc);
    tcase_add_test(tc, each_block);
    tcase_add_test(tc, every_pcb_and_nad);
    tcase_add_test(tc, every_length);
    tcase_add_test(tc, texts);
    suite_add_tcase(suite, tc);

    tc = tcase_create("scripts");
    tcase_add_test(tc, each_script_as_interface_device);
    tcase_add_test(tc, each_script_as_card);
    suite_add_tcase(suite, tc);

    tc = tcase_create("machine");
    tcase_add_test(tc, init_refuses);
    tcase_add_test(tc, calls_at_the_wrong_moment);
    tcase_add_test(tc, times);
    tcase_add_test(tc, what_r_blocks_say);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, with_crc);
    tcase_add_test(tc, answer_too_long);
    tcase_add_test(tc, command_too_long);
    tcase_add_test(tc, babble);
    tcase_add_test(tc, silence_ends_it);
    tcase_add_test(tc, counters_count);
    tcase_add_loop_test(tc, runs_are_as_single_characters, 0, 4);
    suite_add_tcase(suite, tc);

    tc = tcase_create("line");
    tcase_set_timeout(tc, 0); /* T1_EXCHANGES may ask for any number */
    tcase_add_loop_test(tc, bad_line, 0, COUNT(runs));
    tcase_add_loop_test(tc, garbage_in, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(t1_suite());
}
