/*
 * One slot whose peer is a simulator, over the rig link.
 *
 * Functions may be called from any threads at once; each exchange ends within the
 * deadlines of link/link.h, whatever the simulator does, and those of several callers come one after the
 * other. rig_wait takes a time-out of its own, and may overrun it by a hello. What pcscd is told of the
 * card's presence moves only in rig_wait, one movement a call, so that pcscd sees each removal and each
 * insertion.
 */
#ifndef CARDRIG_DRIVER_RIG_H
#define CARDRIG_DRIVER_RIG_H

#include "devicename.h"
#include "link/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig;

/* A simulator that cannot be reached is no failure: the slot is empty until it can. NULL: out of memory or of
 * file descriptors. rig_free ends it; no other call may be under way then (rig_hang_up makes those return).
 */
struct rig *rig_new(const struct devicename *name, unsigned slot);
void rig_free(struct rig *rig);

/* Makes every call that is under way return, and every later one fail at once. */
void rig_hang_up(struct rig *rig);

/* The number of slots of the reader that this slot belongs to. */
unsigned rig_slots(const struct rig *rig);

/* Whether there is a card, as far as rig_wait has told. Asks nobody. */
bool rig_card_present(struct rig *rig);

/* Sleeps until the card moves, for timeout_ms at the most; takes one movement. Returns early for nothing else
 * but rig_wake, which may come before and is not lost. For one thread at a time. */
void rig_wait(struct rig *rig, int timeout_ms);
void rig_wake(struct rig *rig);

/* Sends a request and receives its answer. A request about a card gets the number of the movement filled in.
 * The answer's data are copied to out, of which *out_length says the size and then how much of it is used
 * (out may be NULL when no data is expected). Returns an enum link_status, or RIG_LOST when the simulator
 * cannot be reached, took too long or talked nonsense, RIG_TOO_LONG when out is too small for the answer,
 * whose length is then in *out_length. */
enum { RIG_LOST = 0x100, RIG_TOO_LONG };
unsigned rig_exchange(struct rig *rig, struct link_message *request, uint8_t *out, size_t *out_length);

#endif
