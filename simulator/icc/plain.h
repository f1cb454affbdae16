/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain Lua values as bytes: strings, integers, numbers, booleans, and tables of them, with strings or integers as
 * keys. There is one form of bytes for a value, except for the order of the keys in a table.
 */
#ifndef CARDRIG_ICC_PLAIN_H
#define CARDRIG_ICC_PLAIN_H

#include <stddef.h>

#include <lua.h>

#define PLAIN_MAX   ((size_t)1024 * 1024) /* bytes */
#define PLAIN_DEPTH 16                    /* tables in tables */

/* Pushes the bytes of the table at index. Raises an error that begins with `name` and says which field is not
 * plain, or that there is too much. Must run inside a protected call. */
void plain_encode(lua_State *L, int index, const char *name);

/* Pushes the table that length bytes stand for. Raises an error that begins with `name` if they are not a table's.
 * Must run inside a protected call. */
void plain_decode(lua_State *L, const char *bytes, size_t length, const char *name);

#endif
