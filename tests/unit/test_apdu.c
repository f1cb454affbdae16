/* SPDX-License-Identifier: BSD-3-Clause */
#include "apdu_text.h"
#include "iso7816/apdu.h"
#include "iso7816/hex.h"

#include "bytes.h"
#include "count.h"
#include "next_random.h"
#include "run_suite.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Valid commands: header, Lc, nc bytes of data and Le, with zero bytes filled in for the data. */
static const struct {
    const char *head; /* header and Lc */
    size_t nc;
    const char *le;
    uint32_t ne;
    enum apdu_case kind;
    const char *name;
} commands[] = {
    {"00 A4 04 00", 0, "", 0, APDU_CASE_1, "1"},
    {"00 B0 00 00", 0, "01", 1, APDU_CASE_2S, "2S"},
    {"00 B0 00 00", 0, "FF", 255, APDU_CASE_2S, "2S"},
    {"00 B0 00 00", 0, "00", 256, APDU_CASE_2S, "2S"},
    {"00 D6 00 00 01", 1, "", 0, APDU_CASE_3S, "3S"},
    {"00 D6 00 00 FF", 255, "", 0, APDU_CASE_3S, "3S"},
    {"00 A4 04 00 01", 1, "01", 1, APDU_CASE_4S, "4S"},
    {"00 A4 04 00 FF", 255, "00", 256, APDU_CASE_4S, "4S"},
    {"00 A4 04 00 02", 2, "7F", 127, APDU_CASE_4S, "4S"},
    {"00 B0 00 00 00", 0, "00 01", 1, APDU_CASE_2E, "2E"},
    {"00 B0 00 00 00", 0, "01 00", 256, APDU_CASE_2E, "2E"},
    {"00 B0 00 00 00", 0, "12 34", 0x1234, APDU_CASE_2E, "2E"},
    {"00 B0 00 00 00", 0, "FF FF", 65535, APDU_CASE_2E, "2E"},
    {"00 B0 00 00 00", 0, "00 00", 65536, APDU_CASE_2E, "2E"},
    {"00 D6 00 00 00 00 01", 1, "", 0, APDU_CASE_3E, "3E"},
    {"00 D6 00 00 00 01 00", 256, "", 0, APDU_CASE_3E, "3E"},
    {"00 D6 00 00 00 FF FF", 65535, "", 0, APDU_CASE_3E, "3E"},
    {"00 2A 00 00 00 00 01", 1, "00 02", 2, APDU_CASE_4E, "4E"},
    {"00 2A 00 00 00 01 02", 258, "03 04", 0x304, APDU_CASE_4E, "4E"},
    {"FF 6A FE FD 00 FF FF", 65535, "00 00", 65536, APDU_CASE_4E, "4E"},
};

START_TEST(each_command)
{
    uint8_t head[8], le[4];
    size_t head_length, le_length, nc = commands[_i].nc, length, out_length;
    struct apdu_command command;
    struct apdu_error error;
    uint8_t *bytes, *out;

    ck_assert_int_eq(
        hex_decode(commands[_i].head, strlen(commands[_i].head), head, sizeof head, &head_length, NULL),
        HEX_OK);
    ck_assert_int_eq(hex_decode(commands[_i].le, strlen(commands[_i].le), le, sizeof le, &le_length, NULL),
                     HEX_OK);
    length = head_length + nc + le_length;
    bytes = exact(length);
    memcpy(bytes, head, head_length);
    for (size_t i = 0; i < nc; i++)
        bytes[head_length + i] = (uint8_t)(i * 7 + 1);
    memcpy(bytes + head_length + nc, le, le_length);

    ck_assert_int_eq(apdu_decode(bytes, length, &command, &error), APDU_OK);
    ck_assert_int_eq(error.result, APDU_OK);
    ck_assert_int_eq(command.kind, commands[_i].kind);
    ck_assert_uint_eq(command.cla, head[0]);
    ck_assert_uint_eq(command.ins, head[1]);
    ck_assert_uint_eq(command.p1, head[2]);
    ck_assert_uint_eq(command.p2, head[3]);
    ck_assert_uint_eq(command.nc, nc);
    ck_assert_uint_eq(command.ne, commands[_i].ne);
    ck_assert_ptr_eq(command.data, nc > 0 ? bytes + head_length : NULL);
    ck_assert_str_eq(apdu_case_name(command.kind), commands[_i].name);

    /* and back again, with exactly enough room, with too little, and in place */
    out = exact(length);
    ck_assert_int_eq(apdu_encode(&command, out, length, &out_length), APDU_OK);
    ck_assert_uint_eq(out_length, length);
    ck_assert_mem_eq(out, bytes, length);
    memset(out, 0xA5, length);
    ck_assert_int_eq(apdu_encode(&command, out, length - 1, &out_length), APDU_NO_SPACE);
    ck_assert_uint_eq(out_length, 0);
    ck_assert_uint_eq(out[0], 0xA5);
    memcpy(out, bytes, length);
    ck_assert_int_eq(apdu_encode(&command, bytes, length, &out_length), APDU_OK);
    ck_assert_mem_eq(out, bytes, length);
    free(out);
    free(bytes);
}
END_TEST

