/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IFD handler as pcscd calls it, against a simulator that this test plays: what a good one answers, and what
 * a bad one does.
 */
#include "base/clock.h"
#include "link/link.h"

#include "run_suite.h"

#include <check.h>
#include <ifdhandler.h>
#include <reader.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LUN 0x00030000

/*
 * The simulator. Each connection of the driver's waits to be accepted; play() answers requests on the
 * exchange connection in a thread of its own, with what the test has put down.
 */
static char directory[] = "/tmp/test-driver-XXXXXX", path[64], device[200];
static int listener = -1, events = -1;
static uint32_t event_counter;

enum behaviour { ANSWER, SILENT, HANG_UP, WRONG_TYPE, SHORT_PACKET, TOO_MUCH, EXTEND };
static enum behaviour behaviour;
static struct link_message answer; /* of ANSWER */
static _Atomic uint8_t last_type;
static struct link_message last; /* the last request, without its data */
static struct link_message last_power_off;
static uint8_t last_data[64];
static pthread_t player;
static bool playing;

static void raise_simulator(void)
{
    unlink(path);
    listener = link_listen(path, SOCK_SEQPACKET, 0600);
    ck_assert_int_ge(listener, 0);
}

static void end_simulator(void)
{
    close(listener);
    if (events >= 0)
        close(events);
    listener = events = -1;
    unlink(path);
}

static int accept_one(void)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    ck_assert_msg(poll(&ready, 1, 30000) == 1, "the driver did not connect");
    return accept(listener, NULL, NULL);
}

/* Accepts a connection, reads its hello and answers it. */
static int welcome(enum link_connection channel)
{
    uint8_t buffer[64];
    struct link_message hello;
    int fd = accept_one();
    ck_assert_int_eq(link_receive(fd, buffer, sizeof buffer, &hello), 0);
    ck_assert_uint_eq(hello.type, LINK_HELLO);
    ck_assert_uint_eq(hello.arg, LINK_VERSION);
    ck_assert_uint_eq(hello.event, channel);
    ck_assert_uint_eq(hello.value, 7u << 16); /* reader=7 of the device name, slot 0 of the Lun */
    struct link_message yes = {
        .type = LINK_HELLO, .arg = LINK_OK, .event = event_counter, .value = LINK_VERSION};
    ck_assert_int_eq(link_send(fd, &yes), 0);
    return fd;
}

static void *welcome_events(void *unused)
{
    (void)unused;
    events = welcome(LINK_CONNECTION_EVENTS);
    return NULL;
}

static void report_event(uint32_t number)
{
    event_counter = number;
    struct link_message event = {.type = LINK_EVENT, .event = number};
    ck_assert_int_eq(link_send(events, &event), 0);
}

static void react(int fd, const struct link_message *request)
{
    static const uint8_t zeros[LINK_MAX_RESPONSE];
    struct link_message wrong = {.type = LINK_EVENT};
    struct link_message much = {.type = request->type, .data = zeros, .length = sizeof zeros};
    switch (behaviour) {
    case EXTEND: /* longer than the driver waits */
        for (int i = 0; i < 3 && usleep(400000) == 0; i++)
            link_send(fd, &(struct link_message){.type = LINK_EXTENSION});
        /* fall through */
    case ANSWER:
        answer.type = request->type;
        link_send(fd, &answer);
        break;
    case WRONG_TYPE:
        link_send(fd, &wrong);
        break;
    case SHORT_PACKET:
        send(fd, "abc", 3, MSG_NOSIGNAL);
        break;
    case TOO_MUCH:
        link_send(fd, &much);
        break;
    case SILENT:
    case HANG_UP:
        break;
    }
}

static void *play(void *unused)
{
    (void)unused;
    uint8_t buffer[LINK_MAX_MESSAGE];
    struct link_message request;
    int fd = welcome(LINK_CONNECTION_EXCHANGE);
    while (link_receive(fd, buffer, sizeof buffer, &request) == 0) {
        last = request;
        last_type = request.type;
        memcpy(last_data, request.data,
               request.length < sizeof last_data ? request.length : sizeof last_data);
        if (request.type == LINK_POWER && request.arg == LINK_POWER_OFF)
            last_power_off = request;
        else
            react(fd, &request);
        if (behaviour == HANG_UP)
            break;
    }
    close(fd);
    return NULL;
}

static void start_playing(enum behaviour how)
{
    behaviour = how;
    playing = true;
    ck_assert_int_eq(pthread_create(&player, NULL, play, NULL), 0);
}

