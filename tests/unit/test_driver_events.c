/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card events that the IFD handler shows pcscd, and for how long, with a simulator that this test plays.
 */
#include "base/clock.h"

#include "played_simulator.h"
#include "run_suite.h"

#include <check.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

START_TEST(what_is_there_at_the_start_is_no_event)
{
    played.event_counter = 41;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    ck_assert_int_ge(wait_ms(30), 29);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
}
END_TEST

START_TEST(no_card_event_is_lost)
{
    played.event_counter = 41;
    open_channel();
    report_event(42);
    report_event(45); /* in, out, in */
    static const RESPONSECODE seen[] = {ABSENT, PRESENT, ABSENT, PRESENT};
    for (size_t i = 0; i < 4; i++) {
        /* what presence says changes only when pcscd has waited for it, however often it asks */
        RESPONSECODE before = i ? seen[i - 1] : PRESENT;
        ck_assert_int_eq(IFDHICCPresence(LUN), before);
        ck_assert_int_eq(IFDHICCPresence(LUN), before);
        ck_assert_int_lt(wait_ms(5000), 4000);
        ck_assert_int_eq(IFDHICCPresence(LUN), seen[i]);
    }
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

START_TEST(numbers_run_over)
{
    played.event_counter = UINT32_MAX; /* odd: a card */
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    report_event(1);
    wait_ms(5000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    wait_ms(5000);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

static void assert_told_waiting(uint32_t event)
{
    uint8_t buffer[LINK_HEADER_SIZE + 1];
    struct link_message waiting;
    ck_assert_int_eq(link_receive(played.events, buffer, sizeof buffer, &waiting), 0);
    ck_assert_uint_eq(waiting.type, LINK_WAITING);
    ck_assert_uint_eq(waiting.event, event);
}

/* Only when pcscd waits again it has told its clients. */
START_TEST(the_simulator_learns_what_pcscd_has_been_shown)
{
    uint8_t byte;
    played.event_counter = 1;
    open_channel();
    wait_ms(30);
    wait_ms(30);
    assert_told_waiting(1);
    report_event(2);
    wait_ms(5000);
    ck_assert_int_eq(recv(played.events, &byte, 1, MSG_DONTWAIT), -1);
    wait_ms(30);
    assert_told_waiting(2);
}
END_TEST

/* pcscd would be busy with them for hours. */
START_TEST(too_many_events_at_once_end_the_connection)
{
    uint8_t byte;
    played.event_counter = 1;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    wait_ms(30);
    report_event(1 + 0x20000);
    wait_ms(5000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    while (recv(played.events, &byte, 1, 0) > 0) /* LINK_WAITING */
        ;
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

static void *welcome_and_hang_up(void *count)
{
    struct pollfd ready = {.fd = played.listener, .events = POLLIN};
    for (played.event_counter = 0; poll(&ready, 1, 600) == 1; ++*(unsigned *)count)
        close(welcome(LINK_CONNECTION_EVENTS));
    return NULL;
}

START_TEST(a_simulator_that_hangs_up_at_once_is_not_called_at_once)
{
    unsigned count = 0;
    pthread_t welcomer;
    ck_assert_int_eq(pthread_create(&welcomer, NULL, welcome_and_hang_up, &count), 0);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, played.device), IFD_SUCCESS);
    ck_assert_int_ge(wait_ms(300), 299);
    pthread_join(welcomer, NULL);
    ck_assert_uint_ge(count, 2);
    ck_assert_uint_le(count, 8);
}
END_TEST

static atomic_int came_back;

static void *transmit_in_vain(void *unused)
{
    (void)unused;
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    transmit("\0\1\0\0", 4, buffer, &length);
    came_back = 1;
    return NULL;
}

/* Others may have theirs in pcscd's queue behind it, which are for the card that has gone. */
START_TEST(a_removal_is_shown_until_a_command_has_come_back)
{
    played.event_counter = 1;
    open_channel();
    start_playing(SILENT);
    pthread_t client;
    came_back = 0;
    ck_assert_int_eq(pthread_create(&client, NULL, transmit_in_vain, NULL), 0);
    while (played.last_type != LINK_TRANSMIT)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    report_event(3); /* out, in */
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    ck_assert(came_back);
    ck_assert_int_eq(pthread_join(client, NULL), 0);
}
END_TEST

/* Else clients that wait for a change could miss that there was one. */
START_TEST(a_swapped_card_is_shown_after_a_while)
{
    played.event_counter = 1;
    open_channel();
    report_event(3); /* out, in */
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    ck_assert_int_ge(wait_ms(5000), 30);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
}
END_TEST

static atomic_bool spins;

/* A thread of pcscd's that is on its way here, and waits for a processor. */
static void *spin(void *unused)
{
    while (spins)
        continue;
    return unused;
}

/* Its command may have been checked before the removal was shown. One that never sleeps is another driver's. */
START_TEST(a_removal_is_shown_while_threads_are_awake_for_two_seconds_at_most)
{
    played.event_counter = 1;
    open_channel();
    pthread_t client;
    spins = true;
    ck_assert_int_eq(pthread_create(&client, NULL, spin, NULL), 0);
    report_event(2);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    wait_ms(50);
    report_event(3);
    ck_assert_int_ge(wait_ms(500), 499);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    ck_assert_int_lt(wait_ms(10000), 9000);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    spins = false;
    ck_assert_int_eq(pthread_join(client, NULL), 0);
}
END_TEST

static void *power_up(void *unused)
{
    (void)unused;
    UCHAR atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    IFDHPowerICC(LUN, IFD_RESET, atr, &length);
    return NULL;
}

static void *power_up_and_spin(void *unused)
{
    power_up(NULL);
    return spin(unused);
}

/* pcscd records the outcome after the call, and would overwrite the removal. */
START_TEST(a_removal_is_shown_a_while_after_a_clients_reset_that_failed)
{
    played.event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    played.answer = (struct link_message){.arg = LINK_REMOVED};
    wait_ms(1); /* so that we are not taken for the client */
    pthread_t client;
    played.last_type = 0;
    spins = true;
    ck_assert_int_eq(pthread_create(&client, NULL, power_up_and_spin, NULL), 0);
    while (played.last_type != LINK_POWER)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    report_event(2);
    ck_assert_int_ge(wait_ms(5000), 150);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    spins = false;
    ck_assert_int_eq(pthread_join(client, NULL), 0);
    /* after a reset by the thread that waits for events, pcscd records nothing */
    report_event(3);
    ck_assert_int_lt(wait_ms(5000), 4000);
    power_up(NULL);
    report_event(4);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
}
END_TEST

/* Has another process stop this one in a moment, for a while. When it went on again comes through the pipe. */
static int stop_us(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    if (fork() == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        kill(getppid(), SIGSTOP);
        nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
        int64_t now = clock_ms();
        kill(getppid(), SIGCONT);
        _exit(write(ends[1], &now, sizeof now) != sizeof now);
    }
    close(ends[1]);
    return ends[0];
}

/* A command of before the removal waits for a processor as long as the driver does. */
START_TEST(a_removal_is_shown_for_longer_when_the_machine_is_busy)
{
    played.event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    bool longer = false;
    /* we may be stopped too late, or not in the wait, and try again */
    for (int tries = 0; tries < 50 && !longer; tries++) {
        UCHAR buffer[300];
        DWORD length = sizeof buffer;
        transmit("\0\1\0\0", 4, buffer, &length);
        report_event(played.event_counter + 2); /* out, in */
        ck_assert_int_lt(wait_ms(5000), 4000);
        ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
        int64_t goes_on;
        int stopped = stop_us();
        ck_assert_int_lt(wait_ms(5000), 4000);
        int64_t shown = clock_ms();
        ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
        ck_assert_int_eq(read(stopped, &goes_on, sizeof goes_on), sizeof goes_on);
        close(stopped);
        longer = shown - goes_on >= 20;
    }
    ck_assert(longer);
}
END_TEST

START_TEST(the_simulator_dies_and_comes_back)
{
    played.event_counter = 11;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    end_simulator();
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    ck_assert_int_ge(wait_ms(30), 29);
    /* another one, with numbers of its own */
    played.event_counter = 100001;
    raise_simulator();
    pthread_t welcomer;
    pthread_create(&welcomer, NULL, welcome_events, NULL);
    ck_assert_int_lt(wait_ms(5000), 4000);
    pthread_join(welcomer, NULL);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

START_TEST(a_restart_between_two_looks_is_a_removal)
{
    played.event_counter = 11;
    open_channel();
    end_simulator();
    raise_simulator();
    played.event_counter = 11; /* even with the same number */
    wait_ms(5000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    pthread_t welcomer;
    pthread_create(&welcomer, NULL, welcome_events, NULL);
    wait_ms(5000);
    pthread_join(welcomer, NULL);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
}
END_TEST

static const struct {
    const char *packet;
    size_t length;
} nonsense[] = {
    {"x", 1},
    {"\7\0\0\0\0\0\0\14\0\0\0\0toolong", 19},
    {"\6\0\0\0\0\0\0\14\0\0\0\0", 12}, /* not an event */
    {"\7\0\1\0\0\0\0\14\0\0\0\0", 12}, /* a reserved byte */
    {"\7\0\0\0\0\0\0\12\0\0\0\0", 12}, /* 10 after 11 */
};

START_TEST(nonsense_on_the_events_connection_ends_it)
{
    played.event_counter = 11;
    open_channel();
    ck_assert_int_gt(send(played.events, nonsense[_i].packet, nonsense[_i].length, MSG_NOSIGNAL), 0);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    close(played.events);
    /* and it looks for a better one */
    pthread_t welcomer;
    pthread_create(&welcomer, NULL, welcome_events, NULL);
    ck_assert_int_lt(wait_ms(5000), 4000);
    pthread_join(welcomer, NULL);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
}
END_TEST

START_TEST(a_stop_before_the_wait_is_not_lost)
{
    open_channel();
    ck_assert_int_eq(stop_function()(LUN), IFD_SUCCESS);
    ck_assert_int_eq(stop_function()(LUN), IFD_SUCCESS);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

static void *wait_long(void *unused)
{
    (void)unused;
    wait_ms(60000);
    return NULL;
}

START_TEST(closing_ends_what_is_under_way)
{
    played.event_counter = 1;
    open_channel();
    pthread_t waiter;
    pthread_create(&waiter, NULL, wait_long, NULL);
    assert_told_waiting(1);
    start_playing(SILENT);
    ck_assert_int_eq(IFDHCloseChannel(LUN), IFD_SUCCESS);
    pthread_join(waiter, NULL);
    pthread_join(played.player, NULL);
    played.playing = false;
    ck_assert_uint_eq(played.last_power_off.type, LINK_POWER);
    ck_assert_uint_eq(played.last_power_off.arg, LINK_POWER_OFF);
    ck_assert_int_eq(IFDHICCPresence(LUN), IFD_NO_SUCH_DEVICE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("driver: card events");
    TCase *tests = tcase_create("driver: card events");
    tcase_add_checked_fixture(tests, set_up_simulator, tear_down_simulator);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_is_there_at_the_start_is_no_event);
    tcase_add_test(tests, no_card_event_is_lost);
    tcase_add_test(tests, numbers_run_over);
    tcase_add_test(tests, too_many_events_at_once_end_the_connection);
    tcase_add_test(tests, the_simulator_learns_what_pcscd_has_been_shown);
    tcase_add_test(tests, a_simulator_that_hangs_up_at_once_is_not_called_at_once);
    tcase_add_test(tests, a_removal_is_shown_until_a_command_has_come_back);
    tcase_add_test(tests, a_removal_is_shown_for_longer_when_the_machine_is_busy);
    tcase_add_test(tests, a_swapped_card_is_shown_after_a_while);
    tcase_add_test(tests, a_removal_is_shown_while_threads_are_awake_for_two_seconds_at_most);
    tcase_add_test(tests, a_removal_is_shown_a_while_after_a_clients_reset_that_failed);
    tcase_add_test(tests, the_simulator_dies_and_comes_back);
    tcase_add_test(tests, a_restart_between_two_looks_is_a_removal);
    tcase_add_loop_test(tests, nonsense_on_the_events_connection_ends_it, 0,
                        sizeof nonsense / sizeof nonsense[0]);
    tcase_add_test(tests, a_stop_before_the_wait_is_not_lost);
    tcase_add_test(tests, closing_ends_what_is_under_way);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
