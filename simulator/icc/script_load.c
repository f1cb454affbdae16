/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/script_read.h"

#include <string.h>

#include <lauxlib.h>

#include "icc/card.h"
#include "icc/match.h"
#include "icc/persistent.h"
#include "icc/sandbox.h"
#include "iso7816/apdu.h"
#include "iso7816/hex.h"

/* All functions up to read_script run inside sandbox_call, and report failures as Lua errors. */

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

    script->has_contacts = true;
    switch (load_get_field(L, table, "atr")) {
    case LUA_TNIL:
        if (script->at_antenna.length == 0)
            load_refuse(L, load, line, "no atr: every card needs one, or an antenna");
        script->cold = script->warm = script->at_antenna;
        script->has_contacts = false;
        break;
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

static int read_script(lua_State *L)
{
    static const char *const fields[] = {"name",     "atr",       "antenna",       "t0",       "t1",
                                         "on_power", "commands",  "applications",  "channels", "chaining",
                                         "faults",   "arguments", "ne_without_le", NULL};
    struct load *load = lua_touserdata(L, 1);
    int table;

    persistent_load(L);
    load_run(L, load);
    table = lua_gettop(L);
    load_check_table(
        L, load, "", fields,
        "name, atr, antenna, t0, t1, on_power, commands, applications, channels, chaining, ne_without_le, faults or arguments");
    load_arguments(L, load, table);
    load_name(L, load, table);
    load_antenna(L, load, table);
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

bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source,
                 const struct card_name *given, struct error *error)
{
    struct load load = {
        .head = &script->head, .script = script, .sandbox = sandbox, .source = source, .given = given};

    memset(script, 0, sizeof *script);
    script->on_power.ref = script->frame.ref = LUA_NOREF;
    script->head.kind = "card";
    load_default_name(&script->head, source->name);
    return sandbox_call(sandbox, read_script, &load, 1, error);
}
