/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/oneline.h"
#include "icc/card.h"
#include "icc/match.h"
#include "icc/persistent.h"
#include "iso7816/hex.h"

/* All functions up to read_script run inside sandbox_call, and report failures as Lua errors. */

struct load {
    struct script *script;
    struct sandbox *sandbox;
    const struct source *source;
    const struct card_name *given; /* may be NULL */
    int commands_line;             /* the line where the list of commands begins */
};

/* Errors */

/* Raises "file:line: reason". */

static _Noreturn void raise_error(lua_State *L, const struct load *load, int line, const char *format, ...)
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

static int line_of_field(const struct load *load, const char *field)
{
    return source_line_of_field(load->source, field);
}

static int line_or(int line, int otherwise)
{
    return line > 0 ? line : otherwise;
}

/* Returns the line of the string at index. */
static int line_of_string(lua_State *L, const struct load *load, int index)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);

    return source_line_of_string(load->source, NULL, 0, text, length);
}

/* Returns a block that lives as long as the card. If there is no room, runs Lua's garbage collector, because
 * a block that is not Lua's does not trigger it. */
static void *permanent(lua_State *L, const struct load *load, size_t size)
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

/* Tables */

static const char *pushed_key(lua_State *L, int index)
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

/*
 * Checks the table on top of the stack. Refuses one with a metatable, which could give different values each
 * time, and one with a field that is not in fields. The message names the first such field in the order of
 * is_before.
 */
static void check_table(lua_State *L, const struct load *load, const char *what, const char *const *fields,
                        const char *expected)
{
    int table = lua_gettop(L), unknown = table + 1, line = 0;

    if (lua_getmetatable(L, table))
        raise_error(L, load, line_of_field(load, what), "%s has a metatable, expected a plain table", what);
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
        line = line_of_field(load, lua_tostring(L, unknown));
    raise_error(L, load, line_or(line, line_of_field(load, what)), "%s%sunknown field %s: expected %s", what,
                *what ? ": " : "", pushed_key(L, unknown), expected);
}

/* Pushes a field of the table at index `table`. Returns its type. */
static int get_field(lua_State *L, int table, const char *field)
{
    table = lua_absindex(L, table);
    lua_pushstring(L, field);
    return lua_rawget(L, table);
}

/* Values */

static void read_name(lua_State *L, const struct load *load, int table)
{
    static const char expected[] = "expected a string of 1 to 128 bytes, without control characters";
    int type = get_field(L, table, "name"), line = line_of_field(load, "name");
    char clean[SCRIPT_NAME_MAX + 8];
    const char *name;
    size_t length;

    if (type != LUA_TNIL) {
        if (type != LUA_TSTRING)
            raise_error(L, load, line, "name is a %s, %s", luaL_typename(L, -1), expected);
        name = lua_tolstring(L, -1, &length);
        oneline(clean, sizeof clean, name, length);
        if (length == 0 || length > SCRIPT_NAME_MAX || strlen(clean) != length ||
            memcmp(clean, name, length) != 0)
            raise_error(L, load, line, "name is not usable, %s", expected);
        memcpy(load->script->name, clean, length + 1);
    }
    lua_pop(L, 1);
}

/* Reads the string on top of the stack. */
static void read_one_atr(lua_State *L, const struct load *load, const char *what, int line,
                         struct script_atr *out)
{
    struct atr_error why;
    struct atr atr;
    uint8_t bytes[2 * ATR_MAX]; /* atr_parse reports an ATR of more than ATR_MAX bytes */
    size_t length, text_length, bad_at;
    enum hex_result result;
    const char *text;
    char reason[160];

    if (lua_type(L, -1) != LUA_TSTRING)
        raise_error(L, load, line, "%s is a %s, expected a string of hexadecimal digits", what,
                    luaL_typename(L, -1));
    text = lua_tolstring(L, -1, &text_length);
    bool as_is = strncmp(text, SCRIPT_AS_IS, strlen(SCRIPT_AS_IS)) == 0;
    text += as_is ? strlen(SCRIPT_AS_IS) : 0;
    text_length -= as_is ? strlen(SCRIPT_AS_IS) : 0;
    line = line_or(source_line_of_string(load->source, NULL, 0, text, text_length), line);
    result = hex_decode(text, text_length, bytes, sizeof bytes, &length, &bad_at);
    if (result != HEX_OK)
        raise_error(L, load, line, "%s: character %I: %s", what, (lua_Integer)bad_at + 1,
                    hex_result_text(result));
    if (as_is && length > ATR_MAX)
        raise_error(L, load, line, "%s: as_is with %I bytes: readers pass on %d at most", what,
                    (lua_Integer)length, ATR_MAX);
    if (!as_is && atr_parse(bytes, length, &atr, &why) != ATR_OK) {
        atr_error_text(&why, reason, sizeof reason);
        raise_error(L, load, line, "%s: %s; as_is\"...\" takes any bytes", what, reason);
    }
    memcpy(out->bytes, bytes, length);
    out->length = length;
}

