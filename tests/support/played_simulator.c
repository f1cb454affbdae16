/* SPDX-License-Identifier: BSD-3-Clause */
#include "played_simulator.h"

#include "base/clock.h"

#include <check.h>
#include <reader.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct played_simulator played = {.listener = -1, .events = -1};

static char directory[] = "/tmp/test-driver-XXXXXX", path[64];

void raise_simulator(void)
{
    unlink(path);
    played.listener = link_listen(path, SOCK_SEQPACKET, 0600);
    ck_assert_int_ge(played.listener, 0);
}

void end_simulator(void)
{
    close(played.listener);
    if (played.events >= 0)
        close(played.events);
    played.listener = played.events = -1;
    unlink(path);
}

static int accept_one(void)
{
    struct pollfd ready = {.fd = played.listener, .events = POLLIN};
    ck_assert_msg(poll(&ready, 1, 30000) == 1, "the driver did not connect");
    return accept(played.listener, NULL, NULL);
}

int welcome(enum link_connection connection)
{
    uint8_t buffer[64];
    struct link_message hello;
    int fd = accept_one();
    ck_assert_int_eq(link_receive(fd, buffer, sizeof buffer, &hello), 0);
    ck_assert_uint_eq(hello.type, LINK_HELLO);
    ck_assert_uint_eq(hello.arg, LINK_VERSION);
    ck_assert_uint_eq(hello.event, connection);
    ck_assert_uint_eq(hello.value, 7u << 16); /* reader=7 of the device name, slot 0 of the Lun */
    struct link_message yes = {
        .type = LINK_HELLO, .arg = LINK_OK, .event = played.event_counter, .value = LINK_VERSION};
    ck_assert_int_eq(link_send(fd, &yes), 0);
    return fd;
}

void *welcome_events(void *unused)
{
    (void)unused;
    played.events = welcome(LINK_CONNECTION_EVENTS);
    return NULL;
}

void report_event(uint32_t number)
{
    played.event_counter = number;
    struct link_message event = {.type = LINK_EVENT, .event = number};
    ck_assert_int_eq(link_send(played.events, &event), 0);
}

static void react(int fd, const struct link_message *request)
{
    static const uint8_t zeros[LINK_MAX_RESPONSE];
    struct link_message wrong = {.type = LINK_EVENT};
    struct link_message much = {.type = request->type, .data = zeros, .length = sizeof zeros};
    switch (played.behaviour) {
    case EXTEND: /* longer than the driver waits */
        for (int i = 0; i < 3 && usleep(400000) == 0; i++)
            link_send(fd, &(struct link_message){.type = LINK_EXTENSION});
        /* fall through */
    case ANSWER:
        played.answer.type = request->type;
        link_send(fd, &played.answer);
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
        played.last = request;
        played.last_type = request.type;
        memcpy(played.last_data, request.data,
               request.length < sizeof played.last_data ? request.length : sizeof played.last_data);
        if (request.type == LINK_POWER && request.arg == LINK_POWER_OFF)
            played.last_power_off = request;
        else
            react(fd, &request);
        if (played.behaviour == HANG_UP)
            break;
    }
    close(fd);
    return NULL;
}

void start_playing(enum behaviour how)
{
    played.behaviour = how;
    played.playing = true;
    ck_assert_int_eq(pthread_create(&played.player, NULL, play, NULL), 0);
}

void open_channel(void)
{
    pthread_t welcomer;
    ck_assert_int_eq(pthread_create(&welcomer, NULL, welcome_events, NULL), 0);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, played.device), IFD_SUCCESS);
    pthread_join(welcomer, NULL);
}

void set_up_simulator(void)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    ck_assert(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/link", directory);
    snprintf(played.device, sizeof played.device, "/dev/null:rig=%s:reader=7:slots=2:timeout=1000", path);
    played.event_counter = 0;
    played.answer = (struct link_message){.arg = LINK_OK};
    played.playing = false;
    raise_simulator();
}

void tear_down_simulator(void)
{
    played.behaviour = HANG_UP;
    IFDHCloseChannel(LUN);
    if (played.playing)
        pthread_join(played.player, NULL);
    end_simulator();
    rmdir(directory);
}

static RESPONSECODE (*wait_function(void))(DWORD, int)
{
    RESPONSECODE (*function)(DWORD, int) = NULL;
    DWORD length = sizeof function;
    ck_assert_int_eq(
        IFDHGetCapabilities(LUN, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &length, (PUCHAR)&function),
        IFD_SUCCESS);
    return function;
}

RESPONSECODE (*stop_function(void))(DWORD)
{
    RESPONSECODE (*function)(DWORD) = NULL;
    DWORD length = sizeof function;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, TAG_IFD_STOP_POLLING_THREAD, &length, (PUCHAR)&function),
                     IFD_SUCCESS);
    return function;
}

long wait_ms(int timeout)
{
    int64_t start = clock_ms();
    ck_assert_int_eq(wait_function()(LUN, timeout), IFD_SUCCESS);
    return clock_ms() - start;
}

RESPONSECODE transmit(const char *command, size_t length, UCHAR *response, DWORD *response_length)
{
    SCARD_IO_HEADER send = {.Protocol = 1}, receive = {0};
    return IFDHTransmitToICC(LUN, send, (PUCHAR)(uintptr_t)command, length, response, response_length,
                             &receive);
}
