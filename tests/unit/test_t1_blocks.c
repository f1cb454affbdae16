/* SPDX-License-Identifier: BSD-3-Clause */
/* T=1: single blocks, and their receiver. */
#include "iso7816/t1.h"
#include "t1_block_text.h"

#include "bytes.h"
#include "count.h"
#include "must.h"
#include "next_random.h"
#include "run_suite.h"
#include "slow_crc.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
    for (size_t length = 0; length < sizeof bytes; length++) {
        uint8_t lrc = 0;

        for (size_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)next_random(&seed);
            lrc ^= bytes[i];
        }
        ck_assert_uint_eq(t1_lrc(bytes, length), lrc);
        ck_assert_uint_eq(t1_crc(bytes, length), slow_crc(bytes, length));
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
            ck_assert_uint_eq(block.length, bytes[2]);
            ck_assert_ptr_eq(block.inf, copy + 3);
            ck_assert_uint_eq(
                t1_block_encode(blocks[i].edc, block.nad, block.pcb, block.inf, block.length, out), size);
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
        for (size_t length = 0; length < 3; length++) {
            size_t size = t1_block_encode(T1_LRC, 0, (uint8_t)pcb, value, length, bytes);
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
                expected = length == 0 ? T1_BLOCK_OK : T1_BLOCK_BAD_LEN;
                if (length == 0)
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
                expected = length == (sized ? 1 : 0) ? T1_BLOCK_OK : T1_BLOCK_BAD_LEN;
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
        for (size_t length = 0; length <= 254; length++) {
            size_t size = t1_block_encode((enum t1_edc)edc, 0x21, 0x40, inf, length, bytes);

            must(size == 3 + length + t1_edc_size((enum t1_edc)edc));
            t1_receiver_start(&receiver, (enum t1_edc)edc);
            for (size_t i = 0; i < size; i++)
                must(t1_receiver_byte(&receiver, bytes[i], true) ==
                     (i + 1 < size ? T1_RECEIVER_MORE : T1_RECEIVER_COMPLETE));
            must(receiver.count == size);
            must(t1_block_decode((enum t1_edc)edc, receiver.bytes, size, &block) == T1_BLOCK_OK);
            must(block.length == length);
            ck_assert_mem_eq(block.inf, inf, length);
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

static Suite *blocks_suite(void)
{
    Suite *suite = suite_create("t1_blocks");
    TCase *tc = tcase_create("blocks");

    tcase_add_test(tc, known_edc);
    tcase_add_test(tc, each_block);
    tcase_add_test(tc, every_pcb_and_nad);
    tcase_add_test(tc, every_length);
    tcase_add_test(tc, texts);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(blocks_suite());
}
