/* SPDX-License-Identifier: BSD-3-Clause */
/* ATRs: what holds for all, tried with many that are made up, and with random bytes. */
#include "atr_build.h"
#include "atr_parsing.h"
#include "must.h"
#include "next_random.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_same_layout(const struct atr_layout *a, const struct atr_layout *b)
{
    must(a->convention == b->convention);
    must(a->group_count == b->group_count);
    must(a->historical_count == b->historical_count);
    must(memcmp(a->group, b->group, sizeof a->group) == 0);
    must(memcmp(a->historical, b->historical, sizeof a->historical) == 0);
}

static uint8_t random_byte(uint32_t *state)
{
    return (uint8_t)(next_random(state) >> 11);
}

/* Builds, and if the length is allowed parses what was built and compares. */
static bool round_trip(const struct atr_layout *layout)
{
    size_t expected = 2u + layout->historical_count, length;
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
        must(atr_build(layout, bytes, sizeof bytes, &length) == ATR_TOO_LONG);
        return false;
    }
    must(atr_build(layout, bytes, sizeof bytes, &length) == ATR_OK);
    must(length == expected);
    if ((layout->group[0].present & ATR_TD) != 0 && layout->group[0].td % 16 == ATR_T15)
        must(parse_exact(bytes, length, &atr, &error) == ATR_T15_FIRST);
    else
        must(parse_exact(bytes, length, &atr, &error) == ATR_OK);
    assert_same_layout(&atr.layout, layout);
    must(atr.tck_present == tck);
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
        /* from the last group to the first, since each TD says what comes after it */
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
        size_t length = next_random(&seed) % (sizeof bytes + 1), again_length;
        struct atr_error error;
        struct atr atr;
        char text[160];

        for (size_t i = 0; i < length; i++)
            bytes[i] = random_byte(&seed);
        if (n % 8 != 0 && length > 0)
            bytes[0] = n & 1 ? 0x3B : 0x3F;
        if (n % 4 == 0 && length > 1)
            bytes[1] &= 0x1F;

        parse_exact(bytes, length, &atr, &error);
        seen |= 1u << error.result;
        must(error.position <= length);
        must(atr_error_text(&error, text, sizeof text) < sizeof text);
        must(strlen(text) > 0);
        must(atr.f >= 372 && atr.d >= 1 && atr.fmax_khz >= 4000);
        must(atr.wi >= 1 && atr.ifsc >= 1 && atr.ifsc <= 254 && atr.bwi <= 9 && atr.cwi <= 15);
        must(atr.classes >= 1 && atr.classes <= 7);
        must(atr.protocol_count <= 15 && atr.layout.historical_count <= ATR_HISTORICAL_MAX);
        for (unsigned w = 0; w < ATR_WARNING_COUNT; w++) {
            bool there = atr_warning_text(&atr, (enum atr_warning)w, text, sizeof text) > 0;

            must(there == (atr.warnings >> w & 1));
            must(!there || atr.warning_at[w] < length);
        }
        if (error.result == ATR_OK) {
            must(atr_build(&atr.layout, again, sizeof again, &again_length) == ATR_OK);
            must(again_length == length);
            must(memcmp(again, bytes, length) == 0);
        }
    }
    /* the bytes were wild enough to meet every kind of answer */
    must(seen == ((1u << (ATR_TCK_WRONG + 1)) - 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("atr_random");
    TCase *tc = tcase_create("properties");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, round_trip_all_small);
    tcase_add_test(tc, round_trip_random);
    tcase_add_test(tc, random_bytes);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
