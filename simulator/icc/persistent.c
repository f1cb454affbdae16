/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/persistent.h"

#include <lauxlib.h>

#include "icc/keep.h"
#include "icc/plain.h"
#include "icc/sandbox.h"
#include "icc/watchdog.h"

static const char name[] = "persistent";

/* Its address is the registry key of the bytes that were kept last. */
static const char last;

void persistent_load(lua_State *L)
{
    const struct sandbox *sandbox = sandbox_of(L);
    size_t length = 0;

    if (sandbox->keep) {
        watchdog_hold();
        length = keep_copy(sandbox->keep, NULL, 0);
        watchdog_release();
    }
    if (length == 0) {
        lua_newtable(L);
        lua_setglobal(L, name);
        return;
    }
    char *bytes = lua_newuserdatauv(L, length, 0);
    watchdog_hold();
    keep_copy(sandbox->keep, bytes, length);
    watchdog_release();
    plain_decode(L, bytes, length, keep_where(sandbox->keep));
    lua_setglobal(L, name);
    lua_pushlstring(L, bytes, length);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &last);
    lua_pop(L, 1);
}

void persistent_save(lua_State *L)
{
    const struct sandbox *sandbox = sandbox_of(L);
    struct error error;
    size_t length;
    bool ok;

    if (!sandbox->keep)
        return;
    lua_pushglobaltable(L);
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) != LUA_TTABLE)
        luaL_error(L, "%s is a %s, expected a table", name, luaL_typename(L, -1));
    plain_encode(L, -1, name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &last);
    if (!lua_rawequal(L, -1, -2)) {
        const char *bytes = lua_tolstring(L, -2, &length);
        watchdog_hold();
        ok = keep_write(sandbox->keep, bytes, length, &error);
        watchdog_release();
        if (!ok)
            luaL_error(L, "%s", error.text);
        lua_pushvalue(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &last);
    }
    lua_pop(L, 4);
}
