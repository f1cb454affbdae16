/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reader reports through SCardGetAttrib and SCardControl: each attribute, with and without a card, power
 * and protocol, and what options make of them. */
#include "base/error.h"
#include "rig/attribute.h"
#include "rig/feature.h"

#include "icc/script_card.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

static struct slots slots;
static struct error error;
static uint8_t value[READER_ATTRIBUTE_SIZE], output[FEATURE_OUTPUT_MAX];
static size_t length;

static void set_up(void)
{
    slots_init(&slots, 1);
}

static void tear_down(void)
{
    slots_free(&slots);
}

static bool try_to_add(const char *text)
{
    struct reader_options options;
    return reader_options_parse(text, &options, &error) && slots_add_reader(&slots, &options, &error);
}

/* The last slot of a new reader. */
static struct slot *add(const char *text)
{
    ck_assert_msg(try_to_add(text), "%s", error.text);
    return &slots.slot[slots.slot_count - 1];
}

/* Puts a card with this ATR in; it answers 90 00 to all. */
static void insert(struct slot *slot, const char *atr)
{
    char script[200];
    snprintf(script, sizeof script, "return { atr = \"%s\", commands = { { \"00\", \"90 00\" } } }", atr);
    slot->card = card_load_text("test", script, strlen(script), &slot->host, &error);
    ck_assert_msg(slot->card != NULL, "%s", error.text);
    slot->contacts = contacts_new(slot->card);
    ifd_set_card(slot->ifd, slot->contacts, NULL, "test");
}

static bool attribute(struct slot *slot, uint32_t tag, uint8_t *out, size_t *size)
{
    struct slot_use use = {0};
    slot_use_begin(slot, &use);
    bool found = attribute_get(&use, tag, out, size);
    ck_assert(slot_use_end(&use));
    return found;
}

static bool feature(struct slot *slot, uint32_t code, uint8_t *out, size_t *size)
{
    struct slot_use use = {0};
    slot_use_begin(slot, &use);
    bool found = feature_control(&use, code, out, size);
    ck_assert(slot_use_end(&use));
    return found;
}

static void check_bytes(struct slot *slot, uint32_t tag, const void *bytes, size_t size)
{
    ck_assert_msg(attribute(slot, tag, value, &length), "tag %05X", tag);
    ck_assert_msg(length == size, "tag %05X: %zu bytes", tag, length);
    ck_assert_mem_eq(value, bytes, size);
}

static void check_text(struct slot *slot, uint32_t tag, const char *text)
{
    check_bytes(slot, tag, text, strlen(text) + 1);
}

static void check_number(struct slot *slot, uint32_t tag, uint32_t number)
{
    uint32_t found = number + 1;
    ck_assert_msg(attribute(slot, tag, value, &length), "tag %05X", tag);
    ck_assert_msg(length == 4, "tag %05X: %zu bytes", tag, length);
    memcpy(&found, value, sizeof found);
    ck_assert_msg(found == number, "tag %05X: %u, not %u", tag, found, number);
}

static void check_byte(struct slot *slot, uint32_t tag, uint8_t byte)
{
    check_bytes(slot, tag, &byte, 1);
}

static void check_unsupported(struct slot *slot, uint32_t tag)
{
    ck_assert_msg(!attribute(slot, tag, value, &length), "tag %05X", tag);
}

static const uint32_t of_card[] = {SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_TYPE_PER_ATR, SCARD_ATTR_CURRENT_CLK,
                                   SCARD_ATTR_CURRENT_F,  SCARD_ATTR_CURRENT_D,        SCARD_ATTR_CURRENT_N};
static const uint32_t of_t1[] = {SCARD_ATTR_CURRENT_IFSC, SCARD_ATTR_CURRENT_IFSD, SCARD_ATTR_CURRENT_BWT,
                                 SCARD_ATTR_CURRENT_CWT, SCARD_ATTR_CURRENT_EBC_ENCODING};
#define CHECK_ALL_UNSUPPORTED(slot, tags)                                                                    \
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)                                                \
    check_unsupported(slot, tags[i])

