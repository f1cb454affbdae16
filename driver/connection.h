/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel's connections to the simulator: the rig link (link/link.h), two for each slot. Only
 * channel_wait uses the connection for events, and only the thread in an exchange uses the one for
 * exchanges. Other threads only shut them down.
 */
#ifndef CARDRIG_DRIVER_CONNECTION_H
#define CARDRIG_DRIVER_CONNECTION_H

#include "base/backoff.h"
#include "devicename.h"
#include "grace.h"
#include "link/link.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requests of clients: those in the driver that do not come from the thread in channel_wait. */
struct requests {
    unsigned under_way;
    unsigned changes; /* how often one has come or gone */

    /* used only in channel_wait */
    unsigned settled_changes; /* the changes at the beginning of the last grace period */
    bool settled;             /* it is over */
};

struct channel {
    struct devicename name;
    unsigned long number; /* pcscd's Lun */
    int wake_fd;          /* an eventfd: readable after channel_wake, until the next channel_wait */

    pthread_mutex_t lock; /* held only briefly; guards the fields below */
    bool hung_up;
    struct requests requests, power_requests;
    bool has_waiter;            /* channel_wait has been called */
    pthread_t waiter;           /* that thread: pcscd has one for it */
    uint32_t shown;             /* last card event shown to pcscd, numbered as in link/link.h */
    int events_fd, exchange_fd; /* -1: none; changed only by the thread that may use it */

    /* used only in channel_wait */
    int64_t absent_at;    /* when the last removal was shown */
    int64_t absent_until; /* earliest time at which the next insertion is shown */
    int64_t even_at; /* when channel_wait last found that all card events had been shown, or showed one */
    struct grace grace;
    uint32_t latest; /* the last card event that the simulator has reported */
    int64_t retry_at, connected_at;
    struct backoff retry;
    int complaint;           /* the errno last logged */
    bool reported_waiting;   /* and with which card event: */
    uint32_t reported_shown; /* the one last shown */

    pthread_mutex_t exchanging; /* held during one exchange; guards the fields below */
    uint8_t ready; /* enum link_flag of the last reset's answer; 0 after a request for other parameters */
    uint32_t ready_event; /* the card event that pcscd had been shown at that reset */
    uint8_t buffer[LINK_MAX_MESSAGE];
};

/* Initializes the connections of a new channel. */
void connection_init(struct channel *channel);

/* Called in channel_wait: connects for events if need be, and stores in *watch what to poll for (fd -1:
 * nothing). Returns the time, as clock_ms counts, at which to call it again if nothing happens, or
 * INT64_MAX. */
int64_t connection_watch(struct channel *channel, struct pollfd *watch);

/* Called in channel_wait when the connection for events is readable: reads the card event. */
void connection_on_event(struct channel *channel);

/* Sends a request and waits for its answer. The caller holds the exchanging lock, and copies the
 * answer's data before the next exchange. LINK_POWER_OFF is sent without waiting. Returns false if the
 * simulator cannot be reached, took too long or sent a malformed answer. */
bool connection_exchange(struct channel *channel, const struct link_message *request,
                         struct link_message *answer);

/* Shuts both connections down, so that whatever waits for them returns. The caller holds the channel's
 * lock. */
void connection_shut(struct channel *channel);

void connection_close(struct channel *channel);

/* Returns whether there is a card after the card event of this number. */
static inline bool channel_card_in(uint32_t card_event)
{
    return card_event & 1;
}

#endif
