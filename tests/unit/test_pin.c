/* SPDX-License-Identifier: BSD-3-Clause */
/* The PIN structures of PC/SC part 10: each field of them, the commands that they make, and the entry of
 * PINs. */
#include "base/error.h"
#include "ifd/pin_entry.h"

#include "bytes.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct pin_request request;
static struct pin_entry entry;
static struct error error;
static uint8_t structure[400], command[PIN_APDU_MAX];

/* Parses a structure: its fields, then an APDU before which ulDataLength is put. */
static bool parse(bool modifies, const char *fields, const char *apdu)
{
    uint8_t bytes[300];
    size_t length = from_hex(fields, structure, sizeof structure);
    size_t apdu_length = from_hex(apdu, bytes, sizeof bytes);
    const uint8_t number[4] = {(uint8_t)apdu_length, (uint8_t)(apdu_length >> 8)};
    memcpy(structure + length, number, 4);
    memcpy(structure + length + 4, bytes, apdu_length);
    return pin_request_parse(&request, modifies, structure, length + 4 + apdu_length, &error);
}

static struct pin pin_of(const char *digits)
{
    struct pin pin = {.length = (uint8_t)strlen(digits)};
    for (unsigned i = 0; digits[i]; i++)
        pin.digit[i] = (uint8_t)(digits[i] - '0');
    return pin;
}

static void assert_command(const char *old, const char *new_pin, const char *expected)
{
    uint8_t bytes[PIN_APDU_MAX];
    size_t length = from_hex(expected, bytes, sizeof bytes);
    struct pin old_pin = pin_of(old), pin = pin_of(new_pin);
    memset(command, 0xAA, sizeof command);
    size_t found = pin_request_build(&request, &old_pin, &pin, command);
    ck_assert_uint_eq(found, length);
    ck_assert_mem_eq(command, bytes, length);
}

#define TAIL "0804 02 01 0904 00 000000" /* 4 to 8 digits, by the key, one message */

static const struct {
    const char *formats, *apdu, *pin,
        *command; /* formats: bmFormatString, bmPINBlockString, bmPINLengthFormat */
} verified[] = {
    /* ASCII, left */
    {"82 08 00", "00200080 08 FFFFFFFFFFFFFFFF", "123456", "00200080 08 313233343536FFFF"},
    {"82 00 00", "00200082 00", "123456", "00200082 06 313233343536"},
    {"82 00 00", "00200082", "12345678", "00200082 08 3132333435363738"},
    {"82 00 00", "00200080 08 0000000000000000", "1234", "00200080 08 3132333400000000"},
    {"82 08 00", "00200080 00", "1234", "00200080 08 31323334FFFFFFFF"},
    {"02 08 00", "00200080 08 FFFFFFFFFFFFFFFF", "1234", "00200080 08 31323334FFFFFFFF"},
    /* ASCII, right */
    {"86 08 00", "00200080 08 0000000000000000", "1234", "00200080 08 0000000031323334"},
    /* at a byte, and at a bit */
    {"92 08 00", "00200080 0A 4142 FFFFFFFFFFFFFFFF", "1234", "00200080 0A 4142 31323334FFFFFFFF"},
    {"42 08 00", "00200080 09 41 FFFFFFFFFFFFFFFF", "1234", "00200080 09 41 31323334FFFFFFFF"},
    {"21 04 00", "00200080 04 20000000", "12345", "00200080 04 21234500"},
    /* BCD */
    {"81 04 00", "00200080 04 FFFFFFFF", "12345", "00200080 04 12345FFF"},
    {"85 04 00", "00200080 04 FFFFFFFF", "12345", "00200080 04 FFF12345"},
    {"81 00 00", "00200080 00", "12345", "00200080 03 12345F"},
    {"85 00 00", "00200080 00", "12345", "00200080 03 F12345"},
    /* binary */
    {"80 08 00", "00200080 08 FFFFFFFFFFFFFFFF", "1234", "00200080 08 01020304FFFFFFFF"},
    /* ISO 9564 format 2: 2N and digits; length of four bits at bit 4 */
    {"89 47 04", "00200080 08 20FFFFFFFFFFFFFF", "12345", "00200080 08 25 12345FFFFFFFFF"},
    {"41 48 04", "00200080 08 20FFFFFFFFFFFFFF", "1234", "00200080 08 24 1234FFFFFFFFFF"},
    /* a length of a byte at byte 0; of a byte behind the PIN */
    {"8A 88 10", "00200080 09 00 FFFFFFFFFFFFFFFF", "1234", "00200080 09 04 31323334FFFFFFFF"},
    {"82 84 14", "00200080 05 FFFFFFFF 00", "1234", "00200080 05 31323334 04"},
    {"8A 80 10", "00200080 00", "1234", "00200080 05 04 31323334"},
    /* Le */
    {"82 04 00", "00200080 04 FFFFFFFF 00", "1234", "00200080 04 31323334 00"},
};