/* Opens the channel, with the simulator's slot in the state that event_counter says. */
static void open_channel(void)
{
    pthread_t welcomer;
    ck_assert_int_eq(pthread_create(&welcomer, NULL, welcome_events, NULL), 0);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, device), IFD_SUCCESS);
    pthread_join(welcomer, NULL);
}

static void set_up(void)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    ck_assert(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/link", directory);
    snprintf(device, sizeof device, "/dev/null:rig=%s:reader=7:slots=2:timeout=1000", path);
    event_counter = 0;
    answer = (struct link_message){.arg = LINK_OK};
    playing = false;
    raise_simulator();
}

static void tear_down(void)
{
    behaviour = HANG_UP;
    IFDHCloseChannel(LUN);
    if (playing)
        pthread_join(player, NULL);
    end_simulator();
    rmdir(directory);
}

/*
 * The driver, as pcscd finds its functions
 */
static RESPONSECODE (*wait_function(void))(DWORD, int)
{
    RESPONSECODE (*function)(DWORD, int) = NULL;
    DWORD length = sizeof function;
    ck_assert_int_eq(
        IFDHGetCapabilities(LUN, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &length, (PUCHAR)&function),
        IFD_SUCCESS);
    return function;
}

static RESPONSECODE (*stop_function(void))(DWORD)
{
    RESPONSECODE (*function)(DWORD) = NULL;
    DWORD length = sizeof function;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, TAG_IFD_STOP_POLLING_THREAD, &length, (PUCHAR)&function),
                     IFD_SUCCESS);
    return function;
}

static long wait_ms(int timeout)
{
    int64_t start = clock_ms();
    ck_assert_int_eq(wait_function()(LUN, timeout), IFD_SUCCESS);
    return clock_ms() - start;
}

static RESPONSECODE transmit(const char *command, size_t length, UCHAR *response, DWORD *response_length)
{
    SCARD_IO_HEADER send = {.Protocol = 1}, receive = {0};
    return IFDHTransmitToICC(LUN, send, (PUCHAR)(uintptr_t)command, length, response, response_length,
                             &receive);
}

#define ABSENT  IFD_ICC_NOT_PRESENT
#define PRESENT IFD_ICC_PRESENT

START_TEST(without_a_simulator_the_slot_is_empty)
{
    end_simulator();
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length), IFD_ERROR_POWER_ACTION);
    ck_assert_uint_eq(length, 0);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    ck_assert_int_ge(wait_ms(30), 29);
    raise_simulator(); /* for tear_down */
}
END_TEST

START_TEST(a_lun_that_is_not_open)
{
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(IFDHICCPresence(LUN), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, buffer, &length), IFD_NO_SUCH_DEVICE);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCloseChannel(LUN), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannel(LUN, 0), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, (LPSTR) "no such"), IFD_COMMUNICATION_ERROR);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, (LPSTR) "usb:1234"), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN + 2, device),
                     IFD_NO_SUCH_DEVICE); /* of two slots the third */
}
END_TEST

START_TEST(capabilities)
{
    open_channel();
    static const struct {
        DWORD tag;
        UCHAR value;
    } bytes[] = {{TAG_IFD_THREAD_SAFE, 1},
                 {TAG_IFD_SLOT_THREAD_SAFE, 1},
                 {TAG_IFD_SIMULTANEOUS_ACCESS, 255},
                 {TAG_IFD_SLOTS_NUMBER, 2},
                 {TAG_IFD_POLLING_THREAD_KILLABLE, 0}};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        UCHAR value = 99;
        DWORD length = 1;
        ck_assert_int_eq(IFDHGetCapabilities(LUN, bytes[i].tag, &length, &value), IFD_SUCCESS);
        ck_assert_uint_eq(length, 1);
        ck_assert_uint_eq(value, bytes[i].value);
        length = 0;
        ck_assert_int_eq(IFDHGetCapabilities(LUN, bytes[i].tag, &length, &value),
                         IFD_ERROR_INSUFFICIENT_BUFFER);
    }
    ck_assert_int_eq(IFDHSetCapabilities(LUN, TAG_IFD_SLOTNUM, 0, NULL), IFD_ERROR_TAG);
    /* all else is asked of the simulator */
    start_playing(ANSWER);
    answer.data = (const uint8_t *)"cardrig";
    answer.length = 7;
    UCHAR value[16];
    DWORD length = sizeof value;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, SCARD_ATTR_VENDOR_NAME, &length, value), IFD_SUCCESS);
    ck_assert_uint_eq(length, 7);
    ck_assert_mem_eq(value, "cardrig", 7);
    ck_assert_uint_eq(last.type, LINK_ATTRIBUTE);
    ck_assert_uint_eq(last.value, SCARD_ATTR_VENDOR_NAME);
    length = 3;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, TAG_IFD_ATR, &length, value), IFD_ERROR_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, 7);
    ck_assert_uint_eq(last.value, SCARD_ATTR_ATR_STRING);
    answer = (struct link_message){.arg = LINK_UNSUPPORTED};
    length = sizeof value;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, 0x4711, &length, value), IFD_ERROR_TAG);
}
END_TEST

