/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/arguments.h"

#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#include "base/error.h"

/* Sets error to "there is no WHAT 'TEXT'", but does not quote what cannot be a name: it may be a key that the
 * script has put in the wrong place. */
static void set_unknown(struct error *error, const char *what, const char *text, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/. ";

    if (length <= 40 && strspn(text, letters) == length)
        error_set(error, "there is no %s '%s'", what, text);
    else
        error_set(error, "there is no such %s", what);
}

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
    set_unknown(&error, what, text, length);
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
            set_unknown(&error, "field", field, length);
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
