/* SPDX-License-Identifier: BSD-3-Clause */
/* ATRs: each error and each warning, values and their defaults, building. */
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
    /* a caller need not ask for the reason */
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

    /* 34 bytes and more are too long whatever is in them */
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
    size_t length = from_hex("3B FF 11 00 00 F1 01 00 0A F1 20 4D 00 FF 20 4D 00 "
                             "01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F",
                             bytes, sizeof bytes);

    ck_assert_uint_eq(length, 32);
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
    size_t length = from_hex(text, bytes, sizeof bytes - 1);
    struct atr_error error;

    if (parse_exact(bytes, length, atr, &error) == ATR_TCK_MISSING) {
        bytes[length] = (uint8_t)error.expected;
        parse_exact(bytes, length + 1, atr, &error);
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

        must(parse_exact(bytes, 3, &atr, &error) == ATR_OK);
        must(atr.fi == (ta1 >> 4));
        must(atr.di == (ta1 & 15));
        must(atr.f == (usable ? f[ta1 >> 4] : 372));
        must(atr.d == (usable ? d[ta1 & 15] : 1));
        must(atr.fmax_khz == (usable ? khz[ta1 >> 4] : 5000));
        must(atr.warnings == ((f[ta1 >> 4] == 0 ? W(FI_RFU) : 0) | (d[ta1 & 15] == 0 ? W(DI_RFU) : 0)));
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
    size_t length;

    /* the high half of td is not looked at */
    good.group[0] = (struct atr_group){.present = ATR_TA | ATR_TD, .ta = 0x95, .td = 0xF1};
    good.group[1] = (struct atr_group){.present = ATR_TC, .ta = 0x77, .tc = 0x0B};
    good.historical[0] = 0x42;
    memset(out, 0xEE, sizeof out);
    ck_assert_int_eq(atr_build(&good, out, 7, &length), ATR_OK);
    ck_assert_uint_eq(length, 7);
    ck_assert_mem_eq(
        out, ((uint8_t[]){0x3F, 0x91, 0x95, 0x41, 0x0B, 0x42, 0x91 ^ 0x95 ^ 0x41 ^ 0x0B ^ 0x42, 0xEE}), 8);
    length = 99;
    ck_assert_int_eq(atr_build(&good, out, 6, &length), ATR_NO_SPACE);
    ck_assert_uint_eq(length, 0);

#define BAD(change)                                                                                          \
    do {                                                                                                     \
        bad = good;                                                                                          \
        bad.change;                                                                                          \
        ck_assert_msg(atr_build(&bad, out, sizeof out, &length) == ATR_BAD_LAYOUT, "%s", #change);           \
        ck_assert_uint_eq(length, 0);                                                                        \
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

int main(void)
{
    Suite *suite = suite_create("atr");
    TCase *tc = tcase_create("errors and warnings");

    tcase_add_loop_test(tc, each_error, 0, COUNT(errors));
    tcase_add_test(tc, text_is_cut_to_fit);
    tcase_add_test(tc, lengths_around_the_limit);
    tcase_add_test(tc, longest_with_tck);
    tcase_add_loop_test(tc, each_warning, 0, COUNT(warnings));
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
    return run_suite(suite);
}
