/* DEVICENAME as the driver reads it: what is accepted, and that everything else is refused with its reason.
 */
#include "devicename.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>

static struct devicename name;
static char error[256];

START_TEST(whole)
{
    ck_assert(devicename_parse("/dev/null:rig=/tmp/rig/link:reader=3:slots=16:timeout=250", &name, error,
                               sizeof error));
    ck_assert_str_eq(name.socket, "/tmp/rig/link");
    ck_assert_uint_eq(name.reader, 3);
    ck_assert_uint_eq(name.slots, 16);
    ck_assert_uint_eq(name.timeout_ms, 250);
}
END_TEST

START_TEST(defaults)
{
    ck_assert(devicename_parse("/dev/null:rig=/l", &name, error, sizeof error));
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
    {"/dev/null:", "'' is not rig="},
    {"/dev/null:reader=0", "rig=PATH is missing"},
    {"/dev/null:rig=", "absolute path"},
    {"/dev/null:rig=link", "absolute path"},
    {"/dev/null:rig=/l:", "'' is not rig="},
    {"/dev/null:rig=/l:reader=", "reader must be"},
    {"/dev/null:rig=/l:reader=-1", "reader must be"},
    {"/dev/null:rig=/l:reader=65536", "reader must be"},
    {"/dev/null:rig=/l:reader=99999999999999999999", "reader must be"},
    {"/dev/null:rig=/l:slots=0", "slots must be"},
    {"/dev/null:rig=/l:slots=17", "slots must be"},
    {"/dev/null:rig=/l:slots=1x", "slots must be"},
    {"/dev/null:rig=/l:timeout=0", "timeout must be"},
    {"/dev/null:rig=/l:timeout=60001", "timeout must be"},
    {"/dev/null:rig=/l:colour=red", "'colour=red' is not rig="},
};

START_TEST(refusals)
{
    ck_assert(!devicename_parse(refused[_i].text, &name, error, sizeof error));
    ck_assert_msg(strstr(error, refused[_i].reason), "'%s' should say: %s", error, refused[_i].reason);
}
END_TEST

START_TEST(path_as_long_as_a_socket_can_have)
{
    char text[256] = "/dev/null:rig=/";
    size_t start = strlen("/dev/null:rig=");
    memset(text + start + 1, 'x', 106);
    ck_assert(devicename_parse(text, &name, error, sizeof error));
    ck_assert_uint_eq(strlen(name.socket), 107);
    text[start + 107] = 'x';
    ck_assert(!devicename_parse(text, &name, error, sizeof error));
    ck_assert(strstr(error, "at most 107 bytes"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("devicename");
    TCase *tests = tcase_create("devicename");
    tcase_add_test(tests, whole);
    tcase_add_test(tests, defaults);
    tcase_add_loop_test(tests, refusals, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tests, path_as_long_as_a_socket_can_have);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
