/* SPDX-License-Identifier: BSD-3-Clause */
/* DEVICENAME as the driver reads it: what is accepted, and that everything else is refused with its reason.
 */
#include "base/error.h"
#include "devicename.h"
#include "usb_device.h"

#include "run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct devicename name;
static struct error error;

START_TEST(whole)
{
    ck_assert(devicename_parse("/dev/null:rig=/tmp/rig/link:reader=3:slots=16:timeout=250", &name, &error));
    ck_assert_str_eq(name.socket, "/tmp/rig/link");
    ck_assert_uint_eq(name.reader, 3);
    ck_assert_uint_eq(name.slots, 16);
    ck_assert_uint_eq(name.timeout_ms, 250);
}
END_TEST

START_TEST(defaults)
{
    ck_assert(devicename_parse("/dev/null:rig=/l", &name, &error));
    ck_assert_str_eq(name.socket, "/l");
    ck_assert_uint_eq(name.reader, 0);
    ck_assert_uint_eq(name.slots, 1);
    ck_assert_uint_eq(name.timeout_ms, 10000);
}
END_TEST

static const struct {
    const char *text, *reason;
} refused[] = {
    {"", "expected /dev/null:"},
    {"/dev/null", "expected /dev/null:"},
    {"/dev/ttyS0:rig=/l", "expected /dev/null:"},
    {"/dev/null:", "must come first"},
    {"/dev/null:reader=0", "must come first"},
    {"/dev/null:rig", "must come first"},
    {"/dev/null:rig=", "absolute path"},
    {"/dev/null:rig=link", "absolute path"},
    {"/dev/null:rig=/l:", "'' is not one of rig="},
    {"/dev/null:rig=/l:reader=", "reader must be"},
    {"/dev/null:rig=/l:reader=-1", "reader must be"},
    {"/dev/null:rig=/l:reader=65536", "reader must be"},
    {"/dev/null:rig=/l:reader=99999999999999999999", "reader must be"},
    {"/dev/null:rig=/l:slots=0", "slots must be"},
    {"/dev/null:rig=/l:slots=256", "slots must be"},
    {"/dev/null:rig=/l:slots=1x", "slots must be"},
    {"/dev/null:rig=/l:timeout=0", "timeout must be"},
    {"/dev/null:rig=/l:timeout=700001", "timeout must be"},
    {"/dev/null:rig=/l:user=no.such.user", "user must be"},
    {"/dev/null:rig=/l:user=", "user must be"},
    {"/dev/null:rig=/l:port=3", "'port=3' is not one of rig="},
    {"/dev/null:rig=/l:colour=red", "'colour=red' is not one of rig="},
    {"/dev/null:vpcd=listen:port=35963", "cardrig serve --reader NAME,vpcd"},
};

START_TEST(users)
{
    ck_assert(devicename_parse("/dev/null:rig=/l", &name, &error));
    ck_assert_uint_eq(name.user, (uid_t)-1);
    ck_assert(devicename_parse("/dev/null:rig=/l:user=123", &name, &error));
    ck_assert_uint_eq(name.user, 123);
    ck_assert(devicename_parse("/dev/null:rig=/l:user=root", &name, &error));
    ck_assert_uint_eq(name.user, 0);
}
END_TEST

START_TEST(refusals)
{
    ck_assert(!devicename_parse(refused[_i].text, &name, &error));
    ck_assert_msg(strstr(error.text, refused[_i].reason), "'%s' should say: %s", error.text,
                  refused[_i].reason);
}
END_TEST

START_TEST(path_as_long_as_a_socket_can_have)
{
    char text[256] = "/dev/null:rig=/";
    size_t start = strlen("/dev/null:rig=");
    memset(text + start + 1, 'x', 106);
    ck_assert(devicename_parse(text, &name, &error));
    ck_assert_uint_eq(strlen(name.socket), 107);
    text[start + 107] = 'x';
    ck_assert(!devicename_parse(text, &name, &error));
    ck_assert(strstr(error.text, "at most 107 bytes"));
}
END_TEST

#define USB_NAME "usb:1209/0001:libudev:0:/dev/bus/usb/003/017"

START_TEST(usb_names)
{
    ck_assert_str_eq(usb_device_resolve("/dev/null:rig=/l", &error), "/dev/null:rig=/l");
    ck_assert_ptr_null(usb_device_resolve(USB_NAME, &error));
    ck_assert(strstr(error.text, "CARDRIG_USB_003 is not set"));
    setenv("CARDRIG_USB_003", "/dev/null:rig=/l:reader=2", 1);
    ck_assert_str_eq(usb_device_resolve(USB_NAME, &error), "/dev/null:rig=/l:reader=2");
}
END_TEST

static const char *const bad_usb_names[] = {"usb:",
                                            "usb:1209/0001",
                                            "usb:1209/0001:libusb-1.0:1:2:0",
                                            USB_NAME "1",
                                            USB_NAME "/",
                                            "usb:1209/0001:libudev:0:/dev/bus/usb/03/0017",
                                            "usb:1209/0001:libudev:0:/dev/bus/usb/00a/017"};

START_TEST(usb_names_that_are_none)
{
    ck_assert_ptr_null(usb_device_resolve(bad_usb_names[_i], &error));
    ck_assert(strstr(error.text, "expected usb:VVVV/PPPP:libudev:N:/dev/bus/usb/BBB/DDD"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("devicename");
    TCase *tests = tcase_create("devicename");
    tcase_add_test(tests, whole);
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, users);
    tcase_add_loop_test(tests, refusals, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tests, path_as_long_as_a_socket_can_have);
    tcase_add_test(tests, usb_names);
    tcase_add_loop_test(tests, usb_names_that_are_none, 0, sizeof bad_usb_names / sizeof bad_usb_names[0]);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
