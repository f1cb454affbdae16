/*
 * The simulator as a peer: the rig link (link/link.h), two connections for each slot. The one for events
 * belongs to channel_wait, that for exchanges to whoever is in an exchange; others only shut them down.
 */
#include "channel.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* How long to wait before looking for a simulator again: it doubles from the first to the last. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  500

struct rig {
    struct channel channel;
    /* in channel_wait */
    int events_fd;
    int64_t retry_at, retry_ms;
    int complaint; /* the errno last logged */
    bool waited;   /* channel_wait has been called, or is about to be */
    bool told_waiting;
    /* in an exchange */
    int exchange_fd;
    uint8_t ready; /* which protocol takes no PPS, as the last reset's answer has it, while no other has been
                      asked for since */
    uint8_t buffer[LINK_MAX_MESSAGE];
};

static struct rig *rig_of(struct channel *channel)
{
    return (struct rig *)channel;
}

/* Logs why there is no connection; for channel_wait, which tries again and again, only when that is news. */
static void complain(struct rig *rig, enum link_channel channel, int reason)
{
    if (channel == LINK_CHANNEL_EVENTS && reason == rig->complaint)
        return;
    if (channel == LINK_CHANNEL_EVENTS)
        rig->complaint = reason;
    bool absent = reason == ENOENT || reason == ECONNREFUSED;
    if (reason == EACCES)
        link_report_refusal(rig->channel.name.socket);
    char text[CHANNEL_TEXT_MAX];
    driver_log(
        absent ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s: no simulator: %s", channel_text(&rig->channel, text),
        absent             ? "nobody listens there"
        : reason == EPERM  ? "the socket belongs to somebody else than us, root, and user= in DEVICENAME"
        : reason == EACCES ? "permission denied; 'cardrig serve --pcscd-user' lets this user in"
        : reason == EPROTO ? "hello was not answered as it should be"
                           : strerror(reason));
}

