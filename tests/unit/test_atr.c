/* SPDX-License-Identifier: BSD-3-Clause */
#include "iso7816/atr.h"
#include "iso7816/hex.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define W(name) (1u << ATR_WARN_##name)

/* For loops that run very often: libcheck's own assertions write each one down even when it holds. */
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg("%s", #condition);                                                                  \
    } while (0)

/* xorshift32: the same numbers on every machine, so that a failure can be repeated. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static uint8_t random_byte(uint32_t *state)
{
    return (uint8_t)(next_random(state) >> 11);
}

static size_t from_hex(const char *text, uint8_t *out, size_t cap)
{
    size_t len, bad_at;

    ck_assert_msg(hex_decode(text, strlen(text), out, cap, &len, &bad_at) == HEX_OK, "%s at %zu", text,
                  bad_at);
    return len;
}

/* Parses a copy of exactly len bytes, so that the address sanitizer sees a read beyond them. */
static enum atr_result parse_exact(const uint8_t *bytes, size_t len, struct atr *atr, struct atr_error *error)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    enum atr_result result;

    CHECK(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    result = atr_parse(copy, len, atr, error);
    free(copy);
    CHECK(result == error->result);
    return result;
}

static enum atr_result parse_hex(const char *text, struct atr *atr, struct atr_error *error)
{
    uint8_t bytes[64];
    size_t len = from_hex(text, bytes, sizeof bytes);

    return parse_exact(bytes, len, atr, error);
}

static void assert_same_layout(const struct atr_layout *a, const struct atr_layout *b)
{
    CHECK(a->convention == b->convention);
    CHECK(a->group_count == b->group_count);
    CHECK(a->historical_count == b->historical_count);
    CHECK(memcmp(a->group, b->group, sizeof a->group) == 0);
    CHECK(memcmp(a->historical, b->historical, sizeof a->historical) == 0);
}

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

#define REAL_ATRS ((int)(sizeof real_atrs / sizeof real_atrs[0]))

