/* SPDX-License-Identifier: BSD-3-Clause */
#include "connection.h"

#include "base/clock.h"
#include "clients.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The delay before the next attempt to connect. It doubles from the first value to the last, and starts
 * again from the first after a connection that has lasted at least RETRY_LAST_MS. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  500

/* The largest number of card events that may wait to be shown. pcscd is shown one at a time, which takes
 * time, so a simulator that reports more is disconnected. */
#define UNSHOWN_MAX 0x10000u

#define TEXT_MAX    192

void connection_init(struct channel *channel)
{
    channel->events_fd = channel->exchange_fd = -1;
}

/* Stores fd in *slot, which then owns it. Closes fd and returns false after channel_hang_up. */
static bool adopt(struct channel *channel, int *slot, int fd)
{
    pthread_mutex_lock(&channel->lock);
    bool ok = !channel->hung_up;
    if (ok)
        *slot = fd;
    pthread_mutex_unlock(&channel->lock);
    if (!ok)
        close(fd);
    return ok;
}

/* Closes the descriptor in *slot, if any, and stores -1. */
static void drop(struct channel *channel, int *slot)
{
    pthread_mutex_lock(&channel->lock);
    int fd = *slot;
    *slot = -1;
    pthread_mutex_unlock(&channel->lock);
    if (fd >= 0)
        close(fd);
}

/* Writes the slot's name for log lines: the simulator's address, the reader and the slot. */
static const char *slot_text(const struct channel *channel, char text[TEXT_MAX])
{
    const struct devicename *name = &channel->name;
    unsigned slot = (unsigned)(channel->number & 0xFFFF);
    snprintf(text, TEXT_MAX, "%s, reader %u slot %u", name->socket, name->reader, slot);
    return text;
}

/* Logs why there is no connection. channel_wait retries again and again, so for its connection the same
 * reason is logged only once. */
static void complain(struct channel *channel, enum link_connection link_connection, int reason)
{
    if (link_connection == LINK_CONNECTION_EVENTS && reason == channel->complaint)
        return;
    if (link_connection == LINK_CONNECTION_EVENTS)
        channel->complaint = reason;
    bool absent = reason == ENOENT || reason == ECONNREFUSED;
    if (reason == EACCES)
        link_report_refusal(channel->name.socket);
    char text[TEXT_MAX];
    driver_log(absent ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s: no simulator: %s", slot_text(channel, text),
               absent ? "nobody listens there"
               : reason == EPERM
                   ? "the socket does not belong to pcscd's user, root or the user= of DEVICENAME"
               : reason == EACCES ? "permission denied; 'cardrig serve --pcscd-user' lets this user in"
               : reason == EPROTO ? "hello was not answered as it should be"
                                  : strerror(reason));
}

/* Says hello on a connection. Sets *card_event to the slot's number of card events, and the receive
 * timeout of the connection to timeout_ms. Returns false with errno on failure. */
static bool say_hello(const struct channel *channel, int fd, enum link_connection link_connection,
                      int timeout_ms, uint32_t *card_event)
{
    unsigned long number = channel->number;
    const uint8_t data[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                             (uint8_t)number};
    struct link_message hello = {
        .type = LINK_HELLO,
        .arg = LINK_VERSION,
        .event = link_connection,
        .value = (uint32_t)(channel->name.reader << 16 | (number & 0xFFFF)),
        .data = data,
        .length = sizeof data,
    };
    uint8_t packet[LINK_HEADER_SIZE + 1];
    struct link_message answer;
    if (link_send(fd, &hello) < 0 || link_receive(fd, packet, sizeof packet, &answer) < 0)
        return false;
    if (answer.type != LINK_HELLO || answer.arg != LINK_OK || answer.value != LINK_VERSION) {
        errno = EPROTO;
        return false;
    }
    *card_event = answer.event;
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0;
}

