/* SPDX-License-Identifier: BSD-3-Clause */
/* USB readers: what they may be called and what PC/SC calls them, and what plugging one in leaves in the
 * folder that stands for /sys and notifies those who listen there. */
#include "base/error.h"
#include "rig/directory.h"
#include "rig/slot.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CARDS FIXTURES_DIR "/cards/"

static struct slots slots;
static struct error error;
static char folder[DIRECTORY_MAX];
static int lock;

static void set_up(void)
{
    lock = directory_new(folder, &error);
    ck_assert_msg(lock >= 0, "%s", error.text);
    slots_init(&slots, 1);
    slots.usb_folder = folder;
}

static void tear_down(void)
{
    slots_free(&slots);
    directory_remove(folder);
    close(lock);
}

static bool try_to_add(const char *text)
{
    struct reader_options options;
    return reader_options_parse(text, &options, &error) && slots_add_reader(&slots, &options, &error);
}

static struct reader *add(const char *text)
{
    ck_assert_msg(try_to_add(text), "%s", error.text);
    return &slots.reader[slots.reader_count - 1];
}

static void assert_refused(bool result, const char *reason)
{
    ck_assert(!result);
    ck_assert_msg(strstr(error.text, reason) != NULL, "'%s' should say: %s", error.text, reason);
}

static const struct {
    const char *text, *reason;
} bad_options[] = {
    {"a,usb=1209", "expected usb or usb=VVVV:PPPP"},
    {"a,usb=1209:1", "expected usb or usb=VVVV:PPPP"},
    {"a,usb=1209:000g", "expected usb or usb=VVVV:PPPP"},
    {"a,usb=12090:001", "expected usb or usb=VVVV:PPPP"},
    {"a,usb=1209:0000", "not 0000"},
    {"a,usb=", "expected usb or usb=VVVV:PPPP"},
    {"a,token", "token is for USB readers: add usb"},
    {"a,unplugged", "unplugged is for USB readers: add usb"},
    {"a,interface=x", "interface is for USB readers: add usb"},
    {"a,usb,token=1", "token without a value"},
    {"a,usb,unplugged=no", "unplugged without a value"},
    {"a,usb,token,slots=2", "has one slot"},
    {"a<b,usb", "must not contain '<'"},
    {"a,usb,interface=caf\xc3\xa9", "ASCII"},
    {"a,serial=a\tb", "serial=TEXT"},
    {"a,serial=\xff", "serial=TEXT"},
    {"a,serial=1234567890123456789012345678901234567890123456789012345678901234", "at most 63 bytes"},
    {"a,usb,serial=123456789012345678901234567890123456789012345678901234567890123,"
     "interface=123456789012345678901234567890123456789012345678901234567890abc",
     "has 133 bytes; pcscd has room for 121"},
};

START_TEST(options_that_make_no_sense)
{
    assert_refused(try_to_add(bad_options[_i].text), bad_options[_i].reason);
}
END_TEST

static const struct {
    const char *text, *name;
} names[] = {
    {"key,usb", "key 00 00"},
    {"key,usb,serial=42", "key (42) 00 00"},
    {"key,interface=CCID,usb", "key [CCID] 00 00"},
    {"key,usb,interface=CCID,serial=42", "key [CCID] (42) 00 00"},
    {"key,usb,interface=CCID 42,serial=42", "key [CCID 42] 00 00"}, /* pcscd does not say it twice */
    {"key,serial=42", "key 00 00"},                                 /* the serial number of a serial reader */
};

START_TEST(names_in_pcsc)
{
    char name[160];
    add(names[_i].text);
    ck_assert_str_eq(slot_pcsc_name(&slots.slot[0], name, sizeof name), names[_i].name);
}
END_TEST

START_TEST(ids)
{
    ck_assert_uint_eq(add("a,usb")->options.product_id, 1);
    ck_assert_uint_eq(add("b,usb")->options.product_id, 2);
    ck_assert_uint_eq(add("a,usb")->options.product_id, 1); /* the same model */
    struct reader *reader = add("c,usb=076B:3021");
    ck_assert_uint_eq(reader->options.vendor_id, 0x076B);
    ck_assert_uint_eq(reader->options.product_id, 0x3021);
    add("c,usb=076b:3021");
    assert_refused(try_to_add("d,usb=076b:3021"), "are those of reader 'c'");
    add("d,usb=1209:0003");
    ck_assert_uint_eq(add("e,usb")->options.product_id, 4);
    ck_assert_uint_eq(slots.slot_count, 7); /* what was refused is not there */
}
END_TEST

START_TEST(finding_a_reader)
{
    add("serial");
    assert_refused(NULL != slots_find_reader(&slots, NULL, &error), "there is no USB reader");
    struct reader *key = add("key,usb,slots=2");
    ck_assert_ptr_eq(slots_find_reader(&slots, NULL, &error), key);
    ck_assert_ptr_eq(slots_find_reader(&slots, "key", &error), key);
    ck_assert_ptr_eq(slots_find_reader(&slots, "key/1", &error), key);
    ck_assert_ptr_eq(slots_find_reader(&slots, "2", &error), key);
    ck_assert_ptr_eq(slots_find_reader(&slots, "serial", &error), &slots.reader[0]);
    assert_refused(NULL != slots_find_reader(&slots, "3", &error), "there is no slot '3'");
    struct reader *twin = add("key,usb");
    assert_refused(NULL != slots_find_reader(&slots, "key", &error), "several called key");
    assert_refused(NULL != slots_find_reader(&slots, "", &error), "several");
    ck_assert_ptr_eq(slots_find_reader(&slots, "3", &error), twin);
}
END_TEST

