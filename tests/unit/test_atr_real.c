/* SPDX-License-Identifier: BSD-3-Clause */
/* ATRs of real cards: what they say, and the same with pieces missing and with bit errors. */
#include "atr_build.h"
#include "atr_parsing.h"
#include "bytes.h"
#include "count.h"
#include "must.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define W(name) (1u << ATR_WARN_##name)

/*
 * ATRs of cards in the field. The fields were worked out from the tables of ISO/IEC 7816-3:2006, 8.3, 10.2
 * and 11.4, not with the code under test. The rows after the first 30 are ATRs that atr_parse refuses.
 */
struct expected {
    const char *hex;
    const char *order; /* protocols offered */
    enum atr_result result;
    size_t position;
    size_t historical;
    uint32_t warnings;
    uint16_t f, fmax_khz;
    uint8_t d, n, ta2, wi, ifsc, cwi, bwi, classes, spu;
    int clock_stop;
    bool specific, t15;
};

static const struct expected real_atrs[] = {
    {"3B 02 14 50", .order = "0", .historical = 2, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32,
     .cwi = 13, .bwi = 4, .classes = 1},
    {"3F 2D 00 27 A0 51 82 7D 00 00 00 52 00 0C 90 00", .order = "0", .historical = 13, .f = 372, .d = 1,
     .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1,
     .warnings = W(TB1_DEPRECATED)},
    {"3F 05 DC 20 FC 00 01", .order = "0", .historical = 5, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 23 00 35 11 80", .order = "0", .historical = 3, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1, .warnings = W(TB1_DEPRECATED)},
    {"3B 34 00 00 30 42 30 30", .order = "0", .historical = 4, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1, .warnings = W(DI_RFU) | W(TB1_DEPRECATED)},
    {"3B 85 40 20 68 01 01 00 00", .order = "0", .historical = 5, .f = 372, .d = 1, .fmax_khz = 5000,
     .wi = 32, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 82 81 31 76 43 C0 02 C5", .order = "1", .historical = 2, .f = 372, .d = 1, .fmax_khz = 5000,
     .wi = 10, .ifsc = 118, .cwi = 3, .bwi = 4, .classes = 1},
    {"3B 85 C0 FA 21 63 80 63 01 01 05 1B", .order = "0 1", .historical = 5, .f = 372, .d = 1,
     .fmax_khz = 5000, .wi = 250, .ifsc = 32, .cwi = 3, .bwi = 6, .classes = 1},
    {"3B 80 80 01 01", .order = "0 1", .historical = 0, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 81 80 01 80 80", .order = "0 1", .historical = 1, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 80 01 81", .order = "1", .historical = 0, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32,
     .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 81 01 00 80", .order = "1", .historical = 1, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10,
     .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 8D 80 01 80 73 C0 21 C0 57 59 75 62 69 4B 65 79 F9", .order = "0 1", .historical = 13, .f = 372,
     .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 90 95 80 1F C3 59", .order = "0", .t15 = true, .historical = 0, .f = 512, .d = 16, .fmax_khz = 5000,
     .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 3, .clock_stop = 3},
    {"3B 90 96 91 81 B1 FE 55 1F C7 D4", .order = "1", .t15 = true, .historical = 0, .f = 512, .d = 32,
     .fmax_khz = 5000, .specific = true, .ta2 = 0x81, .wi = 10, .ifsc = 254, .cwi = 5, .bwi = 5, .classes = 7,
     .clock_stop = 3},
    {"3B 94 18 81 B1 80 7D 1F 03 19 C8 00 50 DC", .order = "1", .t15 = true, .historical = 4, .f = 372,
     .d = 12, .fmax_khz = 5000, .wi = 10, .ifsc = 128, .cwi = 13, .bwi = 7, .classes = 3},
    {"3B 9C 13 11 81 64 72 65 61 6D 63 72 79 70 74 00 04 08", .order = "1", .historical = 12, .f = 372,
     .d = 4, .fmax_khz = 5000, .specific = true, .ta2 = 0x81, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 1},
    {"3B 9F 96 81 B1 FE 45 1F 07 00 64 05 1E B2 00 31 B0 73 96 21 DB 05 90 00 5C", .order = "1", .t15 = true,
     .historical = 15, .f = 512, .d = 32, .fmax_khz = 5000, .wi = 10, .ifsc = 254, .cwi = 5, .bwi = 4,
     .classes = 7},
    {"3B 97 11 C0 FF B1 FE 35 1F 83 A5 05 01 01 02 A3 01 5F", .order = "0 1", .t15 = true, .historical = 7,
     .f = 372, .d = 1, .fmax_khz = 5000, .wi = 255, .ifsc = 254, .cwi = 5, .bwi = 3, .classes = 3,
     .clock_stop = 2},
    {"3B 97 94 80 3F 44 90 80 31 A0 73 BE 21 00 95", .order = "0", .t15 = true, .historical = 7, .f = 512,
     .d = 8, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 4, .clock_stop = 1,
     .spu = 0x90},
    {"3B 9F 96 80 3F C7 00 80 31 E0 73 FE 21 1B 64 08 05 03 00 82 90 00 EF", .order = "0", .t15 = true,
     .historical = 15, .f = 512, .d = 32, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 7, .clock_stop = 3},
    {"3B 9F 21 0E 49 52 44 45 54 4F 20 41 43 53 03 83 95 00 80 55", .order = "14", .historical = 15, .f = 558,
     .d = 1, .fmax_khz = 6000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B A8 00 81 71 46 5D 00 54 43 4F 53 31 2E 32 00 65", .order = "1", .historical = 8, .f = 372, .d = 1,
     .fmax_khz = 5000, .wi = 10, .ifsc = 70, .cwi = 13, .bwi = 5, .classes = 1,
     .warnings = W(TB1_DEPRECATED)},
    {"3B D0 A8 FF 81 F1 FB 24 00 1F C3 F4", .order = "1", .t15 = true, .historical = 0, .f = 768, .d = 12,
     .fmax_khz = 7500, .n = 255, .wi = 10, .ifsc = 251, .cwi = 4, .bwi = 2, .classes = 3, .clock_stop = 3},
    {"3B E8 00 00 81 31 FE 00 50 65 72 73 6F 53 69 6D AA", .order = "1", .historical = 8, .f = 372, .d = 1,
     .fmax_khz = 5000, .wi = 10, .ifsc = 254, .cwi = 0, .bwi = 0, .classes = 1,
     .warnings = W(TB1_DEPRECATED)},
    {"3B EF 00 FF 81 31 FF 65 49 42 4D 20 4D 46 43 39 32 32 39 32 38 39 30 17", .order = "1",
     .historical = 15, .f = 372, .d = 1, .fmax_khz = 5000, .n = 255, .wi = 10, .ifsc = 32, .cwi = 5, .bwi = 6,
     .classes = 1, .warnings = W(IFSC_RFU) | W(TB1_DEPRECATED)},
    {"3F FF 95 00 FF 91 81 71 FF 47 00 44 4E 41 53 50 53 30 31 20 44 73 68 36 30 39 16", .order = "1",
     .historical = 15, .f = 512, .d = 16, .fmax_khz = 5000, .n = 255, .specific = true, .ta2 = 0x81, .wi = 10,
     .ifsc = 32, .cwi = 7, .bwi = 4, .classes = 1, .warnings = W(IFSC_RFU) | W(TB1_DEPRECATED)},
    {"3B D9 18 00 C0 09 10 FE 54 59 46 4F 4E 45 00 00 00", .order = "0", .historical = 9, .f = 372, .d = 12,
     .fmax_khz = 5000, .wi = 9, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1},
    {"3B 95 96 80 B1 FE 55 1F C7 47 72 61 63 65 13", .order = "0 1", .t15 = true, .historical = 5, .f = 512,
     .d = 32, .fmax_khz = 5000, .wi = 10, .ifsc = 254, .cwi = 5, .bwi = 5, .classes = 7, .clock_stop = 3},
    {"3B 3B 7F 38 00 00 00 6A 44 4E 49 65 10 02 4C", .order = "0", .historical = 11, .f = 372, .d = 1,
     .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1,
     .warnings = W(DI_RFU) | W(FI_RFU) | W(TB1_DEPRECATED)},
    {"3B 81 1F 00 CC 52", .result = ATR_T15_FIRST, .position = 2, .order = "", .t15 = true, .historical = 1,
     .f = 372, .d = 1, .fmax_khz = 5000, .specific = true, .ta2 = 0x00, .wi = 10, .ifsc = 32, .cwi = 13,
     .bwi = 4, .classes = 1, .warnings = W(TA2_PROTOCOL)},
    {"3B 88 8E FE 53 2A 03 1E 04 92 80 00 41 32 36 01 11 E4", .result = ATR_TCK_WRONG, .position = 17,
     .order = "14", .historical = 8, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13,
     .bwi = 4, .classes = 1},
    {"3B F5 71 00 FF FE 24 00 01 1E 0F 33 39 32 01 03", .result = ATR_TCK_MISSING, .position = 16,
     .order = "14", .historical = 5, .f = 372, .d = 1, .fmax_khz = 5000, .n = 255, .specific = true,
     .ta2 = 0x24, .wi = 1, .ifsc = 32, .cwi = 13, .bwi = 4, .classes = 1,
     .warnings = W(FI_RFU) | W(TA2_PROTOCOL) | W(TA2_RFU) | W(TB1_DEPRECATED) | W(TB2_DEPRECATED)},
    {"3B 04 60 89", .result = ATR_TRUNCATED, .position = 4},
    {"3B 8C 80 01 50 27 52 31 81 00 00 00 00 00 71 81", .result = ATR_TCK_MISSING, .position = 16,
     .order = "0 1", .historical = 12, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13,
     .bwi = 4, .classes = 1},
    {"3B 86 80 01 06 75 77 81 02 8F 00", .result = ATR_TCK_WRONG, .position = 10, .order = "0 1",
     .historical = 6, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 1},
    {"3B 67 00 FF C5 00 00 FF FF FF FF 5D", .result = ATR_TCK_UNEXPECTED, .position = 11, .order = "0",
     .historical = 7, .f = 372, .d = 1, .fmax_khz = 5000, .n = 255, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 1, .warnings = W(TB1_DEPRECATED)},
    {"3B 84 80 01 01 11 20 03 36 90 00", .result = ATR_TRAILING, .position = 9, .order = "0 1",
     .historical = 4, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 1},
    {"3B 00 3B 28 00 34 41 45 41 30 32 30 30", .result = ATR_TRAILING, .position = 2, .order = "0",
     .historical = 0, .f = 372, .d = 1, .fmax_khz = 5000, .wi = 10, .ifsc = 32, .cwi = 13, .bwi = 4,
     .classes = 1},
};

START_TEST(real_atr)
{
    const struct expected *e = &real_atrs[_i];
    char order[64] = "";
    uint8_t bytes[64];
    size_t length = from_hex(e->hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr atr;

    ck_assert_msg(parse_exact(bytes, length, &atr, &error) == e->result, "%s: result %d", e->hex,
                  error.result);
    ck_assert_uint_eq(error.position, e->position);
    ck_assert_uint_eq(atr.length, length);
    ck_assert_mem_eq(atr.raw, bytes, length);
    ck_assert_int_eq(atr.layout.convention, bytes[0]);
    if (!atr_is_decoded(e->result))
        return;

    for (size_t i = 0; i < atr.protocol_count; i++) {
        char one[8];

        ck_assert(atr.protocols >> atr.protocol[i] & 1);
        snprintf(one, sizeof one, "%s%u", i == 0 ? "" : " ", atr.protocol[i]);
        strcat(order, one);
    }
    ck_assert_str_eq(order, e->order);
    ck_assert_int_eq(__builtin_popcount(atr.protocols), atr.protocol_count);
    ck_assert_uint_eq(atr.first_protocol, *e->order == '\0' ? ATR_NO_PROTOCOL : strtoul(e->order, NULL, 10));
    ck_assert_uint_eq(atr.has_t15, e->t15);
    ck_assert_uint_eq(atr.tck_required, e->t15 || strcmp(e->order, "0") != 0);
    ck_assert_uint_eq(atr.tck_present, atr.tck_required && e->result != ATR_TCK_MISSING);

    ck_assert_uint_eq(atr.layout.historical_count, e->historical);
    ck_assert_mem_eq(atr.layout.historical, bytes + atr.historical_at, e->historical);
    if (e->result == ATR_OK)
        ck_assert_uint_eq(atr.historical_at + e->historical + atr.tck_present, length);

    ck_assert_uint_eq(atr.f, e->f);
    ck_assert_uint_eq(atr.d, e->d);
    ck_assert_uint_eq(atr.fmax_khz, e->fmax_khz);
    ck_assert_uint_eq(atr.extra_guard_time, e->n);
    ck_assert_uint_eq(atr.specific, e->specific);
    if (e->specific) {
        ck_assert_uint_eq(atr.specific_protocol, e->ta2 & 0x0F);
        ck_assert_uint_eq(atr.mode_changeable, (e->ta2 & 0x80) == 0);
        ck_assert_uint_eq(atr.implicit_parameters, (e->ta2 & 0x10) != 0);
    }
    ck_assert_uint_eq(atr.classes, e->classes);
    ck_assert_int_eq(atr.clock_stop, e->clock_stop);
    ck_assert_uint_eq(atr.spu, e->spu);
    ck_assert_uint_eq(atr.wi, e->wi);
    ck_assert_uint_eq(atr.ifsc, e->ifsc);
    ck_assert_uint_eq(atr.cwi, e->cwi);
    ck_assert_uint_eq(atr.bwi, e->bwi);
    ck_assert_int_eq(atr.edc, ATR_EDC_LRC); /* nobody uses the CRC; it is tested below */
    ck_assert_uint_eq(atr.warnings, e->warnings);
}
END_TEST

/* The layout of a correct ATR gives the same bytes again. */
START_TEST(real_atr_rebuilt)
{
    const struct expected *e = &real_atrs[_i];
    uint8_t bytes[64], again[ATR_MAX];
    size_t length = from_hex(e->hex, bytes, sizeof bytes), again_length;
    struct atr_error error;
    struct atr atr;

    if (parse_exact(bytes, length, &atr, &error) != ATR_OK)
        return;
    ck_assert_int_eq(atr_build(&atr.layout, again, sizeof again, &again_length), ATR_OK);
    ck_assert_uint_eq(again_length, length);
    ck_assert_mem_eq(again, bytes, length);
}
END_TEST

/* What a reader sees that gets an ATR byte by byte: not complete, not complete, ..., complete. */
START_TEST(real_atr_byte_by_byte)
{
    uint8_t bytes[64];
    size_t length = from_hex(real_atrs[_i].hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr atr;

    if (real_atrs[_i].result != ATR_OK)
        return;
    for (size_t part = 0; part < length; part++) {
        enum atr_result result = parse_exact(bytes, part, &atr, &error);

        ck_assert_uint_eq(error.position, part);
        if (part == 0)
            ck_assert_int_eq(result, ATR_EMPTY);
        else if (part == length - 1 && (strcmp(real_atrs[_i].order, "0") != 0 || real_atrs[_i].t15))
            ck_assert_int_eq(result, ATR_TCK_MISSING);
        else
            ck_assert_int_eq(result, ATR_TRUNCATED);
        ck_assert_uint_gt(atr_announced(bytes, part), part);
        ck_assert_uint_le(atr_announced(bytes, part), length);
    }
    ck_assert_int_eq(parse_exact(bytes, length, &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr_announced(bytes, length), length);
}
END_TEST

/* Any single wrong bit after the interface bytes is found by TCK, when there is one. */
START_TEST(real_atr_with_bit_error)
{
    uint8_t bytes[64];
    size_t length = from_hex(real_atrs[_i].hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr good, bad;

    if (parse_exact(bytes, length, &good, &error) != ATR_OK || !good.tck_present)
        return;
    for (size_t i = good.historical_at; i < length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            must(parse_exact(bytes, length, &bad, &error) == ATR_TCK_WRONG);
            must(error.position == length - 1);
            must((error.found ^ error.expected) == 1u << bit);
            must(bad.tck == bytes[length - 1]);
            must(bad.f == good.f);
            must(bad.ifsc == good.ifsc);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("atr_real");
    TCase *tc = tcase_create("real cards");

    tcase_add_loop_test(tc, real_atr, 0, COUNT(real_atrs));
    tcase_add_loop_test(tc, real_atr_rebuilt, 0, COUNT(real_atrs));
    tcase_add_loop_test(tc, real_atr_byte_by_byte, 0, COUNT(real_atrs));
    tcase_add_loop_test(tc, real_atr_with_bit_error, 0, COUNT(real_atrs));
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
