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
 * Why the driver sometimes holds a card event back:
 *
 * - Commands. pcscd checks a client's handle before it queues the client's command for the slot
 *   (SCardTransmit() in winscard.c). A command can therefore reach the driver after its card was removed.
 *   Nothing in the call says which card it is for, so it would go to the next card if that card is in the
 *   slot, is powered and has had its protocol set by another client. The driver therefore keeps a removal
 *   shown until every thread that may have passed the check has finished (grace.h).
 *
 * - Power. When a client's request for power has failed, pcscd's thread for that client records that an
 *   unresponsive card is present, after the call and without a lock (winscard.c). If pcscd's event thread
 *   learned of a removal in between, the client's thread would overwrite it, and the empty slot would seem
 *   to hold a card until the next card event. The driver therefore shows the removal when that thread has
 *   finished. Clients that try to connect again and again postpone it by RETRIED_MS at most.
 *
 * - Swaps. When the next card is already in as the driver shows a removal, the driver keeps the slot empty
 *   for ABSENCE_MS. A client that waits for a change looks at the slot only after it has been woken up, and
 *   libpcsclite does not tell it that another card has taken the place of the first while the event counter
 *   that the client knows is 0. On a busy machine that client waits for a processor, and so does this thread:
 *   the driver prolongs the delay by the time by which this thread was woken late.
 */
#define ABSENCE_MS   40
#define STEP_MS      5 /* how often the thread checks whether it may go on */
#define RETRIED_MS   200
#define HELD_LAST_MS 2000 /* limit: a client connected directly can send commands without a card, endlessly */

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
            channel->shown = channel->latest; /* nothing has been shown yet: start from what is */
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
    (void)written; /* fails only when the counter is at its maximum, which means that a wake is pending */
}

/* Shows pcscd the next card event. There must be one that has not been shown. */
static void show_next_event(struct channel *channel, int64_t now)
{
    pthread_mutex_lock(&channel->lock);
    channel->shown++;
    pthread_mutex_unlock(&channel->lock);
    channel->removal_is_new = !channel_card_in(channel->shown);
    channel->absent_at = now;
    channel->absent_until = channel->latest != channel->shown ? now + ABSENCE_MS : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Begins a grace period if the removal is new, or if clients' requests have come or gone since the last one
 * began. */
static void watch_clients(struct channel *channel, bool is_new)
{
    pthread_mutex_lock(&channel->lock);
    unsigned now = channel->comings_and_goings;
    pthread_mutex_unlock(&channel->lock);
    if (!is_new && now == channel->grace_from)
        return;
    channel->grace_from = now;
    grace_begin(&channel->grace);
}

/* Returns whether no client's request is under way, and no thread can still bring one that pcscd has checked
 * before the removal. */
static bool clients_have_finished(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool under_way = channel->under_way > 0;
    pthread_mutex_unlock(&channel->lock);
    if (under_way)
        return false;
    watch_clients(channel, false);
    return grace_is_over(&channel->grace);
}

/* Returns whether the next card event must not be shown yet. */
static bool must_wait(struct channel *channel, int64_t now)
{
    if (!channel_card_in(channel->shown))
        return now < channel->absent_until ||
               (now < channel->absent_at + HELD_LAST_MS && !clients_have_finished(channel));
    pthread_mutex_lock(&channel->lock);
    bool under_way = channel->power_under_way, failed = channel->power_failed;
    pthread_mutex_unlock(&channel->lock);
    if (under_way)
        return now < channel->even_at + HELD_LAST_MS;
    return failed && now < channel->even_at + RETRIED_MS && !clients_have_finished(channel);
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
    if (channel->removal_is_new) /* pcscd has marked all handles by now */
        watch_clients(channel, true);
    channel->removal_is_new = false;
    for (;;) {
        struct pollfd ready[2] = {{.fd = channel->wake_fd, .events = POLLIN}};
        int64_t until = earlier(deadline, connection_watch(channel, &ready[1]));
        int64_t now = clock_ms();
        bool next = channel->shown != channel->latest;
        if (!next)
            channel->even_at = now;
        bool waits = (next || !channel_card_in(channel->shown)) && must_wait(channel, now);
        if (next && !waits) {
            show_next_event(channel, now);
            return;
        }
        if (is_hung_up(channel) || now >= deadline)
            return;
        if (waits)
            until = earlier(until, now + STEP_MS);
        int wait_ms = until > now ? (int)(until - now) : 0, came = poll(ready, 2, wait_ms);
        int64_t late = clock_ms() - now - wait_ms;
        if (waits && late > 0)
            channel->absent_until += late;
        if (came < 0)
            continue;
        uint64_t count;
        if (ready[0].revents && read(channel->wake_fd, &count, sizeof count) > 0)
            return;
        if (ready[1].revents)
            connection_on_event(channel);
    }
}

enum kind { OTHER, COMMAND, CLIENTS_POWER };

static enum kind kind_of(const struct channel *channel, const struct link_message *request)
{
    if (request->type == LINK_TRANSMIT)
        return COMMAND;
    bool clients = channel->has_waiter && !pthread_equal(channel->waiter, pthread_self());
    return request->type == LINK_POWER && clients ? CLIENTS_POWER : OTHER;
}

/* Counts the request, and writes into it the card event that pcscd knows. */
static enum kind begin_request(struct channel *channel, struct link_message *request)
{
    pthread_mutex_lock(&channel->lock);
    enum kind kind = kind_of(channel, request);
    request->event = channel->shown;
    if (kind != OTHER) {
        channel->under_way++;
        channel->comings_and_goings++;
    }
    channel->power_under_way |= kind == CLIENTS_POWER;
    pthread_mutex_unlock(&channel->lock);
    return kind;
}

static void end_request(struct channel *channel, enum kind kind, unsigned status)
{
    pthread_mutex_lock(&channel->lock);
    if (kind != OTHER) {
        channel->under_way--;
        channel->comings_and_goings++;
    }
    if (kind == CLIENTS_POWER) {
        channel->power_under_way = false;
        channel->power_failed = status != LINK_OK;
    }
    pthread_mutex_unlock(&channel->lock);
}

unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length)
{
    size_t capacity = out ? *out_length : 0;
    struct link_message answer = {0};
    enum kind kind = begin_request(channel, request);
    pthread_mutex_lock(&channel->exchanging);
    unsigned status = connection_exchange(channel, request, &answer) ? answer.arg : (unsigned)CHANNEL_LOST;
    end_request(channel, kind, status);
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
