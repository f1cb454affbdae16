/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/globals.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/error.h"
#include "icc/card.h"
#include "icc/crypto/crypto.h"
#include "icc/module.h"
#include "icc/sandbox.h"
#include "icc/script.h"
#include "iso7816/hex.h"

/* Functions that Lua does not have, or that replace Lua's own */

static int global_hex(lua_State *L)
{
    size_t length, count, bad_at;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_Buffer b;
    uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length / 2);
    enum hex_result result = hex_decode(text, length, out, length / 2, &count, &bad_at);

    if (result != HEX_OK)
        return luaL_error(L, "hex: character %I: %s", (lua_Integer)bad_at + 1, hex_result_text(result));
    luaL_pushresultsize(&b, count);
    return 1;
}

static int global_as_is(lua_State *L)
{
    lua_pushfstring(L, SCRIPT_AS_IS "%s", luaL_checkstring(L, 1));
    return 1;
}

static int global_random(lua_State *L)
{
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_Buffer b;
    char *out;

    luaL_argcheck(L, n >= 0 && n <= CARD_DATA_MAX, 1, "expected 0 to 65536 bytes");
    out = luaL_buffinitsize(L, &b, (size_t)n);
    sandbox_random(sandbox_of(L), out, (size_t)n);
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

/* takes(seconds): the command in hand takes a real card so much longer. */
static int global_takes(lua_State *L)
{
    uint32_t *work_ms = &sandbox_of(L)->work_ms;
    lua_Number ms = luaL_checknumber(L, 1) * 1000;

    luaL_argcheck(L, ms >= 0 && ms <= CARD_WORK_MAX_MS - *work_ms, 1,
                  "expected 0 to 600 seconds, also for all calls in one command");
    *work_ms += (uint32_t)ms;
    return 0;
}

static int global_fault(lua_State *L)
{
    struct error error;

    if (!sandbox_fault(sandbox_of(L), luaL_checkstring(L, 1), &error))
        return luaL_error(L, "%s", error.text);
    return 0;
}

/* Logs the lines of a text, up to SANDBOX_LOG_LINES per call. text need not end with a newline. */
static void print_lines(struct sandbox *sandbox, const char *text, size_t length)
{
    static const char full[] = "(this call printed too much; the rest is not shown)";
    const char *end = text + length;

    do {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        if (++sandbox->lines > SANDBOX_LOG_LINES) {
            if (sandbox->lines == SANDBOX_LOG_LINES + 1)
                sandbox_log(sandbox, full, sizeof full - 1);
            sandbox->lines = SANDBOX_LOG_LINES + 1;
            return;
        }
        sandbox_log(sandbox, text, (size_t)(stop - text));
        text = stop + 1;
    } while (text < end);
}

static int global_print(lua_State *L)
{
    int n = lua_gettop(L);
    const char *text;
    size_t length;
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    text = lua_tolstring(L, -1, &length);
    print_lines(sandbox_of(L), text, length);
    return 0;
}

/*
 * setmetatable without finalizers. A finalizer could run at any time, its instructions would not be counted,
 * and only the watchdog could interrupt it.
 */
static int global_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "a card script cannot have finalizers (__gc)");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/*
 * pairs in a fixed order. Lua's own order depends on addresses and the time of day: a card that lists its
 * files, for example, would answer differently in each run. As with Lua's own pairs, an entry that the loop
 * removes before it reaches it is left out.
 */
static const char ordered_pairs[] = "local next, type, rawget, sort, before = ...\n"
                                    "return function(t)\n"
                                    "  local keys, others, n, i = {}, {}, 0, 0\n"
                                    "  for k in next, t do\n"
                                    "    local kind = type(k)\n"
                                    "    if kind == 'number' or kind == 'string' then n = n + 1; keys[n] = k "
                                    "else others[#others + 1] = k end\n"
                                    "  end\n"
                                    "  sort(keys, before)\n"
                                    "  for j = 1, #others do keys[n + j] = others[j] end\n"
                                    "  return function()\n"
                                    "    while true do\n"
                                    "      i = i + 1\n"
                                    "      local k = keys[i]\n"
                                    "      if k == nil then return nil end\n"
                                    "      local v = rawget(t, k)\n"
                                    "      if v ~= nil then return k, v end\n"
                                    "    end\n"
                                    "  end, t, nil\n"
                                    "end\n";

/* Orders numbers before strings, and each in ascending order. In C, so that sorting uses no Lua
 * instructions. */
static int key_before(lua_State *L)
{
    int a = lua_type(L, 1), b = lua_type(L, 2);

    lua_pushboolean(L, a == b ? lua_compare(L, 1, 2, LUA_OPLT) : a == LUA_TNUMBER);
    return 1;
}

/* The first upvalue is the function that ordered_pairs returns. */
static int global_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_pushvalue(L, lua_upvalueindex(1));
    }
    lua_pushvalue(L, 1);
    lua_call(L, 1, 3);
    return 3;
}

/* Functions that wrap one of Lua's own, which is their first upvalue */

static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* load(chunk, name, mode, env), with mode "t" always: a binary chunk can make the interpreter do anything. */
static int global_load(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_gettop(L) < 3)
        lua_settop(L, 3);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    return call_original(L);
}

