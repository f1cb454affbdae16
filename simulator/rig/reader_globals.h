/* SPDX-License-Identifier: BSD-3-Clause */
/* The global environment of a reader script: that of card scripts (icc/globals.h), and what the script asks
 * of the reader: transmit(), verify_pin() and modify_pin(). */
#ifndef CARDRIG_RIG_READER_GLOBALS_H
#define CARDRIG_RIG_READER_GLOBALS_H

#include <lua.h>
#include <stdbool.h>

/* What the function of that name does with its bytes. */
enum reader_operation {
    READER_TRANSMIT,   /* sends them to the card */
    READER_VERIFY_PIN, /* has the PIN pad carry out a PIN_VERIFY_STRUCTURE, or a PIN_MODIFY_STRUCTURE */
    READER_MODIFY_PIN,
    READER_OPERATIONS
};

/* Opens the libraries. For sandbox_new(). */
void reader_globals_open(lua_State *L);

/* Names the Lua thread in which these functions may be called; NULL: none. They yield the bytes and a mark,
 * and return what the thread is resumed with. */
void reader_globals_allow(lua_State *L, const lua_State *thread);

/* Returns whether a value that a thread has yielded is such a mark, and which one. Scripts cannot make one. */
bool reader_globals_operation(lua_State *thread, int index, enum reader_operation *operation);

#endif