/* Opens one connection and says hello on it. */
static bool connect_channel(struct channel *channel, int *fd_slot, enum link_connection link_connection,
                            int timeout_ms, uint32_t *card_event)
{
    int fd = link_connect(channel->name.socket, LINK_HELLO_TIMEOUT, channel->name.user);
    if (fd < 0) {
        complain(channel, link_connection, errno);
        return false;
    }
    if (!adopt(channel, fd_slot, fd))
        return false;
    if (say_hello(channel, fd, link_connection, timeout_ms, card_event))
        return true;
    complain(channel, link_connection, errno);
    drop(channel, fd_slot);
    return false;
}

static void retry_later(struct channel *channel)
{
    channel->retry_at = clock_ms() + backoff_next(&channel->retry, RETRY_FIRST_MS, RETRY_LAST_MS);
}

/* Called only while no card is shown: if a card was in before the connection was lost, pcscd must see
 * its removal first. */
static void connect_events(struct channel *channel)
{
    uint32_t card_event;
    if (!connect_channel(channel, &channel->events_fd, LINK_CONNECTION_EVENTS, LINK_HELLO_TIMEOUT,
                         &card_event)) {
        retry_later(channel);
        return;
    }
    channel->latest = card_event;
    channel->complaint = 0;
    channel->reported_waiting = false;
    channel->connected_at = clock_ms();
    pthread_mutex_lock(&channel->lock);
    channel->shown = card_event - channel_card_in(card_event); /* a card that is in has yet to be shown */
    pthread_mutex_unlock(&channel->lock);
}

/* Tells the simulator that pcscd waits for card events and has been shown all of them. If sending fails,
 * the next poll shows why. */
static void tell_waiting(struct channel *channel)
{
    struct link_message waiting = {.type = LINK_WAITING, .event = channel->shown};
    bool is_news = !channel->reported_waiting || channel->reported_shown != channel->shown;
    if (!channel->has_waiter || channel->shown != channel->latest || !is_news || channel->events_fd < 0)
        return;
    channel->reported_waiting = link_send(channel->events_fd, &waiting) == 0;
    channel->reported_shown = channel->shown;
}

int64_t connection_watch(struct channel *channel, struct pollfd *watch)
{
    bool connects =
        channel->events_fd < 0 && !channel_card_in(channel->shown) && channel->shown == channel->latest;
    if (connects && clock_ms() >= channel->retry_at) {
        connect_events(channel);
        connects = channel->events_fd < 0;
    }
    tell_waiting(channel);
    *watch = (struct pollfd){.fd = channel->events_fd, .events = POLLIN};
    return connects ? channel->retry_at : INT64_MAX;
}

/* Closes the connection if the simulator has closed it or sends a malformed message. */
void connection_on_event(struct channel *channel)
{
    uint8_t packet[LINK_HEADER_SIZE + 1];
    struct link_message event;
    char text[TEXT_MAX];
    if (link_receive(channel->events_fd, packet, sizeof packet, &event) == 0) {
        /* numbers only increase, modulo 2^32: a difference of less than half the range is an increase */
        if (event.type == LINK_EVENT && event.event - channel->latest < UINT32_MAX / 2 &&
            event.event - channel->shown <= UNSHOWN_MAX) {
            channel->latest = event.event;
            return;
        }
        errno = EPROTO;
    }
    driver_log(LOG_LEVEL_ERROR, "%s: the simulator is gone: %s", slot_text(channel, text),
               errno == ECONNRESET ? "it hung up" : strerror(errno));
    drop(channel, &channel->events_fd);
    if (clock_ms() - channel->connected_at >= RETRY_LAST_MS)
        backoff_reset(&channel->retry);
    retry_later(channel); /* a simulator that disconnects again and again must not fill the log */
    /* its card is gone with it */
    channel->latest = channel->shown + channel_card_in(channel->shown);
}

/* Sends the request on the existing connection, or on a new one. Only now does the driver notice that
 * the simulator has closed the connection since the last exchange. A request that could not be sent has
 * not been carried out, so sending it again is safe. */
static bool send_request(struct channel *channel, const struct link_message *request)
{
    if (channel->exchange_fd >= 0) {
        if (link_send(channel->exchange_fd, request) == 0)
            return true;
        drop(channel, &channel->exchange_fd);
    }
    uint32_t card_event;
    return connect_channel(channel, &channel->exchange_fd, LINK_CONNECTION_EXCHANGE,
                           (int)channel->name.timeout_ms, &card_event) &&
           link_send(channel->exchange_fd, request) == 0;
}

