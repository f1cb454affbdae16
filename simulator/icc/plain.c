/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

/*
 * One byte for the type, and then: the bytes of an integer or number, eight, the highest first; the length of a
 * string, four bytes, and the string; the number of fields of a table, four bytes, and their keys and values.
 */
enum {
    TYPE_FALSE = 'f',
    TYPE_TRUE = 't',
    TYPE_INTEGER = 'i',
    TYPE_NUMBER = 'n',
    TYPE_STRING = 's',
    TYPE_TABLE = '{'
};

/*
 * Encoding
 */

/* The value is encoded twice: to learn its length, and to write it. */
struct encoder {
    lua_State *L;
    const char *name; /* of the whole value, for messages */
    char *out;        /* NULL: the bytes are only counted */
    size_t length;
};

static void add_bytes(struct encoder *e, const char *bytes, size_t length)
{
    if (length > PLAIN_MAX - e->length)
        luaL_error(e->L, "%s: more than 1 MiB", e->name);
    if (e->out)
        memcpy(e->out + e->length, bytes, length);
    e->length += length;
}

static void add_number(struct encoder *e, uint64_t number, int bytes)
{
    char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (char)(number >> 8 * (bytes - 1 - i));
    add_bytes(e, out, (size_t)bytes);
}

static void add_type(struct encoder *e, char type)
{
    add_bytes(e, &type, 1);
}

static void add_string(struct encoder *e, int index)
{
    size_t length;
    const char *text = lua_tolstring(e->L, index, &length);
    add_type(e, TYPE_STRING);
    add_number(e, length, 4);
    add_bytes(e, text, length);
}

static void encode(struct encoder *e, int index, int depth);

static _Noreturn void refuse_field(struct encoder *e, int key, const char *what)
{
    lua_State *L = e->L;
    const char *field = lua_type(L, key) == LUA_TSTRING ? lua_pushfstring(L, "'%s'", lua_tostring(L, key))
                                                        : lua_pushfstring(L, "[%I]", lua_tointeger(L, key));
    luaL_error(L, "%s: field %s is %s, expected strings, numbers, booleans and plain tables of them", e->name,
               field, what);
    __builtin_unreachable();
}

/* Refuses a field whose key, or whose value above it on the stack, is not plain. */
static void check_field(struct encoder *e, int key, int depth)
{
    lua_State *L = e->L;
    int type = lua_type(L, key + 1);
    if (lua_type(L, key) != LUA_TSTRING && !lua_isinteger(L, key))
        luaL_error(L, "%s: a key is a %s, expected strings and integers", e->name, luaL_typename(L, key));
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN && type != LUA_TTABLE)
        refuse_field(e, key, lua_pushfstring(L, "a %s", luaL_typename(L, key + 1)));
    if (type == LUA_TTABLE && lua_getmetatable(L, key + 1))
        refuse_field(e, key, "a table with a metatable");
    if (type == LUA_TTABLE && depth == PLAIN_DEPTH)
        refuse_field(e, key, "in too many tables");
}

static void add_table(struct encoder *e, int index, int depth)
{
    lua_State *L = e->L;
    uint32_t count = 0;
    luaL_checkstack(L, 6, "too many tables");
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    add_type(e, TYPE_TABLE);
    add_number(e, count, 4);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        int key = lua_absindex(L, -2);
        check_field(e, key, depth);
        encode(e, key, depth);
        encode(e, key + 1, depth + 1);
    }
}

static void encode(struct encoder *e, int index, int depth)
{
    lua_State *L = e->L;
    lua_Number number;
    uint64_t bits;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        add_type(e, lua_toboolean(L, index) ? TYPE_TRUE : TYPE_FALSE);
        break;
    case LUA_TNUMBER:
        number = lua_tonumber(L, index);
        memcpy(&bits, &number, sizeof bits);
        add_type(e, lua_isinteger(L, index) ? TYPE_INTEGER : TYPE_NUMBER);
        add_number(e, lua_isinteger(L, index) ? (uint64_t)lua_tointeger(L, index) : bits, 8);
        break;
    case LUA_TSTRING:
        add_string(e, index);
        break;
    default:
        add_table(e, index, depth);
    }
}

void plain_encode(lua_State *L, int index, const char *name)
{
    struct encoder e = {.L = L, .name = name};
    index = lua_absindex(L, index);
    if (lua_getmetatable(L, index))
        luaL_error(L, "%s has a metatable, expected a plain table", name);
    encode(&e, index, 1);
    e.out = lua_newuserdatauv(L, e.length, 0);
    size_t length = e.length;
    e.length = 0;
    encode(&e, index, 1);
    lua_pushlstring(L, e.out, length);
    lua_remove(L, -2);
}

/*
 * Decoding
 */

struct decoder {
    lua_State *L;
    const char *bytes;
    size_t left;
    const char *name; /* for messages */
};

static const char *take(struct decoder *d, size_t length)
{
    const char *bytes = d->bytes;
    if (length > d->left)
        luaL_error(d->L, "%s: it is cut off", d->name);
    d->bytes += length;
    d->left -= length;
    return bytes;
}

static uint64_t take_number(struct decoder *d, int bytes)
{
    const char *from = take(d, (size_t)bytes);
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | (uint8_t)from[i];
    return number;
}

static void decode(struct decoder *d, int depth);

static void decode_table(struct decoder *d, int depth)
{
    lua_State *L = d->L;
    uint64_t count = take_number(d, 4);
    if (depth > PLAIN_DEPTH)
        luaL_error(L, "%s: it has too many tables in tables", d->name);
    luaL_checkstack(L, 4, "too many tables");
    lua_newtable(L);
    for (uint64_t i = 0; i < count; i++) {
        decode(d, depth + 1);
        if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
            luaL_error(L, "%s: it has a key that is a %s", d->name, luaL_typename(L, -1));
        decode(d, depth + 1);
        lua_rawset(L, -3);
    }
}

/* Pushes the next value. */
static void decode(struct decoder *d, int depth)
{
    lua_State *L = d->L;
    lua_Number number;
    uint64_t bits;
    size_t length;
    char type = *take(d, 1);
    switch (type) {
    case TYPE_TRUE:
    case TYPE_FALSE:
        lua_pushboolean(L, type == TYPE_TRUE);
        break;
    case TYPE_INTEGER:
        lua_pushinteger(L, (lua_Integer)take_number(d, 8));
        break;
    case TYPE_NUMBER:
        bits = take_number(d, 8);
        memcpy(&number, &bits, sizeof number);
        lua_pushnumber(L, number);
        break;
    case TYPE_STRING:
        length = (size_t)take_number(d, 4);
        lua_pushlstring(L, take(d, length), length);
        break;
    case TYPE_TABLE:
        decode_table(d, depth);
        break;
    default:
        luaL_error(L, "%s: it has a value of an unknown type", d->name);
    }
}

void plain_decode(lua_State *L, const char *bytes, size_t length, const char *name)
{
    struct decoder d = {.L = L, .bytes = bytes, .left = length, .name = name};
    decode(&d, 1);
    if (lua_type(L, -1) != LUA_TTABLE || d.left > 0)
        luaL_error(L, "%s: it is not one table", name);
}
