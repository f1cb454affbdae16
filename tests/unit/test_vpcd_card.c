/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our cards in a vpcd reader that keeps them waiting: what they do after a minute. The clock stands still,
 * until the test moves it. The rest is for the end-to-end tests.
 */
#include "base/error.h"
#include "rig/vpcd_card.h"

#include "link/tcp.h"
#include "link/vpcd.h"
#include "run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_MS 60000
#define COMMANDS 32 /* whose answers have no room */

int64_t __wrap_clock_us(void);
int64_t __wrap_clock_ms(void);
int __real_poll(struct pollfd *ready, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *ready, nfds_t count, int timeout_ms);
bool __real_vpcd_prepare(int fd);
bool __wrap_vpcd_prepare(int fd);
void __wrap_rig_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct slots slots;
static struct threads threads;
static struct vpcd_offers *offers;
static int reader;
static struct error error;

static _Atomic int64_t now_us;
static _Atomic int64_t wait_end_ms; /* of the card's thread; 0: it is at work */
static atomic_uint looks;           /* how often it has seen what there is, and what time it is */

static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;
static char said[400]; /* by the rig, last */

int64_t __wrap_clock_us(void)
{
    return now_us;
}

int64_t __wrap_clock_ms(void)
{
    return now_us / 1000;
}

int __wrap_poll(struct pollfd *ready, nfds_t count, int timeout_ms)
{
    int found;
    int64_t end_ms = now_us / 1000 + timeout_ms;
    wait_end_ms = end_ms;
    do {
        found = __real_poll(ready, count, 1);
        looks++;
    } while (found == 0 && now_us / 1000 < end_ms);
    wait_end_ms = 0;
    return found;
}

/* Few answers have room on their way. */
bool __wrap_vpcd_prepare(int fd)
{
    int size = 65536;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 && __real_vpcd_prepare(fd);
}

void __wrap_rig_log(const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&said_lock);
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&said_lock);
}