START_TEST(verify)
{
    char fields[100];
    snprintf(fields, sizeof fields, "00 00 %s " TAIL, verified[_i].formats);
    ck_assert_msg(parse(false, fields, verified[_i].apdu), "%s", error.text);
    assert_command("", verified[_i].pin, verified[_i].command);
}
END_TEST

static const struct {
    const char *formats, *rest, *apdu,
        *command; /* rest: offsets, digits, bConfirmPIN; old PIN 1234, new 56789 */
} modified[] = {
    {"82 08 00", "00 08 0804 03", "00240080 10 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF",
     "00240080 10 31323334FFFFFFFF 3536373839FFFFFF"},
    {"82 00 00", "00 00 0804 03", "00240080 00", "00240080 09 31323334 3536373839"},
    {"82 08 00", "00 08 0804 03", "00240080 00", "00240080 10 31323334FFFFFFFF 3536373839FFFFFF"},
    {"82 00 00", "00 00 0804 01", "00240180 00", "00240180 05 3536373839"},
    {"82 08 00", "08 00 0804 02", "00240080 10 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF",
     "00240080 10 3536373839FFFFFF 31323334FFFFFFFF"},
    {"89 47 04", "00 08 0804 03", "00240080 10 20FFFFFFFFFFFFFF 20FFFFFFFFFFFFFF",
     "00240080 10 241234FFFFFFFFFF 2556789FFFFFFFFF"},
    {"81 00 00", "00 00 0804 03", "00240080 00", "00240080 05 1234 56789F"},
    {"82 00 00", "02 00 0804 03", "00240080 00", "00240080 0B FFFF 31323334 3536373839"},
};

START_TEST(modify)
{
    char fields[100];
    snprintf(fields, sizeof fields, "00 00 %s %s 02 03 0904 00 01 02 000000", modified[_i].formats,
             modified[_i].rest);
    ck_assert_msg(parse(true, fields, modified[_i].apdu), "%s", error.text);
    assert_command("1234", "56789", modified[_i].command);
}
END_TEST

START_TEST(every_field)
{
    ck_assert(parse(true, "1E 0F 96 48 14 01 09 0C06 03 07 03 0704 05 06 07 000000",
                    "80240101 11 0011223344556677889900AABBCCDDEEFF 10"));
    ck_assert(request.modifies && request.right && request.asks_old && request.confirms && request.has_le);
    ck_assert_uint_eq(request.timeout, 30);
    ck_assert_uint_eq(request.timeout2, 15);
    ck_assert_int_eq(request.format, PIN_ASCII);
    ck_assert_uint_eq(request.position, 16);
    ck_assert_uint_eq(request.block_size, 8);
    ck_assert_uint_eq(request.length_size, 4);
    ck_assert_uint_eq(request.length_position, 32);
    ck_assert_uint_eq(request.offset_old, 1);
    ck_assert_uint_eq(request.offset_new, 9);
    ck_assert_uint_eq(request.min, 6);
    ck_assert_uint_eq(request.max, 6); /* as many as there is room for, of 12: 17 - 9 - 2 */
    ck_assert_uint_eq(request.conditions, 7);
    ck_assert_uint_eq(request.language, 0x0407);
    ck_assert_mem_eq(request.message, "\x05\x06\x07", 3);
    ck_assert_mem_eq(request.header, "\x80\x24\x01\x01", 4);
    ck_assert_uint_eq(request.data_length, 17);
    ck_assert_uint_eq(request.le, 0x10);
}
END_TEST

START_TEST(messages)
{
    ck_assert(parse(false, "00 00 82 08 00 0804 02 00 0904 05 000000", "0020008000"));
    ck_assert_uint_eq(request.message[0], PIN_NO_MESSAGE);
    ck_assert(parse(false, "00 00 82 08 00 0804 02 FF 0904 05 000000", "0020008000"));
    ck_assert_uint_eq(request.message[0], 0);
    ck_assert(parse(true, "00 00 82 08 00 00 00 0804 01 02 FF 0904 05 05 05 000000", "0024008000"));
    ck_assert_mem_eq(request.message, "\1\2", 2);
    ck_assert(parse(true, "00 00 82 08 00 00 00 0804 03 02 02 0904 05 06 07 000000", "0024008000"));
    ck_assert_mem_eq(request.message, "\5\6\xFF", 3);
}
END_TEST

