/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The global persistent of card scripts: a table of plain values that a card keeps while it is not in a reader.
 */
#ifndef CARDRIG_ICC_PERSISTENT_H
#define CARDRIG_ICC_PERSISTENT_H

#include <lua.h>

/* Sets the global to what the card has kept, or to an empty table. Must run inside a protected call. */
void persistent_load(lua_State *L);

/* Keeps the present values of the table, if they have changed. Raises an error if they are not plain, or cannot be
 * kept. Must run inside a protected call. */
void persistent_save(lua_State *L);

#endif