START_TEST(what_is_there_at_the_start_is_no_event)
{
    event_counter = 41;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    ck_assert_int_ge(wait_ms(30), 29);
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
}
END_TEST

START_TEST(no_card_event_is_lost)
{
    event_counter = 41;
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
    event_counter = UINT32_MAX; /* odd: a card */
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
    ck_assert_int_eq(link_receive(events, buffer, sizeof buffer, &waiting), 0);
    ck_assert_uint_eq(waiting.type, LINK_WAITING);
    ck_assert_uint_eq(waiting.event, event);
}

/* Only when pcscd waits again it has told its clients. */
START_TEST(the_simulator_learns_what_pcscd_has_been_shown)
{
    uint8_t byte;
    event_counter = 1;
    open_channel();
    wait_ms(30);
    wait_ms(30);
    assert_told_waiting(1);
    report_event(2);
    wait_ms(5000);
    ck_assert_int_eq(recv(events, &byte, 1, MSG_DONTWAIT), -1);
    wait_ms(30);
    assert_told_waiting(2);
}
END_TEST

/* pcscd would be busy with them for hours. */
START_TEST(too_many_events_at_once_end_the_connection)
{
    uint8_t byte;
    event_counter = 1;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    wait_ms(30);
    report_event(1 + 0x20000);
    wait_ms(5000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    while (recv(events, &byte, 1, 0) > 0) /* LINK_WAITING */
        ;
    ck_assert_int_ge(wait_ms(30), 29);
}
END_TEST

static void *welcome_and_hang_up(void *count)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    for (event_counter = 0; poll(&ready, 1, 600) == 1; ++*(unsigned *)count)
        close(welcome(LINK_CONNECTION_EVENTS));
    return NULL;
}

START_TEST(a_simulator_that_hangs_up_at_once_is_not_called_at_once)
{
    unsigned count = 0;
    pthread_t welcomer;
    ck_assert_int_eq(pthread_create(&welcomer, NULL, welcome_and_hang_up, &count), 0);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, device), IFD_SUCCESS);
    ck_assert_int_ge(wait_ms(300), 299);
    pthread_join(welcomer, NULL);
    ck_assert_uint_ge(count, 2);
    ck_assert_uint_le(count, 8);
}
END_TEST

START_TEST(a_protocol_that_is_ready_is_not_asked_for)
{
    open_channel();
    start_playing(ANSWER);
    UCHAR atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    answer.data = (const uint8_t *)"\x3B\x00";
    answer.length = 2;
    answer.flags = LINK_READY_T1;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_SUCCESS);
    ck_assert_uint_eq(last.type, LINK_POWER);
    /* all that is not plainly the protocol that is ready is asked for, and may be refused */
    answer.arg = LINK_PPS_FAILED;
    answer.length = 0;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    ck_assert_uint_eq(last.type, LINK_PARAMETERS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, IFD_NEGOTIATE_PTS1, 0x11, 0, 0),
                     IFD_ERROR_PTS_FAILURE);
    /* and after another one has been asked for that one may be in use */
    answer.arg = LINK_OK;
    answer.flags = LINK_READY_T1;
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_SUCCESS);
    answer.arg = LINK_GARBLED;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    answer.flags = 0;
    answer.arg = LINK_OK;
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    answer.arg = LINK_PPS_FAILED;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
}
END_TEST

START_TEST(requests_carry_the_event_that_pcscd_knows)
{
    event_counter = 3;
    open_channel();
    start_playing(ANSWER);
    UCHAR atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    answer.data = (const uint8_t *)"\x3B\x00";
    answer.length = 2;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 2);
    ck_assert_mem_eq(atr, "\x3B\x00", 2);
    ck_assert_uint_eq(last.type, LINK_POWER);
    ck_assert_uint_eq(last.arg, LINK_POWER_COLD);
    ck_assert_uint_eq(last.event, 3);
    report_event(5);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(last.arg, LINK_POWER_WARM);
    ck_assert_uint_eq(last.event, 3); /* 5 has come, but pcscd has not waited for it */
    wait_ms(5000);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_DOWN, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 0);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(last.arg, LINK_POWER_COLD);
    ck_assert_uint_eq(last_power_off.type, LINK_POWER); /* it came before */
    ck_assert_uint_eq(last_power_off.arg, LINK_POWER_OFF);
    ck_assert_uint_eq(last_power_off.event, 4);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, 4711, atr, &length), IFD_NOT_SUPPORTED);
}
END_TEST