static const struct {
    bool modifies;
    const char *bytes, *error; /* the whole structure */
} malformed[] = {
    {false, "", "0 bytes: a PIN_VERIFY_STRUCTURE has at least 19"},
    {false, "00008208000804020109040000000000000000",
     "abData has 0 bytes: expected a command APDU of 4 to 261"},
    {false, "0000820800080402010904000000000000", "17 bytes: a PIN_VERIFY_STRUCTURE has at least 19"},
    {true, "00008208000008080403020309040001020000000000",
     "22 bytes: a PIN_MODIFY_STRUCTURE has at least 24"},
    {false, "00008308000804020109040000000005000000 0020008000",
     "bmFormatString 83: there is no PIN format 3"},
    {false, "00008208200804020109040000000005000000 0020008000",
     "bmPINLengthFormat 20: bits 7 to 5 are reserved"},
    {false, "00008208000408020109040000000005000000 0020008000",
     "wPINMaxExtraDigit: at least 8 digits, and at most 4; it is little-endian"},
    {false, "00008208000000020109040000000005000000 0020008000",
     "wPINMaxExtraDigit: a PIN of at most 0 digits"},
    {false, "00008208000804000109040000000005000000 0020008000",
     "bEntryValidationCondition 00: expected 01 to 07"},
    {false, "00008208000804080109040000000005000000 0020008000",
     "bEntryValidationCondition 08: expected 01 to 07"},
    {false, "00008208000804020409040000000005000000 0020008000",
     "bNumberMessage 04: expected 00 to 03, or FF"},
    {true, "000082080000080804040203090400010200000005000000 0024008000",
     "bConfirmPIN 04: expected 00 to 03"},
    {false, "00008208000804020109040000000000000005 0020008000",
     "ulDataLength is big-endian; part 10 has it little-endian"},
    {false, "00008208000804020109040000000006000000 0020008000", "ulDataLength is 6, but 5 bytes follow"},
    {false, "000082080008040201090400000000FFFFFFFF 0020008000",
     "ulDataLength is 4294967295, but 5 bytes follow"},
    {false, "00008208000804020109040000000003000000 002000",
     "abData has 3 bytes: expected a command APDU of 4 to 261"},
    {false, "00008208000804020109040000000005000000 0020008008", "abData: Lc is 8, but 0 bytes follow"},
    {false, "00008208000804020109040000000008000000 0020008001 FFFFFF",
     "abData: Lc is 1, but 3 bytes follow"},
    {false, "00008208000804020109040000000007000000 0020008002 FFFF",
     "there is room for 2 digits only, and the PIN has at least 4"},
    {false, "00008224000804020109040000000009000000 0020008004 FFFFFFFF",
     "there is room for 3 digits only, and the PIN has at least 4"},
    {false, "00008284170804020109040000000009000000 0020008004 FFFFFFFF",
     "bmPINLengthFormat: the PIN's length is behind the data"},
    {true, "000082080000FF0804030203090400010200000009000000 0024008004 FFFFFFFF",
     "there is room for 0 digits only, and the PIN has at least 4"},
};

START_TEST(malformed_structures)
{
    size_t length = from_hex(malformed[_i].bytes, structure, sizeof structure);
    ck_assert(!pin_request_parse(&request, malformed[_i].modifies, structure, length, &error));
    ck_assert_str_eq(error.text, malformed[_i].error);
}
END_TEST

/* The entry of PINs. o is OK, c cancel, x clear, b backspace, t the end of the time. */
static void press(const char *keys)
{
    static const char names[] = "0123456789ocxb";
    for (; *keys; keys++)
        if (*keys == 't')
            pin_entry_time_out(&entry);
        else
            pin_entry_press(&entry, (enum pin_key)(strchr(names, *keys) - names));
}