/* The text of a file in the folder, or NULL. */
static const char *file(const char *name)
{
    static char path[600], text[200];
    snprintf(path, sizeof path, "%s/sys/bus/usb/devices/%s", folder, name);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return NULL;
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return text;
}

START_TEST(files)
{
    struct reader *reader = add("key & co,usb=ABCD:0ef1,serial=42,interface=I");
    ck_assert_ptr_null(file("1-1/idVendor"));
    ck_assert_msg(reader_plug(&slots, reader, &error), "%s", error.text);
    ck_assert_str_eq(file("1-1/idVendor"), "abcd\n");
    ck_assert_str_eq(file("1-1/idProduct"), "0ef1\n");
    ck_assert_str_eq(file("1-1/product"), "key & co\n");
    ck_assert_str_eq(file("1-1/serial"), "42\n");
    ck_assert_ptr_nonnull(strstr(file("1-1/uevent"), "DEVNAME=bus/usb/001/002\n"));
    ck_assert_str_eq(file("1-1/1-1:1.0/interface"), "I\n");
    ck_assert_ptr_nonnull(strstr(file("1-1:1.0/uevent"), "DEVTYPE=usb_interface\n"));
    /* both say that they belong to usb, with links that lead there */
    ck_assert_ptr_nonnull(file("1-1/subsystem/devices/1-1/idVendor"));
    ck_assert_ptr_nonnull(file("1-1:1.0/subsystem/devices/1-1/idVendor"));
    ck_assert(reader_unplug(&slots, reader, &error));
    ck_assert_ptr_null(file("1-1/idVendor"));
    ck_assert_ptr_null(file("1-1:1.0/uevent"));
    /* as real hardware, it is another device each time; numbers go to 127 and begin again */
    for (unsigned i = 1; i <= 126; i++) {
        ck_assert(reader_plug(&slots, reader, &error));
        unsigned number = 2 + i % 126;
        char line[40];
        snprintf(line, sizeof line, "DEVNAME=bus/usb/001/%03u\n", number);
        ck_assert_ptr_nonnull(strstr(file("1-1/uevent"), line));
        ck_assert(reader_unplug(&slots, reader, &error));
    }
}
END_TEST

START_TEST(a_device_without_texts)
{
    struct reader *reader = add("key,usb");
    ck_assert(reader_plug(&slots, reader, &error));
    ck_assert_ptr_nonnull(file("1-1/idVendor"));
    ck_assert_ptr_null(file("1-1/serial"));
    ck_assert_ptr_null(file("1-1:1.0/interface"));
}
END_TEST

