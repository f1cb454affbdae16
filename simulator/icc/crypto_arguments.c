/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto_arguments.h"

#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#include "base/error.h"

const char *crypto_check_bytes(lua_State *L, int index, size_t max, size_t *length)
{
    const char *bytes;

    luaL_checktype(L, index, LUA_TSTRING); /* not a number: that would be its digits */
    bytes = lua_tolstring(L, index, length);
    if (*length > max)
        luaL_argerror(
            L, index,
            lua_pushfstring(L, "%I bytes, expected at most %I", (lua_Integer)*length, (lua_Integer)max));
    return bytes;
}

unsigned crypto_check_name(lua_State *L, int index, name_list *names, const char *what)
{
    size_t length;
    const char *name, *text = crypto_check_bytes(L, index, CRYPTO_DATA_MAX, &length);
    struct error error;

    for (unsigned i = 0; (name = names(i)); i++)
        if (strlen(name) == length && strncasecmp(name, text, length) == 0)
            return i;
    error_set(&error, "there is no %s '%.40s'", what, text);
    names_suggest(names, text, length, &error);
    return (unsigned)luaL_error(L, "%s", error.text);
}

void crypto_check_fields(lua_State *L, int index, name_list *names)
{
    size_t length;
    const char *field;
    struct error error;
    unsigned i;

    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "a field without a name");
        field = lua_tolstring(L, -1, &length);
        if (!names_find(names, field, length, &i)) {
            error_set(&error, "there is no field '%.40s'", field);
            names_suggest(names, field, length, &error);
            luaL_argerror(L, index, error.text);
        }
    }
}

const char *crypto_check_field(lua_State *L, int index, const char *field, size_t max, size_t *length)
{
    *length = 0;
    lua_pushstring(L, field);
    if (lua_rawget(L, index) == LUA_TNIL)
        return NULL;
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "%s is a %s, expected a string", field, luaL_typename(L, -1)));
    const char *bytes = lua_tolstring(L, -1, length);
    if (*length == 0 || *length > max)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "%s has %I bytes, expected 1 to %I", field, (lua_Integer)*length,
                                      (lua_Integer)max));
    return bytes;
}