START_TEST(of_the_reader)
{
    add("one");
    struct slot *slot = add("two");
    check_text(slot, SCARD_ATTR_VENDOR_NAME, "cardrig");
    check_text(slot, SCARD_ATTR_VENDOR_IFD_TYPE, "virtual reader");
    check_number(slot, SCARD_ATTR_VENDOR_IFD_VERSION, VERSION);
    check_unsupported(slot, SCARD_ATTR_VENDOR_IFD_SERIAL_NO);
    check_number(slot, SCARD_ATTR_CHANNEL_ID, 0x00F00001);
    check_number(slot, SCARD_ATTR_ASYNC_PROTOCOL_TYPES, 3);
    check_number(slot, SCARD_ATTR_DEFAULT_CLK, 4000);
    check_number(slot, SCARD_ATTR_MAX_CLK, 4000);
    check_number(slot, SCARD_ATTR_DEFAULT_DATA_RATE, 10752);
    check_number(slot, SCARD_ATTR_MAX_DATA_RATE, 688172);
    check_number(slot, SCARD_ATTR_MAX_IFSD, 254);
    check_number(slot, SCARD_ATTR_POWER_MGMT_SUPPORT, 1);
    check_number(slot, SCARD_ATTR_CHARACTERISTICS, 0);
    check_number(slot, SCARD_ATTR_MAXINPUT, 65544);
    check_number(slot, SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 0);
}
END_TEST

static const uint32_t never[] = {SCARD_ATTR_SYNC_PROTOCOL_TYPES,
                                 SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE,
                                 SCARD_ATTR_USER_AUTH_INPUT_DEVICE,
                                 SCARD_ATTR_EXTENDED_BWT,
                                 SCARD_ATTR_CURRENT_IO_STATE,
                                 SCARD_ATTR_ESC_RESET,
                                 SCARD_ATTR_ESC_CANCEL,
                                 SCARD_ATTR_ESC_AUTHREQUEST,
                                 SCARD_ATTR_DEVICE_UNIT,
                                 SCARD_ATTR_DEVICE_IN_USE,
                                 SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, /* pcscd answers it when we do not */
                                 SCARD_ATTR_DEVICE_SYSTEM_NAME_A,
                                 0,
                                 0xFFFFFFFF};

START_TEST(what_no_reader_has)
{
    struct slot *slot = add("r");
    insert(slot, "3B 80 01 81");
    CHECK_ALL_UNSUPPORTED(slot, never);
    ifd_power_up(slot->ifd, IFD_COLD);
    ifd_set_protocol(slot->ifd, 1);
    CHECK_ALL_UNSUPPORTED(slot, never);
}
END_TEST

/* Slot by slot: a card in one says nothing of the other. */
START_TEST(of_the_card)
{
    struct slot *other = add("r,slots=2"), *slot = other - 1;
    CHECK_ALL_UNSUPPORTED(slot, of_card);
    check_byte(slot, SCARD_ATTR_ICC_PRESENCE, 0);
    check_byte(slot, SCARD_ATTR_ICC_INTERFACE_STATUS, 0);
    insert(slot, "3B D0 96 05 80 01 C2");
    CHECK_ALL_UNSUPPORTED(slot, of_card);
    check_byte(slot, SCARD_ATTR_ICC_PRESENCE, 2);
    check_byte(slot, SCARD_ATTR_ICC_INTERFACE_STATUS, 0);
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    check_byte(slot, SCARD_ATTR_ICC_INTERFACE_STATUS, 1);
    check_bytes(slot, SCARD_ATTR_ATR_STRING, "\x3B\xD0\x96\x05\x80\x01\xC2", 7);
    check_byte(slot, SCARD_ATTR_ICC_TYPE_PER_ATR, 1);
    check_number(slot, SCARD_ATTR_CURRENT_CLK, 4000);
    check_number(slot, SCARD_ATTR_CURRENT_F, 372); /* until there is a PPS exchange */
    check_number(slot, SCARD_ATTR_CURRENT_D, 1);
    check_number(slot, SCARD_ATTR_CURRENT_N, 5);
    check_byte(other, SCARD_ATTR_ICC_PRESENCE, 0);
    CHECK_ALL_UNSUPPORTED(other, of_card);
    ck_assert_int_eq(ifd_power_down(slot->ifd), IFD_RESULT_OK);
    CHECK_ALL_UNSUPPORTED(slot, of_card);
    check_byte(slot, SCARD_ATTR_ICC_PRESENCE, 2);
    check_byte(slot, SCARD_ATTR_ICC_INTERFACE_STATUS, 0);
}
END_TEST

