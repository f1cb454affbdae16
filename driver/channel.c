/* SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

#include "base/clock.h"
#include "connection.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * pcscd checks a client's handle before it queues the client's command for the slot, so a command may come
 * here when its card is gone, and would go to the next card if that is in, powered and has its protocol set
 * by another client. Nothing in a call tells which card it is for. So where commands are being sent, a
 * removal is shown for so long that those in the queue find the slot empty: until none has come for a while.
 *
 * When a client's request for power has failed, pcscd notes in the client's thread that a mute card is there,
 * after the call and without a lock (winscard.c). A removal that is reported to its other thread meanwhile
 * would be overwritten, and the empty slot have a card until the next card event: so it is reported a while
 * later. Clients that try again and again to connect do not put it off.
 *
 * Where the next card is in when a removal is reported to pcscd, as when cards are swapped, the slot is
 * empty for a while, too. A client that waits for a change looks at the slot after it was woken up, and
 * libpcsclite does not tell it of a card in place of another while the event counter it knows is 0.
 *
 * On a busy machine those threads wait for a processor, and so does this one: by as much as it is woken late,
 * it waits longer.
 */
#define BUSY_MS      200
#define QUIET_MS     100 /* a client's thread can wait as long for a processor, of which this one sees nothing */
#define ABSENCE_MS   40
#define POWERED_MS   40
#define STEP_MS      5    /* how often it looks whether it is late */
#define HELD_LAST_MS 2000 /* who has connected directly can send commands without a card, and go on so */
#define UNDER_WAY    (INT64_MAX / 2) /* a time that is yet to come, and to which some ms can be added */

struct channel *channel_new(const struct devicename *name, lun number)
{
    struct channel *channel = calloc(1, sizeof *channel);
    struct pollfd watch;
    if (channel) {
        channel->name = *name;
        channel->number = number;
        pthread_mutex_init(&channel->lock, NULL);
        pthread_mutex_init(&channel->exchanging, NULL);
        connection_init(channel);
        channel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (channel->wake_fd >= 0) {
            connection_watch(channel, &watch);
            channel->shown = channel->latest; /* pcscd has seen nothing yet: it starts from what is */
            return channel;
        }
        channel_free(channel);
    }
    driver_log(LOG_LEVEL_CRITICAL, "no memory or file descriptor left for a slot");
    return NULL;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    connection_close(channel);
    if (channel->wake_fd >= 0)
        close(channel->wake_fd);
    pthread_mutex_destroy(&channel->lock);
    pthread_mutex_destroy(&channel->exchanging);
    free(channel);
}

void channel_hang_up(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    channel->hung_up = true;
    connection_shut(channel);
    pthread_mutex_unlock(&channel->lock);
    channel_wake(channel);
}

unsigned channel_slots(const struct channel *channel)
{
    return channel->name.slots;
}

bool channel_card_present(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool present = channel_card_in(channel->shown);
    pthread_mutex_unlock(&channel->lock);
    return present;
}

void channel_wake(struct channel *channel)
{
    uint64_t one = 1;
    ssize_t written = write(channel->wake_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is at its end, that is, when a wake is pending */
}

/* Shows one card event more, if the latest has not been shown. */
static void show_next_event(struct channel *channel, int64_t now)
{
    pthread_mutex_lock(&channel->lock);
    channel->shown++;
    bool busy = now - channel->transmit_at < BUSY_MS;
    pthread_mutex_unlock(&channel->lock);
    bool lasts = busy || channel->latest != channel->shown;
    int64_t absence = busy ? QUIET_MS : ABSENCE_MS;
    channel->absent_until = lasts && !channel_card_in(channel->shown) ? now + absence : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The time until which the present state has to be shown. */
static int64_t shown_until(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    int64_t quiet_at = channel->transmit_at + QUIET_MS, power_at = channel->power_at;
    pthread_mutex_unlock(&channel->lock);
    if (channel_card_in(channel->shown))
        return power_at >= UNDER_WAY ? channel->even_at + HELD_LAST_MS
                                     : earlier(power_at + POWERED_MS, channel->even_at + BUSY_MS);
    if (channel->absent_until == 0 || quiet_at < channel->absent_until)
        return channel->absent_until;
    return earlier(quiet_at, channel->absent_until + HELD_LAST_MS);
}

static void hold_longer(struct channel *channel, int64_t ms)
{
    pthread_mutex_lock(&channel->lock);
    channel->power_at += ms;
    pthread_mutex_unlock(&channel->lock);
    channel->absent_until += ms;
}

static bool is_hung_up(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool hung_up = channel->hung_up;
    pthread_mutex_unlock(&channel->lock);
    return hung_up;
}

void channel_wait(struct channel *channel, int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    pthread_mutex_lock(&channel->lock);
    channel->waiter = pthread_self();
    channel->has_waiter = true;
    pthread_mutex_unlock(&channel->lock);
    for (;;) {
        struct pollfd ready[2] = {{.fd = channel->wake_fd, .events = POLLIN}};
        int64_t until = earlier(deadline, connection_watch(channel, &ready[1]));
        int64_t now = clock_ms();
        if (channel->shown == channel->latest)
            channel->even_at = now;
        bool holds = now < shown_until(channel);
        if (channel->shown != channel->latest && !holds) {
            show_next_event(channel, now);
            return;
        }
        if (is_hung_up(channel) || now >= deadline)
            return;
        if (holds)
            until = earlier(deadline, now + STEP_MS);
        int wait_ms = until > now ? (int)(until - now) : 0, came = poll(ready, 2, wait_ms);
        int64_t late = clock_ms() - now - wait_ms;
        if (holds && late > 0)
            hold_longer(channel, late);
        if (came < 0)
            continue;
        uint64_t count;
        if (ready[0].revents && read(channel->wake_fd, &count, sizeof count) > 0)
            return;
        if (ready[1].revents)
            connection_on_event(channel);
    }
}

/* Where the time of such a request is kept; NULL: nowhere. */
static int64_t *last_time(struct channel *channel, const struct link_message *request)
{
    if (request->type == LINK_TRANSMIT)
        return &channel->transmit_at;
    bool clients =
        request->type == LINK_POWER && channel->has_waiter && !pthread_equal(channel->waiter, pthread_self());
    return clients ? &channel->power_at : NULL;
}

unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length)
{
    size_t capacity = out ? *out_length : 0;
    struct link_message answer = {0};
    pthread_mutex_lock(&channel->exchanging);
    pthread_mutex_lock(&channel->lock);
    request->event = channel->shown;
    int64_t *last_at = last_time(channel, request);
    if (last_at)
        *last_at = UNDER_WAY;
    pthread_mutex_unlock(&channel->lock);
    unsigned status = connection_exchange(channel, request, &answer) ? answer.arg : (unsigned)CHANNEL_LOST;
    if (last_at) {
        pthread_mutex_lock(&channel->lock);
        /* where a client's request for power went well, nothing is held back */
        *last_at = last_at == &channel->power_at && status == LINK_OK ? 0 : clock_ms();
        pthread_mutex_unlock(&channel->lock);
    }
    size_t length = status == CHANNEL_LOST ? 0 : answer.length;
    if (length > capacity)
        status = CHANNEL_TOO_LONG;
    else if (length > 0)
        memcpy(out, answer.data, length);
    if (out_length)
        *out_length = length;
    pthread_mutex_unlock(&channel->exchanging);
    return status;
}