static void read_atr(lua_State *L, const struct load *load, int table)
{
    static const char *const fields[] = {"cold", "warm", NULL};
    struct script *script = load->script;
    int line = line_of_field(load, "atr");

    switch (get_field(L, table, "atr")) {
    case LUA_TNIL:
        raise_error(L, load, line, "no atr: every card needs one");
    case LUA_TSTRING:
        read_one_atr(L, load, "atr", line, &script->cold);
        script->warm = script->cold;
        break;
    case LUA_TTABLE:
        check_table(L, load, "atr", fields, "cold or warm");
        if (get_field(L, -1, "cold") == LUA_TNIL)
            raise_error(L, load, line, "atr has no cold");
        read_one_atr(L, load, "atr.cold", line, &script->cold);
        lua_pop(L, 1);
        script->warm = script->cold;
        if (get_field(L, -1, "warm") != LUA_TNIL)
            read_one_atr(L, load, "atr.warm", line, &script->warm);
        lua_pop(L, 1);
        break;
    default:
        raise_error(L, load, line,
                    "atr is a %s, expected a string of hexadecimal digits, or a table of cold and warm",
                    luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

/* If the field `what` exists, checks that it is a table with these fields and pushes it. Returns whether it
 * exists. */
static bool get_table(lua_State *L, const struct load *load, int table, const char *what,
                      const char *const *fields, const char *expected)
{
    int type = get_field(L, table, what);

    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (type != LUA_TTABLE)
        raise_error(L, load, line_of_field(load, what), "%s is a %s, expected a table", what,
                    luaL_typename(L, -1));
    check_table(L, load, what, fields, expected);
    return true;
}

static void read_protocols(lua_State *L, const struct load *load, int table)
{
    static const char *const t0_fields[] = {NULL};
    static const char *const t1_fields[] = {"ifsc", NULL};
    lua_Integer ifsc;
    int is_integer;

    if (get_table(L, load, table, "t0", t0_fields, "none"))
        lua_pop(L, 1);
    if (!get_table(L, load, table, "t1", t1_fields, "ifsc"))
        return;
    if (get_field(L, -1, "ifsc") != LUA_TNIL) {
        ifsc = lua_tointegerx(L, -1, &is_integer);
        if (lua_type(L, -1) != LUA_TNUMBER || !is_integer || ifsc < 1 || ifsc > 254)
            raise_error(L, load, line_or(line_of_field(load, "ifsc"), line_of_field(load, "t1")),
                        "t1.ifsc is not an integer from 1 to 254");
        load->script->t1_ifsc = (uint8_t)ifsc;
    }
    lua_pop(L, 2);
}

static int line_of_function(lua_State *L, int index)
{
    lua_Debug ar;

    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &ar);
    return ar.linedefined; /* -1 for a function in C */
}

/* Keeps the function on top of the stack in the registry. */
static void keep_function(lua_State *L, int line, struct script_function *out)
{
    lua_pushvalue(L, -1);
    out->line = line_or(line_of_function(L, -1), line);
    out->ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void read_on_power(lua_State *L, const struct load *load, int table)
{
    int type = get_field(L, table, "on_power"), line = line_of_field(load, "on_power");

    if (type == LUA_TFUNCTION)
        keep_function(L, line, &load->script->on_power);
    else if (type != LUA_TNIL)
        raise_error(L, load, line, "on_power is a %s, expected a function", luaL_typename(L, -1));
    lua_pop(L, 1);
}

/*
 * Commands: each is a table at index `entry`. Its line is looked up only for an error message, because each
 * look-up searches the whole text.
 */

/* Returns the line of the command: the line of its pattern, else of its answer, else of the list. */
static int line_of_command(lua_State *L, const struct load *load, int entry)
{
    int line = 0;

    if (lua_rawgeti(L, entry, 1) == LUA_TSTRING && lua_rawlen(L, -1) > 0)
        line = line_of_string(L, load, -1);
    else if (lua_type(L, -1) == LUA_TFUNCTION)
        line = line_of_function(L, -1);
    if (lua_rawgeti(L, entry, 2) == LUA_TFUNCTION && line <= 0)
        line = line_of_function(L, -1);
    else if (lua_type(L, -1) == LUA_TSTRING && line <= 0)
        line = line_of_string(L, load, -1);
    lua_pop(L, 2);
    return line_or(line, line_of_field(load, "commands"));
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
    return line_or(found, line_of_command(L, load, entry));
}

static void check_entry(lua_State *L, const struct load *load, int entry, const char *what)
{
    if (lua_getmetatable(L, entry))
        raise_error(L, load, line_of_command(L, load, entry), "%s has a metatable, expected a plain table",
                    what);
    lua_pushnil(L);
    while (lua_next(L, entry)) {
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (key != 1 && key != 2)
            raise_error(L, load, line_of_command(L, load, entry),
                        "%s: unknown field %s: expected a pattern and an answer", what,
                        pushed_key(L, lua_gettop(L) - 1));
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
        raise_error(L, load, line_of_command(L, load, entry), "%s: pattern is missing", what);
    if (type != LUA_TSTRING)
        raise_error(L, load, line_of_command(L, load, entry),
                    "%s: pattern is a %s, expected a string of hexadecimal digits and dots", what,
                    luaL_typename(L, -1));
    text = lua_tolstring(L, -1, &length);
    value = permanent(L, load, length / 2 * 2 + 1);
    result = hex_decode_pattern(text, length, value, value + length / 2, length / 2, &out->length, &bad_at);
    if (result != HEX_OK)
        raise_error(L, load, line_of_command(L, load, entry), "%s: pattern: character %I: %s", what,
                    (lua_Integer)bad_at + 1, hex_result_text(result));
    if (out->length > APDU_COMMAND_MAX)
        raise_error(L, load, line_of_command(L, load, entry), "%s: pattern is longer than any command", what);
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
    uint8_t *answer = permanent(L, load, length / 2 + 1);

    result = hex_decode(text, length, answer, length / 2, &out->answer_length, &bad_at);
    if (result != HEX_OK)
        raise_error(L, load, line_of_answer(L, load, entry), "%s: answer: character %I: %s", what,
                    (lua_Integer)bad_at + 1, hex_result_text(result));
    if (out->answer_length < 2)
        raise_error(L, load, line_of_answer(L, load, entry),
                    "%s: answer has %I byte%s, expected at least the 2 of a status word", what,
                    (lua_Integer)out->answer_length, out->answer_length == 1 ? "" : "s");
    if (out->answer_length > CARD_RESPONSE_MAX)
        raise_error(L, load, line_of_answer(L, load, entry),
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
        raise_error(L, load, line_of_command(L, load, entry), "%s: answer is missing", what);
    case LUA_TSTRING:
        read_constant(L, load, entry, what, out);
        break;
    case LUA_TFUNCTION:
        keep_function(L, load->commands_line, &out->handler);
        break;
    default:
        raise_error(L, load, line_of_command(L, load, entry),
                    "%s: answer is a %s, expected a string of hexadecimal digits, or a function", what,
                    luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

/* Checks the list on top of the stack. Returns the number of its entries. */
static lua_Integer check_list(lua_State *L, const struct load *load, const char *what)
{
    int line = line_of_field(load, what), table = lua_gettop(L);
    lua_Integer count = 0, last = 0;

    if (lua_getmetatable(L, table))
        raise_error(L, load, line, "%s has a metatable, expected a plain table", what);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
            raise_error(L, load, line, "%s: unknown field %s: expected a list", what,
                        pushed_key(L, lua_gettop(L)));
        if (lua_tointeger(L, -1) > last)
            last = lua_tointeger(L, -1);
        count++;
    }
    if (last != count)
        raise_error(L, load, line, "%s has a gap: %I entries, but the last one is number %I", what, count,
                    last);
    return count;
}

static void read_command(lua_State *L, const struct load *load, lua_Integer number,
                         struct script_command *out)
{
    int entry = lua_gettop(L);
    const char *what = lua_pushfstring(L, "commands[%I]", number);

    out->number = (int)number;
    out->handler.ref = LUA_NOREF;
    if (lua_type(L, entry) != LUA_TTABLE)
        raise_error(L, load, line_of_field(load, "commands"),
                    "%s is a %s, expected a table of a pattern and an answer", what, luaL_typename(L, entry));
    check_entry(L, load, entry, what);
    read_pattern(L, load, entry, what, &out->pattern);
    read_answer(L, load, entry, what, out);
    lua_settop(L, entry);
}

static void read_commands(lua_State *L, struct load *load, int table)
{
    struct script *script = load->script;
    int type = get_field(L, table, "commands");
    lua_Integer count;

    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    if (type != LUA_TTABLE)
        raise_error(L, load, line_of_field(load, "commands"), "commands is a %s, expected a list",
                    luaL_typename(L, -1));
    count = check_list(L, load, "commands");
    load->commands_line = line_of_field(load, "commands");
    script->commands = permanent(L, load, (size_t)count * sizeof *script->commands);
    memset(script->commands, 0, (size_t)count * sizeof *script->commands);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        read_command(L, load, i, &script->commands[i - 1]);
        lua_pop(L, 1);
    }
    script->command_count = (size_t)count;
    lua_pop(L, 1);
}

static void read_faults(lua_State *L, const struct load *load, int table)
{
    int type = get_field(L, table, "faults"), line = line_of_field(load, "faults");
    struct error error;
    lua_Integer count = 0;

    if (type != LUA_TNIL && type != LUA_TTABLE)
        raise_error(L, load, line, "faults is a %s, expected a list", luaL_typename(L, -1));
    if (type == LUA_TTABLE)
        count = check_list(L, load, "faults");
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
            raise_error(L, load, line, "faults[%I] is a %s, expected a string", i, luaL_typename(L, -1));
        if (!sandbox_fault(load->sandbox, lua_tostring(L, -1), &error))
            raise_error(L, load, line, "faults[%I]: %s", i, error.text);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_chaining(lua_State *L, const struct load *load, int table)
{
    int type = get_field(L, table, "chaining");

    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        raise_error(L, load, line_of_field(load, "chaining"), "chaining is a %s, expected true or false",
                    luaL_typename(L, -1));
    load->script->chaining = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

/*
 * Arguments
 */

static const char *permanent_string(lua_State *L, const struct load *load, int index)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);

    return memcpy(permanent(L, load, length + 1), text, length + 1);
}

static int compare_arguments(const void *a, const void *b)
{
    return strcmp(((const struct script_argument *)a)->key, ((const struct script_argument *)b)->key);
}

/* Reads the table on top of the stack: KEY = "what it is". */
static void read_argument_table(lua_State *L, const struct load *load)
{
    struct script *script = load->script;
    int table = lua_gettop(L), line = line_of_field(load, "arguments");

    if (lua_getmetatable(L, table))
        raise_error(L, load, line, "arguments has a metatable, expected a plain table");
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            raise_error(L, load, line, "arguments: unknown field %s: expected KEY = \"what it is\"",
                        pushed_key(L, lua_gettop(L) - 1));
        lua_pop(L, 1);
        script->argument_count++;
    }
    script->arguments = permanent(L, load, script->argument_count * sizeof *script->arguments + 1);
    size_t i = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        script->arguments[i].key = permanent_string(L, load, -2);
        script->arguments[i++].help = permanent_string(L, load, -1);
        lua_pop(L, 1);
    }
    qsort(script->arguments, script->argument_count, sizeof *script->arguments, compare_arguments);
}

/* Refuses an argument that was given, but that the script does not know. */
static void check_given(lua_State *L, const struct load *load)
{
    const struct script *script = load->script;

    for (size_t i = 0; load->given && i < load->given->argument_count; i++) {
        struct script_argument wanted = {.key = load->given->argument[i].key};
        if (script->argument_count > 0 &&
            bsearch(&wanted, script->arguments, script->argument_count, sizeof wanted, compare_arguments))
            continue;
        lua_pushliteral(L, "");
        for (size_t j = 0; j < script->argument_count; j++) {
            lua_pushfstring(L, "%s%s", j > 0 ? ", " : "", script->arguments[j].key);
            lua_concat(L, 2);
        }
        if (script->argument_count == 0)
            raise_error(L, load, 1, "'%s' was given, but the card takes no arguments", wanted.key);
        raise_error(L, load, line_of_field(load, "arguments"), "'%s' was given, but the card only takes %s",
                    wanted.key, lua_tostring(L, -1));
    }
}

static void read_arguments(lua_State *L, const struct load *load, int table)
{
    int type = get_field(L, table, "arguments");

    if (type != LUA_TNIL && type != LUA_TTABLE)
        raise_error(L, load, line_of_field(load, "arguments"), "arguments is a %s, expected a table",
                    luaL_typename(L, -1));
    if (type == LUA_TTABLE)
        read_argument_table(L, load);
    lua_settop(L, table);
    check_given(L, load);
    lua_settop(L, table);
}

/* Sets the global args to a table of the arguments that were given. */
static void set_args(lua_State *L, const struct card_name *given)
{
    lua_newtable(L);
    for (size_t i = 0; given && i < given->argument_count; i++) {
        lua_pushstring(L, given->argument[i].value);
        lua_setfield(L, -2, given->argument[i].key);
    }
    lua_setglobal(L, "args");
}

/* The script */

/* Returns the length of what Lua's own file loader skips: a byte order mark, and a first line that begins
 * with '#'. */
static size_t skip_to_lua(const struct source *source)
{
    size_t at = 0;

    if (source->length >= 3 && memcmp(source->text, "\xEF\xBB\xBF", 3) == 0)
        at = 3;
    if (at < source->length && source->text[at] == '#')
        while (at < source->length &&
               source->text[at] != '\n') /* the newline stays, so that the line numbers are right */
            at++;
    return at;
}

/* Raises the message on top of the stack, which says why the text is not valid Lua, with a hint about common
 * mistakes. */
static _Noreturn void refuse_text(lua_State *L, const char *text, size_t length)
{
    static const char near[] = "unexpected symbol near '{'";
    const char *message = lua_tostring(L, -1);
    size_t begin = 0;

    while (begin < length && strchr(" \t\r\n", text[begin]) && text[begin] != '\0')
        begin++;
    if (begin < length && text[begin] == '[')
        lua_pushliteral(L, "; this looks like JSON: a card is a Lua script");
    else if (strlen(message) > sizeof near && strcmp(message + strlen(message) - sizeof near + 1, near) == 0)
        lua_pushliteral(L, "; a card is a Lua script that returns its table: return { ... }");
    else
        lua_pushliteral(L, "");
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

static void run(lua_State *L, const struct load *load)
{
    const struct source *source = load->source;
    size_t at = skip_to_lua(source);

    if (at < source->length && source->text[at] == LUA_SIGNATURE[0])
        raise_error(L, load, 1, "a compiled Lua chunk, expected source text");
    if (source->length > 0 && memchr(source->text, '\0', source->length))
        raise_error(L, load, 1, "a binary file, expected the text of a card script");
    lua_pushfstring(L, "@%s", source->name);
    if (luaL_loadbufferx(L, source->text + at, source->length - at, lua_tostring(L, -1), "t") != LUA_OK)
        refuse_text(L, source->text + at, source->length - at);
    set_args(L, load->given);
    persistent_load(L);
    lua_call(L, 0, 1);
    persistent_save(L);
    load->sandbox->is_loaded = true;
}

static int read_script(lua_State *L)
{
    static const char *const fields[] = {"name",     "atr",      "t0",     "t1",        "on_power",
                                         "commands", "chaining", "faults", "arguments", NULL};
    struct load *load = lua_touserdata(L, 1);
    int table;

    run(L, load);
    table = lua_gettop(L);
    if (lua_type(L, table) != LUA_TTABLE)
        raise_error(L, load, 1, "the script returns %s%s, expected a table that describes the card",
                    lua_isnil(L, table) ? "" : "a ",
                    lua_isnil(L, table) ? "nothing" : luaL_typename(L, table));
    if (lua_getmetatable(L, table))
        raise_error(L, load, 1, "the table that the script returns has a metatable, expected a plain table");
    check_table(L, load, "", fields, "name, atr, t0, t1, on_power, commands, chaining, faults or arguments");
    read_arguments(L, load, table);
    read_name(L, load, table);
    read_atr(L, load, table);
    read_protocols(L, load, table);
    read_on_power(L, load, table);
    read_chaining(L, load, table);
    read_commands(L, load, table);
    read_faults(L, load, table);
    return 0;
}

/* The card's name if the script gives none: the file name without directories and ".lua". */
static void default_name(char name[SCRIPT_NAME_MAX + 1], const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash && slash[1] ? slash + 1 : path;
    size_t length = strlen(base);

    if (length > 4 && strcmp(base + length - 4, ".lua") == 0)
        length -= 4;
    oneline(name, SCRIPT_NAME_MAX + 1, base, length);
    if (!*name)
        memcpy(name, "card", sizeof "card");
}

bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source,
                 const struct card_name *given, struct error *error)
{
    struct load load = {.script = script, .sandbox = sandbox, .source = source, .given = given};

    memset(script, 0, sizeof *script);
    script->on_power.ref = LUA_NOREF;
    default_name(script->name, source->name);
    if (!sandbox_call(sandbox, read_script, &load, 1, error))
        return false;
    if (!match_index(&script->index, script->commands, script->command_count, &sandbox->heap))
        return error_set(error, "%s:1: not enough memory", source->name);
    return true;
}
