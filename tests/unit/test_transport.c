/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands in parts, GET RESPONSE and a corrected Le. */
#include "run_suite.h"
#include "transport.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A command of this length: header, body of text, then zeros. */
static bool parse(const char *body, size_t body_length, size_t length, struct command *command)
{
    static uint8_t bytes[70000];
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x80\x10\x01\x02", 4);
    memcpy(bytes + 4, body, body_length);
    return transport_parse(bytes, length, command);
}

#define PARSE(body, length, command) parse(body, sizeof(body) - 1, length, command)

static void assert_command(const struct command *command, size_t data_length, bool has_le, uint32_t expected)
{
    ck_assert_uint_eq(command->data_length, data_length);
    ck_assert_int_eq(command->expected > 0, has_le);
    ck_assert_uint_eq(command->expected, expected);
}

/* ISO/IEC 7816-3:2006, 12.1.3 */
START_TEST(the_seven_forms)
{
    struct command c;
    ck_assert(PARSE("", 4, &c));
    assert_command(&c, 0, false, 0);
    ck_assert(PARSE("\x10", 5, &c));
    assert_command(&c, 0, true, 16);
    ck_assert(PARSE("\x00", 5, &c));
    assert_command(&c, 0, true, 256);
    ck_assert(PARSE("\x02", 7, &c));
    assert_command(&c, 2, false, 0);
    ck_assert(PARSE("\x02\xAA\xBB\x05", 8, &c));
    assert_command(&c, 2, true, 5);
    ck_assert_mem_eq(c.data, "\xAA\xBB", 2);
    ck_assert(PARSE("\x00\x01\x02", 7, &c));
    assert_command(&c, 0, true, 0x102);
    ck_assert(PARSE("\x00\x00\x00", 7, &c));
    assert_command(&c, 0, true, 65536);
    ck_assert(PARSE("\x00\x01\x00", 4 + 3 + 256, &c));
    assert_command(&c, 256, false, 0);
    ck_assert(PARSE("\x00\x01\x00", 4 + 3 + 256 + 2, &c));
    assert_command(&c, 256, true, 65536);
}
END_TEST

START_TEST(what_is_not_a_command)
{
    struct command c;
    for (size_t length = 0; length < 4; length++)
        ck_assert(!PARSE("", length, &c));
    ck_assert(!PARSE("\x02", 6, &c)); /* too short */
    ck_assert(!PARSE("\x02", 9, &c)); /* too long */
    ck_assert(!PARSE("\x00\x00", 6, &c));
    ck_assert(!PARSE("\x00\x00\x00\x01", 8, &c)); /* no data */
    ck_assert(!PARSE("\x00\x01\x00", 4 + 3 + 255, &c));
    ck_assert(!PARSE("\x00\x01\x00", 4 + 3 + 256 + 1, &c));
    ck_assert(!PARSE("\x00\x01\x00", 4 + 3 + 256 + 3, &c));
}
END_TEST

START_TEST(a_chain)
{
    static uint8_t data[1000];
    static const struct {
        size_t length;
        unsigned commands;
        size_t last;
    } cases[] = {{256, 2, 1}, {510, 2, 255}, {511, 3, 1}, {1000, 4, 235}};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t header[] = {0x00, 0xDA, 0x01, 0x02}, out[COMMAND_SHORT_SIZE_MAX];
        struct command c = {0x00, 0xDA, 0x01, 0x02, data, cases[i].length, 300};
        size_t offset = 0, sent, length = 0;
        unsigned commands = 0;
        ck_assert(transport_needs_chain(&c));
        for (; offset < cases[i].length; offset += sent, commands++) {
            length = transport_chain(&c, offset, out, &sent);
            bool is_last = offset + sent == cases[i].length;
            ck_assert_uint_eq(out[0], is_last ? 0x00 : 0x10);
            ck_assert_mem_eq(out + 1, header + 1, 3);
            ck_assert_uint_eq(out[4], sent);
            ck_assert_mem_eq(out + 5, data + offset, sent);
            ck_assert_uint_eq(length, 5 + sent + is_last);
        }
        ck_assert_uint_eq(commands, cases[i].commands);
        ck_assert_uint_eq(out[4], cases[i].last);
        ck_assert_uint_eq(out[length - 1], 0); /* more than 256 are expected */
        length = transport_correct_le(&c, 0x20, out);
        ck_assert_uint_eq(length, 6 + cases[i].last);
        ck_assert_mem_eq(out + 5, data + cases[i].length - cases[i].last, cases[i].last);
        ck_assert_uint_eq(out[length - 1], 0x20);
    }
}
END_TEST

START_TEST(what_is_not_chained)
{
    static const uint8_t data[300];
    struct command c = {0xFF, 0xD6, 0x00, 0x00, data, sizeof data, 0};
    ck_assert(!transport_needs_chain(&c)); /* a command to the reader */
    c.cla = 0x80;
    c.data_length = 255;
    ck_assert(!transport_needs_chain(&c));
}
END_TEST

START_TEST(another_le)
{
    uint8_t out[COMMAND_SHORT_SIZE_MAX];
    struct command c;
    ck_assert(PARSE("", 4, &c));
    ck_assert_uint_eq(transport_correct_le(&c, 5, out), 5);
    ck_assert_mem_eq(out, "\x80\x10\x01\x02\x05", 5);
    ck_assert(PARSE("\x02\xAA\xBB\x00", 8, &c));
    ck_assert_uint_eq(transport_correct_le(&c, 7, out), 8);
    ck_assert_mem_eq(out, "\x80\x10\x01\x02\x02\xAA\xBB\x07", 8);
}
END_TEST

START_TEST(get_response)
{
    static const uint8_t classes[][2] = {{0x00, 0x00}, {0x03, 0x03}, {0x0C, 0x00}, {0x80, 0x00},
                                         {0x84, 0x00}, {0x41, 0x41}, {0x6F, 0x4F}, {0xA0, 0x00}};
    for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        uint8_t out[5];
        const uint8_t wanted[] = {classes[i][1], 0xC0, 0x00, 0x00, 0x12};
        transport_get_response(classes[i][0], 0x12, out);
        ck_assert_mem_eq(out, wanted, 5);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tc = tcase_create("all");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, the_seven_forms);
    tcase_add_test(tc, what_is_not_a_command);
    tcase_add_test(tc, a_chain);
    tcase_add_test(tc, what_is_not_chained);
    tcase_add_test(tc, another_le);
    tcase_add_test(tc, get_response);
    return run_suite(suite);
}
