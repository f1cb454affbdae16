#include "rig.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long to wait before looking for a simulator again: it doubles from the first to the last. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  500

/*
 * pcscd checks a client's handle before it queues the client's command for the slot, so a command may come
 * here when its card is gone, and would go to the next card if that is in, powered and has its protocol set
 * by another client. Nothing in a call tells which card it is for. So where commands are being sent, a
 * removal is shown for so long that those in the queue find the slot empty.
 */
#define BUSY_MS    100
#define ABSENCE_MS 20

struct rig {
    struct devicename name;
    unsigned slot;
    int wake_fd; /* an eventfd: readable from rig_wake to the next rig_wait */

    /* Guards the fields below, and is held only for moments. Each descriptor is used and closed by the one
     * thread that is inside rig_wait or holds exchanging; others only shut it down, under this lock. */
    pthread_mutex_t lock;
    bool hung_up;
    int64_t transmit_at; /* when the last command was sent, in ms */
    int events_fd;
    int exchange_fd;
    uint32_t shown; /* the movement that pcscd has been told; odd: there is a card */

    int64_t absent_until; /* ms; only in rig_wait */
    uint32_t latest;      /* the last movement heard of; only in rig_wait */
    int complaint;        /* the errno last logged; only in rig_wait */

    pthread_mutex_t exchanging; /* held over one exchange; guards buffer */
    uint8_t buffer[LINK_MAX_MESSAGE];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Makes *slot the owner of fd, or closes it when the rig has hung up. */
static bool adopt(struct rig *rig, int *slot, int fd)
{
    pthread_mutex_lock(&rig->lock);
    bool ok = !rig->hung_up;
    if (ok)
        *slot = fd;
    pthread_mutex_unlock(&rig->lock);
    if (!ok)
        close(fd);
    return ok;
}

static void drop(struct rig *rig, int *slot)
{
    pthread_mutex_lock(&rig->lock);
    int fd = *slot;
    *slot = -1;
    pthread_mutex_unlock(&rig->lock);
    if (fd >= 0)
        close(fd);
}

/* Logs why there is no connection; for rig_wait, which tries again and again, only when that is news. */
static void complain(struct rig *rig, enum link_channel channel, int reason)
{
    if (channel == LINK_CHANNEL_EVENTS && reason == rig->complaint)
        return;
    if (channel == LINK_CHANNEL_EVENTS)
        rig->complaint = reason;
    bool absent = reason == ENOENT || reason == ECONNREFUSED;
    driver_log(absent ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s, reader %u slot %u: no simulator: %s",
               rig->name.socket, rig->name.reader, rig->slot,
               absent             ? "nobody listens there"
               : reason == EPERM  ? "the socket belongs neither to us nor to root"
               : reason == EPROTO ? "hello was not answered as it should be"
                                  : strerror(reason));
}

/* Says hello on a connection. On success *movement is the slot's; else errno. */
static bool say_hello(const struct rig *rig, int fd, enum link_channel channel, int timeout_ms,
                      uint32_t *movement)
{
    struct link_message hello = {
        .type = LINK_HELLO,
        .arg = LINK_VERSION,
        .event = channel,
        .value = (uint32_t)(rig->name.reader << 16 | rig->slot),
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
    int fd = link_connect(rig->name.socket, LINK_HELLO_TIMEOUT);
    if (fd < 0) {
        complain(rig, channel, errno);
        return false;
    }
    if (!adopt(rig, fd_slot, fd))
        return false;
    if (say_hello(rig, fd, channel, timeout_ms, movement))
        return true;
    complain(rig, channel, errno);
    drop(rig, fd_slot);
    return false;
}

static bool card_in(uint32_t movement)
{
    return movement & 1;
}

/* Only while no card is shown, so that a card from before the connection was lost is first seen to leave. */
static bool connect_events(struct rig *rig)
{
    uint32_t movement;
    if (!connect_channel(rig, &rig->events_fd, LINK_CHANNEL_EVENTS, LINK_HELLO_TIMEOUT, &movement))
        return false;
    rig->latest = movement;
    rig->complaint = 0;
    pthread_mutex_lock(&rig->lock);
    rig->shown = movement - card_in(movement); /* a card that is there has yet to be shown */
    pthread_mutex_unlock(&rig->lock);
    return true;
}

struct rig *rig_new(const struct devicename *name, unsigned slot)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (!rig)
        return NULL;
    rig->name = *name;
    rig->slot = slot;
    rig->events_fd = rig->exchange_fd = -1;
    pthread_mutex_init(&rig->lock, NULL);
    pthread_mutex_init(&rig->exchanging, NULL);
    rig->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rig->wake_fd < 0) {
        rig_free(rig);
        return NULL;
    }
    if (connect_events(rig))
        rig->shown = rig->latest; /* pcscd has seen nothing yet: it starts from what is */
    return rig;
}