static const struct {
    const char *rest, *keys; /* rest: digits, bConfirmPIN, bEntryValidationCondition */
    enum pin_entry_state state;
    const char *old, *new_pin;
} entries[] = {
    {"0804 00 02", "1234o", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 02", "1234", PIN_ENTRY_ASKS, "", "1234"},
    {"0804 00 02", "123o", PIN_ENTRY_BAD_LENGTH, "", ""},
    {"0804 00 02", "o", PIN_ENTRY_BAD_LENGTH, "", ""},
    {"0800 00 02", "o", PIN_ENTRY_DONE, "", ""},
    {"0804 00 02", "123456789o", PIN_ENTRY_BAD_LENGTH, "", ""},
    {"0804 00 02", "123456789bo", PIN_ENTRY_DONE, "", "12345678"},
    {"0804 00 02", "99x1234o", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 02", "12345bb67o", PIN_ENTRY_DONE, "", "12367"},
    {"0804 00 02", "bbbx1234o", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 02", "12c34o", PIN_ENTRY_CANCELLED, "", ""},
    {"0804 00 02", "1234t", PIN_ENTRY_TIMED_OUT, "", ""},
    {"0804 00 01", "1234o5678", PIN_ENTRY_DONE, "", "12345678"}, /* the key OK has no meaning */
    {"0404 00 03", "1234", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 03", "1234o", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 04", "1234ot", PIN_ENTRY_DONE, "", "1234"},
    {"0804 00 06", "t", PIN_ENTRY_TIMED_OUT, "", ""},
    {"0804 00 06", "12t", PIN_ENTRY_BAD_LENGTH, "", ""},
    {"0804 01 02", "1234o1234o", PIN_ENTRY_DONE, "", "1234"},
    {"0804 01 02", "1234o1235o", PIN_ENTRY_DIFFERENT, "", ""},
    {"0804 01 02", "1234o12345o", PIN_ENTRY_DIFFERENT, "", ""},
    {"0804 02 02", "1234o5678o", PIN_ENTRY_DONE, "1234", "5678"},
    {"0804 03 02", "1234o5678o5678o", PIN_ENTRY_DONE, "1234", "5678"},
    {"0804 03 02", "1234o5678ox5678o9", PIN_ENTRY_DONE, "1234", "5678"},
    {"0404 03 01", "123456785678", PIN_ENTRY_DONE, "1234", "5678"},
    {"0804 03 02", "1234o5678oc", PIN_ENTRY_CANCELLED, "", ""},
    {"0804 03 02", "12o", PIN_ENTRY_BAD_LENGTH, "", ""},
};

static void assert_pin(enum pin_stage stage, const char *digits)
{
    struct pin expected = pin_of(digits);
    ck_assert_uint_eq(entry.pin[stage].length, expected.length);
    ck_assert_mem_eq(entry.pin[stage].digit, expected.digit, sizeof expected.digit);
}

START_TEST(entry_of_pins)
{
    char fields[100];
    const char *rest = entries[_i].rest; /* bConfirmPIN and bEntryValidationCondition stand side by side */
    snprintf(fields, sizeof fields, "00 00 82 00 00 00 00 %s 03 0904 00 01 02 000000", rest);
    ck_assert_msg(parse(true, fields, "0024008000"), "%s", error.text);
    pin_entry_begin(&entry, &request);
    press(entries[_i].keys);
    ck_assert_int_eq(entry.state, entries[_i].state);
    assert_pin(PIN_STAGE_OLD, entries[_i].old);
    assert_pin(PIN_STAGE_NEW, entries[_i].new_pin);
}
END_TEST

START_TEST(status_words)
{
    static const uint16_t words[] = {0x6401, 0x9000, 0x6400, 0x6401, 0x6402, 0x6403};
    for (int i = 0; i < COUNT(words); i++) {
        entry.state = (enum pin_entry_state)i;
        ck_assert_uint_eq(pin_entry_status_word(&entry), words[i]);
    }
}
END_TEST

START_TEST(no_room)
{
    struct pin old = pin_of("1234"), pin = pin_of("12345678901234567890123456789012");
    ck_assert(parse(true, "00 00 82 0F 00 F0 F0 2001 03 02 03 0904 00 01 02 000000", "0024008000"));
    ck_assert_uint_eq(pin_request_build(&request, &old, &pin, command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pin");
    TCase *tests = tcase_create("tests");
    tcase_add_loop_test(tests, verify, 0, COUNT(verified));
    tcase_add_loop_test(tests, modify, 0, COUNT(modified));
    tcase_add_test(tests, every_field);
    tcase_add_test(tests, messages);
    tcase_add_loop_test(tests, malformed_structures, 0, COUNT(malformed));
    tcase_add_loop_test(tests, entry_of_pins, 0, COUNT(entries));
    tcase_add_test(tests, status_words);
    tcase_add_test(tests, no_room);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
