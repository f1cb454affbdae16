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

/* The mark of an operation is the address of its name. */
static const char *const names[READER_OPERATIONS] = {
    [READER_TRANSMIT] = "transmit", [READER_VERIFY_PIN] = "verify_pin", [READER_MODIFY_PIN] = "modify_pin"};

bool reader_globals_operation(lua_State *thread, int index, enum reader_operation *operation)
{
    for (unsigned i = 0; i < READER_OPERATIONS; i++)
        if (lua_islightuserdata(thread, index) && lua_touserdata(thread, index) == (void *)&names[i]) {
            *operation = (enum reader_operation)i;
            return true;
        }
    return false;
}

static int yield_operation(lua_State *L)
{
    void *mark = lua_touserdata(L, lua_upvalueindex(1));
    size_t length;
    luaL_checklstring(L, 1, &length);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &allowed);
    if (lua_touserdata(L, -1) != L)
        return luaL_error(L, "%s() works only in the functions of the reader, and not in a coroutine",
                          *(const char *const *)mark);
    luaL_argcheck(L, length <= LINK_MAX_COMMAND, 1, "too long for a command");
    lua_settop(L, 1);
    lua_pushlightuserdata(L, mark);
    return lua_yield(L, 2);
}

void reader_globals_open(lua_State *L)
{
    static const char *const cards_only[] = {"as_is", "fault"};
    globals_open(L);
    for (size_t i = 0; i < sizeof cards_only / sizeof cards_only[0]; i++) {
        lua_pushnil(L);
        lua_setglobal(L, cards_only[i]);
    }
    for (size_t i = 0; i < READER_OPERATIONS; i++) {
        lua_pushlightuserdata(L, (void *)&names[i]);
        lua_pushcclosure(L, yield_operation, 1);
        lua_setglobal(L, names[i]);
    }
    reader_globals_allow(L, NULL);
}
