/*
 * A channel: one slot as pcscd sees it. What pcscd has been told of its card, the wait for the next movement,
 * and one exchange at a time. Who is at the other end is the peer's business: a simulator (rig.c) or a vpcd
 * card (vpcd.c).
 *
 * Functions may be called from any threads at once, but for channel_wait, which is for one at a time. What
 * pcscd is told of the card's presence moves only in channel_wait, one movement a call, so that it sees each
 * removal and each insertion.
 */
#ifndef CARDRIG_DRIVER_CHANNEL_H
#define CARDRIG_DRIVER_CHANNEL_H

#include "devicename.h"
#include "link/link.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Luns are 0xRRRRSSSS: pcscd's numbers of the reader and the slot. */
typedef unsigned long lun;

struct channel;

/* A peer that cannot be reached is no failure: the slot is empty until it can. On failure NULL, which has
 * been logged: no memory or file descriptor left, or a device that cannot be. channel_free ends it; no other
 * call may be under way then (channel_hang_up makes those return). */
struct channel *channel_new(const struct devicename *name, lun number);
void channel_free(struct channel *channel);

/* Makes every call that is under way return, and every later one fail at once. */
void channel_hang_up(struct channel *channel);

/* The number of slots of the reader that this slot belongs to. */
unsigned channel_slots(const struct channel *channel);

/* Whether there is a card, as far as channel_wait has told. Asks nobody. */
bool channel_card_present(struct channel *channel);

/* Sleeps until the card moves, for timeout_ms at the most; takes one movement. Returns early for nothing else
 * but channel_wake, which may come before and is not lost. */
void channel_wait(struct channel *channel, int timeout_ms);
void channel_wake(struct channel *channel);

/*
 * Does what a request of the rig link asks (power, parameters, transmit, control, attribute; link/link.h),
 * whatever the peer speaks. Requests of several callers come one after the other; each ends within the
 * device's timeout. The answer's data are copied to out, of which *out_length says the size and then how much
 * of it is used (out may be NULL when no data is expected). Returns an enum link_status, or CHANNEL_LOST when
 * the peer cannot be reached, took too long or talked nonsense, CHANNEL_TOO_LONG when out is too small for
 * the answer, whose length is then in *out_length.
 */
enum { CHANNEL_LOST = 0x100, CHANNEL_TOO_LONG };
unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length);

/*
 * For peers:
 */

#define CHANNEL_WATCHES 2 /* how many descriptors a peer can wait for */

struct peer {
    /* In channel_wait: connects if need be, and puts what is to be waited for into watch (fd -1: nothing).
     * Returns when it wants to be called again if nothing happens (as channel_now counts), or INT64_MAX. */
    int64_t (*watch)(struct channel *channel, struct pollfd watch[CHANNEL_WATCHES]);
    /* In channel_wait: takes note of what has happened at those. */
    void (*heed)(struct channel *channel, const struct pollfd watch[CHANNEL_WATCHES]);
    /* As channel_exchange; one at a time. *data and *length, set to nothing before, are the answer's, to be
     * copied before the next exchange. */
    unsigned (*exchange)(struct channel *channel, const struct link_message *request, const uint8_t **data,
                         size_t *length);
    /* Shuts its connections down, so that whatever waits for them returns. Under the channel's lock. */
    void (*shut)(struct channel *channel);
    /* Closes and frees what it has, and itself; channel_new's failures included. */
    void (*free)(struct channel *channel);
};

/* The first member of each peer's own struct. */
struct channel {
    const struct peer *peer;
    struct devicename name;
    lun number;
    int wake_fd; /* an eventfd: readable from channel_wake to the next channel_wait */

    pthread_mutex_t lock; /* held only for moments; guards what follows and the peer's descriptors */
    bool hung_up;
    int64_t transmit_at; /* when the last command came back, or UNDER_WAY */
    uint32_t shown;      /* the movement that pcscd has been told, as link/link.h numbers them */

    int64_t absent_until; /* only in channel_wait */
    uint32_t latest;      /* the last movement heard of; only in channel_wait */

    pthread_mutex_t exchanging; /* held over one exchange */
};

/* Makes new peers; NULL as channel_new. */
struct channel *rig_new(const struct devicename *name, lun number);
struct channel *vpcd_new(const struct devicename *name, lun number);

/* Prepares the part that all peers share. False: no descriptor left. */
bool channel_begin(struct channel *channel, const struct peer *peer, const struct devicename *name,
                   lun number);

/* Milliseconds of a clock that only goes forward. */
int64_t channel_now(void);

/* Whether a movement's number is an insertion's. */
static inline bool channel_card_in(uint32_t movement)
{
    return movement & 1;
}

/* Makes *slot the owner of fd, or closes it when the channel has hung up (false). */
bool channel_adopt(struct channel *channel, int *slot, int fd);

/* Closes what *slot owns, if anything, and leaves -1 there. */
void channel_drop(struct channel *channel, int *slot);

/* What the slot is called in log lines: the peer's address, reader and slot. */
#define CHANNEL_TEXT_MAX 192
const char *channel_text(const struct channel *channel, char text[CHANNEL_TEXT_MAX]);

#endif