START_TEST(of_t0)
{
    struct slot *slot = add("r");
    insert(slot, "3B 50 96 05");
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    check_unsupported(slot, SCARD_ATTR_CURRENT_PROTOCOL_TYPE);
    check_unsupported(slot, SCARD_ATTR_CURRENT_W);
    ck_assert_int_eq(ifd_set_protocol(slot->ifd, 0), IFD_RESULT_OK);
    check_number(slot, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, 1);
    check_number(slot, SCARD_ATTR_CURRENT_F, 512);
    check_number(slot, SCARD_ATTR_CURRENT_D, 32);
    check_number(slot, SCARD_ATTR_CURRENT_W, 10);
    CHECK_ALL_UNSUPPORTED(slot, of_t1);
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_WARM), IFD_RESULT_OK);
    check_unsupported(slot, SCARD_ATTR_CURRENT_PROTOCOL_TYPE);
    check_number(slot, SCARD_ATTR_CURRENT_F, 372);
}
END_TEST

START_TEST(of_t1_before_and_after_its_first_command)
{
    struct slot *slot = add("r");
    insert(slot, "3B 80 81 71 FE 25 01 AA"); /* TA3 IFSC 254, TB3 BWI 2 and CWI 5, TC3 CRC */
    CHECK_ALL_UNSUPPORTED(slot, of_t1);
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    check_number(slot, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, 2); /* the only one that it has, without a PPS */
    check_number(slot, SCARD_ATTR_CURRENT_IFSC, 254);
    check_number(slot, SCARD_ATTR_CURRENT_IFSD, 32);
    check_number(slot, SCARD_ATTR_CURRENT_BWT, 2);
    check_number(slot, SCARD_ATTR_CURRENT_CWT, 5);
    check_number(slot, SCARD_ATTR_CURRENT_EBC_ENCODING, 1);
    check_unsupported(slot, SCARD_ATTR_CURRENT_W);
    static const uint8_t command[4] = {0};
    uint8_t response[10];
    ck_assert_int_eq(ifd_transmit(slot->ifd, 1, command, 4, response, sizeof response, &length),
                     IFD_RESULT_OK);
    check_number(slot, SCARD_ATTR_CURRENT_IFSD, 254); /* S(IFS request) went before it */
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    check_number(slot, SCARD_ATTR_CURRENT_IFSD, 32);
    ck_assert_int_eq(ifd_power_down(slot->ifd), IFD_RESULT_OK);
    CHECK_ALL_UNSUPPORTED(slot, of_t1);
}
END_TEST

START_TEST(as_the_options_say)
{
    struct slot *slot =
        add("r,vendor=Fine Readers & Söhne,type=GR 17 = blue,version=3.250.65535,serial=0042");
    check_text(slot, SCARD_ATTR_VENDOR_NAME, "Fine Readers & Söhne");
    check_text(slot, SCARD_ATTR_VENDOR_IFD_TYPE, "GR 17 = blue");
    check_text(slot, SCARD_ATTR_VENDOR_IFD_SERIAL_NO, "0042");
    check_number(slot, SCARD_ATTR_VENDOR_IFD_VERSION, 0x03FAFFFF);
    slot = add("s,vendor=,type=,serial=x,serial=");
    check_unsupported(slot, SCARD_ATTR_VENDOR_NAME);
    check_unsupported(slot, SCARD_ATTR_VENDOR_IFD_TYPE);
    check_unsupported(slot, SCARD_ATTR_VENDOR_IFD_SERIAL_NO);
}
END_TEST