void rig_free(struct rig *rig)
{
    if (!rig)
        return;
    drop(rig, &rig->events_fd);
    drop(rig, &rig->exchange_fd);
    if (rig->wake_fd >= 0)
        close(rig->wake_fd);
    pthread_mutex_destroy(&rig->lock);
    pthread_mutex_destroy(&rig->exchanging);
    free(rig);
}

void rig_hang_up(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    rig->hung_up = true;
    if (rig->events_fd >= 0)
        shutdown(rig->events_fd, SHUT_RDWR);
    if (rig->exchange_fd >= 0)
        shutdown(rig->exchange_fd, SHUT_RDWR);
    pthread_mutex_unlock(&rig->lock);
    rig_wake(rig);
}

static bool is_hung_up(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    bool hung_up = rig->hung_up;
    pthread_mutex_unlock(&rig->lock);
    return hung_up;
}

unsigned rig_slots(const struct rig *rig)
{
    return rig->name.slots;
}

bool rig_card_present(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    bool present = card_in(rig->shown);
    pthread_mutex_unlock(&rig->lock);
    return present;
}

void rig_wake(struct rig *rig)
{
    uint64_t one = 1;
    ssize_t written = write(rig->wake_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is at its end, that is, when a wake is pending */
}

/* Moves what is shown by one movement towards the latest. False when there is none. */
static bool take_movement(struct rig *rig)
{
    if (rig->shown == rig->latest)
        return false;
    int64_t now = now_ms();
    pthread_mutex_lock(&rig->lock);
    rig->shown++;
    bool busy = now - rig->transmit_at < BUSY_MS;
    pthread_mutex_unlock(&rig->lock);
    rig->absent_until = busy && !card_in(rig->shown) ? now + ABSENCE_MS : 0;
    return true;
}

/* How long the insertion that comes next has to wait, in ms. */
static int64_t absence_left(const struct rig *rig)
{
    return rig->shown == rig->latest ? 0 : rig->absent_until - now_ms();
}

/* Hears one event. Nonsense, and a simulator that hangs up, end the connection. */
static void hear_event(struct rig *rig)
{
    uint8_t packet[LINK_HEADER_SIZE + 1];
    struct link_message event;
    if (link_receive(rig->events_fd, packet, sizeof packet, &event) == 0) {
        /* numbers only grow; half of their range tells growth from its opposite */
        if (event.type == LINK_EVENT && event.event - rig->latest < UINT32_MAX / 2) {
            rig->latest = event.event;
            return;
        }
        errno = EPROTO;
    }
    driver_log(LOG_LEVEL_ERROR, "%s, reader %u slot %u: the simulator is gone: %s", rig->name.socket,
               rig->name.reader, rig->slot, errno == ECONNRESET ? "it hung up" : strerror(errno));
    drop(rig, &rig->events_fd);
    /* its card goes with it */
    if (card_in(rig->shown))
        rig->latest = rig->shown + 1;
    else
        rig->latest = rig->shown;
}

void rig_wait(struct rig *rig, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    int retry = RETRY_FIRST_MS;
    int64_t absence;
    while ((absence = absence_left(rig)) > 0 || !take_movement(rig)) {
        if (absence <= 0 && rig->events_fd < 0 && connect_events(rig))
            continue;
        if (is_hung_up(rig))
            return;
        int64_t left = deadline - now_ms();
        if (left <= 0)
            return;
        int sleep_ms = (int)left;
        if (absence > 0) {
            sleep_ms = absence < left ? (int)absence : sleep_ms;
        } else if (rig->events_fd < 0) {
            sleep_ms = retry < sleep_ms ? retry : sleep_ms;
            retry = retry * 2 < RETRY_LAST_MS ? retry * 2 : RETRY_LAST_MS;
        }
        struct pollfd ready[2] = {
            {.fd = rig->wake_fd, .events = POLLIN},
            {.fd = rig->events_fd, .events = POLLIN}, /* ignored when negative */
        };
        if (poll(ready, 2, sleep_ms) < 0)
            continue;
        if (ready[0].revents) {
            uint64_t count;
            if (read(rig->wake_fd, &count, sizeof count) > 0)
                return;
        }
        if (ready[1].revents)
            hear_event(rig);
    }
}

/* Sends the request on the connection that is there, or on a new one: one that the simulator has closed since
 * the last exchange is only noticed now, and what could not be sent has not been done. */
static bool send_request(struct rig *rig, const struct link_message *request)
{
    if (rig->exchange_fd >= 0) {
        if (link_send(rig->exchange_fd, request) == 0)
            return true;
        drop(rig, &rig->exchange_fd);
    }
    uint32_t movement;
    return connect_channel(rig, &rig->exchange_fd, LINK_CHANNEL_EXCHANGE, (int)rig->name.timeout_ms,
                           &movement) &&
           link_send(rig->exchange_fd, request) == 0;
}

unsigned rig_exchange(struct rig *rig, struct link_message *request, uint8_t *out, size_t *out_length)
{
    unsigned status = RIG_LOST;
    size_t capacity = out ? *out_length : 0;
    if (out_length)
        *out_length = 0;
    pthread_mutex_lock(&rig->exchanging);
    pthread_mutex_lock(&rig->lock);
    request->event = rig->shown;
    if (request->type == LINK_TRANSMIT)
        rig->transmit_at = now_ms();
    pthread_mutex_unlock(&rig->lock);
    if (!send_request(rig, request))
        goto out;
    struct link_message answer;
    if (link_receive(rig->exchange_fd, rig->buffer, sizeof rig->buffer, &answer) < 0) {
        driver_log(LOG_LEVEL_ERROR, "%s, reader %u slot %u: no answer: %s", rig->name.socket,
                   rig->name.reader, rig->slot,
                   errno == EAGAIN       ? "the simulator took too long"
                   : errno == ECONNRESET ? "the simulator hung up"
                                         : strerror(errno));
        goto out;
    }
    if (answer.type != request->type) {
        driver_log(LOG_LEVEL_ERROR, "%s: answer of type %u to a request of type %u", rig->name.socket,
                   answer.type, request->type);
        goto out;
    }
    if (out_length)
        *out_length = answer.length;
    if (answer.length > capacity) {
        status = RIG_TOO_LONG;
        goto out;
    }
    if (answer.length)
        memcpy(out, answer.data, answer.length);
    status = answer.arg;
    if (status != LINK_OK && status != LINK_UNSUPPORTED)
        driver_log(LOG_LEVEL_INFO, "%s, reader %u slot %u: %s (after %u ms of the card's time)",
                   rig->name.socket, rig->name.reader, rig->slot, link_status_text(status),
                   answer.value / 1000);
out:
    if (status == RIG_LOST) /* an answer that comes late must not be taken for that of the next request */
        drop(rig, &rig->exchange_fd);
    pthread_mutex_unlock(&rig->exchanging);
    return status;
}
