/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig link's messages and sockets. */
#include "link/link.h"

#include "run_suite.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/test-link-XXXXXX", path[64];
static int listener = -1;

static void set_up(void)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    ck_assert(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/link", directory);
    listener = link_listen(path, SOCK_SEQPACKET, 0600);
    ck_assert_int_ge(listener, 0);
}

static void tear_down(void)
{
    close(listener);
    unlink(path);
    rmdir(directory);
}

START_TEST(header_is_as_documented)
{
    struct link_message message = {.type = 4, .arg = 1, .event = 0x01020304, .value = 0xA0B0C0D0};
    static const uint8_t expected[LINK_HEADER_SIZE] = {4, 1, 0, 0, 1, 2, 3, 4, 0xA0, 0xB0, 0xC0, 0xD0};
    uint8_t header[LINK_HEADER_SIZE];
    link_encode_header(&message, header);
    ck_assert_mem_eq(header, expected, sizeof expected);
}
END_TEST

START_TEST(decode_is_the_reverse)
{
    static const uint8_t packet[] = {4, 1, 0, 0, 1, 2, 3, 4, 0xA0, 0xB0, 0xC0, 0xD0, 'd', 'a', 't', 'a'};
    struct link_message message;
    ck_assert(link_decode(packet, sizeof packet, &message));
    ck_assert_uint_eq(message.type, 4);
    ck_assert_uint_eq(message.arg, 1);
    ck_assert_uint_eq(message.event, 0x01020304);
    ck_assert_uint_eq(message.value, 0xA0B0C0D0);
    ck_assert_uint_eq(message.length, 4);
    ck_assert_mem_eq(message.data, "data", 4);
}
END_TEST

START_TEST(decode_refuses)
{
    uint8_t packet[LINK_HEADER_SIZE] = {0};
    struct link_message message;
    for (size_t length = 0; length < LINK_HEADER_SIZE; length++)
        ck_assert(!link_decode(packet, length, &message));
    ck_assert(link_decode(packet, LINK_HEADER_SIZE, &message));
    packet[2] = 4; /* no flag that there is */
    ck_assert(!link_decode(packet, LINK_HEADER_SIZE, &message));
    packet[2] = 0;
    packet[3] = 1;
    ck_assert(!link_decode(packet, LINK_HEADER_SIZE, &message));
}
END_TEST

START_TEST(every_status_has_a_text)
{
    for (unsigned status = LINK_OK; status <= LINK_UNPLUGGED; status++)
        ck_assert_str_ne(link_status_text(status), "unknown status");
    ck_assert_str_eq(link_status_text(LINK_UNPLUGGED + 1), "unknown status");
    ck_assert_str_eq(link_status_text(UINT32_MAX), "unknown status");
}
END_TEST

START_TEST(a_socket_has_the_mode_that_was_asked_for)
{
    static const mode_t modes[] = {0600, 0666}, masks[] = {077, 022, 0};
    for (size_t i = 0; i < 6; i++) {
        close(listener);
        unlink(path);
        mode_t before = umask(masks[i / 2]);
        listener = link_listen(path, SOCK_STREAM, modes[i % 2]);
        ck_assert_int_ge(listener, 0);
        ck_assert_uint_eq(umask(before), masks[i / 2]);
        struct stat status;
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode, S_IFSOCK | modes[i % 2]);
    }
}
END_TEST

