/* SPDX-License-Identifier: BSD-3-Clause */
/* The applications of a card script, and its logical channels. */
#include "icc/script_read.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "icc/watchdog.h"
#include "iso7816/hex.h"

/* Reads the key at index, an AID in hexadecimal. */
static void read_aid(lua_State *L, const struct load *load, int index, struct script_application *out)
{
    static const char expected[] = "expected an AID of 5 to 16 bytes in hexadecimal";
    size_t length, bad_at;

    if (lua_type(L, index) != LUA_TSTRING)
        load_refuse(L, load, load_line_of_field(load, "applications"), "applications: key %s: %s",
                    load_pushed_key(L, index), expected);
    const char *text = lua_tolstring(L, index, &length);
    if (hex_decode(text, length, out->aid, sizeof out->aid, &out->aid_length, &bad_at) != HEX_OK ||
        out->aid_length < SCRIPT_AID_MIN)
        load_refuse(
            L, load,
            load_line_or(load_line_of_string(L, load, index), load_line_of_field(load, "applications")),
            "applications: key '%s': %s", text, expected);
}

/* Reads the field select of the application at index `table`. The default is 90 00. */
static void read_select(lua_State *L, const struct load *load, int table, struct script_application *out)
{
    lua_createtable(L, 2, 0);
    lua_pushliteral(L, "");
    lua_rawseti(L, -2, 1);
    if (load_get_field(L, table, "select") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushliteral(L, "90 00");
    }
    lua_rawseti(L, -2, 2);
    load_command(L, load, "select", 0, &out->select);
}

/* Reads the application on top of the stack. */
static void read_application(lua_State *L, const struct load *load, struct script_application *out)
{
    static const char *const fields[] = {"select", "commands", "default", NULL};
    int table = lua_gettop(L);

    if (lua_type(L, table) != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, "applications"),
                    "applications: an application is a %s, expected a table", luaL_typename(L, table));
    load_check_table(L, load, "applications", fields, "select, commands or default");
    read_select(L, load, table, out);
    load_command_list(L, load, table, &out->list);
    if (load_get_field(L, table, "default") != LUA_TNIL && lua_type(L, -1) != LUA_TBOOLEAN)
        load_refuse(L, load, load_line_of_field(load, "default"), "default is a %s, expected true or false",
                    luaL_typename(L, -1));
    out->is_default = lua_toboolean(L, -1);
    lua_settop(L, table);
}

static int compare_applications(const void *a, const void *b)
{
    const struct script_application *x = a, *y = b;
    size_t length = x->aid_length < y->aid_length ? x->aid_length : y->aid_length;
    int order = memcmp(x->aid, y->aid, length);

    return order ? order : (x->aid_length > y->aid_length) - (x->aid_length < y->aid_length);
}

/* Reads the table on top of the stack. */
static void read_applications(lua_State *L, const struct load *load)
{
    struct script *script = load->script;
    int table = lua_gettop(L), defaults = 0;
    size_t i = 0;

    if (lua_getmetatable(L, table))
        load_refuse(L, load, load_line_of_field(load, "applications"),
                    "applications has a metatable, expected a plain table");
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        script->application_count++;
    script->applications =
        load_permanent(L, load, script->application_count * sizeof *script->applications + 1);
    memset(script->applications, 0, script->application_count * sizeof *script->applications);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        struct script_application *application = &script->applications[i++];
        read_aid(L, load, lua_gettop(L) - 1, application);
        read_application(L, load, application);
        defaults += application->is_default;
    }
    if (defaults > 1)
        load_refuse(L, load, load_line_of_field(load, "default"),
                    "applications: %d of them are the default, expected one", defaults);
    watchdog_hold(); /* qsort may allocate memory */
    qsort(script->applications, script->application_count, sizeof *script->applications,
          compare_applications);
    watchdog_release();
    for (i = 1; i < script->application_count; i++)
        if (compare_applications(&script->applications[i - 1], &script->applications[i]) == 0)
            load_refuse(L, load, load_line_of_field(load, "applications"),
                        "applications: two have the same AID");
}

static void read_channels(lua_State *L, const struct load *load, int table)
{
    int is_integer;

    if (load_get_field(L, table, "channels") == LUA_TNIL)
        return;
    lua_Integer channels = lua_tointegerx(L, -1, &is_integer);
    if (lua_type(L, -1) != LUA_TNUMBER || !is_integer || channels < 0 || channels > SCRIPT_CHANNELS_MAX)
        load_refuse(L, load, load_line_of_field(load, "channels"), "channels is not an integer from 0 to %d",
                    SCRIPT_CHANNELS_MAX);
    load->script->channels = (unsigned)channels;
}

void load_applications(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "applications");

    if (type != LUA_TNIL && type != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, "applications"),
                    "applications is a %s, expected a table", luaL_typename(L, -1));
    if (type == LUA_TTABLE)
        read_applications(L, load);
    lua_settop(L, table);
    read_channels(L, load, table);
    lua_settop(L, table);
}
