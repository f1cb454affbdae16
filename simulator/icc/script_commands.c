/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of a card script: each is a table at index `entry`. Its line is looked up only for an error
 * message, because each look-up searches the whole text.
 */
#include "icc/script_read.h"

#include <string.h>

#include <lauxlib.h>

#include "icc/card.h"
#include "icc/match.h"
#include "icc/sandbox.h"
#include "iso7816/hex.h"

/* Returns the line of the command: the line of its pattern, else of its answer, else of the list. */
static int line_of_command(lua_State *L, const struct load *load, int entry)
{
    int line = 0;

    if (lua_rawgeti(L, entry, 1) == LUA_TSTRING && lua_rawlen(L, -1) > 0)
        line = load_line_of_string(L, load, -1);
    else if (lua_type(L, -1) == LUA_TFUNCTION)
        line = load_line_of_function(L, -1);
    if (lua_rawgeti(L, entry, 2) == LUA_TFUNCTION && line <= 0)
        line = load_line_of_function(L, -1);
    else if (lua_type(L, -1) == LUA_TSTRING && line <= 0)
        line = load_line_of_string(L, load, -1);
    lua_pop(L, 2);
    return load_line_or(line, load_line_of_field(load, "commands"));
}

/* Returns the line of the answer, which is a string: the first such string after the pattern. */
static int line_of_answer(lua_State *L, const struct load *load, int entry)
{
    size_t pattern_length, length;
    const char *pattern, *text;
    int found;

    lua_rawgeti(L, entry, 2);
    text = lua_tolstring(L, -1, &length);
    lua_rawgeti(L, entry, 1);
    pattern = lua_tolstring(L, -1, &pattern_length);
    found = source_line_of_string(load->source, pattern_length > 0 ? pattern : NULL, pattern_length, text,
                                  length);
    lua_pop(L, 2);
    return load_line_or(found, line_of_command(L, load, entry));
}

static void check_entry(lua_State *L, const struct load *load, int entry, const char *what)
{
    if (lua_getmetatable(L, entry))
        load_refuse(L, load, line_of_command(L, load, entry), "%s has a metatable, expected a plain table",
                    what);
    lua_pushnil(L);
    while (lua_next(L, entry)) {
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (key != 1 && key != 2)
            load_refuse(L, load, line_of_command(L, load, entry),
                        "%s: unknown field %s: expected a pattern and an answer", what,
                        load_pushed_key(L, lua_gettop(L) - 1));
        lua_pop(L, 1);
    }
}

static void read_pattern(lua_State *L, const struct load *load, int entry, const char *what,
                         struct pattern *out)
{
    int type = lua_rawgeti(L, entry, 1);
    enum hex_result result;
    const char *text;
    uint8_t *value;
    size_t length, bad_at;

    if (type == LUA_TNIL)
        load_refuse(L, load, line_of_command(L, load, entry), "%s: pattern is missing", what);
    if (type != LUA_TSTRING)
        load_refuse(L, load, line_of_command(L, load, entry),
                    "%s: pattern is a %s, expected a string of hexadecimal digits and dots", what,
                    luaL_typename(L, -1));
    text = lua_tolstring(L, -1, &length);
    value = load_permanent(L, load, length / 2 * 2 + 1);
    result = hex_decode_pattern(text, length, value, value + length / 2, length / 2, &out->length, &bad_at);
    if (result != HEX_OK)
        load_refuse(L, load, line_of_command(L, load, entry), "%s: pattern: character %I: %s", what,
                    (lua_Integer)bad_at + 1, hex_result_text(result));
    if (out->length > APDU_COMMAND_MAX)
        load_refuse(L, load, line_of_command(L, load, entry), "%s: pattern is longer than any command", what);
    out->value = value;
    out->mask = value + length / 2;
    lua_pop(L, 1);
}

/* Reads the string on top of the stack. */
static void read_constant(lua_State *L, const struct load *load, int entry, const char *what,
                          struct script_command *out)
{
    enum hex_result result;
    size_t length, bad_at;
    const char *text = lua_tolstring(L, -1, &length);
    uint8_t *answer = load_permanent(L, load, length / 2 + 1);

    result = hex_decode(text, length, answer, length / 2, &out->answer_length, &bad_at);
    if (result != HEX_OK)
        load_refuse(L, load, line_of_answer(L, load, entry), "%s: answer: character %I: %s", what,
                    (lua_Integer)bad_at + 1, hex_result_text(result));
    if (out->answer_length < 2)
        load_refuse(L, load, line_of_answer(L, load, entry),
                    "%s: answer has %I byte%s, expected at least the 2 of a status word", what,
                    (lua_Integer)out->answer_length, out->answer_length == 1 ? "" : "s");
    if (out->answer_length > CARD_RESPONSE_MAX)
        load_refuse(L, load, line_of_answer(L, load, entry),
                    "%s: answer has %I bytes, at most 65538 are possible", what,
                    (lua_Integer)out->answer_length);
    out->answer = answer;
}

static void read_answer(lua_State *L, const struct load *load, int entry, const char *what,
                        struct script_command *out)
{
    int type = lua_rawgeti(L, entry, 2);

    switch (type) {
    case LUA_TNIL:
        load_refuse(L, load, line_of_command(L, load, entry), "%s: answer is missing", what);
    case LUA_TSTRING:
        read_constant(L, load, entry, what, out);
        break;
    case LUA_TFUNCTION:
        load_keep_function(L, load_line_of_field(load, "commands"), &out->handler);
        break;
    default:
        load_refuse(L, load, line_of_command(L, load, entry),
                    "%s: answer is a %s, expected a string of hexadecimal digits, or a function", what,
                    luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

void load_command(lua_State *L, const struct load *load, const char *what, int number,
                  struct script_command *out)
{
    int entry = lua_gettop(L);

    out->number = number;
    out->handler.ref = LUA_NOREF;
    if (lua_type(L, entry) != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, "commands"),
                    "%s is a %s, expected a table of a pattern and an answer", what, luaL_typename(L, entry));
    check_entry(L, load, entry, what);
    read_pattern(L, load, entry, what, &out->pattern);
    read_answer(L, load, entry, what, out);
    lua_settop(L, entry - 1);
}

void load_command_list(lua_State *L, const struct load *load, int table, struct script_list *out)
{
    int type = load_get_field(L, table, "commands");
    int list = lua_gettop(L);

    if (type != LUA_TNIL && type != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, "commands"), "commands is a %s, expected a list",
                    luaL_typename(L, -1));
    lua_Integer count = type == LUA_TNIL ? 0 : load_check_list(L, load, "commands");
    out->commands = load_permanent(L, load, (size_t)count * sizeof *out->commands + 1);
    memset(out->commands, 0, (size_t)count * sizeof *out->commands);
    for (lua_Integer i = 1; i <= count; i++) {
        const char *what = lua_pushfstring(L, "commands[%I]", i);
        lua_rawgeti(L, list, i);
        load_command(L, load, what, (int)i, &out->commands[i - 1]);
        lua_settop(L, list);
    }
    out->count = (size_t)count;
    lua_pop(L, 1);
    if (!match_index(&out->index, out->commands, out->count, &load->sandbox->heap))
        luaL_error(L, "not enough memory");
}
