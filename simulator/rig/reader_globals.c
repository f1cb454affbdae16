/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_globals.h"

#include "icc/globals.h"
#include "link/link.h"

#include <lauxlib.h>
#include <stddef.h>

/* Its address is the registry key of the thread that may transmit, a light userdata. */
static const char allowed;

void reader_globals_allow(lua_State *L, const lua_State *thread)
{
    lua_pushlightuserdata(L, (void *)thread);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &allowed);
}

static int global_transmit(lua_State *L)
{
    size_t length;
    luaL_checklstring(L, 1, &length);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &allowed);
    if (lua_touserdata(L, -1) != L)
        return luaL_error(L, "transmit() works only in the functions of the reader, and not in a coroutine");
    luaL_argcheck(L, length <= LINK_MAX_COMMAND, 1, "too long for a command");
    lua_settop(L, 1);
    return lua_yield(L, 1);
}

void reader_globals_open(lua_State *L)
{
    static const char *const cards_only[] = {"as_is", "fault"};
    globals_open(L);
    for (size_t i = 0; i < sizeof cards_only / sizeof cards_only[0]; i++) {
        lua_pushnil(L);
        lua_setglobal(L, cards_only[i]);
    }
    lua_register(L, "transmit", global_transmit);
    reader_globals_allow(L, NULL);
}