/* A listener as umockdev makes them. */
static int listen_for_messages(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/event7", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

START_TEST(messages)
{
    struct reader *reader = add("key,usb");
    int fd = listen_for_messages();
    ck_assert(reader_plug(&slots, reader, &error));
    uint8_t message[1000];
    ssize_t length = recv(fd, message, sizeof message, 0);
    ck_assert_int_gt(length, 40);
    static const uint8_t magic[4] = {0xFE, 0xED, 0xCA, 0xFE};
    ck_assert_mem_eq(message, "libudev", 8);
    ck_assert_mem_eq(message + 8, magic, 4);
    uint32_t sizes[3]; /* of the header; offset and length of what follows */
    memcpy(sizes, message + 12, sizeof sizes);
    ck_assert_uint_eq(sizes[0], 40);
    ck_assert_uint_eq(sizes[1], 40);
    ck_assert_uint_eq(sizes[2], (size_t)length - 40);
    ck_assert_str_eq((char *)message + 40, "ACTION=add");
    ck_assert_str_eq((char *)message + 51, "DEVPATH=/devices/pci0000:00/0000:00:01.0/usb1/1-1/1-1:1.0");
    ck_assert_int_eq(message[length - 1], 0);
    ck_assert(reader_unplug(&slots, reader, &error));
    ck_assert_int_gt(recv(fd, message, sizeof message, 0), 40);
    ck_assert_str_eq((char *)message + 40, "ACTION=remove");
    close(fd); /* one that has ended is nobody to wait for */
    ck_assert(reader_plug(&slots, reader, &error));
}
END_TEST

START_TEST(a_listener_that_does_not_listen)
{
    struct reader *reader = add("key,usb");
    int fd = listen_for_messages();
    unsigned count = 0;
    while (count < 100000 && (reader->plugged ? reader_unplug : reader_plug)(&slots, reader, &error))
        count++;
    ck_assert_uint_lt(count, 100000);
    ck_assert_ptr_nonnull(strstr(error.text, "pcscd has not yet handled"));
    /* nothing has changed: it is as it was, and goes on from there */
    ck_assert_int_eq(file("1-1/idVendor") != NULL, reader->plugged);
    uint8_t message[1000];
    while (recv(fd, message, sizeof message, 0) > 0)
        ;
    ck_assert((reader->plugged ? reader_unplug : reader_plug)(&slots, reader, &error));
    close(fd);
}
END_TEST

START_TEST(plugging)
{
    struct reader *serial = add("serial"), *key = add("key,usb"), *other = add("other,usb");
    char name[160];
    ck_assert(serial->plugged && !key->plugged && !other->plugged);
    assert_refused(reader_unplug(&slots, serial, &error), "not on USB");
    assert_refused(reader_plug(&slots, serial, &error), "not on USB");
    assert_refused(reader_unplug(&slots, key, &error), "'key' is not plugged in");
    ck_assert(slot_insert(key->slots, CARDS "t0-only.lua", &error));
    ck_assert(reader_plug(&slots, key, &error));
    assert_refused(reader_plug(&slots, key, &error), "plugged in already");
    ck_assert(reader_plug(&slots, other, &error));
    ck_assert_str_eq(slot_pcsc_name(other->slots, name, sizeof name), "other 01 00");
    ck_assert_int_eq(ifd_power_up(key->slots->ifd, IFD_COLD), IFD_RESULT_OK);
    uint32_t before = key->slots->card_event;
    ck_assert(reader_unplug(&slots, key, &error));
    ck_assert(key->slots->card && !key->slots->ifd->powered); /* it stays in, without power */
    ck_assert_uint_eq(key->slots->card_event, before);
    /* pcscd gives a number again as soon as it is free */
    ck_assert(reader_unplug(&slots, other, &error));
    ck_assert(reader_plug(&slots, other, &error));
    ck_assert_str_eq(slot_pcsc_name(other->slots, name, sizeof name), "other 00 00");
    ck_assert(reader_plug(&slots, key, &error));
    ck_assert_str_eq(slot_pcsc_name(key->slots, name, sizeof name), "key 01 00");
    slots.usb_folder = NULL;
    assert_refused(reader_unplug(&slots, key, &error), "not on USB");
}
END_TEST

static void (*late)(void *arg);

static bool do_later(void *arg, void (*function)(void *arg), void *with)
{
    ck_assert_ptr_eq(arg, &late);
    ck_assert_ptr_eq(with, &slots.slot[0]);
    late = function;
    return true;
}

/* The power that goes with the reader is that of before. */
START_TEST(power_that_goes_late)
{
    struct reader *key = add("key,usb");
    struct ifd *ifd = key->slots->ifd;
    ck_assert(slot_insert(key->slots, CARDS "t0-only.lua", &error));
    ck_assert(reader_plug(&slots, key, &error));
    ck_assert_int_eq(ifd_power_up(ifd, IFD_COLD), IFD_RESULT_OK);
    slots.start = do_later;
    slots.arg = &late;
    ck_assert(reader_unplug(&slots, key, &error));
    ck_assert(ifd->powered);
    late(&slots.slot[0]);
    ck_assert(!ifd->powered);
    ck_assert(reader_plug(&slots, key, &error));
    ck_assert_int_eq(ifd_power_up(ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert(reader_unplug(&slots, key, &error));
    ck_assert(reader_plug(&slots, key, &error));
    ck_assert_int_eq(ifd_power_up(ifd, IFD_COLD), IFD_RESULT_OK);
    late(&slots.slot[0]);
    ck_assert(ifd->powered);
}
END_TEST

START_TEST(a_token_keeps_its_card)
{
    struct slot *slot = add("key,usb,token")->slots;
    ck_assert(slot_insert(slot, "", &error));
    struct card *card = slot->card;
    assert_refused(slot_remove(slot, &error), "reader and card in one: unplug it");
    assert_refused(slot_swap(slot, "", &error), "reader and card in one: unplug it");
    assert_refused(slot_insert(slot, "", &error), "reader and card in one: unplug it");
    ck_assert_ptr_eq(slot->card, card);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written)
{
    struct reader *reader = add("key,usb");
    slots.usb_folder = "/dev/null/usb";
    assert_refused(reader_plug(&slots, reader, &error), "cannot plug in reader 'key': Not a directory");
    ck_assert(!reader->plugged);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("usb");
    TCase *tests = tcase_create("usb");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, options_that_make_no_sense, 0, sizeof bad_options / sizeof bad_options[0]);
    tcase_add_loop_test(tests, names_in_pcsc, 0, sizeof names / sizeof names[0]);
    tcase_add_test(tests, ids);
    tcase_add_test(tests, finding_a_reader);
    tcase_add_test(tests, files);
    tcase_add_test(tests, a_device_without_texts);
    tcase_add_test(tests, messages);
    tcase_add_test(tests, a_listener_that_does_not_listen);
    tcase_add_test(tests, plugging);
    tcase_add_test(tests, power_that_goes_late);
    tcase_add_test(tests, a_token_keeps_its_card);
    tcase_add_test(tests, a_folder_that_cannot_be_written);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