/* Waits for an answer, again after each LINK_EXTENSION, which only LINK_CONTROL and LINK_TRANSMIT have, unless
 * the client has gone: the reader shall stop asking. Returns -1 with errno on failure. */
static int await_answer(struct channel *channel, const struct link_message *request,
                        struct link_message *answer)
{
    int64_t limit = clock_ms() + LINK_EXTENSIONS_TIMEOUT;
    struct clients clients = {0};
    bool has_noted = false;
    do {
        if (link_await(channel->exchange_fd, channel->buffer, sizeof channel->buffer, answer) < 0)
            return -1;
        if (answer->type != LINK_EXTENSION ||
            (request->type != LINK_CONTROL && request->type != LINK_TRANSMIT))
            return 0;
        if (!has_noted)
            clients_note(&clients);
        has_noted = true;
        if (clients_have_gone(&clients)) {
            errno = ECANCELED;
            return -1;
        }
    } while (clock_ms() < limit);
    errno = EAGAIN;
    return -1;
}

static bool receive_answer(struct channel *channel, const struct link_message *request,
                           struct link_message *answer)
{
    char text[TEXT_MAX];
    if (await_answer(channel, request, answer) < 0) {
        driver_log(errno == ECANCELED ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s: no answer: %s",
                   slot_text(channel, text),
                   errno == EAGAIN       ? "the simulator took too long"
                   : errno == ECANCELED  ? "the client has gone"
                   : errno == ECONNRESET ? "the simulator hung up"
                                         : strerror(errno));
        return false;
    }
    if (answer->type != request->type) {
        driver_log(LOG_LEVEL_ERROR, "%s: answer of type %u to a request of type %u", slot_text(channel, text),
                   answer->type, request->type);
        return false;
    }
    if (answer->arg > LINK_UNPLUGGED) {
        driver_log(LOG_LEVEL_ERROR, "%s: answer with the status %u, which is not one",
                   slot_text(channel, text), answer->arg);
        return false;
    }
    return true;
}

/* Returns whether a request selects a protocol that the card is ready to use without a PPS exchange. */
static bool is_ready(const struct channel *channel, const struct link_message *request)
{
    return request->type == LINK_PARAMETERS && request->value == 0 && request->arg <= 1 &&
           request->event == channel->ready_event && (channel->ready >> request->arg & 1);
}

bool connection_exchange(struct channel *channel, const struct link_message *request,
                         struct link_message *answer)
{
    bool off = request->type == LINK_POWER && request->arg == LINK_POWER_OFF;
    *answer = (struct link_message){.type = request->type, .arg = LINK_OK};
    if (is_ready(channel, request))
        return true;
    if (request->type == LINK_POWER || request->type == LINK_PARAMETERS)
        channel->ready = 0;
    if (off)
        return send_request(channel, request);
    if (!send_request(channel, request) || !receive_answer(channel, request, answer)) {
        /* a late answer must not be taken for the answer to the next request */
        drop(channel, &channel->exchange_fd);
        return false;
    }
    if (request->type == LINK_POWER) {
        channel->ready = answer->flags;
        channel->ready_event = request->event;
    }
    char text[TEXT_MAX];
    if (answer->arg != LINK_OK && answer->arg != LINK_UNSUPPORTED)
        driver_log(LOG_LEVEL_INFO, "%s: %s (after %u ms of the card's time)", slot_text(channel, text),
                   link_status_text(answer->arg), answer->value / 1000);
    return true;
}

void connection_shut(struct channel *channel)
{
    if (channel->events_fd >= 0)
        shutdown(channel->events_fd, SHUT_RDWR);
    if (channel->exchange_fd >= 0)
        shutdown(channel->exchange_fd, SHUT_RDWR);
}

void connection_close(struct channel *channel)
{
    drop(channel, &channel->events_fd);
    drop(channel, &channel->exchange_fd);
}
