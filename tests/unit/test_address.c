/* SPDX-License-Identifier: BSD-3-Clause */
/* HOST:PORT: how it is taken apart, and which networks there are. */
#include "base/error.h"
#include "rig/address.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>

#define LEFT_OUT 7 /* a port that stays as it is */

static const struct {
    const char *text, *host;
    unsigned port;
} good[] = {
    {"localhost:80", "localhost", 80},
    {"localhost", "localhost", LEFT_OUT},
    {"127.0.0.1:1", "127.0.0.1", 1},
    {"35963", "", 35963},
    {":35963", "", 35963},
    {"00080", "", 80},
    {"[::1]:65535", "::1", 65535},
    {"[::1]", "::1", LEFT_OUT},
    {"[host]:1", "host", 1},
};

START_TEST(taken_apart)
{
    char host[ADDRESS_NAME_MAX];
    struct error error;
    unsigned port = LEFT_OUT;
    ck_assert_msg(address_split(good[_i].text, host, &port, &error), "%s", error.text);
    ck_assert_str_eq(host, good[_i].host);
    ck_assert_uint_eq(port, good[_i].port);
}
END_TEST

static const struct {
    const char *text, *reason;
} bad[] = {
    {"", "expected HOST:PORT"},
    {":", "with PORT from 1 to 65535"},
    {"host:", "with PORT from 1 to 65535"},
    {"host:0", "with PORT from 1 to 65535"},
    {"host:65536", "with PORT from 1 to 65535"},
    {"host:065536", "with PORT from 1 to 65535"},
    {"host:-1", "with PORT from 1 to 65535"},
    {"[::1]:", "with PORT from 1 to 65535"},
    {"0", "with PORT from 1 to 65535"},
    {"::1", "[HOST]:PORT for an IPv6 address"},
    {"::1:80", "[HOST]:PORT for an IPv6 address"},
    {"[::1", "[HOST]:PORT for an IPv6 address"},
    {"[::1]80", "[HOST]:PORT for an IPv6 address"},
    {"[::1]x:80", "[HOST]:PORT for an IPv6 address"},
    {"[]:80", "[HOST]:PORT for an IPv6 address"},
    {"[", "[HOST]:PORT for an IPv6 address"},
};

START_TEST(refused)
{
    char host[ADDRESS_NAME_MAX];
    struct error error = {""};
    unsigned port = LEFT_OUT;
    ck_assert_msg(!address_split(bad[_i].text, host, &port, &error), "%s: taken", bad[_i].text);
    ck_assert_msg(strstr(error.text, bad[_i].reason) && strstr(error.text, bad[_i].text), "%s: %s",
                  bad[_i].text, error.text);
    ck_assert_uint_eq(port, LEFT_OUT);
}
END_TEST

START_TEST(a_name_as_long_as_any)
{
    char text[300], host[ADDRESS_NAME_MAX];
    struct error error;
    unsigned port;
    memset(text, 'a', sizeof text);
    strcpy(text + ADDRESS_NAME_MAX - 1, ":80");
    ck_assert(address_split(text, host, &port, &error));
    ck_assert_uint_eq(strlen(host), ADDRESS_NAME_MAX - 1);
    strcpy(text + ADDRESS_NAME_MAX - 1, "a:80");
    ck_assert(!address_split(text, host, &port, &error));
}
END_TEST

START_TEST(addresses_are_written_as_they_are_read)
{
    static const char *const texts[] = {"127.0.0.1:80", "[::1]:80", "[2001:db8::1]:65535"};
    struct address address;
    struct error error;
    char text[ADDRESS_MAX + 10];
    ck_assert_msg(address_parse(texts[_i], &address, &error), "%s", error.text);
    ck_assert_str_eq(address_text(&address, text, sizeof text), texts[_i]);
}
END_TEST

START_TEST(which_is_a_network)
{
    static const char *const networks[] = {"127.0.0.1", "10.0.0.0/8", "::1",
                                           "fe80::/10", "::/128",     "0.0.0.0/1"};
    static const char *const others[] = {
        "",       "/8",           "any",      "10.0.0.0/", "10.0.0.0/0", "10.0.0.0/33", "10.0.0.0/+8",
        "::/129", "10.0.0.0/8/8", "localhost"};
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        ck_assert_msg(address_is_network(networks[i]), "%s", networks[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!address_is_network(others[i]), "%s", others[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, taken_apart, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tests, refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, a_name_as_long_as_any);
    tcase_add_loop_test(tests, addresses_are_written_as_they_are_read, 0, 3);
    tcase_add_test(tests, which_is_a_network);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
