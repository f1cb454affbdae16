/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a card script finds in its global environment.
 */
#ifndef CARDRIG_ICC_GLOBALS_H
#define CARDRIG_ICC_GLOBALS_H

#include <lua.h>

/*
 * Opens the libraries for the machine of a sandbox: base, string, table, math, utf8 and coroutine, without
 * what loads files or binary chunks, or reaches the collector; and hex() and random(), which are ours. To be
 * called inside a protected call.
 */
void globals_open(lua_State *L);

#endif
