/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers for vpcd cards where descriptors run short. The rest is for the end-to-end tests. */
#include "base/error.h"
#include "rig/vpcd_reader.h"

#include "run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct slots slots;
static struct loop *loop;
static struct vpcd_readers *readers;
static int timer;
static struct error error;

static void on_timer(void *arg, uint32_t events)
{
    uint64_t times;
    (void)arg;
    (void)events;
    ck_assert_int_eq(read(timer, &times, sizeof times), sizeof times);
    loop_stop(loop);
}

/* Has the loop run for so long. */
static void run_ms(unsigned ms)
{
    struct itimerspec when = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};
    ck_assert_int_eq(timerfd_settime(timer, 0, &when, NULL), 0);
    ck_assert(loop_run(loop));
}

static void set_up(void)
{
    struct reader_options options;
    slots_init(&slots, 1);
    ck_assert(reader_options_parse("r,vpcd", &options, &error));
    ck_assert(slots_add_reader(&slots, &options, &error));
    readers = vpcd_readers_new(&slots, &error);
    loop = loop_new();
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    ck_assert(readers && loop && timer >= 0 && loop_add(loop, timer, EPOLLIN, on_timer, NULL));
    ck_assert(vpcd_readers_start(readers, loop));
}

static void tear_down(void)
{
    vpcd_readers_free(readers);
    slots_free(&slots);
    loop_remove(loop, timer);
    loop_free(loop);
    close(timer);
}

static int connect_card(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)slots.reader[0].options.vpcd.port);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_until(bool inserted)
{
    for (int i = 0; i < 500 && !slots.slot[0].card == inserted; i++)
        run_ms(20);
    ck_assert(!slots.slot[0].card != inserted);
}

/* The next descriptor would be the card's: it waits, and nobody is kept busy, until there is one. */
START_TEST(a_card_that_there_is_no_descriptor_for)
{
    int card = socket(AF_INET, SOCK_STREAM, 0), free_fd = dup(0);
    struct rlimit before, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)free_fd, before.rlim_max};
    close(free_fd);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(connect_card(card), 0);
    ck_assert_int_eq(send(card, "\0\4\x3B\x80\x01\x81", 6, 0), 6); /* its ATR */
    double cpu = cpu_seconds();
    run_ms(300);
    ck_assert_double_lt(cpu_seconds() - cpu, 0.1);
    ck_assert_ptr_null(slots.slot[0].card);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    run_until(true);
    close(card);
    run_until(false);
}
END_TEST

/* One that is asked for its ATR hangs up in the pause: the next one can come in all the same. */
START_TEST(a_card_that_goes_while_there_is_no_descriptor)
{
    int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, none;
    uint8_t get_atr[3];
    ck_assert_int_eq(connect_card(first), 0);
    run_ms(20);
    ck_assert_int_eq(recv(first, get_atr, sizeof get_atr, 0), sizeof get_atr);
    int free_fd = dup(0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)free_fd, before.rlim_max};
    close(free_fd);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(connect_card(second), 0);
    ck_assert_int_eq(send(second, "\0\4\x3B\x80\x01\x81", 6, 0), 6); /* its ATR */
    run_ms(20);
    close(first);
    run_ms(20);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    run_until(true);
    close(second);
    run_until(false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vpcd readers");
    TCase *tests = tcase_create("vpcd readers");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_card_that_there_is_no_descriptor_for);
    tcase_add_test(tests, a_card_that_goes_while_there_is_no_descriptor);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
