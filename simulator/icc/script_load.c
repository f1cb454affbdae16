/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/script_read.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/oneline.h"
#include "icc/card.h"
#include "icc/match.h"
#include "icc/persistent.h"
#include "iso7816/apdu.h"
#include "iso7816/hex.h"

/* All functions up to read_script run inside sandbox_call, and report failures as Lua errors. */

/* Values */

static void read_name(lua_State *L, const struct load *load, int table)
{
    static const char expected[] = "expected a string of 1 to 128 bytes, without control characters";
    int type = load_get_field(L, table, "name"), line = load_line_of_field(load, "name");
    char clean[SCRIPT_NAME_MAX + 8];
    const char *name;
    size_t length;

    if (type != LUA_TNIL) {
        if (type != LUA_TSTRING)
            load_refuse(L, load, line, "name is a %s, %s", luaL_typename(L, -1), expected);
        name = lua_tolstring(L, -1, &length);
        oneline(clean, sizeof clean, name, length);
        if (length == 0 || length > SCRIPT_NAME_MAX || strlen(clean) != length ||
            memcmp(clean, name, length) != 0)
            load_refuse(L, load, line, "name is not usable, %s", expected);
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
        load_refuse(L, load, line, "%s is a %s, expected a string of hexadecimal digits", what,
                    luaL_typename(L, -1));
    text = lua_tolstring(L, -1, &text_length);
    bool as_is = strncmp(text, SCRIPT_AS_IS, strlen(SCRIPT_AS_IS)) == 0;
    text += as_is ? strlen(SCRIPT_AS_IS) : 0;
    text_length -= as_is ? strlen(SCRIPT_AS_IS) : 0;
    line = load_line_or(source_line_of_string(load->source, NULL, 0, text, text_length), line);
    result = hex_decode(text, text_length, bytes, sizeof bytes, &length, &bad_at);
    if (result != HEX_OK)
        load_refuse(L, load, line, "%s: character %I: %s", what, (lua_Integer)bad_at + 1,
                    hex_result_text(result));
    if (as_is && length > ATR_MAX)
        load_refuse(L, load, line, "%s: as_is with %I bytes: readers pass on %d at most", what,
                    (lua_Integer)length, ATR_MAX);
    if (!as_is && atr_parse(bytes, length, &atr, &why) != ATR_OK) {
        atr_error_text(&why, reason, sizeof reason);
        load_refuse(L, load, line, "%s: %s; as_is\"...\" takes any bytes", what, reason);
    }
    memcpy(out->bytes, bytes, length);
    out->length = length;
}

static void read_atr(lua_State *L, const struct load *load, int table)
{
    static const char *const fields[] = {"cold", "warm", NULL};
    struct script *script = load->script;
    int line = load_line_of_field(load, "atr");

    switch (load_get_field(L, table, "atr")) {
    case LUA_TNIL:
        load_refuse(L, load, line, "no atr: every card needs one");
    case LUA_TSTRING:
        read_one_atr(L, load, "atr", line, &script->cold);
        script->warm = script->cold;
        break;
    case LUA_TTABLE:
        load_check_table(L, load, "atr", fields, "cold or warm");
        if (load_get_field(L, -1, "cold") == LUA_TNIL)
            load_refuse(L, load, line, "atr has no cold");
        read_one_atr(L, load, "atr.cold", line, &script->cold);
        lua_pop(L, 1);
        script->warm = script->cold;
        if (load_get_field(L, -1, "warm") != LUA_TNIL)
            read_one_atr(L, load, "atr.warm", line, &script->warm);
        lua_pop(L, 1);
        break;
    default:
        load_refuse(L, load, line,
                    "atr is a %s, expected a string of hexadecimal digits, or a table of cold and warm",
                    luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

static void read_protocols(lua_State *L, const struct load *load, int table)
{
    static const char *const t0_fields[] = {NULL};
    static const char *const t1_fields[] = {"ifsc", NULL};
    lua_Integer ifsc;
    int is_integer;

    if (load_get_table(L, load, table, "t0", t0_fields, "none"))
        lua_pop(L, 1);
    if (!load_get_table(L, load, table, "t1", t1_fields, "ifsc"))
        return;
    if (load_get_field(L, -1, "ifsc") != LUA_TNIL) {
        ifsc = lua_tointegerx(L, -1, &is_integer);
        if (lua_type(L, -1) != LUA_TNUMBER || !is_integer || ifsc < 1 || ifsc > 254)
            load_refuse(L, load,
                        load_line_or(load_line_of_field(load, "ifsc"), load_line_of_field(load, "t1")),
                        "t1.ifsc is not an integer from 1 to 254");
        load->script->t1_ifsc = (uint8_t)ifsc;
    }
    lua_pop(L, 2);
}

static void read_on_power(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "on_power"), line = load_line_of_field(load, "on_power");

    if (type == LUA_TFUNCTION)
        load_keep_function(L, line, &load->script->on_power);
    else if (type != LUA_TNIL)
        load_refuse(L, load, line, "on_power is a %s, expected a function", luaL_typename(L, -1));
    lua_pop(L, 1);
}

static void read_faults(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "faults"), line = load_line_of_field(load, "faults");
    struct error error;
    lua_Integer count = 0;

    if (type != LUA_TNIL && type != LUA_TTABLE)
        load_refuse(L, load, line, "faults is a %s, expected a list", luaL_typename(L, -1));
    if (type == LUA_TTABLE)
        count = load_check_list(L, load, "faults");
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
            load_refuse(L, load, line, "faults[%I] is a %s, expected a string", i, luaL_typename(L, -1));
        if (!sandbox_fault(load->sandbox, lua_tostring(L, -1), &error))
            load_refuse(L, load, line, "faults[%I]: %s", i, error.text);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_chaining(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "chaining");

    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        load_refuse(L, load, load_line_of_field(load, "chaining"), "chaining is a %s, expected true or false",
                    luaL_typename(L, -1));
    load->script->chaining = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

static void read_ne_without_le(lua_State *L, const struct load *load, int table)
{
    int type = load_get_field(L, table, "ne_without_le"), is_integer;
    lua_Integer ne = lua_tointegerx(L, -1, &is_integer);

    if (type != LUA_TNIL && (type != LUA_TNUMBER || !is_integer || ne < 0 || ne > APDU_NE_MAX))
        load_refuse(L, load, load_line_of_field(load, "ne_without_le"),
                    "ne_without_le is not an integer from 0 to 65536");
    load->script->ne_without_le = (uint32_t)ne;
    lua_pop(L, 1);
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
        load_refuse(L, load, 1, "a compiled Lua chunk, expected source text");
    if (source->length > 0 && memchr(source->text, '\0', source->length))
        load_refuse(L, load, 1, "a binary file, expected the text of a card script");
    lua_pushfstring(L, "@%s", source->name);
    if (luaL_loadbufferx(L, source->text + at, source->length - at, lua_tostring(L, -1), "t") != LUA_OK)
        refuse_text(L, source->text + at, source->length - at);
    load_args(L, load);
    persistent_load(L);
    lua_call(L, 0, 1);
    load->sandbox->is_loaded = true;
}

static int read_script(lua_State *L)
{
    static const char *const fields[] = {"name",     "atr",          "t0",       "t1",       "on_power",
                                         "commands", "applications", "channels", "chaining", "ne_without_le",
                                         "faults",   "arguments",    NULL};
    struct load *load = lua_touserdata(L, 1);
    int table;

    run(L, load);
    table = lua_gettop(L);
    if (lua_type(L, table) != LUA_TTABLE)
        load_refuse(L, load, 1, "the script returns %s%s, expected a table that describes the card",
                    lua_isnil(L, table) ? "" : "a ",
                    lua_isnil(L, table) ? "nothing" : luaL_typename(L, table));
    if (lua_getmetatable(L, table))
        load_refuse(L, load, 1, "the table that the script returns has a metatable, expected a plain table");
    load_check_table(
        L, load, "", fields,
        "name, atr, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    load_arguments(L, load, table);
    read_name(L, load, table);
    read_atr(L, load, table);
    read_protocols(L, load, table);
    read_on_power(L, load, table);
    read_chaining(L, load, table);
    read_ne_without_le(L, load, table);
    load_command_list(L, load, table, &load->script->list);
    load_applications(L, load, table);
    read_faults(L, load, table);
    persistent_save(L);
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
    return sandbox_call(sandbox, read_script, &load, 1, error);
}