/* Says hello on a connection. On success *movement is the slot's; else errno. */
static bool say_hello(const struct rig *rig, int fd, enum link_channel channel, int timeout_ms,
                      uint32_t *movement)
{
    lun number = rig->channel.number;
    const uint8_t data[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                             (uint8_t)number};
    struct link_message hello = {
        .type = LINK_HELLO,
        .arg = LINK_VERSION,
        .event = channel,
        .value = (uint32_t)(rig->channel.name.reader << 16 | (number & 0xFFFF)),
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
    *movement = answer.event;
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0;
}

/* Connects one channel and says hello on it. */
static bool connect_channel(struct rig *rig, int *fd_slot, enum link_channel channel, int timeout_ms,
                            uint32_t *movement)
{
    int fd = link_connect(rig->channel.name.socket, LINK_HELLO_TIMEOUT, rig->channel.name.user);
    if (fd < 0) {
        complain(rig, channel, errno);
        return false;
    }
    if (!channel_adopt(&rig->channel, fd_slot, fd))
        return false;
    if (say_hello(rig, fd, channel, timeout_ms, movement))
        return true;
    complain(rig, channel, errno);
    channel_drop(&rig->channel, fd_slot);
    return false;
}

/* While no card is shown, so that a card from before the connection was lost is first seen to leave. */
static void connect_events(struct rig *rig)
{
    uint32_t movement;
    if (!connect_channel(rig, &rig->events_fd, LINK_CHANNEL_EVENTS, LINK_HELLO_TIMEOUT, &movement)) {
        rig->retry_at = channel_now() + rig->retry_ms;
        rig->retry_ms = rig->retry_ms * 2 < RETRY_LAST_MS ? rig->retry_ms * 2 : RETRY_LAST_MS;
        return;
    }
    rig->channel.latest = movement;
    rig->complaint = 0;
    rig->told_waiting = false;
    rig->retry_at = 0;
    rig->retry_ms = RETRY_FIRST_MS;
    pthread_mutex_lock(&rig->channel.lock);
    rig->channel.shown = movement - channel_card_in(movement); /* a card that is there has yet to be shown */
    pthread_mutex_unlock(&rig->channel.lock);
}

/* Tells the simulator that pcscd has come to wait, and knows of the card. If that fails, the next poll shows
 * why. */
static void tell_waiting(struct rig *rig)
{
    bool shown = rig->channel.shown == rig->channel.latest;
    if (rig->waited && shown && !rig->told_waiting && rig->events_fd >= 0)
        rig->told_waiting = link_send(rig->events_fd, &(struct link_message){.type = LINK_WAITING}) == 0;
    rig->waited = true; /* the first call was channel_new's */
}

static int64_t watch(struct channel *channel, struct pollfd watch[CHANNEL_WATCHES])
{
    struct rig *rig = rig_of(channel);
    if (rig->events_fd < 0 && !channel_card_in(channel->shown) && channel->shown == channel->latest &&
        channel_now() >= rig->retry_at)
        connect_events(rig);
    tell_waiting(rig);
    watch[0] = (struct pollfd){.fd = rig->events_fd, .events = POLLIN};
    watch[1] = (struct pollfd){.fd = -1};
    return rig->events_fd < 0 ? rig->retry_at : INT64_MAX;
}

/* Hears one event. Nonsense, and a simulator that hangs up, end the connection. */
static void heed(struct channel *channel, const struct pollfd watch[CHANNEL_WATCHES])
{
    struct rig *rig = rig_of(channel);
    uint8_t packet[LINK_HEADER_SIZE + 1];
    struct link_message event;
    char text[CHANNEL_TEXT_MAX];
    if (!watch[0].revents)
        return;
    if (link_receive(rig->events_fd, packet, sizeof packet, &event) == 0) {
        /* numbers only grow; half of their range tells growth from its opposite */
        if (event.type == LINK_EVENT && event.event - channel->latest < UINT32_MAX / 2) {
            channel->latest = event.event;
            return;
        }
        errno = EPROTO;
    }
    driver_log(LOG_LEVEL_ERROR, "%s: the simulator is gone: %s", channel_text(channel, text),
               errno == ECONNRESET ? "it hung up" : strerror(errno));
    channel_drop(channel, &rig->events_fd);
    /* its card goes with it */
    channel->latest = channel->shown + channel_card_in(channel->shown);
}

/* Sends the request on the connection that is there, or on a new one: one that the simulator has closed since
 * the last exchange is only noticed now, and what could not be sent has not been done. */
static bool send_request(struct rig *rig, const struct link_message *request)
{
    if (rig->exchange_fd >= 0) {
        if (link_send(rig->exchange_fd, request) == 0)
            return true;
        channel_drop(&rig->channel, &rig->exchange_fd);
    }
    uint32_t movement;
    return connect_channel(rig, &rig->exchange_fd, LINK_CHANNEL_EXCHANGE, (int)rig->channel.name.timeout_ms,
                           &movement) &&
           link_send(rig->exchange_fd, request) == 0;
}

static bool receive_answer(struct rig *rig, const struct link_message *request, struct link_message *answer)
{
    char text[CHANNEL_TEXT_MAX];
    if (link_await(rig->exchange_fd, rig->buffer, sizeof rig->buffer, answer) < 0) {
        driver_log(LOG_LEVEL_ERROR, "%s: no answer: %s", channel_text(&rig->channel, text),
                   errno == EAGAIN       ? "the simulator took too long"
                   : errno == ECONNRESET ? "the simulator hung up"
                                         : strerror(errno));
        return false;
    }
    if (answer->type != request->type) {
        driver_log(LOG_LEVEL_ERROR, "%s: answer of type %u to a request of type %u",
                   channel_text(&rig->channel, text), answer->type, request->type);
        return false;
    }
    return true;
}

/* Whether a request chooses the protocol that is chosen anyway. */
static bool is_ready(const struct rig *rig, const struct link_message *request)
{
    return request->type == LINK_PARAMETERS && request->value == 0 && request->arg <= 1 &&
           (rig->ready >> request->arg & 1);
}

static unsigned exchange(struct channel *channel, const struct link_message *request, const uint8_t **data,
                         size_t *length)
{
    struct rig *rig = rig_of(channel);
    struct link_message answer;
    if (is_ready(rig, request))
        return LINK_OK;
    if (request->type == LINK_POWER || request->type == LINK_PARAMETERS)
        rig->ready = 0;
    if (request->type == LINK_POWER && request->arg == LINK_POWER_OFF)
        return send_request(rig, request) ? LINK_OK : CHANNEL_LOST;
    if (!send_request(rig, request) || !receive_answer(rig, request, &answer)) {
        /* an answer that comes late must not be taken for that of the next request */
        channel_drop(channel, &rig->exchange_fd);
        return CHANNEL_LOST;
    }
    if (request->type == LINK_POWER)
        rig->ready = answer.flags;
    *data = answer.data;
    *length = answer.length;
    char text[CHANNEL_TEXT_MAX];
    if (answer.arg != LINK_OK && answer.arg != LINK_UNSUPPORTED)
        driver_log(LOG_LEVEL_INFO, "%s: %s (after %u ms of the card's time)", channel_text(channel, text),
                   link_status_text(answer.arg), answer.value / 1000);
    return answer.arg;
}

static void shut(struct channel *channel)
{
    struct rig *rig = rig_of(channel);
    if (rig->events_fd >= 0)
        shutdown(rig->events_fd, SHUT_RDWR);
    if (rig->exchange_fd >= 0)
        shutdown(rig->exchange_fd, SHUT_RDWR);
}

static void free_rig(struct channel *channel)
{
    struct rig *rig = rig_of(channel);
    if (rig->events_fd >= 0)
        close(rig->events_fd);
    if (rig->exchange_fd >= 0)
        close(rig->exchange_fd);
    free(rig);
}

static const struct peer simulator = {
    .watch = watch, .heed = heed, .exchange = exchange, .shut = shut, .free = free_rig};

struct channel *rig_new(const struct devicename *name, lun number)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (rig) {
        rig->events_fd = rig->exchange_fd = -1;
        rig->retry_ms = RETRY_FIRST_MS;
        if (channel_begin(&rig->channel, &simulator, name, number))
            return &rig->channel;
        channel_free(&rig->channel);
    }
    driver_log(LOG_LEVEL_CRITICAL, "no memory or file descriptor left for a slot");
    return NULL;
}