START_TEST(longest_message_goes_as_one_packet)
{
    static uint8_t data[LINK_MAX_COMMAND], buffer[LINK_MAX_MESSAGE];
    memset(data, 0x5A, sizeof data);
    int client = link_connect(path, 1000, (uid_t)-1);
    ck_assert_int_ge(client, 0);
    int server = accept(listener, NULL, NULL);
    ck_assert_int_ge(server, 0);
    ck_assert(link_peer_trusted(server, (uid_t)-1));
    struct link_message sent = {.type = LINK_TRANSMIT, .data = data, .length = sizeof data}, got;
    ck_assert_int_eq(link_send(client, &sent), 0);
    ck_assert_int_eq(link_receive(server, buffer, sizeof buffer, &got), 0);
    ck_assert_uint_eq(got.length, sizeof data);
    ck_assert_mem_eq(got.data, data, sizeof data);
    /* and what does not fit is an error, not a piece of it */
    ck_assert_int_eq(link_send(client, &sent), 0);
    ck_assert_int_eq(link_receive(server, buffer, 100, &got), -1);
    ck_assert_int_eq(errno, EPROTO);
    close(client);
    ck_assert_int_eq(link_receive(server, buffer, sizeof buffer, &got), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    close(server);
}
END_TEST

START_TEST(receive_has_a_deadline)
{
    uint8_t buffer[64];
    struct link_message message;
    int client = link_connect(path, 20, (uid_t)-1);
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(link_receive(client, buffer, sizeof buffer, &message), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(client);
}
END_TEST

START_TEST(connect_does_not_wait_for_a_listener_that_is_stuck)
{
    /* nobody accepts: the backlog fills up, and then there is an error at once */
    int connections[5000], count = 0;
    while (count < 5000 && (connections[count] = link_connect(path, 1000, (uid_t)-1)) >= 0)
        count++;
    ck_assert_int_gt(count, 0);
    ck_assert_int_lt(count, 5000);
    ck_assert(errno == EAGAIN || errno == EMFILE);
    while (count > 0)
        close(connections[--count]);
}
END_TEST

START_TEST(only_the_owner_may_connect)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777 & ~0700u, 0);
}
END_TEST

START_TEST(strangers_and_trusted_users)
{
    /* a connection has the credentials of who made it, so a child connects as another user */
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chmod(directory, 0711), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    int finished[2];
    ck_assert_int_eq(pipe(finished), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        char byte;
        close(finished[1]);
        _exit(setresuid(4711, 4711, 4711) < 0 ||
              connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
              read(finished[0], &byte, 1) != 0);
    }
    struct pollfd incoming = {.fd = listener, .events = POLLIN};
    ck_assert_int_eq(poll(&incoming, 1, 10000), 1);
    int server = accept(listener, NULL, NULL);
    ck_assert_int_ge(server, 0);
    ck_assert(!link_peer_trusted(server, LINK_NOBODY));
    ck_assert(!link_peer_trusted(server, 4712));
    ck_assert(link_peer_trusted(server, 4711));
    close(server);
    close(finished[0]);
    close(finished[1]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    /* what is no connection is nobody's */
    ck_assert(!link_peer_trusted(-1, LINK_NOBODY));
}
END_TEST

START_TEST(a_peer_that_does_not_read)
{
    const struct link_message message = {.type = LINK_EXTENSION};
    int client = link_connect(path, 1000, (uid_t)-1), server = accept(listener, NULL, NULL);
    ck_assert(client >= 0 && server >= 0);
    while (link_send_if_room(server, &message) == 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    close(client);
    ck_assert_int_eq(link_send_if_room(server, &message), -1);
    ck_assert_int_ne(errno, EAGAIN);
    close(server);
}
END_TEST

START_TEST(path_too_long)
{
    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    ck_assert_int_eq(link_listen(long_path, SOCK_SEQPACKET, 0600), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_int_eq(link_connect(long_path, 1, (uid_t)-1), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *messages = tcase_create("messages");
    tcase_add_test(messages, header_is_as_documented);
    tcase_add_test(messages, decode_is_the_reverse);
    tcase_add_test(messages, decode_refuses);
    tcase_add_test(messages, every_status_has_a_text);
    suite_add_tcase(suite, messages);
    TCase *sockets = tcase_create("sockets");
    tcase_add_checked_fixture(sockets, set_up, tear_down);
    tcase_add_test(sockets, a_socket_has_the_mode_that_was_asked_for);
    tcase_add_test(sockets, longest_message_goes_as_one_packet);
    tcase_add_test(sockets, receive_has_a_deadline);
    tcase_add_test(sockets, connect_does_not_wait_for_a_listener_that_is_stuck);
    tcase_add_test(sockets, only_the_owner_may_connect);
    tcase_add_test(sockets, strangers_and_trusted_users);
    tcase_add_test(sockets, a_peer_that_does_not_read);
    tcase_add_test(sockets, path_too_long);
    suite_add_tcase(suite, sockets);
    return run_suite(suite);
}