static const struct {
    const char *head; /* zero bytes follow up to length */
    size_t length;
    enum apdu_result result;
    size_t position;
    const char *text;
} errors[] = {
#define STD " (ISO/IEC 7816-3:2006, 12.1.3)"
    {"00 A4 04 00", 4, APDU_OK, 0, "no error"},
    {"", 0, APDU_TOO_SHORT, 0, "byte 0: the command ends inside the header of 4 bytes" STD},
    {"00 A4 04", 3, APDU_TOO_SHORT, 3, "byte 3: the command ends inside the header of 4 bytes" STD},
    {"00 A4 04 00 02", 6, APDU_DATA_SHORT, 4, "byte 4: Lc says that 2 bytes follow, 1 is there" STD},
    {"00 A4 04 00 05", 8, APDU_DATA_SHORT, 4, "byte 4: Lc says that 5 bytes follow, 3 are there" STD},
    {"00 A4 04 00 FF", 259, APDU_DATA_SHORT, 4, "byte 4: Lc says that 255 bytes follow, 254 are there" STD},
    {"00 A4 04 00 01", 8, APDU_DATA_LONG, 4,
     "byte 4: Lc says that 1 byte follows, 3 are there, too many for an Le" STD},
    {"00 A4 04 00 05", 12, APDU_DATA_LONG, 4,
     "byte 4: Lc says that 5 bytes follow, 7 are there, too many for an Le" STD},
    {"00 B0 00 00 00 01", 6, APDU_BAD_BODY, 4,
     "byte 4: 00 begins an extended length, but only one byte follows" STD},
    {"00 D6 00 00 00 00 00 01", 8, APDU_LC_ZERO, 5,
     "byte 5: the extended Lc is 0000, though 1 byte follows" STD},
    {"00 D6 00 00 00 00 00 01 01", 9, APDU_LC_ZERO, 5,
     "byte 5: the extended Lc is 0000, though 2 bytes follow" STD},
    {"00 D6 00 00 00 01 00", 262, APDU_DATA_SHORT, 4,
     "byte 4: Lc says that 256 bytes follow, 255 are there" STD},
    {"00 D6 00 00 00 00 02", 8, APDU_DATA_SHORT, 4, "byte 4: Lc says that 2 bytes follow, 1 is there" STD},
    {"00 D6 00 00 00 00 01", 9, APDU_LE_SHORT, 8,
     "byte 8: Le has one byte, but after an extended Lc it needs two" STD},
    {"00 D6 00 00 00 FF FF", 65543, APDU_LE_SHORT, 65542,
     "byte 65542: Le has one byte, but after an extended Lc it needs two" STD},
    {"00 D6 00 00 00 00 01", 11, APDU_DATA_LONG, 4,
     "byte 4: Lc says that 1 byte follows, 4 are there, too many for an Le" STD},
    {"00 D6 00 00 00 FF FE", 65544, APDU_DATA_LONG, 4,
     "byte 4: Lc says that 65534 bytes follow, 65537 are there, too many for an Le" STD},
    {"00 D6 00 00 00 FF FF", 65545, APDU_TOO_LONG, 65544,
     "byte 65544: the command is 65545 bytes long, the longest possible has 65544" STD},
#undef STD
};