START_TEST(transmit_goes_through)
{
    event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    answer.data = (const uint8_t *)"\x90\x00";
    answer.length = 2;
    UCHAR response[10];
    DWORD length = sizeof response;
    ck_assert_int_eq(transmit("\0\244\4\0", 4, response, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 2);
    ck_assert_mem_eq(response, "\x90\x00", 2);
    ck_assert_uint_eq(last.type, LINK_TRANSMIT);
    ck_assert_uint_eq(last.arg, 1);
    ck_assert_mem_eq(last_data, "\0\244\4\0", 4);
    /* longer than the client's buffer: pcscd gets the true length, and nothing is written behind the end
     */
    static const uint8_t eleven[11] = "0123456789";
    answer.data = eleven;
    answer.length = sizeof eleven;
    length = sizeof response;
    ck_assert_int_eq(transmit("\0\244\4\0", 4, response, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 11);
    static UCHAR huge[LINK_MAX_COMMAND + 1];
    length = sizeof response;
    ck_assert_int_eq(transmit((const char *)huge, sizeof huge, response, &length), IFD_COMMUNICATION_ERROR);
}
END_TEST

static const struct {
    uint8_t status;
    RESPONSECODE power, parameters, transmit;
} codes[] = {
    {LINK_REMOVED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_UNPOWERED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_MUTE, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_RESPONSE_TIMEOUT},
    {LINK_GARBLED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_PROTOCOL_UNAVAILABLE, IFD_PROTOCOL_NOT_SUPPORTED, IFD_PROTOCOL_NOT_SUPPORTED,
     IFD_PROTOCOL_NOT_SUPPORTED},
    {LINK_PPS_FAILED, IFD_ERROR_PTS_FAILURE, IFD_ERROR_PTS_FAILURE, IFD_ERROR_PTS_FAILURE},
    {LINK_UNPLUGGED, IFD_NO_SUCH_DEVICE, IFD_NO_SUCH_DEVICE, IFD_NO_SUCH_DEVICE},
    {LINK_BAD_REQUEST, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
};

START_TEST(statuses_become_response_codes)
{
    event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    answer.arg = codes[_i].status;
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length), codes[_i].power);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), codes[_i].parameters);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), codes[_i].transmit);
    ck_assert_uint_eq(length, 0);
}
END_TEST

START_TEST(an_answer_that_takes_longer_is_waited_for)
{
    open_channel();
    start_playing(EXTEND);
    ck_assert_int_eq(IFDHControl(LUN, 1, NULL, 0, NULL, 0, &(DWORD){0}), IFD_SUCCESS);
}
END_TEST

START_TEST(bad_simulators_are_a_communication_error)
{
    event_counter = 1;
    open_channel();
    start_playing((enum behaviour)_i);
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length),
                     _i == TOO_MUCH ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_ERROR_POWER_ACTION);
    ck_assert_uint_eq(length, 0);
    behaviour = HANG_UP;
}
END_TEST

START_TEST(a_late_answer_is_not_taken_for_the_next)
{
    event_counter = 1;
    open_channel();
    start_playing(SILENT);
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\1\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    pthread_join(player, NULL); /* the driver has hung up */
    start_playing(ANSWER);
    answer.data = (const uint8_t *)"\x90\x00";
    answer.length = 2;
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\2\0\0", 4, buffer, &length), IFD_SUCCESS);
    ck_assert_uint_eq(last_data[1], 2);
}
END_TEST