static void connect_reader(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct address address;
    bool listens;
    int size = 65536;
    vpcd_offers_address(offers, &slots.slot[0], &address, &listens);
    to.sin_port = htons((uint16_t)address.port);
    for (int refused = 1; refused; usleep(1000)) { /* until the card listens again */
        reader = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(setsockopt(reader, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
        refused = connect(reader, (struct sockaddr *)&to, sizeof to);
        if (refused)
            close(reader);
    }
}

/* At a port of a known number: one that the kernel finds is lost when we do not listen for a while. */
static void listen_for_reader(void)
{
    struct address address = {.host = "127.0.0.1"};
    int probe = tcp_listen(address.host, &address.port, 1);
    close(probe);
    offers = vpcd_offers_new(&slots, &address, true, &error);
    ck_assert_msg(offers, "%s", error.text);
}

static void set_up(void)
{
    struct reader_options options;
    now_us = 1000000000;
    said[0] = '\0';
    threads_init(&threads);
    slots_init(&slots, 1);
    ck_assert(reader_options_parse("r", &options, &error));
    ck_assert(slots_add_reader(&slots, &options, &error));
    ck_assert(slot_insert(&slots.slot[0], FIXTURES_DIR "/cards/t1-only.lua", &error));
    listen_for_reader();
    vpcd_offers_start(offers, &threads);
    connect_reader();
}

static void tear_down(void)
{
    close(reader);
    vpcd_offers_stop(offers);
    slots_interrupt(&slots);
    while (!threads_wait(&threads, 0)) /* its time is the real one */
        usleep(1000);
    vpcd_offers_free(offers);
    slots_free(&slots);
}

static void send_bytes(const char *bytes, size_t length)
{
    ck_assert_int_eq(send(reader, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Receives messages, all of one length. */
static void receive_messages(unsigned count, size_t length)
{
    static uint8_t bytes[2 + VPCD_MAX_MESSAGE];
    while (count-- > 0) {
        ck_assert_int_eq(recv(reader, bytes, 2 + length, MSG_WAITALL), (ssize_t)(2 + length));
        ck_assert_uint_eq(bytes[0] << 8 | bytes[1], length);
    }
}

/* Until the card's thread waits, with a limit or without, which is what is returned then; 0: none. */
static int64_t await_wait(bool limit)
{
    for (int64_t end_ms;; usleep(1000)) {
        int64_t left_ms = (end_ms = wait_end_ms) - now_us / 1000;
        if (end_ms > 0 && (left_ms <= LIMIT_MS) == limit)
            return limit ? left_ms : 0;
    }
}

/* The card's thread has seen the new time then, if it waits. */
static void move_clock(int64_t ms)
{
    now_us += ms * 1000;
    for (unsigned before = looks; looks - before < 2 && wait_end_ms > 0;)
        usleep(1000);
}

/* What has come from the card, and nothing more has. False: it has hung up. */
static bool is_connected(void)
{
    static uint8_t bytes[65536];
    ssize_t got;
    while ((got = recv(reader, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        ;
    return got < 0 && errno == EAGAIN;
}

static void check_hung_up(const char *why)
{
    static uint8_t bytes[65536];
    while (recv(reader, bytes, sizeof bytes, 0) > 0)
        ;
    for (bool found = false; !found; usleep(1000)) {
        pthread_mutex_lock(&said_lock);
        found = strcmp(said, why) == 0;
        ck_assert_msg(found || !said[0], "%s", said);
        pthread_mutex_unlock(&said_lock);
    }
}

/* The card has a reader again, when it looks for one. */
static void check_next_reader(void)
{
    close(reader);
    connect_reader();
    send_bytes("\0\1\4", 3);
    struct pollfd answer = {.fd = reader, .events = POLLIN};
    while (__real_poll(&answer, 1, 1) == 0)
        move_clock(10);
    receive_messages(1, 13);
}

static void begin_message(void)
{
    await_wait(false);
    send_bytes("\0\7\0\x84\0", 5);
}

static void end_message(void)
{
    send_bytes("\0\0\0\0", 4);
    receive_messages(1, 1); /* it has no power */
}

static void begin_to_ask(void)
{
    static const char power[] = {0, 1, VPCD_POWER_ON},
                      command[] = {0, 7, 0, (char)0x84, 0, 0, 0, (char)0xFF, 0};
    send_bytes(power, sizeof power);
    for (unsigned i = 0; i < COMMANDS; i++)
        send_bytes(command, sizeof command);
}

static void take_answers(void)
{
    receive_messages(COMMANDS, 0xFF00 + 2);
}

static const struct {
    void (*begin)(void), (*end)(void);
    const char *why;
} waits[] = {
    {begin_message, end_message,
     "r/0: the vpcd reader has sent part of a message, and not the rest within 60 s: hung up"},
    {begin_to_ask, take_answers, "r/0: the vpcd reader has not taken an answer within 60 s: hung up"},
};
#define WAITS (sizeof waits / sizeof waits[0])

START_TEST(a_reader_that_keeps_its_card_waiting)
{
    waits[_i].begin();
    ck_assert_int_ge(await_wait(true), LIMIT_MS - 1000);
    move_clock(LIMIT_MS - 2000);
    ck_assert_int_gt(await_wait(true), 0);
    ck_assert_str_eq(said, "");
    move_clock(2000);
    check_hung_up(waits[_i].why);
    check_next_reader();
}
END_TEST

/* Then it may be silent for as long as it likes. */
START_TEST(a_reader_that_is_in_time)
{
    waits[_i].begin();
    await_wait(true);
    move_clock(LIMIT_MS - 2000);
    waits[_i].end();
    await_wait(false);
    move_clock(24 * 60 * LIMIT_MS);
    ck_assert(is_connected());
    send_bytes("\0\1\4", 3);
    receive_messages(1, 13);
    ck_assert_str_eq(said, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vpcd cards");
    TCase *tests = tcase_create("vpcd cards");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_reader_that_keeps_its_card_waiting, 0, WAITS);
    tcase_add_loop_test(tests, a_reader_that_is_in_time, 0, WAITS);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