START_TEST(real_atr)
{
    const struct expected *e = &real_atrs[_i];
    char order[64] = "";
    uint8_t bytes[64];
    size_t len = from_hex(e->hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr atr;

    ck_assert_msg(parse_exact(bytes, len, &atr, &error) == e->result, "%s: result %d", e->hex, error.result);
    ck_assert_uint_eq(error.position, e->position);
    ck_assert_uint_eq(atr.len, len);
    ck_assert_mem_eq(atr.raw, bytes, len);
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
        ck_assert_uint_eq(atr.historical_at + e->historical + atr.tck_present, len);

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
    size_t len = from_hex(e->hex, bytes, sizeof bytes), again_len;
    struct atr_error error;
    struct atr atr;

    if (parse_exact(bytes, len, &atr, &error) != ATR_OK)
        return;
    ck_assert_int_eq(atr_build(&atr.layout, again, sizeof again, &again_len), ATR_OK);
    ck_assert_uint_eq(again_len, len);
    ck_assert_mem_eq(again, bytes, len);
}
END_TEST

/* What a reader sees that gets an ATR byte by byte: not complete, not complete, ..., complete. */
START_TEST(real_atr_byte_by_byte)
{
    uint8_t bytes[64];
    size_t len = from_hex(real_atrs[_i].hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr atr;

    if (real_atrs[_i].result != ATR_OK)
        return;
    for (size_t part = 0; part < len; part++) {
        enum atr_result result = parse_exact(bytes, part, &atr, &error);

        ck_assert_uint_eq(error.position, part);
        if (part == 0)
            ck_assert_int_eq(result, ATR_EMPTY);
        else if (part == len - 1 && (strcmp(real_atrs[_i].order, "0") != 0 || real_atrs[_i].t15))
            ck_assert_int_eq(result, ATR_TCK_MISSING);
        else
            ck_assert_int_eq(result, ATR_TRUNCATED);
        ck_assert_uint_gt(atr_announced(bytes, part), part);
        ck_assert_uint_le(atr_announced(bytes, part), len);
    }
    ck_assert_int_eq(parse_exact(bytes, len, &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr_announced(bytes, len), len);
}
END_TEST

/* Any single wrong bit after the interface bytes is found by TCK, when there is one. */
START_TEST(real_atr_with_bit_error)
{
    uint8_t bytes[64];
    size_t len = from_hex(real_atrs[_i].hex, bytes, sizeof bytes);
    struct atr_error error;
    struct atr good, bad;

    if (parse_exact(bytes, len, &good, &error) != ATR_OK || !good.tck_present)
        return;
    for (size_t i = good.historical_at; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            CHECK(parse_exact(bytes, len, &bad, &error) == ATR_TCK_WRONG);
            CHECK(error.position == len - 1);
            CHECK((error.found ^ error.expected) == 1u << bit);
            CHECK(bad.tck == bytes[len - 1]);
            CHECK(bad.f == good.f);
            CHECK(bad.ifsc == good.ifsc);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
}
END_TEST

static const struct {
    const char *hex;
    enum atr_result result;
    size_t position;
    const char *text;
} errors[] = {
#define STD " (ISO/IEC 7816-3:2006, "
    {"3B 00", ATR_OK, 0, "no error"},
    {"", ATR_EMPTY, 0, "byte 0: the ATR is empty" STD "8.2.1)"},
    {"3A 00", ATR_BAD_TS, 0, "byte 0: TS is 3A, expected 3B or 3F" STD "8.1)"},
    {"03 00", ATR_BAD_TS, 0, "byte 0: TS is 03, expected 3B or 3F" STD "8.1)"},
    {"00", ATR_BAD_TS, 0, "byte 0: TS is 00, expected 3B or 3F" STD "8.1)"},
    {"3B", ATR_TRUNCATED, 1, "byte 1: T0 must follow TS, but the ATR ends" STD "8.2.1)"},
    {"3F 10", ATR_TRUNCATED, 2, "byte 2: T0 says that TA1 follows, but the ATR ends" STD "8.2.2)"},
    {"3B 20", ATR_TRUNCATED, 2, "byte 2: T0 says that TB1 follows, but the ATR ends" STD "8.2.2)"},
    {"3B 70 11 00", ATR_TRUNCATED, 4, "byte 4: T0 says that TC1 follows, but the ATR ends" STD "8.2.2)"},
    {"3B F0 11 00 00", ATR_TRUNCATED, 5, "byte 5: T0 says that TD1 follows, but the ATR ends" STD "8.2.2)"},
    {"3B 80 80 11", ATR_TRUNCATED, 4, "byte 4: TD2 says that TA3 follows, but the ATR ends" STD "8.2.3)"},
    {"3B 80 40", ATR_TRUNCATED, 3, "byte 3: TD1 says that TC2 follows, but the ATR ends" STD "8.2.3)"},
    {"3B 05 01 02 03", ATR_TRUNCATED, 5,
     "byte 5: T0 says that 5 historical bytes follow, 3 are there" STD "8.2.2)"},
    {"3B 02 01", ATR_TRUNCATED, 3, "byte 3: T0 says that 2 historical bytes follow, 1 is there" STD "8.2.2)"},
    {"3B 01", ATR_TRUNCATED, 2, "byte 2: T0 says that 1 historical byte follows, 0 are there" STD "8.2.2)"},
    {"3B 00 01", ATR_TRAILING, 2, "byte 2: 1 byte too many after the end of the ATR" STD "8.2.1)"},
    {"3B 00 00 00", ATR_TRAILING, 2, "byte 2: 2 bytes too many after the end of the ATR" STD "8.2.1)"},
    {"3B 80 01 81 00", ATR_TRAILING, 4, "byte 4: 1 byte too many after the end of the ATR" STD "8.2.1)"},
    /* also when that TCK is wrong: length first */
    {"3B 80 01 80 00 00", ATR_TRAILING, 4, "byte 4: 2 bytes too many after the end of the ATR" STD "8.2.1)"},
    {"3B 02 14 50 46", ATR_TCK_UNEXPECTED, 4,
     "byte 4: TCK 46 follows although only T=0 is offered" STD "8.2.5)"},
    {"3B 80 00 80", ATR_TCK_UNEXPECTED, 3,
     "byte 3: TCK 80 follows although only T=0 is offered" STD "8.2.5)"},
    {"3B 80 01", ATR_TCK_MISSING, 3, "byte 3: TCK is missing, expected 81" STD "8.2.5)"},
    /* T=0 with T=15 needs a TCK as well */
    {"3B 80 80 1F C3", ATR_TCK_MISSING, 5, "byte 5: TCK is missing, expected DC" STD "8.2.5)"},
    {"3B 81 01 00 12", ATR_TCK_WRONG, 4, "byte 4: TCK is 12, expected 80" STD "8.2.5)"},
    {"3B 80 0F 8F", ATR_T15_FIRST, 2,
     "byte 2: TD1 names T=15, which is no transmission protocol" STD "8.2.3)"},
    {"3B D0 11 00 0F CE", ATR_T15_FIRST, 4,
     "byte 4: TD1 names T=15, which is no transmission protocol" STD "8.2.3)"},
#undef STD
};

START_TEST(each_error)
{
    struct atr_error error;
    struct atr atr;
    char text[160];

    ck_assert_msg(parse_hex(errors[_i].hex, &atr, &error) == errors[_i].result, "%s: result %d",
                  errors[_i].hex, error.result);
    ck_assert_uint_eq(error.position, errors[_i].position);
    ck_assert_uint_eq(atr_error_text(&error, text, sizeof text), strlen(errors[_i].text));
    ck_assert_str_eq(text, errors[_i].text);
    ck_assert_ptr_nonnull(error.reason);
    ck_assert_ptr_nonnull(error.clause);
    /* whoever does not want to know why need not */
    ck_assert_int_eq(atr_parse(atr.raw, 0, &(struct atr){0}, NULL), ATR_EMPTY);
}
END_TEST

START_TEST(text_is_cut_to_fit)
{
    struct atr_error error;
    struct atr atr;
    char text[8] = "*******";

    ck_assert_int_eq(parse_hex("3B 80 01", &atr, &error), ATR_TCK_MISSING);
    ck_assert_uint_eq(atr_error_text(&error, NULL, 0), 64);
    ck_assert_uint_eq(atr_error_text(&error, text, 7), 64);
    ck_assert_str_eq(text, "byte 3");
    ck_assert_int_eq(parse_hex("3B 20 00", &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr_warning_text(&atr, ATR_WARN_TB1_DEPRECATED, text, sizeof text), 52);
    ck_assert_str_eq(text, "byte 2:");
}
END_TEST

START_TEST(lengths_around_the_limit)
{
    uint8_t bytes[64] = {0x3B, 0x80};
    struct atr_error error;
    struct atr atr;
    char text[160];

    /* T0, TD1..TD30 and one historical byte: 33 bytes */
    memset(bytes + 2, 0x80, 29);
    bytes[1] = 0x81;
    bytes[31] = 0x00;
    bytes[32] = 0x55;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr.layout.group_count, 30);
    ck_assert_uint_eq(atr.layout.historical[0], 0x55);

    /* TD1..TD31: 33 bytes, as many groups as there can be */
    bytes[1] = 0x80;
    bytes[31] = 0x80;
    bytes[32] = 0x00;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr.layout.group_count, ATR_GROUPS_MAX);
    ck_assert_uint_eq(atr.layout.group[30].td, 0x00);

    /* one more is announced */
    bytes[32] = 0x80;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.position, 33);
    atr_error_text(&error, text, sizeof text);
    ck_assert_str_eq(text, "byte 33: the ATR announces more than the 32 bytes that may follow TS "
                           "(ISO/IEC 7816-3:2006, 8.2.1)");
    ck_assert_int_eq(parse_exact(bytes, 32, &atr, &error), ATR_TRUNCATED);
    ck_assert_uint_eq(error.position, 32);
    ck_assert_uint_eq(error.group, 31);
    ck_assert_uint_eq(error.missing, ATR_TD);

    /* the TCK would be the one too many */
    bytes[32] = 0x01;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.position, 33);

    /* historical bytes beyond the limit */
    bytes[1] = 0x8F;
    bytes[20] = 0x00;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.position, 33);

    /* 34 bytes and more are too long whatever they say */
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 0x3B;
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_TRAILING);
    ck_assert_uint_eq(error.position, 2);
    ck_assert_int_eq(parse_exact(bytes, 34, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.position, 33);
    atr_error_text(&error, text, sizeof text);
    ck_assert_str_eq(text, "byte 33: 33 bytes follow TS, at most 32 may (ISO/IEC 7816-3:2006, 8.2.1)");
    ck_assert_int_eq(parse_exact(bytes, 64, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.found, 63);
}
END_TEST

/* 33 bytes with TCK, the longest that offers T=1. */
START_TEST(longest_with_tck)
{
    uint8_t bytes[34];
    struct atr_error error;
    struct atr atr;
    size_t len = from_hex("3B FF 11 00 00 F1 01 00 0A F1 20 4D 00 FF 20 4D 00 "
                          "01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F",
                          bytes, sizeof bytes);

    ck_assert_uint_eq(len, 32);
    bytes[32] = atr_check_byte(bytes, 32);
    /* TD3 FF announces a TD4 too, which leaves no room for all the rest */
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_TOO_LONG);
    ck_assert_uint_eq(error.position, 33);
    bytes[13] = 0x7F;
    bytes[32] = atr_check_byte(bytes, 32);
    ck_assert_int_eq(parse_exact(bytes, 33, &atr, &error), ATR_OK);
    ck_assert_uint_eq(atr.layout.historical_count, 15);
    ck_assert_uint_eq(atr.historical_at, 17);
    ck_assert_uint_eq(atr.tck, bytes[32]);
    bytes[33] = 0;
    ck_assert_int_eq(parse_exact(bytes, 34, &atr, &error), ATR_TOO_LONG);
}
END_TEST

