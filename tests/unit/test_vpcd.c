/* SPDX-License-Identifier: BSD-3-Clause */
/* The vpcd protocol's messages, over a stream that brings them in any pieces. */
#include "link/vpcd.h"

#include "run_suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ours = -1, peers = -1;
static struct vpcd_input input;

static void set_up(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ours = pair[0];
    peers = pair[1];
    input.used = 0;
}

static void tear_down(void)
{
    close(ours);
    if (peers >= 0)
        close(peers);
}

static void put(const void *bytes, size_t length)
{
    ck_assert_int_eq(write(peers, bytes, length), (ssize_t)length);
}

static void expect_message(const void *bytes, size_t length)
{
    const uint8_t *data;
    size_t got;
    ck_assert(vpcd_message(&input, &data, &got));
    ck_assert_uint_eq(got, length);
    ck_assert(length == 0 || memcmp(data, bytes, length) == 0);
    vpcd_drop(&input);
}

static void expect_none(void)
{
    const uint8_t *data;
    size_t length;
    ck_assert(!vpcd_message(&input, &data, &length));
}

START_TEST(nothing_has_come)
{
    ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_PARTIAL);
    expect_none();
}
END_TEST

START_TEST(byte_by_byte)
{
    static const uint8_t bytes[] = {0, 3, 'a', 'b', 'c'};
    for (size_t i = 0; i < sizeof bytes; i++) {
        put(bytes + i, 1);
        ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input),
                         i + 1 < sizeof bytes ? VPCD_PARTIAL : VPCD_OK);
    }
    expect_message("abc", 3);
    expect_none();
}
END_TEST

START_TEST(several_at_once)
{
    static const uint8_t bytes[] = {0, 1, 2, 0, 0, 0, 1, 4, 0, 2, 'a', 'b', 0, 9, 'c'};
    put(bytes, sizeof bytes);
    ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_OK);
    expect_message("\2", 1);
    expect_message("", 0);
    /* a whole message that is there already is no reason to receive */
    ck_assert_int_eq(vpcd_receive(-1, MSG_DONTWAIT, &input), VPCD_OK);
    expect_message("\4", 1);
    expect_message("ab", 2);
    expect_none();
    put("defghijk", 8);
    ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_OK);
    expect_message("cdefghijk", 9);
    expect_none();
}
END_TEST

START_TEST(the_longest_and_one_behind_it)
{
    static uint8_t data[VPCD_MAX_MESSAGE];
    memset(data, 0x5A, sizeof data);
    for (int round = 0; round < 3; round++) {
        size_t done = 0, more = 0;
        ck_assert_int_eq(vpcd_send(peers, MSG_DONTWAIT, data, sizeof data, &done), VPCD_OK);
        ck_assert_int_eq(vpcd_send(peers, MSG_DONTWAIT, "z", 1, &more), VPCD_OK);
        while (vpcd_receive(ours, MSG_DONTWAIT, &input) == VPCD_PARTIAL)
            ;
        expect_message(data, sizeof data);
        ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_OK);
        expect_message("z", 1);
    }
    ck_assert_uint_eq(input.used, 0);
}
END_TEST

START_TEST(the_peer_hangs_up)
{
    put("\0\5abc", 5);
    close(peers);
    peers = -1;
    ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_PARTIAL);
    errno = EPROTO;
    ck_assert_int_eq(vpcd_receive(ours, MSG_DONTWAIT, &input), VPCD_CLOSED);
    ck_assert_int_eq(errno, 0);
    size_t done = 0;
    ck_assert_int_eq(vpcd_send(ours, MSG_DONTWAIT, "abc", 3, &done), VPCD_CLOSED); /* and no SIGPIPE */
    ck_assert_int_eq(errno, EPIPE);
    ck_assert(!vpcd_send_controls(ours, (enum vpcd_control[]){VPCD_RESET}, 1));
}
END_TEST

START_TEST(no_connection)
{
    size_t done = 0;
    ck_assert_int_eq(vpcd_receive(-1, MSG_DONTWAIT, &input), VPCD_CLOSED);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(vpcd_send(-1, MSG_DONTWAIT, "a", 1, &done), VPCD_CLOSED);
    ck_assert_int_eq(errno, EBADF);
    ck_assert(!vpcd_prepare(-1));
}
END_TEST

