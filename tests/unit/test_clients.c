/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the client of a call has gone: driver/clients.h. The thread of the test is the one in the call. */
#include "clients.h"

#include "run_suite.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/cardrig-clients-XXXXXX";
static struct sockaddr_un name = {.sun_family = AF_UNIX};
static int listener;
static struct clients clients;

struct connection {
    int client, accepted;
};

static void listen_for_clients(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(name.sun_path, sizeof name.sun_path, "%s/service", folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
}

static void stop_listening(void)
{
    close(listener);
    unlink(name.sun_path);
    rmdir(folder);
}

static struct connection new_client(void)
{
    struct connection new_connection = {.client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_eq(connect(new_connection.client, (const struct sockaddr *)&name, sizeof name), 0);
    new_connection.accepted = accept(listener, NULL, NULL);
    ck_assert_int_ge(new_connection.accepted, 0);
    return new_connection;
}

/* As pcscd's thread does while its client makes no call, until the client hangs up. */
static void *wait_for_call(void *fd)
{
    struct pollfd awaited = {.fd = *(int *)fd, .events = POLLIN};
    ck_assert_int_eq(poll(&awaited, 1, -1), 1);
    return NULL;
}

START_TEST(no_client)
{
    clients_note(&clients);
    ck_assert(!clients_have_gone(&clients));
}
END_TEST

START_TEST(the_only_client)
{
    struct connection caller = new_client();
    clients_note(&clients);
    ck_assert(!clients_have_gone(&clients));
    close(caller.client);
    ck_assert(clients_have_gone(&clients));
    ck_assert(clients_have_gone(&clients));
}
END_TEST

START_TEST(a_client_that_came_later)
{
    struct connection caller = new_client();
    clients_note(&clients);
    new_client();
    close(caller.client);
    ck_assert(clients_have_gone(&clients));
}
END_TEST

START_TEST(another_client_in_a_call)
{
    struct connection caller = new_client(), other = new_client();
    clients_note(&clients);
    close(caller.client);
    for (int i = 0; i < 10; i++)
        ck_assert(!clients_have_gone(&clients));
    close(other.client);
    ck_assert(clients_have_gone(&clients));
}
END_TEST

START_TEST(another_client_makes_no_call)
{
    struct connection caller = new_client(), other = new_client();
    pthread_t thread;
    clients_note(&clients);
    close(caller.client);
    ck_assert(!clients_have_gone(&clients));
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_call, &other.accepted), 0);
    while (!clients_have_gone(&clients)) /* until the thread has begun to wait */
        poll(NULL, 0, 1);
    close(other.client);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(clients_have_gone(&clients));
}
END_TEST

START_TEST(only_another_client_has_gone)
{
    struct connection other;
    new_client(); /* the caller */
    other = new_client();
    clients_note(&clients);
    close(other.client);
    ck_assert(!clients_have_gone(&clients));
    close(other.accepted);
    ck_assert(!clients_have_gone(&clients));
    /* the descriptor is used again */
    struct connection next = new_client();
    close(next.client);
    ck_assert(!clients_have_gone(&clients));
}
END_TEST

START_TEST(sockets_that_are_no_clients)
{
    int pair[2];
    struct connection caller = new_client();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    clients_note(&clients);
    ck_assert_uint_eq(clients.count, 1);
    close(caller.client);
    ck_assert(clients_have_gone(&clients));
}
END_TEST

START_TEST(more_clients_than_there_is_room_for)
{
    struct connection caller = new_client();
    for (int i = 0; i < CLIENTS_MAX; i++)
        new_client();
    clients_note(&clients);
    close(caller.client);
    ck_assert(!clients_have_gone(&clients));
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("clients");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, listen_for_clients, stop_listening);
    tcase_add_test(tcase, no_client);
    tcase_add_test(tcase, the_only_client);
    tcase_add_test(tcase, a_client_that_came_later);
    tcase_add_test(tcase, another_client_in_a_call);
    tcase_add_test(tcase, another_client_makes_no_call);
    tcase_add_test(tcase, only_another_client_has_gone);
    tcase_add_test(tcase, sockets_that_are_no_clients);
    tcase_add_test(tcase, more_clients_than_there_is_room_for);
    Suite *suite = suite_create("clients");
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