/* Each warning by itself, with its text. The TCKs are filled in. */
static const struct {
    const char *hex;
    enum atr_warning warning;
    const char *text;
} warnings[] = {
#define STD " (ISO/IEC 7816-3:2006, "
    {"3B 10 71", ATR_WARN_FI_RFU, "byte 2: TA1 has a value for Fi that is reserved" STD "8.3)"},
    {"3B 10 81", ATR_WARN_FI_RFU, "byte 2: TA1 has a value for Fi that is reserved" STD "8.3)"},
    {"3B 10 F1", ATR_WARN_FI_RFU, "byte 2: TA1 has a value for Fi that is reserved" STD "8.3)"},
    {"3B 10 10", ATR_WARN_DI_RFU, "byte 2: TA1 has a value for Di that is reserved" STD "8.3)"},
    {"3B 10 1A", ATR_WARN_DI_RFU, "byte 2: TA1 has a value for Di that is reserved" STD "8.3)"},
    {"3B 20 25", ATR_WARN_TB1_DEPRECATED, "byte 2: TB1 is deprecated" STD "8.3)"},
    {"3B 80 20 32", ATR_WARN_TB2_DEPRECATED, "byte 3: TB2 is deprecated" STD "8.3)"},
    {"3B 80 10 40", ATR_WARN_TA2_RFU, "byte 3: bits 7 and 6 of TA2 are reserved and should be 0" STD "8.3)"},
    {"3B 80 10 20", ATR_WARN_TA2_RFU, "byte 3: bits 7 and 6 of TA2 are reserved and should be 0" STD "8.3)"},
    {"3B 90 11 10 01", ATR_WARN_TA2_PROTOCOL, "byte 4: TA2 names a protocol that is not offered" STD "8.3)"},
    {"3B 80 40 00", ATR_WARN_WI_RFU,
     "byte 3: TC2 is 00, a waiting time integer that is reserved" STD "10.2)"},
    {"3B 80 02", ATR_WARN_PROTOCOL_RFU, "byte 2: the protocol offered is reserved" STD "8.2.3)"},
    {"3B 80 0D", ATR_WARN_PROTOCOL_RFU, "byte 2: the protocol offered is reserved" STD "8.2.3)"},
    {"3B 80 81 00", ATR_WARN_PROTOCOL_ORDER, "byte 3: the protocols are not in ascending order" STD "8.2.3)"},
    {"3B 80 80 8F 01", ATR_WARN_PROTOCOL_ORDER,
     "byte 4: the protocols are not in ascending order" STD "8.2.3)"},
    {"3B 80 81 11 00", ATR_WARN_IFSC_RFU,
     "byte 4: the information field size for T=1 is reserved" STD "11.4.2)"},
    {"3B 80 81 11 FF", ATR_WARN_IFSC_RFU,
     "byte 4: the information field size for T=1 is reserved" STD "11.4.2)"},
    {"3B 80 81 21 A5", ATR_WARN_BWI_RFU,
     "byte 4: the block waiting time integer for T=1 is reserved" STD "11.4.3)"},
    {"3B 80 81 41 02", ATR_WARN_EDC_RFU,
     "byte 4: bits 8 to 2 of the first TC for T=1 are reserved and should be 0" STD "11.4.4)"},
    {"3B 80 80 1F 00", ATR_WARN_CLASS_RFU,
     "byte 4: the class indicator in the first TA for T=15 is reserved" STD "8.3)"},
    {"3B 80 80 1F 05", ATR_WARN_CLASS_RFU,
     "byte 4: the class indicator in the first TA for T=15 is reserved" STD "8.3)"},
    {"3B 80 80 1F 08", ATR_WARN_CLASS_RFU,
     "byte 4: the class indicator in the first TA for T=15 is reserved" STD "8.3)"},
#undef STD
};

