/* SPDX-License-Identifier: BSD-3-Clause */
/* The arguments of a script: those that it takes, and those that were given. */
#include "icc/script_read.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "icc/watchdog.h"

static int compare_arguments(const void *a, const void *b)
{
    return strcmp(((const struct script_argument *)a)->key, ((const struct script_argument *)b)->key);
}

/* Reads the table on top of the stack: KEY = "what it is". */
static void read_argument_table(lua_State *L, const struct load *load)
{
    struct script_head *head = load->head;
    int table = lua_gettop(L), line = load_line_of_field(load, "arguments");

    if (lua_getmetatable(L, table))
        load_refuse(L, load, line, "arguments has a metatable, expected a plain table");
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            load_refuse(L, load, line, "arguments: unknown field %s: expected KEY = \"what it is\"",
                        load_pushed_key(L, lua_gettop(L) - 1));
        if (strcmp(lua_tostring(L, -2), "state") == 0)
            load_refuse(L, load, line,
                        "arguments: 'state' is for each card: state=FILE keeps the table persistent");
        lua_pop(L, 1);
        head->argument_count++;
    }
    head->arguments = load_permanent(L, load, head->argument_count * sizeof *head->arguments + 1);
    size_t i = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        head->arguments[i].key = load_permanent_string(L, load, -2);
        head->arguments[i++].help = load_permanent_string(L, load, -1);
        lua_pop(L, 1);
    }
    watchdog_hold(); /* qsort may allocate memory */
    qsort(head->arguments, head->argument_count, sizeof *head->arguments, compare_arguments);
    watchdog_release();
}

/* Refuses an argument that was given, but that the script does not know. */
static void check_given(lua_State *L, const struct load *load)
{
    const struct script_head *head = load->head;

    for (size_t i = 0; load->given && i < load->given->argument_count; i++) {
        struct script_argument wanted = {.key = load->given->argument[i].key};
        if (head->argument_count > 0 &&
            bsearch(&wanted, head->arguments, head->argument_count, sizeof wanted, compare_arguments))
            continue;
        lua_pushliteral(L, "");
        for (size_t j = 0; j < head->argument_count; j++) {
            lua_pushfstring(L, "%s%s", j > 0 ? ", " : "", head->arguments[j].key);
            lua_concat(L, 2);
        }
        if (head->argument_count == 0)
            load_refuse(L, load, 1, "'%s' was given, but the %s takes no arguments", wanted.key, head->kind);
        load_refuse(L, load, load_line_of_field(load, "arguments"),
                    "'%s' was given, but the %s only takes %s", wanted.key, head->kind, lua_tostring(L, -1));
    }
}

void load_arguments(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "arguments");

    if (type != LUA_TNIL && type != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, "arguments"), "arguments is a %s, expected a table",
                    luaL_typename(L, -1));
    if (type == LUA_TTABLE)
        read_argument_table(L, load);
    lua_settop(L, table);
    check_given(L, load);
    lua_settop(L, table);
}

void load_args(lua_State *L, const struct load *load)
{
    const struct card_name *given = load->given;

    lua_newtable(L);
    for (size_t i = 0; given && i < given->argument_count; i++) {
        lua_pushstring(L, given->argument[i].value);
        lua_setfield(L, -2, given->argument[i].key);
    }
    lua_setglobal(L, "args");
}