/* The first upvalue is the script's message handler. */
static int guarded_handler(lua_State *L)
{
    if (sandbox_spent(L))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int return_all(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    return lua_gettop(L);
}

/*
 * xpcall that does not call the message handler once the budget is spent. Lua calls the handler at the point
 * of the error. If that is the hook that counts the instructions, the handler's instructions are not counted.
 */
static int global_xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_replace(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, return_all); /* the called function may yield */
    return lua_gettop(L);
}

/*
 * coroutine.create and coroutine.wrap. Each Lua thread counts its own instructions, so nearly one interval of
 * each could go uncounted. So one interval is charged in advance.
 */
static int paid_coroutine(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    sandbox_charge(L, 1);
    return call_original(L);
}

static void push_seed(lua_State *L)
{
    lua_Integer seed;

    sandbox_random(sandbox_of(L), &seed, sizeof seed);
    lua_pushinteger(L, seed);
}

/* Its address is the registry key of a flag: math.random has been seeded. */
static const char seeded;

/* math.randomseed(). Without arguments the seed comes from the host, instead of the time of day. */
static int host_randomseed(lua_State *L)
{
    lua_pushboolean(L, true);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &seeded);
    if (lua_isnone(L, 1)) {
        push_seed(L);
        push_seed(L);
    }
    return call_original(L);
}

/* math.random(). It is seeded at its first call, so that the host knows whether cards have used random
 * numbers. The second upvalue is math.randomseed. */
static int host_random(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &seeded) == LUA_TNIL) {
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_call(L, 0, 0);
    }
    lua_pop(L, 1);
    return call_original(L);
}

/* Opening the libraries */

/* Removes all fields from the table on top of the stack, except those in names. */
static void keep_only(lua_State *L, const char *const *names)
{
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        bool known = false;
        lua_pop(L, 1);
        for (size_t i = 0; names[i] && !known; i++)
            known = strcmp(names[i], lua_tostring(L, -1)) == 0; /* all keys are strings here */
        if (!known) {
            lua_pushvalue(L, -1);
            lua_pushnil(L);
            lua_rawset(L, -4);
        }
    }
}

static void open_library(lua_State *L, const char *name, lua_CFunction open, const char *const *names)
{
    luaL_requiref(L, name, open, 1);
    if (names)
        keep_only(L, names);
    lua_pop(L, 1);
}

/* Replaces a field of the table on top of the stack with `function`. The old value becomes its first
 * upvalue. */
static void wrap(lua_State *L, const char *field, lua_CFunction function)
{
    lua_getfield(L, -1, field);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, field);
}

static void open_libraries(lua_State *L)
{
    static const char *const base[] = {"_G",       "_VERSION", "assert", "error",  "getmetatable", "ipairs",
                                       "load",     "next",     "pairs",  "pcall",  "print",        "rawequal",
                                       "rawget",   "rawlen",   "rawset", "select", "setmetatable", "tonumber",
                                       "tostring", "type",     "xpcall", NULL};
    static const char *const string[] = {"byte",    "char",  "find",   "format", "gmatch",   "gsub",
                                         "len",     "lower", "match",  "pack",   "packsize", "rep",
                                         "reverse", "sub",   "unpack", "upper",  NULL};

    open_library(L, LUA_GNAME, luaopen_base, base);
    open_library(L, LUA_STRLIBNAME, luaopen_string, string);
    open_library(L, LUA_TABLIBNAME, luaopen_table, NULL);
    open_library(L, LUA_MATHLIBNAME, luaopen_math, NULL);
    open_library(L, LUA_UTF8LIBNAME, luaopen_utf8, NULL);
    open_library(L, LUA_COLIBNAME, luaopen_coroutine, NULL);
}

static void push_ordered_pairs(lua_State *L)
{
    if (luaL_loadbufferx(L, ordered_pairs, sizeof ordered_pairs - 1, "=pairs", "t") != LUA_OK)
        lua_error(L);
    lua_getglobal(L, "next");
    lua_getglobal(L, "type");
    lua_getglobal(L, "rawget");
    lua_getglobal(L, LUA_TABLIBNAME);
    lua_getfield(L, -1, "sort");
    lua_remove(L, -2);
    lua_pushcfunction(L, key_before);
    lua_call(L, 5, 1);
    lua_pushcclosure(L, global_pairs, 1);
}

void globals_open(lua_State *L)
{
    static const luaL_Reg ours[] = {{"as_is", global_as_is},
                                    {"hex", global_hex},
                                    {"fault", global_fault},
                                    {"random", global_random},
                                    {"takes", global_takes},
                                    {"print", global_print},
                                    {"setmetatable", global_setmetatable},
                                    {NULL, NULL}};

    open_libraries(L);
    crypto_open(L);
    module_open(L);

    lua_pushglobaltable(L);
    luaL_setfuncs(L, ours, 0);
    wrap(L, "load", global_load);
    wrap(L, "xpcall", global_xpcall);
    push_ordered_pairs(L);
    lua_setfield(L, -2, "pairs");
    lua_pop(L, 1);

    lua_getglobal(L, LUA_COLIBNAME);
    wrap(L, "create", paid_coroutine);
    wrap(L, "wrap", paid_coroutine);
    lua_pop(L, 1);

    lua_getglobal(L, LUA_MATHLIBNAME);
    wrap(L, "randomseed", host_randomseed);
    lua_getfield(L, -1, "random");
    lua_getfield(L, -2, "randomseed");
    lua_pushcclosure(L, host_random, 2);
    lua_setfield(L, -2, "random");
    lua_pop(L, 1);
}