START_TEST(each_error)
{
    uint8_t head[16], *bytes = exact(errors[_i].length);
    struct apdu_command command, zero;
    struct apdu_error error;
    char text[128], cut[7];
    size_t head_length;

    ck_assert_int_eq(
        hex_decode(errors[_i].head, strlen(errors[_i].head), head, sizeof head, &head_length, NULL), HEX_OK);
    memcpy(bytes, head, head_length);
    ck_assert_int_eq(apdu_decode(bytes, errors[_i].length, &command, &error), errors[_i].result);
    ck_assert_int_eq(apdu_decode(bytes, errors[_i].length, &command, NULL), errors[_i].result);
    ck_assert_int_eq(error.result, errors[_i].result);
    ck_assert_uint_eq(error.position, errors[_i].position);
    ck_assert_uint_eq(apdu_error_text(&error, text, sizeof text), strlen(errors[_i].text));
    ck_assert_str_eq(text, errors[_i].text);
    ck_assert_uint_eq(apdu_error_text(&error, cut, sizeof cut), strlen(errors[_i].text));
    ck_assert_uint_eq(strlen(cut), sizeof cut - 1);
    ck_assert_uint_eq(apdu_error_text(&error, NULL, 0), strlen(errors[_i].text));
    if (errors[_i].result != APDU_OK) {
        memset(&zero, 0, sizeof zero);
        ck_assert_mem_eq(&command, &zero, sizeof zero);
    }
    free(bytes);
}
END_TEST

START_TEST(encode_refuses)
{
    static const struct {
        size_t nc;
        uint32_t ne;
        enum apdu_case kind;
    } bad[] = {
        {1, 0, APDU_CASE_1},      {0, 1, APDU_CASE_1},       {0, 0, APDU_CASE_2S},
        {0, 257, APDU_CASE_2S},   {1, 1, APDU_CASE_2S},      {0, 0, APDU_CASE_3S},
        {256, 0, APDU_CASE_3S},   {1, 1, APDU_CASE_3S},      {0, 1, APDU_CASE_4S},
        {1, 0, APDU_CASE_4S},     {256, 1, APDU_CASE_4S},    {1, 257, APDU_CASE_4S},
        {0, 0, APDU_CASE_2E},     {1, 1, APDU_CASE_2E},      {0, 65537, APDU_CASE_2E},
        {0, 0, APDU_CASE_3E},     {1, 1, APDU_CASE_3E},      {65536, 0, APDU_CASE_3E},
        {0, 1, APDU_CASE_4E},     {1, 0, APDU_CASE_4E},      {1, 65537, APDU_CASE_4E},
        {65536, 1, APDU_CASE_4E}, {0, 0, (enum apdu_case)0}, {0, 0, (enum apdu_case)8},
    };
    uint8_t *data = exact(65536), *out = exact(70000);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct apdu_command command = {.data = data, .nc = bad[i].nc, .ne = bad[i].ne, .kind = bad[i].kind};
        size_t length = 99;

        ck_assert_msg(apdu_encode(&command, out, 70000, &length) == APDU_BAD_COMMAND, "row %zu", i);
        ck_assert_uint_eq(length, 0);
    }
    ck_assert_str_eq(apdu_case_name((enum apdu_case)0), "?");
    free(data);
    free(out);
}
END_TEST

/* The data move when a command changes its form where it lies; header and Le must not trample on them. */
START_TEST(encode_in_place)
{
    uint8_t buf[16] = {0x00, 0xA4, 0x04, 0x0C, 0x03, 0xD1, 0xD2, 0xD3, 0x10};
    static const uint8_t extended[] = {0x00, 0xA4, 0x04, 0x0C, 0x00, 0x00,
                                       0x03, 0xD1, 0xD2, 0xD3, 0x00, 0x10};
    static const uint8_t data_only[] = {0x00, 0xA4, 0x04, 0x0C, 0x03, 0xD1, 0xD2, 0xD3};
    struct apdu_command command;
    size_t length;

    ck_assert_int_eq(apdu_decode(buf, 9, &command, NULL), APDU_OK);
    command.kind = APDU_CASE_4E;
    ck_assert_int_eq(apdu_encode(&command, buf, sizeof buf, &length), APDU_OK);
    ck_assert_uint_eq(length, sizeof extended);
    ck_assert_mem_eq(buf, extended, length);

    ck_assert_int_eq(apdu_decode(buf, length, &command, NULL), APDU_OK);
    command.kind = APDU_CASE_3S;
    command.ne = 0;
    ck_assert_int_eq(apdu_encode(&command, buf, sizeof buf, &length), APDU_OK);
    ck_assert_uint_eq(length, sizeof data_only);
    ck_assert_mem_eq(buf, data_only, length);
}
END_TEST

