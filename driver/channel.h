/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel: one slot as pcscd sees it. What pcscd has been shown of its card, the wait for the next card
 * event, and one exchange at a time. The connections to the simulator are connection.h's.
 *
 * Functions may be called from any threads at once, except channel_wait, which is for one at a time. What
 * pcscd is shown of the card's presence changes only in channel_wait, by one card event a call, so
 * that it sees each removal and each insertion.
 */
#ifndef CARDRIG_DRIVER_CHANNEL_H
#define CARDRIG_DRIVER_CHANNEL_H

#include "devicename.h"
#include "link/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Luns are 0xRRRRSSSS: pcscd's numbers of the reader and the slot. */
typedef unsigned long lun;

struct channel;

/* A simulator that cannot be reached is no failure: the slot is empty until it can. On failure NULL, which
 * has been logged: no memory or file descriptor left. channel_free ends it; no other call may be under way
 * then (channel_hang_up makes those return). */
struct channel *channel_new(const struct devicename *name, lun number);
void channel_free(struct channel *channel);

/* Makes every call that is under way return, and every later one fail at once. */
void channel_hang_up(struct channel *channel);

/* The number of slots of the reader that this slot belongs to. */
unsigned channel_slots(const struct channel *channel);

/* Whether there is a card, as far as channel_wait has shown it. Asks nobody. */
bool channel_card_present(struct channel *channel);

/* Sleeps until there is a card event, for timeout_ms at the most; shows one. Returns early for nothing else
 * but channel_wake, which may come before and is not lost. */
void channel_wait(struct channel *channel, int timeout_ms);
void channel_wake(struct channel *channel);

/*
 * Does what a request of the rig link asks (power, parameters, transmit, control, attribute; link/link.h).
 * Requests of several callers come one after the other; each ends within the
 * device's timeout. The answer's data are copied to out, of which *out_length says the size and then how much
 * of it is used (out may be NULL when no data is expected). Returns an enum link_status, or CHANNEL_LOST when
 * the simulator cannot be reached, took too long or talked nonsense, CHANNEL_TOO_LONG when out is too small
 * for the answer, whose length is then in *out_length.
 */
enum { CHANNEL_LOST = 0x100, CHANNEL_TOO_LONG };
unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length);

#endif