START_TEST(lengths_that_there_are_not)
{
    static uint8_t data[VPCD_MAX_MESSAGE + 1];
    size_t done = 0;
    ck_assert_int_eq(vpcd_send(ours, MSG_DONTWAIT, data, 0, &done), VPCD_CLOSED);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(vpcd_send(ours, MSG_DONTWAIT, data, sizeof data, &done), VPCD_CLOSED);
    ck_assert_int_eq(errno, EMSGSIZE);
    uint8_t byte;
    ck_assert_int_eq(recv(peers, &byte, 1, MSG_DONTWAIT), -1); /* nothing of it has left */
}
END_TEST

START_TEST(sending_goes_on_where_it_stopped)
{
    enum { MESSAGES = 40, LENGTH = 60001 };
    static uint8_t data[LENGTH];
    int small = 4096;
    ck_assert_int_eq(setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    ck_assert_int_eq(fcntl(peers, F_SETFL, O_NONBLOCK), 0);
    bool stopped = false;
    for (int message = 0; message < MESSAGES; message++) {
        size_t done = 0;
        memset(data, message, sizeof data);
        enum vpcd_result result;
        while ((result = vpcd_send(ours, MSG_DONTWAIT, data, sizeof data, &done)) == VPCD_PARTIAL) {
            stopped = true;
            vpcd_receive(peers, MSG_DONTWAIT, &input);
        }
        ck_assert_int_eq(result, VPCD_OK);
        ck_assert_uint_eq(done, 2 + sizeof data);
        while (vpcd_receive(peers, MSG_DONTWAIT, &input) == VPCD_PARTIAL)
            ;
        expect_message(data, sizeof data);
    }
    ck_assert(stopped);
}
END_TEST

/* the header, too, can be cut */
START_TEST(sending_from_each_position)
{
    static const uint8_t expected[] = {0, 3, 'a', 'b', 'c'};
    for (size_t from = 0; from < sizeof expected; from++) {
        size_t done = from;
        uint8_t got[16];
        ck_assert_int_eq(vpcd_send(ours, MSG_DONTWAIT, "abc", 3, &done), VPCD_OK);
        ck_assert_uint_eq(done, sizeof expected);
        ck_assert_int_eq(read(peers, got, sizeof got), (ssize_t)(sizeof expected - from));
        ck_assert_mem_eq(got, expected + from, sizeof expected - from);
    }
}
END_TEST

START_TEST(controls_in_one_write)
{
    static const uint8_t expected[] = {0, 1, 0, 0, 1, 1, 0, 1, 4};
    uint8_t got[16];
    ck_assert(
        vpcd_send_controls(ours, (enum vpcd_control[]){VPCD_POWER_OFF, VPCD_POWER_ON, VPCD_GET_ATR}, 3));
    ck_assert_int_eq(read(peers, got, sizeof got), sizeof expected);
    ck_assert_mem_eq(got, expected, sizeof expected);
}
END_TEST

/* the connection blocks, as the driver's do: the test's own time limit shows a wait */
START_TEST(controls_do_not_wait_for_room)
{
    static uint8_t data[VPCD_MAX_MESSAGE];
    size_t done = 0;
    while (vpcd_send(ours, MSG_DONTWAIT, data, sizeof data, &done) != VPCD_PARTIAL)
        done = 0;
    while (send(ours, data, 1, MSG_DONTWAIT) == 1)
        ;
    ck_assert(!vpcd_send_controls(ours, (enum vpcd_control[]){VPCD_RESET, VPCD_GET_ATR}, 2));
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_prepared_connection)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0;
    socklen_t length = sizeof value;
    ck_assert(vpcd_prepare(fd));
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
    ck_assert_int_ne(value, 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
    ck_assert_int_ne(value, 0);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vpcd");
    TCase *messages = tcase_create("messages");
    tcase_add_checked_fixture(messages, set_up, tear_down);
    tcase_add_test(messages, nothing_has_come);
    tcase_add_test(messages, byte_by_byte);
    tcase_add_test(messages, several_at_once);
    tcase_add_test(messages, the_longest_and_one_behind_it);
    tcase_add_test(messages, the_peer_hangs_up);
    tcase_add_test(messages, no_connection);
    tcase_add_test(messages, lengths_that_there_are_not);
    tcase_add_test(messages, sending_goes_on_where_it_stopped);
    tcase_add_test(messages, sending_from_each_position);
    tcase_add_test(messages, controls_in_one_write);
    tcase_add_test(messages, controls_do_not_wait_for_room);
    tcase_add_test(messages, a_prepared_connection);
    suite_add_tcase(suite, messages);
    return run_suite(suite);
}