START_TEST(a_status_that_is_not_one_ends_the_connection)
{
    event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    answer.arg = LINK_UNPLUGGED + 1;
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\1\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    ck_assert_uint_eq(length, 0);
    pthread_join(player, NULL); /* the driver has hung up */
    playing = false;
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
    event_counter = 1;
    open_channel();
    start_playing(SILENT);
    pthread_t client;
    came_back = 0;
    ck_assert_int_eq(pthread_create(&client, NULL, transmit_in_vain, NULL), 0);
    while (last_type != LINK_TRANSMIT)
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
    event_counter = 1;
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
    event_counter = 1;
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
    event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    answer = (struct link_message){.arg = LINK_REMOVED};
    wait_ms(1); /* so that we are not taken for the client */
    pthread_t client;
    last_type = 0;
    spins = true;
    ck_assert_int_eq(pthread_create(&client, NULL, power_up_and_spin, NULL), 0);
    while (last_type != LINK_POWER)
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
    event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    bool longer = false;
    /* we may be stopped too late, or not in the wait, and try again */
    for (int tries = 0; tries < 50 && !longer; tries++) {
        UCHAR buffer[300];
        DWORD length = sizeof buffer;
        transmit("\0\1\0\0", 4, buffer, &length);
        report_event(event_counter + 2); /* out, in */
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
    event_counter = 11;
    open_channel();
    ck_assert_int_eq(IFDHICCPresence(LUN), PRESENT);
    end_simulator();
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    ck_assert_int_ge(wait_ms(30), 29);
    /* another one, with numbers of its own */
    event_counter = 100001;
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
    event_counter = 11;
    open_channel();
    end_simulator();
    raise_simulator();
    event_counter = 11; /* even with the same number */
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
    event_counter = 11;
    open_channel();
    ck_assert_int_gt(send(events, nonsense[_i].packet, nonsense[_i].length, MSG_NOSIGNAL), 0);
    ck_assert_int_lt(wait_ms(5000), 4000);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    close(events);
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
    event_counter = 1;
    open_channel();
    pthread_t waiter;
    pthread_create(&waiter, NULL, wait_long, NULL);
    assert_told_waiting(1);
    start_playing(SILENT);
    ck_assert_int_eq(IFDHCloseChannel(LUN), IFD_SUCCESS);
    pthread_join(waiter, NULL);
    pthread_join(player, NULL);
    playing = false;
    ck_assert_uint_eq(last_power_off.type, LINK_POWER);
    ck_assert_uint_eq(last_power_off.arg, LINK_POWER_OFF);
    ck_assert_int_eq(IFDHICCPresence(LUN), IFD_NO_SUCH_DEVICE);
}
END_TEST

START_TEST(many_luns_at_once)
{
    end_simulator();
    for (DWORD number = 0; number < LINK_MAX_SLOTS; number++)
        ck_assert_int_eq(IFDHCreateChannelByName(number / 2 << 16 | number % 2, device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCreateChannelByName(0x00050001, device), IFD_COMMUNICATION_ERROR); /* taken */
    ck_assert_int_eq(IFDHCreateChannelByName(199 << 16, device), IFD_COMMUNICATION_ERROR);  /* no room */
    ck_assert_int_eq(IFDHCloseChannel(0x00050001), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCreateChannelByName(199 << 16, device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCloseChannel(199 << 16), IFD_SUCCESS);
    for (DWORD number = 0; number < LINK_MAX_SLOTS; number++)
        ck_assert_int_eq(IFDHCloseChannel(number / 2 << 16 | number % 2),
                         number == 11 ? IFD_NO_SUCH_DEVICE : IFD_SUCCESS);
    raise_simulator();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("driver");
    TCase *tests = tcase_create("driver");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, without_a_simulator_the_slot_is_empty);
    tcase_add_test(tests, a_lun_that_is_not_open);
    tcase_add_test(tests, capabilities);
    tcase_add_test(tests, what_is_there_at_the_start_is_no_event);
    tcase_add_test(tests, no_card_event_is_lost);
    tcase_add_test(tests, numbers_run_over);
    tcase_add_test(tests, a_protocol_that_is_ready_is_not_asked_for);
    tcase_add_test(tests, requests_carry_the_event_that_pcscd_knows);
    tcase_add_test(tests, transmit_goes_through);
    tcase_add_loop_test(tests, statuses_become_response_codes, 0, sizeof codes / sizeof codes[0]);
    tcase_add_test(tests, a_status_that_is_not_one_ends_the_connection);
    tcase_add_test(tests, too_many_events_at_once_end_the_connection);
    tcase_add_test(tests, the_simulator_learns_what_pcscd_has_been_shown);
    tcase_add_test(tests, a_simulator_that_hangs_up_at_once_is_not_called_at_once);
    tcase_add_loop_test(tests, bad_simulators_are_a_communication_error, SILENT, TOO_MUCH + 1);
    tcase_add_test(tests, an_answer_that_takes_longer_is_waited_for);
    tcase_add_test(tests, a_late_answer_is_not_taken_for_the_next);
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
    tcase_add_test(tests, many_luns_at_once);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
