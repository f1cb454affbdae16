/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader table: which slot a Lun of pcscd's stands for. The driver's only global state. */
#ifndef CARDRIG_DRIVER_READERS_H
#define CARDRIG_DRIVER_READERS_H

#include "channel.h"

/* Puts a slot in the table, which owns it from then on. False, and the slot is still the caller's: the Lun is
 * taken, or the table is full. */
bool readers_add(lun number, struct channel *channel);

/* The slot, which stays valid until readers_put; NULL for a Lun that is not in the table. */
struct channel *readers_get(lun number);
void readers_put(lun number);

/* Takes a slot out of the table, ends the calls that are under way on it and frees it. False: no such Lun. */
bool readers_remove(lun number);

#endif
