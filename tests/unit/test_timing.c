/* SPDX-License-Identifier: BSD-3-Clause */
#include "iso7816/atr.h"
#include "iso7816/hex.h"
#include "iso7816/timing.h"

#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Worked out by hand. */
static const struct {
    const char *atr;
    uint16_t f;
    uint8_t d;
    uint32_t gt, cgt, wwt, cwt, bwt;
} times[] = {
    /* nothing but default values */
    {"3B 00", 372, 1, 12, 12, 9600, 8203, 15371},
    /* TA1 offers 512/32: 9600 * 512/372 = 13212.9 before it is in force, 9600 * 32 with it */
    {"3B 10 96", 372, 1, 12, 12, 13213, 8203, 15371},
    {"3B 10 96", 512, 32, 12, 12, 307200, 8203, 357131},
    {"3B 10 18", 372, 12, 12, 12, 115200, 8203, 184331},
    {"3B 10 11", 372, 1, 12, 12, 9600, 8203, 15371},
    /* 15360 * 372 * 20 / 1116 = 102400 */
    {"3B 10 49", 1116, 20, 12, 12, 192000, 8203, 102411},
    /* 15360 * 372 * 1 / 512 = 11160 */
    {"3B 10 91", 512, 1, 12, 12, 9600, 8203, 11171},
    /* 15360 * 372 * 1 / 2048 = 2790; 960 * 372 / 768 = 465 */
    {"3B 10 D1", 2048, 1, 12, 12, 9600, 8203, 2801},
    /* WI */
    {"3B 90 94 40 0A", 512, 8, 12, 12, 76800, 8203, 89291},
    {"3B 90 94 40 FF", 512, 8, 12, 12, 1958400, 8203, 89291},
    {"3B 90 D7 40 FF", 2048, 64, 12, 12, 15667200, 8203, 178571},
    {"3B 80 40 01", 372, 1, 12, 12, 960, 8203, 15371},
    /* N */
    {"3B 40 01", 372, 1, 13, 13, 9600, 8203, 15371},
    {"3B 40 FE", 372, 1, 266, 266, 9600, 8203, 15371},
    {"3B 40 FF", 372, 1, 12, 11, 9600, 8203, 15371},
    /* N in etu follows F and D in force, unless T=15 is named: then N is in cycles of TA1, rounded up:
       10 * 512/32 / 372 = 0.43; 10 * 512/32 / 16 = 10; 10 * 372 / 16 = 232.5 */
    {"3B 50 96 0A", 372, 1, 22, 22, 13213, 8203, 15371},
    {"3B D0 96 0A 80 1F 01 D2", 372, 1, 13, 13, 13213, 8203, 15371},
    {"3B D0 96 0A 80 1F 01 D2", 512, 32, 22, 22, 307200, 8203, 357131},
    {"3B D0 11 0A 80 1F 01 55", 512, 32, 245, 245, 223200, 8203, 357131},
    {"3B D0 11 FF 80 1F 01 A0", 512, 32, 12, 11, 223200, 8203, 357131},
    /* BWI and CWI */
    {"3B 80 81 21 45 65", 372, 1, 12, 12, 9600, 43, 15371},
    {"3B 80 81 21 45 65", 372, 12, 12, 12, 115200, 43, 184331},
    {"3B 80 81 21 90 B0", 372, 1, 12, 12, 9600, 12, 491531},
    {"3B 80 81 21 90 B0", 372, 64, 12, 12, 614400, 12, 31457291},
    {"3B 80 81 21 0F 2F", 372, 1, 12, 12, 9600, 32779, 971},
    {"3B 80 81 21 0F 2F", 768, 1, 12, 12, 4650, 32779, 476},
    {"3B 80 81 21 0F 2F", 1024, 1, 12, 12, 3488, 32779, 360}, /* 348.75 */
    {"3B C0 FF 81 21 45 DA", 372, 1, 12, 11, 9600, 43, 15371},
};

START_TEST(each_time)
{
    uint8_t bytes[ATR_MAX];
    size_t length;
    struct atr atr;
    struct timing timing;

    ck_assert_int_eq(hex_decode(times[_i].atr, strlen(times[_i].atr), bytes, sizeof bytes, &length, NULL),
                     HEX_OK);
    ck_assert_int_eq(atr_parse(bytes, length, &atr, NULL), ATR_OK);
    timing_of(&atr, times[_i].f, times[_i].d, &timing);
    ck_assert_uint_eq(timing.gt, times[_i].gt);
    ck_assert_uint_eq(timing.cgt, times[_i].cgt);
    ck_assert_uint_eq(timing.bgt, 22);
    ck_assert_uint_eq(timing.wwt, times[_i].wwt);
    ck_assert_uint_eq(timing.cwt, times[_i].cwt);
    ck_assert_uint_eq(timing.bwt, times[_i].bwt);
}
END_TEST

START_TEST(factors)
{
    static const uint16_t fi[16] = {372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048};
    static const uint8_t di[16] = {0, 1, 2, 4, 8, 16, 32, 64, 12, 20};
    uint16_t f;
    uint8_t d;

    for (unsigned ta1 = 0; ta1 < 256; ta1++) {
        bool good = fi[ta1 >> 4] != 0 && di[ta1 & 15] != 0;

        ck_assert_int_eq(timing_factors((uint8_t)ta1, &f, &d), good);
        ck_assert_uint_eq(f, good ? fi[ta1 >> 4] : 372);
        ck_assert_uint_eq(d, good ? di[ta1 & 15] : 1);
    }
}
END_TEST

START_TEST(conversions)
{
    /* at 1 MHz: clock cycles */
    ck_assert_uint_eq(timing_microseconds(1, 372, 1, 1000), 372);
    ck_assert_uint_eq(timing_microseconds(1, 372, 12, 1000), 31);
    ck_assert_uint_eq(timing_microseconds(1, 372, 20, 1000), 19); /* 18.6 */
    ck_assert_uint_eq(timing_microseconds(5, 372, 20, 1000), 93);
    ck_assert_uint_eq(timing_microseconds(0, 372, 1, 1000), 0);
    ck_assert_uint_eq(timing_microseconds(UINT64_C(1) << 39, 2048, 1, 1000), UINT64_C(1) << 50);
    ck_assert_uint_eq(timing_microseconds(9600, 372, 1, 3720), 960000);
    ck_assert_uint_eq(timing_microseconds(9600, 372, 1, 4000), 892800);
    ck_assert_uint_eq(timing_microseconds(1, 512, 32, 5000), 4); /* 3.2 */
    ck_assert_uint_eq(timing_microseconds(0, 512, 32, 5000), 0);
    /* 31457291 * 372 / 64 = 182845503.9375 cycles of a millisecond */
    ck_assert_uint_eq(timing_microseconds(31457291, 372, 64, 1), UINT64_C(182845503938));
    ck_assert_uint_eq(timing_microseconds(UINT64_C(1) << 39, 2048, 1, 1), (UINT64_C(1) << 50) * 1000);
    ck_assert_uint_eq(TIMING_INITIAL_WAIT, 9600);
    ck_assert_uint_eq(TIMING_ATR_MIN_CYCLES, 400);
    ck_assert_uint_eq(TIMING_ATR_MAX_CYCLES, 40000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timing");
    TCase *tc = tcase_create("timing");

    tcase_add_loop_test(tc, each_time, 0, COUNT(times));
    tcase_add_test(tc, factors);
    tcase_add_test(tc, conversions);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
