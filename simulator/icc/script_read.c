/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/script_read.h"

#include <stdarg.h>
#include <string.h>

#include <lauxlib.h>

#include "icc/sandbox.h"

_Noreturn void load_refuse(lua_State *L, const struct load *load, int line, const char *format, ...)
{
    va_list args;

    lua_pushfstring(L, "%s:%d: ", load->source->name, line > 0 ? line : 1);
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

int load_line_of_field(const struct load *load, const char *field)
{
    return source_line_of_field(load->source, field);
}

int load_line_or(int line, int otherwise)
{
    return line > 0 ? line : otherwise;
}

int load_line_of_string(lua_State *L, const struct load *load, int index)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);

    return source_line_of_string(load->source, NULL, 0, text, length);
}

void *load_permanent(lua_State *L, const struct load *load, size_t size)
{
    void *block = heap_alloc(&load->sandbox->heap, size);

    if (!block) {
        lua_gc(L, LUA_GCCOLLECT);
        block = heap_alloc(&load->sandbox->heap, size);
    }
    if (!block)
        luaL_error(L, "not enough memory");
    return block;
}

const char *load_permanent_string(lua_State *L, const struct load *load, int index)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);

    return memcpy(load_permanent(L, load, length + 1), text, length + 1);
}

const char *load_pushed_key(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
    case LUA_TNUMBER:
        lua_pushvalue(L, index);
        return lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
    default:
        return lua_pushfstring(L, "[a %s]", luaL_typename(L, index));
    }
}

static bool is_field(lua_State *L, int index, const char *const *fields)
{
    if (lua_type(L, index) != LUA_TSTRING)
        return false;
    for (; *fields; fields++)
        if (strcmp(lua_tostring(L, index), *fields) == 0)
            return true;
    return false;
}

/* Orders keys: strings, then numbers, then the rest. Unlike Lua's own order, this one is the same in every
 * run. */
static bool is_before(lua_State *L, int a, int b)
{
    int a_type = lua_type(L, a), b_type = lua_type(L, b);

    if (a_type == b_type)
        return (a_type == LUA_TSTRING || a_type == LUA_TNUMBER) && lua_compare(L, a, b, LUA_OPLT);
    return a_type == LUA_TSTRING || (a_type == LUA_TNUMBER && b_type != LUA_TSTRING);
}

void load_check_table(lua_State *L, const struct load *load, const char *what, const char *const *fields,
                      const char *expected)
{
    int table = lua_gettop(L), unknown = table + 1, line = 0;

    if (lua_getmetatable(L, table))
        load_refuse(L, load, load_line_of_field(load, what), "%s has a metatable, expected a plain table",
                    what);
    lua_pushnil(L); /* at index `unknown`: the field for the message; nil: there is none */
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (!is_field(L, -1, fields) && (lua_isnil(L, unknown) || is_before(L, -1, unknown))) {
            lua_pushvalue(L, -1);
            lua_replace(L, unknown);
        }
    }
    if (lua_isnil(L, unknown)) {
        lua_settop(L, table);
        return;
    }
    if (lua_type(L, unknown) == LUA_TSTRING)
        line = load_line_of_field(load, lua_tostring(L, unknown));
    load_refuse(L, load, load_line_or(line, load_line_of_field(load, what)),
                "%s%sunknown field %s: expected %s", what, *what ? ": " : "", load_pushed_key(L, unknown),
                expected);
}

int load_get_field(lua_State *L, int table, const char *field)
{
    table = lua_absindex(L, table);
    lua_pushstring(L, field);
    return lua_rawget(L, table);
}

bool load_get_table(lua_State *L, const struct load *load, int table, const char *what,
                    const char *const *fields, const char *expected)
{
    int type = load_get_field(L, table, what);

    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (type != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, what), "%s is a %s, expected a table", what,
                    luaL_typename(L, -1));
    load_check_table(L, load, what, fields, expected);
    return true;
}

int load_line_of_function(lua_State *L, int index)
{
    lua_Debug ar;

    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &ar);
    return ar.linedefined; /* -1 for a function in C */
}

void load_keep_function(lua_State *L, int line, struct script_function *out)
{
    lua_pushvalue(L, -1);
    out->line = load_line_or(load_line_of_function(L, -1), line);
    out->ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

lua_Integer load_check_list(lua_State *L, const struct load *load, const char *what)
{
    int line = load_line_of_field(load, what), table = lua_gettop(L);
    lua_Integer count = 0, last = 0;

    if (lua_getmetatable(L, table))
        load_refuse(L, load, line, "%s has a metatable, expected a plain table", what);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
            load_refuse(L, load, line, "%s: unknown field %s: expected a list", what,
                        load_pushed_key(L, lua_gettop(L)));
        if (lua_tointeger(L, -1) > last)
            last = lua_tointeger(L, -1);
        count++;
    }
    if (last != count)
        load_refuse(L, load, line, "%s has a gap: %I entries, but the last one is number %I", what, count,
                    last);
    return count;
}
