/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader table maps pcscd's Luns to slots. It is the driver's only global state. */
#ifndef CARDRIG_DRIVER_READERS_H
#define CARDRIG_DRIVER_READERS_H

#include "channel.h"

/* Adds a slot to the table, which then owns it. Returns false, and the caller keeps the slot, if the Lun
 * is taken or the table is full. */
bool readers_add(lun number, struct channel *channel);

/* readers_get returns the slot of a Lun, which stays valid until readers_put, or NULL if the Lun is not
 * in the table. */
struct channel *readers_get(lun number);
void readers_put(lun number);

/* Removes a slot from the table, makes the calls under way on it return, and frees it. Returns false if
 * there is no such Lun. */
bool readers_remove(lun number);

#endif