START_TEST(shortest_case)
{
    static const struct {
        size_t nc;
        uint32_t ne;
        enum apdu_case kind;
    } rows[] = {
        {0, 0, APDU_CASE_1},      {0, 1, APDU_CASE_2S},         {0, 256, APDU_CASE_2S},
        {0, 257, APDU_CASE_2E},   {0, 65536, APDU_CASE_2E},     {1, 0, APDU_CASE_3S},
        {255, 0, APDU_CASE_3S},   {256, 0, APDU_CASE_3E},       {65535, 0, APDU_CASE_3E},
        {1, 1, APDU_CASE_4S},     {255, 256, APDU_CASE_4S},     {256, 256, APDU_CASE_4E},
        {255, 257, APDU_CASE_4E}, {65535, 65536, APDU_CASE_4E},
    };
    enum apdu_case kind;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(apdu_shortest_case(rows[i].nc, rows[i].ne, &kind), APDU_OK);
        ck_assert_msg(kind == rows[i].kind, "row %zu", i);
    }
    ck_assert_int_eq(apdu_shortest_case(65536, 0, &kind), APDU_BAD_COMMAND);
    ck_assert_int_eq(apdu_shortest_case(0, 65537, &kind), APDU_BAD_COMMAND);
}
END_TEST

/* What decodes encodes to the same bytes, and nothing makes the decoder crash or point outside. */
START_TEST(random_commands)
{
    uint32_t seed = 781604, kinds = 0, results = 0;
    uint8_t out[320];

    for (unsigned n = 0; n < 100000; n++) {
        size_t length = next_random(&seed) % (n & 1 ? 300 : 20), out_length;
        uint8_t *bytes = exact(length);
        struct apdu_command command;
        struct apdu_error error;
        char text[128];

        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(next_random(&seed) >> 9);
        if (length > 6 && n % 3 == 0)
            bytes[4] = bytes[5] = 0;
        else if (length > 4 && n % 3 == 1)
            bytes[4] = (uint8_t)(length - 5 - (n & 4 ? 1 : 0));
        if (length > 9 && n % 9 == 0)
            bytes[6] = (uint8_t)(length - 7 - next_random(&seed) % 4);

        if (apdu_decode(bytes, length, &command, &error) == APDU_OK) {
            kinds |= 1u << command.kind;
            ck_assert(command.nc == 0 ||
                      (command.data > bytes && command.data + command.nc <= bytes + length));
            ck_assert_int_eq(apdu_encode(&command, out, sizeof out, &out_length), APDU_OK);
            ck_assert_uint_eq(out_length, length);
            ck_assert_mem_eq(out, bytes, length);
        } else {
            ck_assert_uint_le(error.position, length);
        }
        results |= 1u << error.result;
        ck_assert_uint_lt(apdu_error_text(&error, text, sizeof text), sizeof text);
        free(bytes);
    }
    /* every case and every error but APDU_TOO_LONG has come up */
    ck_assert_uint_eq(kinds, 0xFE);
    ck_assert_uint_eq(results, ((1u << APDU_BAD_COMMAND) - 1) & ~(1u << APDU_TOO_LONG));
}
END_TEST

static const struct {
    const char *text;
    enum hex_result result;
    size_t length, bad_at;
    uint8_t bytes[4];
} hex_texts[] = {
    {"", HEX_OK, 0, 0, {0}},
    {" \t\r\n:", HEX_OK, 0, 5, {0}},
    {"00", HEX_OK, 1, 2, {0x00}},
    {"3B9f", HEX_OK, 2, 4, {0x3B, 0x9F}},
    {" aF:09 ", HEX_OK, 2, 7, {0xAF, 0x09}},
    {"De\n\tAD  be:EF", HEX_OK, 4, 13, {0xDE, 0xAD, 0xBE, 0xEF}},
    {"3", HEX_ODD_DIGITS, 0, 0, {0}},
    {"3B 9", HEX_ODD_DIGITS, 1, 3, {0x3B}},
    {"3B9 F0", HEX_ODD_DIGITS, 1, 2, {0x3B}},
    {"3B:9:", HEX_ODD_DIGITS, 1, 3, {0x3B}},
    {"3B G0", HEX_BAD_CHARACTER, 1, 3, {0x3B}},
    {"3B 0G", HEX_BAD_CHARACTER, 1, 4, {0x3B}},
    {"0x3B", HEX_PREFIX, 0, 1, {0}},
    {"3B 0X", HEX_PREFIX, 1, 4, {0x3B}},
    {"1x", HEX_BAD_CHARACTER, 0, 1, {0}},
    {"3B .0", HEX_BAD_CHARACTER, 1, 3, {0x3B}},
    {"3B/00", HEX_BAD_CHARACTER, 1, 2, {0x3B}},
    {"3B;00", HEX_BAD_CHARACTER, 1, 2, {0x3B}},
    {"3B@0", HEX_BAD_CHARACTER, 1, 2, {0x3B}},
    {"`0", HEX_BAD_CHARACTER, 0, 0, {0}},
    {"3B \xC3\xA9", HEX_BAD_CHARACTER, 1, 3, {0x3B}},
    {"01 02 03 04 05", HEX_NO_SPACE, 4, 12, {1, 2, 3, 4}},
};

