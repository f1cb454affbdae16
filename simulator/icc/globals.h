/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The global environment of a card script.
 */
#ifndef CARDRIG_ICC_GLOBALS_H
#define CARDRIG_ICC_GLOBALS_H

#include <lua.h>

/*
 * Opens the libraries base, string, table, math, utf8 and coroutine in the Lua state of a sandbox, without
 * the functions that load files or binary chunks or control the garbage collector. Adds the functions as_is,
 * fault, file, hex, random and require, and the table crypto, which are not Lua's own. Must run inside a protected call.
 */
void globals_open(lua_State *L);

#endif
