/* SPDX-License-Identifier: BSD-3-Clause */
/* The global environment of a reader script: that of card scripts (icc/globals.h), and transmit(). */
#ifndef CARDRIG_RIG_READER_GLOBALS_H
#define CARDRIG_RIG_READER_GLOBALS_H

#include <lua.h>

/* Opens the libraries. For sandbox_new(). */
void reader_globals_open(lua_State *L);

/* Names the Lua thread in which transmit() may be called; NULL: none. transmit() yields the command, and
 * returns what the thread is resumed with. */
void reader_globals_allow(lua_State *L, const lua_State *thread);

#endif