START_TEST(each_hex_text)
{
    size_t text_length = strlen(hex_texts[_i].text), length = 99, bad_at = 99;
    uint8_t *text = exact(text_length), out[5] = {0xEE, 0xEE, 0xEE, 0xEE, 0xEE};

    memcpy(text, hex_texts[_i].text, text_length);
    ck_assert_int_eq(hex_decode((const char *)text, text_length, out, 4, &length, &bad_at),
                     hex_texts[_i].result);
    ck_assert_uint_eq(length, hex_texts[_i].length);
    ck_assert_uint_eq(bad_at, hex_texts[_i].bad_at);
    ck_assert_mem_eq(out, hex_texts[_i].bytes, length);
    ck_assert_uint_eq(out[length], 0xEE);
    free(text);
}
END_TEST

START_TEST(hex_encode_sizes)
{
    static const uint8_t bytes[] = {0x00, 0x3B, 0xAF};
    char out[16];

    ck_assert_int_eq(hex_encode(bytes, 3, out, 7, 0), HEX_OK);
    ck_assert_str_eq(out, "003BAF");
    ck_assert_int_eq(hex_encode(bytes, 3, out, 6, 0), HEX_NO_SPACE);
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(hex_encode(bytes, 3, out, 9, ' '), HEX_OK);
    ck_assert_str_eq(out, "00 3B AF");
    ck_assert_int_eq(hex_encode(bytes, 3, out, 8, ':'), HEX_NO_SPACE);
    ck_assert_int_eq(hex_encode(bytes, 1, out, 3, ':'), HEX_OK);
    ck_assert_str_eq(out, "00");
    ck_assert_int_eq(hex_encode(NULL, 0, out, 1, ' '), HEX_OK);
    ck_assert_str_eq(out, "");
    out[0] = 'x';
    ck_assert_int_eq(hex_encode(bytes, 1, out, 0, 0), HEX_NO_SPACE);
    ck_assert_int_eq(out[0], 'x');
    /* a length whose text would not fit any memory */
    ck_assert_int_eq(hex_encode(bytes, SIZE_MAX / 2 + 1, out, sizeof out, 0), HEX_NO_SPACE);
    ck_assert_int_eq(hex_encode(bytes, SIZE_MAX, out, sizeof out, ' '), HEX_NO_SPACE);
}
END_TEST

START_TEST(hex_round_trip)
{
    uint8_t all[256], again[256];
    char text[256 * 3];
    size_t length;

    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    for (const char *separator = " :\n"; *separator != '\0'; separator++) {
        ck_assert_int_eq(hex_encode(all, 256, text, sizeof text, *separator), HEX_OK);
        ck_assert_uint_eq(strlen(text), 256 * 3 - 1);
        memset(again, 0, sizeof again);
        ck_assert_int_eq(hex_decode(text, strlen(text), again, sizeof again, &length, NULL), HEX_OK);
        ck_assert_uint_eq(length, 256);
        ck_assert_mem_eq(again, all, 256);
    }
}
END_TEST

START_TEST(hex_texts_differ)
{
    for (int a = HEX_OK; a <= HEX_NO_SPACE; a++) {
        for (int b = a + 1; b <= HEX_NO_SPACE + 1; b++)
            ck_assert_str_ne(hex_result_text((enum hex_result)a), hex_result_text((enum hex_result)b));
    }
}
END_TEST

static Suite *apdu_suite(void)
{
    Suite *suite = suite_create("apdu");
    TCase *tc = tcase_create("commands");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, each_command, 0, COUNT(commands));
    tcase_add_loop_test(tc, each_error, 0, COUNT(errors));
    tcase_add_test(tc, encode_refuses);
    tcase_add_test(tc, encode_in_place);
    tcase_add_test(tc, shortest_case);
    tcase_add_test(tc, random_commands);
    suite_add_tcase(suite, tc);

    tc = tcase_create("hex");
    tcase_add_loop_test(tc, each_hex_text, 0, COUNT(hex_texts));
    tcase_add_test(tc, hex_encode_sizes);
    tcase_add_test(tc, hex_round_trip);
    tcase_add_test(tc, hex_texts_differ);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(apdu_suite());
}
