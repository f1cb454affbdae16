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
 *   Nothing in the call says which card it is for, so it would go to the next card as soon as pcscd has
 *   powered that up. The driver therefore keeps a removal shown until every thread that may have passed the
 *   check has finished (grace.h).
 *
 * - Power. After a client's request for power, pcscd's thread for that client records that a card is present,
 *   without a lock (winscard.c). If pcscd's event thread learned of a removal before that, the client's
 *   thread would overwrite it, and the empty slot would seem to hold a card until the next card event. The
 *   driver therefore shows the removal when that thread has finished. Clients that reset or connect again
 *   and again postpone it by RETRIED_MS at most.
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

/* Returns whether the calling thread serves a client of pcscd. The caller holds the channel's lock. */
static bool is_client(const struct channel *channel)
{
    return !channel->has_waiter || !pthread_equal(channel->waiter, pthread_self());
}

bool channel_card_present(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool present = channel_card_in(channel->shown);
    if (is_client(channel)) { /* pcscd asks before each request for power (IFDPowerICC() in ifdwrapper.c) */
        channel->requests.changes++;
        channel->power_requests.changes++;
    }
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
    /* when pcscd is back in channel_wait and has marked all handles, a new grace period begins */
    channel->requests.settled_changes = channel->requests.changes - 1;
    pthread_mutex_unlock(&channel->lock);
    channel->even_at = channel->absent_at = now;
    channel->absent_until = channel->latest != channel->shown ? now + ABSENCE_MS : now;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Returns whether none of the requests is under way, and every thread that may have brought one, or may be
 * about to, has finished since the last one. */
static bool have_finished(struct channel *channel, struct requests *requests)
{
    pthread_mutex_lock(&channel->lock);
    unsigned under_way = requests->under_way, changes = requests->changes;
    pthread_mutex_unlock(&channel->lock);
    if (under_way > 0)
        return false;
    if (requests->settled_changes != changes) {
        requests->settled_changes = changes;
        requests->settled = false;
        grace_begin(&channel->grace);
    }
    if (!requests->settled)
        requests->settled = grace_is_over(&channel->grace);
    return requests->settled;
}

/* Returns whether the next card event must not be shown yet. */
static bool must_wait(struct channel *channel, int64_t now)
{
    if (channel_card_in(channel->shown))
        return now < channel->even_at + RETRIED_MS && !have_finished(channel, &channel->power_requests);
    bool finished = have_finished(channel, &channel->requests);
    return now < channel->absent_until || (now < channel->absent_at + HELD_LAST_MS && !finished);
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
        if (waits && late > 0) {
            channel->absent_at += late;
            channel->absent_until += earlier(late, HELD_LAST_MS);
        }
        if (came < 0)
            continue;
        uint64_t count;
        if (ready[0].revents && read(channel->wake_fd, &count, sizeof count) > 0)
            return;
        if (ready[1].revents)
            connection_on_event(channel);
    }
}

static void count_request(struct requests *requests, int difference)
{
    requests->under_way += (unsigned)difference;
    requests->changes++;
}

/* Counts a request that comes (1) or goes (-1). */
static void count_clients_request(struct channel *channel, const struct link_message *request, int difference)
{
    if (!is_client(channel))
        return;
    count_request(&channel->requests, difference);
    if (request->type == LINK_POWER)
        count_request(&channel->power_requests, difference);
}

unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length)
{
    size_t capacity = out ? *out_length : 0;
    struct link_message answer = {0};
    pthread_mutex_lock(&channel->lock);
    request->event = channel->shown;
    count_clients_request(channel, request, 1);
    pthread_mutex_unlock(&channel->lock);
    pthread_mutex_lock(&channel->exchanging);
    unsigned status = connection_exchange(channel, request, &answer) ? answer.arg : (unsigned)CHANNEL_LOST;
    pthread_mutex_lock(&channel->lock);
    count_clients_request(channel, request, -1);
    pthread_mutex_unlock(&channel->lock);
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

void channel_power_off_if_idle(struct channel *channel)
{
    struct link_message off = {.type = LINK_POWER, .arg = LINK_POWER_OFF}, answer;
    if (pthread_mutex_trylock(&channel->exchanging) != 0)
        return; /* when the connection closes, the simulator powers the card down itself */
    pthread_mutex_lock(&channel->lock);
    off.event = channel->shown;
    pthread_mutex_unlock(&channel->lock);
    connection_exchange(channel, &off, &answer);
    pthread_mutex_unlock(&channel->exchanging);
}
