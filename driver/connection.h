/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel's connections to the simulator: the rig link (link/link.h), two for each slot. The one for events
 * belongs to channel_wait, that for exchanges to the thread in an exchange; others only shut them down.
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

struct channel {
    struct devicename name;
    unsigned long number; /* pcscd's Lun */
    int wake_fd;          /* an eventfd: readable from channel_wake to the next channel_wait */

    pthread_mutex_t lock; /* held only for moments; guards what follows */
    bool hung_up;
    unsigned under_way;          /* clients' requests: commands, and power where a client has asked for it */
    unsigned comings_and_goings; /* of those, so far */
    bool power_under_way;        /* one of them is for power */
    bool power_failed;           /* the last one for power has failed */
    bool has_waiter;             /* channel_wait has been called */
    pthread_t waiter;            /* by this thread: pcscd has one for it */
    uint32_t shown;              /* the card event that pcscd has been shown, as link/link.h numbers them */
    int events_fd, exchange_fd;  /* -1: none; written also by who may use them alone */

    /* only in channel_wait */
    int64_t absent_at;    /* when the last removal was shown */
    int64_t absent_until; /* a card that is in is not shown before */
    int64_t even_at;      /* when pcscd was last known to have been shown all card events */
    bool removal_is_new;  /* pcscd has been shown it, and has not come back since */
    struct grace grace;   /* for clients' requests that may be on their way here */
    unsigned grace_from;  /* comings_and_goings when it began */
    uint32_t latest;      /* the last one that the simulator has reported */
    int64_t retry_at, connected_at;
    struct backoff retry;
    int complaint; /* the errno last logged */
    bool reported_waiting;

    pthread_mutex_t exchanging; /* held over one exchange; guards what follows */
    uint8_t ready; /* which protocol takes no PPS, as in the last reset's answer, while no other has been
                      asked for since */
    uint8_t buffer[LINK_MAX_MESSAGE];
};

/* For a new channel. */
void connection_init(struct channel *channel);

/* In channel_wait: connects for events if need be, and puts what is to be waited for into watch (fd -1:
 * nothing). Returns when it wants to be called again if nothing happens (as clock_ms counts), or INT64_MAX.
 */
int64_t connection_watch(struct channel *channel, struct pollfd *watch);

/* In channel_wait, when there is something at the connection for events: hears it. */
void connection_on_event(struct channel *channel);

/* Sends a request and waits for its answer, whose data are to be copied before the next exchange; one at a
 * time. False: the simulator cannot be reached, took too long, or the answer is malformed. */
bool connection_exchange(struct channel *channel, const struct link_message *request,
                         struct link_message *answer);

/* Under the channel's lock: shuts both down, so that whatever waits for them returns. */
void connection_shut(struct channel *channel);

void connection_close(struct channel *channel);

/* Whether a card event's number is an insertion's. */
static inline bool channel_card_in(uint32_t card_event)
{
    return card_event & 1;
}

#endif
