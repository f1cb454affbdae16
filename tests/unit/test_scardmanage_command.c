/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage builds commands. lib/iso7816, which shares no code with it, decodes them again. */
#include "command.h"

#include "count.h"
#include "iso7816/apdu.h"
#include "run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(known_commands)
{
    static const uint8_t data[] = {0x31, 0x32};
    static const struct {
        struct command command;
        const char *apdu;
        size_t size;
    } known[] = {
        {{0x00, 0x84, 0x01, 0x02, NULL, 0, 0}, "\x00\x84\x01\x02", 4},
        {{0x00, 0x84, 0x00, 0x00, NULL, 0, 8}, "\x00\x84\x00\x00\x08", 5},
        {{0x00, 0x84, 0x00, 0x00, NULL, 0, 256}, "\x00\x84\x00\x00\x00", 5},
        {{0x00, 0xB0, 0x00, 0x00, NULL, 0, 257}, "\x00\xB0\x00\x00\x00\x01\x01", 7},
        {{0x00, 0xB0, 0x00, 0x00, NULL, 0, 65536}, "\x00\xB0\x00\x00\x00\x00\x00", 7},
        {{0x80, 0x20, 0x00, 0x81, data, 2, 0}, "\x80\x20\x00\x81\x02\x31\x32", 7},
        {{0x00, 0x88, 0x00, 0x81, data, 2, 255}, "\x00\x88\x00\x81\x02\x31\x32\xFF", 8},
        {{0x00, 0x88, 0x00, 0x81, data, 2, 256}, "\x00\x88\x00\x81\x02\x31\x32\x00", 8},
        {{0x00, 0x88, 0x00, 0x81, data, 2, 257}, "\x00\x88\x00\x81\x00\x00\x02\x31\x32\x01\x01", 11},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t apdu[16];
        ck_assert_uint_eq(command_size(&known[i].command), known[i].size);
        ck_assert_uint_eq(command_encode(&known[i].command, apdu), known[i].size);
        ck_assert_mem_eq(apdu, known[i].apdu, known[i].size);
    }
}
END_TEST

static void check(size_t data_length, uint32_t expected)
{
    static uint8_t data[COMMAND_DATA_MAX];
    struct command command = {0x0C, 0xDA, 0xFE, 0xFF, data, data_length, expected};
    struct apdu_command decoded;
    enum apdu_case shortest;
    for (size_t i = 0; i < data_length; i++)
        data[i] = (uint8_t)(i * 7 + data_length);
    size_t size = command_size(&command);
    ck_assert_uint_le(size, COMMAND_SIZE_MAX);
    uint8_t *apdu = malloc(size); /* no byte more, for the sanitizer */
    ck_assert_uint_eq(command_encode(&command, apdu), size);
    ck_assert_int_eq(apdu_decode(apdu, size, &decoded, NULL), APDU_OK);
    ck_assert_int_eq(apdu_shortest_case(data_length, expected, &shortest), APDU_OK);
    ck_assert_int_eq(decoded.kind, shortest);
    ck_assert_uint_eq(decoded.cla << 24 | decoded.ins << 16 | decoded.p1 << 8 | decoded.p2, 0x0CDAFEFF);
    ck_assert_uint_eq(decoded.nc, data_length);
    ck_assert_uint_eq(decoded.ne, expected);
    if (data_length > 0)
        ck_assert_mem_eq(decoded.data, data, data_length);
    free(apdu);
}

START_TEST(each_form_at_its_limits)
{
    static const size_t lengths[] = {0, 1, 2, 254, 255, 256, 257, 65534, 65535};
    static const uint32_t expected[] = {0, 1, 255, 256, 257, 65535, 65536};
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t j = 0; j < COUNT(expected); j++)
            check(lengths[i], expected[j]);
}
END_TEST

START_TEST(the_sizes_that_the_header_promises)
{
    static const uint8_t data[COMMAND_DATA_MAX];
    ck_assert_uint_eq(command_size(&(struct command){.data = data, .data_length = 255, .expected = 256}),
                      COMMAND_SHORT_SIZE_MAX);
    ck_assert_uint_eq(command_size(&(struct command){
                          .data = data, .data_length = COMMAND_DATA_MAX, .expected = COMMAND_RESPONSE_MAX}),
                      COMMAND_SIZE_MAX);
}
END_TEST

START_TEST(too_long)
{
    static const struct command commands[] = {
        {.data = (const uint8_t *)"", .data_length = COMMAND_DATA_MAX + 1},
        {.data = (const uint8_t *)"", .data_length = SIZE_MAX},
        {.expected = COMMAND_RESPONSE_MAX + 1},
        {.expected = UINT32_MAX},
    };
    for (size_t i = 0; i < COUNT(commands); i++) {
        uint8_t untouched = 0x5A;
        ck_assert_uint_eq(command_size(&commands[i]), 0);
        ck_assert_uint_eq(command_encode(&commands[i], &untouched), 0);
        ck_assert_uint_eq(untouched, 0x5A);
    }
}
END_TEST

START_TEST(commands_that_keep_the_selection)
{
    static const uint8_t keep[][4] = {
        {0x00, 0x20, 0x00, 0x01}, {0x0C, 0x24, 0x00, 0x81}, {0x00, 0x84, 0x00, 0x00},
        {0x00, 0x22, 0x41, 0xB6}, {0x00, 0x2A, 0x9E, 0x9A}, {0x40, 0x88, 0x00, 0x00},
        {0x00, 0xCA, 0x00, 0x6E},
    };
    static const uint8_t may_select[][4] = {
        {0x00, 0xA4, 0x04, 0x00}, {0x00, 0xB0, 0x81, 0x00}, {0x00, 0xCB, 0x3F, 0xFF},
        {0x80, 0x20, 0x00, 0x01}, {0x00, 0x70, 0x00, 0x00}, {0xFF, 0x82, 0x00, 0x00},
        {0x00, 0xE4, 0x00, 0x00},
    };
    for (int i = 0; i < COUNT(keep); i++)
        ck_assert(command_keeps_selection(keep[i], sizeof keep[i]));
    for (int i = 0; i < COUNT(may_select); i++)
        ck_assert(!command_keeps_selection(may_select[i], sizeof may_select[i]));
    ck_assert(!command_keeps_selection(keep[0], 3));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: commands");
    TCase *tc = tcase_create("commands");
    tcase_add_test(tc, known_commands);
    tcase_add_test(tc, each_form_at_its_limits);
    tcase_add_test(tc, the_sizes_that_the_header_promises);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, commands_that_keep_the_selection);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