START_TEST(attributes_of_ones_own)
{
    struct slot *slot = add("r,attribute=0x10100:41 42,attribute=65792:43,attribute=0X7FFF0001:01:00:00:00,"
                            "attribute=590595:3B00,attribute=0x30121:,attribute=4294967295:FF");
    check_bytes(slot, SCARD_ATTR_VENDOR_NAME, "C", 1); /* 65792 is 0x10100, and the later one counts */
    check_bytes(slot, SCARD_ATTR_DEVICE_UNIT, "\1\0\0\0", 4);
    check_bytes(slot, SCARD_ATTR_ATR_STRING, "\x3B\0", 2); /* with neither card nor power */
    check_unsupported(slot, SCARD_ATTR_DEFAULT_CLK);
    check_byte(slot, 0xFFFFFFFF, 0xFF);
    check_text(slot, SCARD_ATTR_VENDOR_IFD_TYPE, "virtual reader");
    ck_assert_uint_eq(slot->reader->options.attribute_count, 5);
}
END_TEST

START_TEST(limits_of_attributes)
{
    char text[4000];
    int at = snprintf(text, sizeof text, "r,attribute=1:");
    for (int i = 0; i < READER_ATTRIBUTE_SIZE; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%02X", i & 0xFF);
    struct slot *slot = add(text);
    ck_assert(attribute(slot, 1, value, &length));
    ck_assert_uint_eq(length, READER_ATTRIBUTE_SIZE);
    ck_assert_uint_eq(value[263], 263 & 0xFF);
    snprintf(text + at, sizeof text - (size_t)at, "00");
    ck_assert(!try_to_add(text));
    ck_assert_ptr_nonnull(strstr(error.text, "at most 264 bytes"));

    at = snprintf(text, sizeof text, "s");
    for (int i = 0; i < READER_ATTRIBUTES_MAX; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, ",attribute=%d:%02X", i, i);
    slot = add(text);
    check_byte(slot, 31, 31);
    snprintf(text + at, sizeof text - (size_t)at, ",attribute=7:FF"); /* a tag that is there is no new one */
    check_byte(add(text), 7, 0xFF);
    snprintf(text + at, sizeof text - (size_t)at, ",attribute=32:FF");
    ck_assert(!try_to_add(text));
    ck_assert_ptr_nonnull(strstr(error.text, "at most 32 tags"));
}
END_TEST

static const struct {
    const char *text, *error;
} bad_options[] = {
    {"vendor", "expected vendor=TEXT"},
    {"vendor=1234567890123456789012345678901234567890123456789012345678901234", "of at most 63 bytes"},
    {"type=a\nb", "expected type=TEXT"},
    {"serial=\x7F", "expected serial=TEXT"},
    {"serial=\xC3", "expected serial=TEXT"},
    {"vendor=a,b", "'b': expected one of name, slots, level"},
    {"version", "expected version=MAJOR.MINOR.BUILD"},
    {"version=", "expected version"},
    {"version=1.2", "expected version"},
    {"version=1.2.", "expected version"},
    {"version=..", "expected version"},
    {"version=1..3", "expected version"},
    {"version=1.2.3.4", "expected version"},
    {"version=1.2.3x", "expected version"},
    {"version=256.0.0", "of at most 255.255.65535"},
    {"version=0.256.0", "expected version"},
    {"version=0.0.65536", "expected version"},
    {"version=0.0.18446744073709551616", "expected version"},
    {"version=-1.0.0", "expected version"},
    {"version=+1.0.0", "expected version"},
    {"version= 1.0.0", "expected version"},
    {"version=0x1.0.0", "expected version"},
    {"attribute", "expected attribute=TAG:HEX"},
    {"attribute=", "expected attribute"},
    {"attribute=1", "expected attribute"},
    {"attribute=:00", "expected attribute"},
    {"attribute=x:00", "expected attribute"},
    {"attribute=0x:00", "expected attribute"},
    {"attribute=0x0x1:00", "expected attribute"},
    {"attribute=-1:00", "expected attribute"},
    {"attribute=1F:00", "expected attribute"},
    {"attribute=4294967296:00", "expected attribute"},
    {"attribute=0x100000000:00", "expected attribute"},
    {"attribute=1:0", "expected attribute"},
    {"attribute=1:0G", "expected attribute"},
    {"attribute=1 :00", "expected attribute"},
};

START_TEST(options_that_make_no_sense)
{
    char text[200];
    snprintf(text, sizeof text, "r,%s", bad_options[_i].text);
    ck_assert_msg(!try_to_add(text), "%s", text);
    ck_assert_msg(strstr(error.text, bad_options[_i].error), "%s", error.text);
    ck_assert_uint_eq(slots.reader_count, 0);
}
END_TEST

#define PROPERTIES 0x42330012u

START_TEST(features)
{
    struct slot *slot = add("r");
    ck_assert(feature(slot, 0x42000000 + 3400, output, &length));
    ck_assert_uint_eq(length, 6);
    ck_assert_mem_eq(output, "\x12\x04\x42\x33\x00\x12", 6);
    static const uint32_t unknown[] = {0,          1,          3400,       0x42000001,
                                       0x00313520, 0x4233000A, 0x42330013, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        ck_assert_msg(!feature(slot, unknown[i], output, &length), "%08X", unknown[i]);
}
END_TEST

START_TEST(properties)
{
    struct slot *slot = add("r,version=1.20.300");
    ck_assert(feature(slot, PROPERTIES, output, &length));
    static const char expected[] = "\x01\x02\0\0"
                                   "\x08\x08"
                                   "1.20.300"
                                   "\x09\x01\0"
                                   "\x0A\x04\0\0\x01\0"
                                   "\x0B\x02\x09\x12"
                                   "\x0C\x02\x01\0";
    ck_assert_uint_eq(length, sizeof expected - 1);
    ck_assert_mem_eq(output, expected, length);
    slot = add("s,version=255.255.65535"); /* the longest */
    ck_assert(feature(slot, PROPERTIES, output, &length));
    ck_assert_uint_le(length, sizeof output);
    ck_assert_mem_eq(output + 6, "255.255.65535", 13);
}
END_TEST

static uint32_t max_data(struct slot *slot)
{
    ck_assert(feature(slot, PROPERTIES, output, &length));
    for (size_t at = 0; at + 2 <= length; at += 2 + output[at + 1])
        if (output[at] == PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize)
            return output[at + 2] | output[at + 3] << 8 | output[at + 4] << 16 |
                   (uint32_t)output[at + 5] << 24;
    ck_abort_msg("no dwMaxAPDUDataSize");
}

START_TEST(sizes_at_tpdu_level)
{
    struct slot *slot = add("r,level=tpdu");
    ck_assert_uint_eq(max_data(slot), 0);
    check_number(slot, SCARD_ATTR_MAXINPUT, 260);
    insert(slot, "3B 80 80 01 01");
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert_int_eq(ifd_set_protocol(slot->ifd, 1), IFD_RESULT_OK);
    ck_assert_uint_eq(max_data(slot), 65536); /* blocks, whatever they carry */
    check_number(slot, SCARD_ATTR_MAXINPUT, 65544);
    ck_assert_int_eq(ifd_power_up(slot->ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert_int_eq(ifd_set_protocol(slot->ifd, 0), IFD_RESULT_OK);
    ck_assert_uint_eq(max_data(slot), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attribute");
    TCase *tests = tcase_create("attribute");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, of_the_reader);
    tcase_add_test(tests, what_no_reader_has);
    tcase_add_test(tests, of_the_card);
    tcase_add_test(tests, of_t0);
    tcase_add_test(tests, of_t1_before_and_after_its_first_command);
    tcase_add_test(tests, as_the_options_say);
    tcase_add_test(tests, attributes_of_ones_own);
    tcase_add_test(tests, limits_of_attributes);
    tcase_add_loop_test(tests, options_that_make_no_sense, 0, sizeof bad_options / sizeof bad_options[0]);
    tcase_add_test(tests, features);
    tcase_add_test(tests, properties);
    tcase_add_test(tests, sizes_at_tpdu_level);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
