/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel is one slot as pcscd sees it: the card events that pcscd has been shown, the wait for the next
 * one, and one exchange with the simulator at a time. The connections to the simulator are in connection.h.
 *
 * Any threads may call these functions at the same time, except channel_wait, which only one thread may be
 * in. What pcscd is shown of the card's presence changes only in channel_wait, by one card event per call,
 * so that pcscd sees each removal and each insertion.
 */
#ifndef CARDRIG_DRIVER_CHANNEL_H
#define CARDRIG_DRIVER_CHANNEL_H

#include "devicename.h"
#include "link/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A Lun is 0xRRRRSSSS: pcscd's numbers of the reader and of the slot. */
typedef unsigned long lun;

struct channel;

/* channel_new returns a new channel. An unreachable simulator is no failure: the slot is empty until the
 * simulator can be reached. Returns NULL, and logs it, if memory or file descriptors have run out.
 * channel_free frees the channel. No other call on it may be under way; channel_hang_up makes such calls
 * return. */
struct channel *channel_new(const struct devicename *name, lun number);
void channel_free(struct channel *channel);

/* Makes all calls that are under way return, and all later ones fail at once. */
void channel_hang_up(struct channel *channel);

/* Returns the number of slots of the reader that this slot belongs to. */
unsigned channel_slots(const struct channel *channel);

/* Returns whether there is a card, as far as channel_wait has shown it. Does not ask the simulator. */
bool channel_card_present(struct channel *channel);

/* channel_wait sleeps until it can show pcscd a card event, shows that one and returns. Otherwise it
 * returns after timeout_ms, after channel_wake and after channel_hang_up, and for no other reason: pcscd
 * powers an unused card down whenever it returns. A channel_wake before channel_wait is not lost. */
void channel_wait(struct channel *channel, int timeout_ms);
void channel_wake(struct channel *channel);

/*
 * Sends a request of the rig link (power, parameters, transmit, control or attribute; link/link.h) and
 * waits for its answer. Requests of several callers are carried out one after the other; each ends within
 * the timeout of the DEVICENAME. Sets the request's event.
 *
 * Copies the answer's data to out. *out_length is the size of out before the call and the number of bytes
 * used after it. out may be NULL if no data is expected. Returns an enum link_status, or:
 *
 *    CHANNEL_LOST      the simulator cannot be reached, took too long or sent a malformed answer
 *    CHANNEL_TOO_LONG  out is too small for the answer; *out_length is the answer's length
 */
enum { CHANNEL_LOST = 0x100, CHANNEL_TOO_LONG };
unsigned channel_exchange(struct channel *channel, struct link_message *request, uint8_t *out,
                          size_t *out_length);

/* Powers the card down, unless a request is under way. Does not wait. */
void channel_power_off_if_idle(struct channel *channel);

#endif