/* Parses text, with the TCK appended if one belongs there, as a correct ATR. */
static void parse_complete(const char *text, struct atr *atr)
{
    uint8_t bytes[ATR_MAX];
    size_t len = from_hex(text, bytes, sizeof bytes - 1);
    struct atr_error error;

    if (parse_exact(bytes, len, atr, &error) == ATR_TCK_MISSING) {
        bytes[len] = (uint8_t)error.expected;
        parse_exact(bytes, len + 1, atr, &error);
    }
    ck_assert_msg(error.result == ATR_OK, "%s: result %d", text, error.result);
}

START_TEST(each_warning)
{
    enum atr_warning w = warnings[_i].warning;
    struct atr atr;
    char text[160];

    parse_complete(warnings[_i].hex, &atr);
    ck_assert_msg(atr.warnings == 1u << w, "%s: %x", warnings[_i].hex, atr.warnings);
    ck_assert_uint_eq(atr_warning_text(&atr, w, text, sizeof text), strlen(warnings[_i].text));
    ck_assert_str_eq(text, warnings[_i].text);
    /* the fields keep their defaults */
    ck_assert_uint_eq(atr.f, 372);
    ck_assert_uint_eq(atr.d, 1);
    ck_assert_uint_eq(atr.fmax_khz, 5000);
    ck_assert_uint_eq(atr.wi, 10);
    ck_assert_uint_eq(atr.ifsc, 32);
    ck_assert_uint_eq(atr.bwi, 4);
    ck_assert_int_eq(atr.edc, ATR_EDC_LRC);
    ck_assert_uint_eq(atr.classes, ATR_CLASS_A);

    for (unsigned other = 0; other <= ATR_WARNING_COUNT; other++) {
        if (other != (unsigned)w)
            ck_assert_uint_eq(atr_warning_text(&atr, (enum atr_warning)other, text, sizeof text), 0);
    }
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(every_warning_is_tested)
{
    uint32_t seen = 0;

    for (size_t i = 0; i < sizeof warnings / sizeof warnings[0]; i++)
        seen |= 1u << warnings[i].warning;
    ck_assert_uint_eq(seen, (1u << ATR_WARNING_COUNT) - 1);
}
END_TEST

/* ISO/IEC 7816-3:2006, 8.3, tables 7 and 8, each code */
START_TEST(ta1_values)
{
    static const unsigned f[16] = {372, 372, 558, 744,  1116, 1488, 1860, 0,
                                   0,   512, 768, 1024, 1536, 2048, 0,    0};
    static const unsigned khz[16] = {4000, 5000, 6000, 8000,  12000, 16000, 20000, 0,
                                     0,    5000, 7500, 10000, 15000, 20000, 0,     0};
    static const unsigned d[16] = {0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0};

    for (unsigned ta1 = 0; ta1 < 256; ta1++) {
        uint8_t bytes[3] = {0x3B, 0x10, (uint8_t)ta1};
        bool usable = f[ta1 >> 4] != 0 && d[ta1 & 15] != 0;
        struct atr_error error;
        struct atr atr;

        CHECK(parse_exact(bytes, 3, &atr, &error) == ATR_OK);
        CHECK(atr.fi == (ta1 >> 4));
        CHECK(atr.di == (ta1 & 15));
        CHECK(atr.f == (usable ? f[ta1 >> 4] : 372));
        CHECK(atr.d == (usable ? d[ta1 & 15] : 1));
        CHECK(atr.fmax_khz == (usable ? khz[ta1 >> 4] : 5000));
        CHECK(atr.warnings == ((f[ta1 >> 4] == 0 ? W(FI_RFU) : 0) | (d[ta1 & 15] == 0 ? W(DI_RFU) : 0)));
    }
}
END_TEST

START_TEST(defaults)
{
    struct atr atr;

    parse_complete("3B 00", &atr);
    ck_assert_uint_eq(atr.fi, 1);
    ck_assert_uint_eq(atr.di, 1);
    ck_assert_uint_eq(atr.protocols, 1u << 0);
    ck_assert_uint_eq(atr.first_protocol, 0);
    ck_assert_uint_eq(atr.specific, false);
    ck_assert_uint_eq(atr.cwi, 13);
    ck_assert_uint_eq(atr.layout.group_count, 0);
    ck_assert_uint_eq(atr.historical_at, 2);
    ck_assert_uint_eq(atr.warnings, 0);
}
END_TEST

START_TEST(specific_mode)
{
    struct atr atr;

    parse_complete("3B 80 91 91 01", &atr);
    ck_assert(atr.specific);
    ck_assert_uint_eq(atr.specific_protocol, 1);
    ck_assert(!atr.mode_changeable);
    ck_assert(atr.implicit_parameters);
    parse_complete("3B 80 91 01 01", &atr);
    ck_assert(atr.specific && atr.mode_changeable && !atr.implicit_parameters);
    ck_assert_uint_eq(atr.warnings, 0);
}
END_TEST

/* TA2, TB2 and TC2 are never T=1's, and of the later ones only the first of each counts. */
START_TEST(t1_parameters)
{
    struct atr atr;

    parse_complete("3B 80 C1 14 41 01", &atr);
    ck_assert_int_eq(atr.edc, ATR_EDC_CRC);
    ck_assert_uint_eq(atr.wi, 0x14);
    ck_assert_uint_eq(atr.ifsc, 32);

    parse_complete("3B 80 81 91 FE F1 40 95 01 71 10 20 00", &atr);
    ck_assert_uint_eq(atr.ifsc, 0xFE);
    ck_assert_uint_eq(atr.cwi, 5);
    ck_assert_uint_eq(atr.bwi, 9);
    ck_assert_int_eq(atr.edc, ATR_EDC_CRC);
    ck_assert_uint_eq(atr.warnings, 0);

    /* TA3 after a TD2 for T=0 is not T=1's, TA4 after the TD3 for T=1 is */
    parse_complete("3B 80 80 90 11 11 22", &atr);
    ck_assert_uint_eq(atr.ifsc, 0x22);
    ck_assert_uint_eq(atr.protocols, 1u << 0 | 1u << 1);
}
END_TEST

START_TEST(t15_parameters)
{
    struct atr atr;

    parse_complete("3B 80 80 BF 86 82 3F 41 00", &atr);
    ck_assert(atr.has_t15);
    ck_assert_uint_eq(atr.classes, ATR_CLASS_B | ATR_CLASS_C);
    ck_assert_int_eq(atr.clock_stop, ATR_CLOCK_STOP_HIGH);
    ck_assert_uint_eq(atr.spu, 0x82);
    ck_assert_uint_eq(atr.protocols, 1u << 0);
    ck_assert_uint_eq(atr.warnings, 0);
}
END_TEST

START_TEST(check_byte)
{
    static const uint8_t atr[] = {0x3B, 0x81, 0x80, 0x01, 0x80, 0x80};

    ck_assert_uint_eq(atr_check_byte(atr, 5), 0x80);
    ck_assert_uint_eq(atr_check_byte(atr, 6), 0x00);
    ck_assert_uint_eq(atr_check_byte(atr, 1), 0x00);
    ck_assert_uint_eq(atr_check_byte(NULL, 0), 0x00);
}
END_TEST

START_TEST(build_refuses)
{
    struct atr_layout good = {.convention = ATR_INVERSE, .group_count = 2, .historical_count = 1};
    struct atr_layout bad;
    uint8_t out[ATR_MAX];
    size_t len;

    /* the high half of td is not looked at */
    good.group[0] = (struct atr_group){.present = ATR_TA | ATR_TD, .ta = 0x95, .td = 0xF1};
    good.group[1] = (struct atr_group){.present = ATR_TC, .ta = 0x77, .tc = 0x0B};
    good.historical[0] = 0x42;
    memset(out, 0xEE, sizeof out);
    ck_assert_int_eq(atr_build(&good, out, 7, &len), ATR_OK);
    ck_assert_uint_eq(len, 7);
    ck_assert_mem_eq(
        out, ((uint8_t[]){0x3F, 0x91, 0x95, 0x41, 0x0B, 0x42, 0x91 ^ 0x95 ^ 0x41 ^ 0x0B ^ 0x42, 0xEE}), 8);
    len = 99;
    ck_assert_int_eq(atr_build(&good, out, 6, &len), ATR_NO_SPACE);
    ck_assert_uint_eq(len, 0);

#define BAD(change)                                                                                          \
    do {                                                                                                     \
        bad = good;                                                                                          \
        bad.change;                                                                                          \
        ck_assert_msg(atr_build(&bad, out, sizeof out, &len) == ATR_BAD_LAYOUT, "%s", #change);              \
        ck_assert_uint_eq(len, 0);                                                                           \
    } while (0)
    BAD(convention = (enum atr_convention)0x3A);
    BAD(group_count = ATR_GROUPS_MAX + 1);
    BAD(group_count = 3);
    BAD(historical_count = 16);
    BAD(group[0].present = ATR_TA);
    BAD(group[1].present = 0);
    BAD(group[1].present = 0x14);
#undef BAD
}
END_TEST

/* Builds, and if the length is allowed parses what was built and compares. */
static bool round_trip(const struct atr_layout *layout)
{
    size_t expected = 2u + layout->historical_count, len;
    uint8_t bytes[ATR_MAX];
    struct atr_error error;
    struct atr atr;
    bool tck = false;

    for (size_t i = 0; i < layout->group_count; i++) {
        expected += (size_t)__builtin_popcount(layout->group[i].present);
        tck = tck || ((layout->group[i].present & ATR_TD) != 0 && layout->group[i].td % 16 != 0);
    }
    expected += tck;
    if (expected > ATR_MAX) {
        CHECK(atr_build(layout, bytes, sizeof bytes, &len) == ATR_TOO_LONG);
        return false;
    }
    CHECK(atr_build(layout, bytes, sizeof bytes, &len) == ATR_OK);
    CHECK(len == expected);
    if ((layout->group[0].present & ATR_TD) != 0 && layout->group[0].td % 16 == ATR_T15)
        CHECK(parse_exact(bytes, len, &atr, &error) == ATR_T15_FIRST);
    else
        CHECK(parse_exact(bytes, len, &atr, &error) == ATR_OK);
    assert_same_layout(&atr.layout, layout);
    CHECK(atr.tck_present == tck);
    return true;
}

static void fill_group(struct atr_group *group, unsigned present, unsigned t, unsigned next_present,
                       uint32_t *seed)
{
    memset(group, 0, sizeof *group);
    group->present = (uint8_t)present;
    if (present & ATR_TA)
        group->ta = random_byte(seed);
    if (present & ATR_TB)
        group->tb = random_byte(seed);
    if (present & ATR_TC)
        group->tc = random_byte(seed);
    if (present & ATR_TD)
        group->td = (uint8_t)(next_present << 4 | t);
}

/* Every combination of presence bits, some protocols and every number of historical bytes, for two groups. */
START_TEST(round_trip_all_small)
{
    static const unsigned protocols[] = {0, 1, 14, 15};
    struct atr_layout layout;
    uint32_t seed = 20061101;
    size_t done = 0;

    for (unsigned n = 0; n < 16 * 16 * 16 * 16; n++) {
        unsigned p1 = n & 15, p2 = n >> 4 & 15, t1 = protocols[n >> 8 & 3], t2 = protocols[n >> 10 & 3],
                 k = n >> 12;

        if ((p1 & ATR_TD) == 0 && p2 != 0)
            continue;
        memset(&layout, 0, sizeof layout);
        layout.convention = n & 1 ? ATR_DIRECT : ATR_INVERSE;
        layout.group_count = p1 == 0 ? 0 : p2 == 0 ? 1 : 2;
        fill_group(&layout.group[0], p1, t1, p2, &seed);
        fill_group(&layout.group[1], p2, t2, 0, &seed);
        layout.historical_count = (uint8_t)k;
        for (unsigned i = 0; i < k; i++)
            layout.historical[i] = random_byte(&seed);
        done += round_trip(&layout);
    }
    /* (8 without TD1 + 8 with TD1 and any second group) times 16 choices of T times 16 of K; all fit */
    ck_assert_uint_eq(done, (8 + 8 * 16) * 16 * 16);
}
END_TEST

START_TEST(round_trip_random)
{
    struct atr_layout layout;
    uint32_t seed = 7816;
    size_t fits = 0, too_long = 0;

    for (unsigned n = 0; n < 50000; n++) {
        unsigned groups = next_random(&seed) % (n % 4 == 0 ? ATR_GROUPS_MAX + 1 : 6);
        unsigned present = 0, next = 0;

        memset(&layout, 0, sizeof layout);
        layout.convention = next_random(&seed) & 64 ? ATR_DIRECT : ATR_INVERSE;
        layout.group_count = (uint8_t)groups;
        /* from the last group to the first, since each TD tells what comes after it */
        for (unsigned i = groups; i-- > 0; next = present) {
            unsigned others = next_random(&seed) >> 7 & (n % 4 == 0 ? 0 : 7);

            present = i + 1 < groups ? others | ATR_TD : others != 0 ? others : ATR_TD;
            fill_group(&layout.group[i], present, n % 8 == 0 ? 0 : random_byte(&seed) & 15, next, &seed);
        }
        layout.historical_count = (uint8_t)(next_random(&seed) >> 5 & 15);
        for (unsigned i = 0; i < layout.historical_count; i++)
            layout.historical[i] = random_byte(&seed);
        if (round_trip(&layout))
            fits++;
        else
            too_long++;
    }
    ck_assert_uint_gt(fits, 20000);
    ck_assert_uint_gt(too_long, 1000);
}
END_TEST

/* Whatever comes in: no crash, values that nobody can divide by zero with, a position inside, a text. */
START_TEST(random_bytes)
{
    uint32_t seed = 20260101, seen = 0;

    for (unsigned n = 0; n < 100000; n++) {
        uint8_t bytes[40], again[ATR_MAX];
        size_t len = next_random(&seed) % (sizeof bytes + 1), again_len;
        struct atr_error error;
        struct atr atr;
        char text[160];

        for (size_t i = 0; i < len; i++)
            bytes[i] = random_byte(&seed);
        if (n % 8 != 0 && len > 0)
            bytes[0] = n & 1 ? 0x3B : 0x3F;
        if (n % 4 == 0 && len > 1)
            bytes[1] &= 0x1F;

        parse_exact(bytes, len, &atr, &error);
        seen |= 1u << error.result;
        CHECK(error.position <= len);
        CHECK(atr_error_text(&error, text, sizeof text) < sizeof text);
        CHECK(strlen(text) > 0);
        CHECK(atr.f >= 372 && atr.d >= 1 && atr.fmax_khz >= 4000);
        CHECK(atr.wi >= 1 && atr.ifsc >= 1 && atr.ifsc <= 254 && atr.bwi <= 9 && atr.cwi <= 15);
        CHECK(atr.classes >= 1 && atr.classes <= 7);
        CHECK(atr.protocol_count <= 15 && atr.layout.historical_count <= ATR_HISTORICAL_MAX);
        for (unsigned w = 0; w < ATR_WARNING_COUNT; w++) {
            bool there = atr_warning_text(&atr, (enum atr_warning)w, text, sizeof text) > 0;

            CHECK(there == (atr.warnings >> w & 1));
            CHECK(!there || atr.warning_at[w] < len);
        }
        if (error.result == ATR_OK) {
            CHECK(atr_build(&atr.layout, again, sizeof again, &again_len) == ATR_OK);
            CHECK(again_len == len);
            CHECK(memcmp(again, bytes, len) == 0);
        }
    }
    /* the bytes were wild enough to meet every kind of answer */
    CHECK(seen == ((1u << ATR_BAD_LAYOUT) - 1));
}
END_TEST

static Suite *atr_suite(void)
{
    Suite *suite = suite_create("atr");
    TCase *tc = tcase_create("real cards");

    tcase_add_loop_test(tc, real_atr, 0, REAL_ATRS);
    tcase_add_loop_test(tc, real_atr_rebuilt, 0, REAL_ATRS);
    tcase_add_loop_test(tc, real_atr_byte_by_byte, 0, REAL_ATRS);
    tcase_add_loop_test(tc, real_atr_with_bit_error, 0, REAL_ATRS);
    suite_add_tcase(suite, tc);

    tc = tcase_create("errors and warnings");
    tcase_add_loop_test(tc, each_error, 0, (int)(sizeof errors / sizeof errors[0]));
    tcase_add_test(tc, text_is_cut_to_fit);
    tcase_add_test(tc, lengths_around_the_limit);
    tcase_add_test(tc, longest_with_tck);
    tcase_add_loop_test(tc, each_warning, 0, (int)(sizeof warnings / sizeof warnings[0]));
    tcase_add_test(tc, every_warning_is_tested);
    suite_add_tcase(suite, tc);

    tc = tcase_create("values");
    tcase_add_test(tc, ta1_values);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, specific_mode);
    tcase_add_test(tc, t1_parameters);
    tcase_add_test(tc, t15_parameters);
    tcase_add_test(tc, check_byte);
    tcase_add_test(tc, build_refuses);
    suite_add_tcase(suite, tc);

    tc = tcase_create("properties");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, round_trip_all_small);
    tcase_add_test(tc, round_trip_random);
    tcase_add_test(tc, random_bytes);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(atr_suite());
}
