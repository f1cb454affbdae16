/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_read.h"

#include "icc/watchdog.h"
#include "iso7816/hex.h"
#include "link/link.h"
#include "rig/feature_names.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All functions run inside sandbox_call(), and report failures as Lua errors. */

#define OPTION_MAX 1024 /* bytes of KEY=VALUE */
#define LIST_MAX   64   /* entries of a table */

/* Refuses the value on top of the stack. */
static _Noreturn void refuse_type(lua_State *L, const struct load *load, const char *field, const char *key,
                                  const char *expected)
{
    load_refuse(L, load, load_line_or(load_line_of_field(load, key), load_line_of_field(load, field)),
                "%s: %s is a %s, expected %s", field, key, luaL_typename(L, -1), expected);
}

/* Returns a block with the bytes of the hexadecimal text on top of the stack. */
static const uint8_t *read_hex(lua_State *L, const struct load *load, const char *field, size_t *length)
{
    size_t text_length, bad_at;
    const char *text = lua_tolstring(L, -1, &text_length);
    uint8_t *bytes = load_permanent(L, load, text_length / 2 + 1);
    enum hex_result result = hex_decode(text, text_length, bytes, text_length / 2, length, &bad_at);
    if (result != HEX_OK)
        load_refuse(L, load, load_line_or(load_line_of_string(L, load, -1), load_line_of_field(load, field)),
                    "%s: character %I: %s", field, (lua_Integer)bad_at + 1, hex_result_text(result));
    if (*length > READER_OUTPUT_MAX)
        load_refuse(L, load, load_line_of_field(load, field), "%s has %I bytes, expected at most %d", field,
                    (lua_Integer)*length, READER_OUTPUT_MAX);
    return bytes;
}

/* Pushes the field, a table without metatable, and counts its entries. Returns false, and pushes nothing, if
 * the script does not have it. */
static bool push_table(lua_State *L, const struct load *load, int table, const char *field, size_t *count)
{
    *count = 0;
    if (load_get_field(L, table, field) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (lua_type(L, -1) != LUA_TTABLE)
        load_refuse(L, load, load_line_of_field(load, field), "%s is a %s, expected a table", field,
                    luaL_typename(L, -1));
    if (lua_getmetatable(L, -1))
        load_refuse(L, load, load_line_of_field(load, field), "%s has a metatable, expected a plain table",
                    field);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        if (++*count > LIST_MAX)
            load_refuse(L, load, load_line_of_field(load, field), "%s has more than %d entries", field,
                        LIST_MAX);
    return true;
}

/* options */

/* Writes the option on top of the stack, with its key below it, as KEY=VALUE. Returns false if it is false. */
static bool print_option(lua_State *L, const struct load *load, char text[OPTION_MAX])
{
    const char *key = lua_tostring(L, -2);
    int length = 0;
    if (lua_isboolean(L, -1)) {
        length = snprintf(text, OPTION_MAX, "%s", key);
    } else if (lua_isinteger(L, -1)) {
        length = snprintf(text, OPTION_MAX, "%s=%lld", key, (long long)lua_tointeger(L, -1));
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        length = snprintf(text, OPTION_MAX, "%s=%s", key, lua_tostring(L, -1));
        if (memchr(lua_tostring(L, -1), '\0', lua_rawlen(L, -1)))
            length = OPTION_MAX;
    } else {
        refuse_type(L, load, "options", key, "a string, an integer, true or false");
    }
    if (length >= OPTION_MAX)
        load_refuse(L, load, load_line_of_field(load, key), "options: %s is not usable", key);
    return !lua_isboolean(L, -1) || lua_toboolean(L, -1);
}

static void read_options(lua_State *L, const struct reader_load *reader, int table)
{
    const struct load *load = &reader->load;
    char text[OPTION_MAX];
    struct error error;
    size_t count;
    watchdog_hold();
    bool ok = reader_options_begin(reader->options, load->head->name, &error);
    watchdog_release();
    if (!ok)
        load_refuse(L, load, load_line_of_field(load, "name"), "%s", error.text);
    if (!push_table(L, load, table, "options", &count))
        return;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            load_refuse(L, load, load_line_of_field(load, "options"),
                        "options: unknown field %s: expected the keys of --reader",
                        load_pushed_key(L, lua_gettop(L) - 1));
        if (!print_option(L, load, text))
            continue;
        watchdog_hold();
        ok = reader_options_field(reader->options, text, &error);
        watchdog_release();
        if (!ok)
            load_refuse(L, load, load_line_of_field(load, lua_tostring(L, -2)), "%s", error.text);
    }
    lua_pop(L, 1);
}

static void read_attributes(lua_State *L, const struct reader_load *reader, int table)
{
    const struct load *load = &reader->load;
    size_t count, length;
    if (!push_table(L, load, table, "attributes", &count))
        return;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        lua_Integer tag = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : -1;
        if (tag < 0 || tag > UINT32_MAX || lua_type(L, -1) != LUA_TSTRING)
            load_refuse(L, load, load_line_of_field(load, "attributes"),
                        "attributes: %s: expected [TAG] = \"hexadecimal\"",
                        load_pushed_key(L, lua_gettop(L) - 1));
        const uint8_t *bytes = read_hex(L, load, "attributes", &length);
        if (!reader_options_attribute(reader->options, (uint32_t)tag, bytes, length))
            load_refuse(L, load, load_line_of_field(load, "attributes"),
                        "attributes: expected at most %d bytes, for at most %d tags", READER_ATTRIBUTE_SIZE,
                        READER_ATTRIBUTES_MAX);
    }
    lua_pop(L, 1);
}

/* features and properties */

static int compare_changes(const void *a, const void *b)
{
    return ((const struct reader_change *)a)->tag - ((const struct reader_change *)b)->tag;
}

/* Returns the tag at the index, a number or a name. */
static uint8_t read_tag(lua_State *L, const struct load *load, const char *field,
                        const struct feature_name *names, int index)
{
    lua_Integer number = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    const struct feature_name *found =
        lua_type(L, index) == LUA_TSTRING ? feature_find(names, lua_tostring(L, index)) : NULL;
    if (found)
        return found->tag;
    if (number < 0 || number > UINT8_MAX)
        load_refuse(L, load,
                    load_line_or(lua_type(L, index) == LUA_TSTRING
                                     ? load_line_of_field(load, lua_tostring(L, index))
                                     : 0,
                                 load_line_of_field(load, field)),
                    "%s: unknown field %s: expected a name of PC/SC part 10, or a tag from 0 to 255", field,
                    load_pushed_key(L, index));
    return (uint8_t)number;
}

/* Reads the value on top of the stack. An integer has the length and the byte order of part 10. */
static void read_change(lua_State *L, const struct load *load, const char *field, bool is_feature,
                        struct reader_change *change)
{
    size_t length;
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
        change->removed = true;
    } else if (lua_isinteger(L, -1)) {
        change->length = is_feature ? 4 : feature_property_size(change->tag);
        for (uint8_t i = 0; i < change->length; i++)
            change->value[i] =
                (uint8_t)(lua_tointeger(L, -1) >> 8 * (is_feature ? change->length - 1 - i : i));
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        const uint8_t *bytes = read_hex(L, load, field, &length);
        if (length > sizeof change->value)
            load_refuse(L, load, load_line_of_field(load, field), "%s: a value has at most %d bytes", field,
                        (int)sizeof change->value);
        memcpy(change->value, bytes, length);
        change->length = (uint8_t)length;
    } else {
        load_refuse(L, load, load_line_of_field(load, field),
                    "%s: a value is a %s, expected an integer, hexadecimal digits, or false", field,
                    luaL_typename(L, -1));
    }
}

static void read_changes(lua_State *L, const struct load *load, const char *field, size_t count,
                         const struct feature_name *names, struct reader_list *list)
{
    list->changes = load_permanent(L, load, count * sizeof *list->changes + 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct reader_change *change = &list->changes[list->change_count++];
        *change = (struct reader_change){.tag = read_tag(L, load, field, names, lua_gettop(L) - 1)};
        read_change(L, load, field, names == feature_names, change);
        for (size_t i = 0; i + 1 < list->change_count; i++)
            if (list->changes[i].tag == change->tag)
                load_refuse(L, load, load_line_of_field(load, field), "%s: tag %d is given twice", field,
                            change->tag);
    }
    watchdog_hold(); /* qsort may allocate memory */
    qsort(list->changes, list->change_count, sizeof *list->changes, compare_changes);
    watchdog_release();
    list->kind = READER_LIST_CHANGED;
}

/* Reads a list: hexadecimal digits are the whole of it, a table has changes, and with false there is no list. */
static void read_list(lua_State *L, const struct load *load, int table, const char *field,
                      const struct feature_name *names, struct reader_list *list)
{
    size_t count;
    switch (load_get_field(L, table, field)) {
    case LUA_TNIL:
        break;
    case LUA_TSTRING:
        list->bytes = read_hex(L, load, field, &list->length);
        list->kind = READER_LIST_WHOLE;
        break;
    case LUA_TTABLE:
        push_table(L, load, table, field, &count);
        read_changes(L, load, field, count, names, list);
        lua_pop(L, 1);
        break;
    default:
        if (lua_toboolean(L, -1))
            load_refuse(L, load, load_line_of_field(load, field),
                        "%s is a %s, expected hexadecimal digits, a table, or false", field,
                        luaL_typename(L, -1));
        list->kind = READER_LIST_NONE;
    }
    lua_pop(L, 1);
}

/* control and command */

/* Returns the control code at the index, a number or the name of a feature. */
static uint32_t read_code(lua_State *L, const struct load *load, int index)
{
    lua_Integer number = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    uint32_t code;
    if (lua_type(L, index) == LUA_TSTRING && feature_code_find(lua_tostring(L, index), &code))
        return code;
    if (number < 0 || number > UINT32_MAX)
        load_refuse(
            L, load, load_line_of_field(load, "control"),
            "control: unknown field %s: expected a control code of 32 bits, GET_FEATURE_REQUEST, or a feature",
            load_pushed_key(L, index));
    return (uint32_t)number;
}

/* Reads what is done for a code, on top of the stack. */
static void read_code_value(lua_State *L, const struct load *load, struct reader_code *code)
{
    switch (lua_type(L, -1)) {
    case LUA_TFUNCTION:
        load_keep_function(L, load_line_of_field(load, "control"), &code->function);
        code->kind = READER_CODE_CALLED;
        return;
    case LUA_TSTRING:
        code->answer = read_hex(L, load, "control", &code->answer_length);
        code->kind = READER_CODE_ANSWERED;
        return;
    default:
        if (!lua_isboolean(L, -1) || lua_toboolean(L, -1))
            load_refuse(
                L, load, load_line_of_field(load, "control"),
                "control: what a code does is a %s, expected a function, hexadecimal digits, or false",
                luaL_typename(L, -1));
        code->kind = READER_CODE_REFUSED;
    }
}

static void read_control(lua_State *L, const struct reader_load *reader, int table)
{
    const struct load *load = &reader->load;
    struct reader_script *script = reader->script;
    size_t count;
    if (load_get_field(L, table, "control") == LUA_TFUNCTION) {
        load_keep_function(L, load_line_of_field(load, "control"), &script->control);
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    if (!push_table(L, load, table, "control", &count))
        return;
    script->codes = load_permanent(L, load, count * sizeof *script->codes + 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct reader_code *code = &script->codes[script->code_count];
        *code = (struct reader_code){.code = read_code(L, load, lua_gettop(L) - 1)};
        for (size_t i = 0; i < script->code_count; i++)
            if (script->codes[i].code == code->code)
                load_refuse(L, load, load_line_of_field(load, "control"),
                            "control: a code is given twice, by its number and by its name");
        read_code_value(L, load, code);
        script->code_count++;
    }
    lua_pop(L, 1);
}

static void read_command(lua_State *L, const struct reader_load *reader, int table)
{
    const struct load *load = &reader->load;
    int type = load_get_field(L, table, "command"), line = load_line_of_field(load, "command");
    if (type == LUA_TFUNCTION)
        load_keep_function(L, line, &reader->script->command);
    else if (type != LUA_TNIL)
        load_refuse(L, load, line, "command is a %s, expected a function", luaL_typename(L, -1));
    lua_pop(L, 1);
}

/* pinpad */

/* Reads an integer from 0 to 255 of the table on top of the stack. */
static void read_byte(lua_State *L, const struct load *load, const char *key, uint8_t *out)
{
    int type = load_get_field(L, -1, key);
    lua_Integer value = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    if (type != LUA_TNIL && (value < 0 || value > UINT8_MAX))
        load_refuse(L, load, load_line_or(load_line_of_field(load, key), load_line_of_field(load, "pinpad")),
                    "pinpad.%s is not an integer from 0 to 255", key);
    if (type != LUA_TNIL)
        *out = (uint8_t)value;
    lua_pop(L, 1);
}

static void read_pinpad(lua_State *L, const struct reader_load *reader, int table)
{
    static const char *const fields[] = {"min", "max", "timeout", "lines", "characters", "start", NULL};
    const struct load *load = &reader->load;
    struct pin_pad_options *options = &reader->script->pin_pad;
    int line = load_line_of_field(load, "pinpad");
    *options = (struct pin_pad_options){.max = 16, .timeout = 30, .lines = 2, .characters = 16};
    options->exists = load_get_field(L, table, "pinpad") != LUA_TNIL && lua_toboolean(L, -1);
    if (lua_type(L, -1) == LUA_TTABLE) {
        load_check_table(L, load, "pinpad", fields, "min, max, timeout, lines, characters or start");
        read_byte(L, load, "min", &options->min);
        read_byte(L, load, "max", &options->max);
        read_byte(L, load, "timeout", &options->timeout);
        read_byte(L, load, "lines", &options->lines);
        read_byte(L, load, "characters", &options->characters);
        load_get_field(L, -1, "start");
        options->start = lua_toboolean(L, -1);
        lua_pop(L, 1);
    } else if (!lua_isnil(L, -1) && !lua_isboolean(L, -1)) {
        load_refuse(L, load, line, "pinpad is a %s, expected a table, true or false", luaL_typename(L, -1));
    }
    if (options->min > options->max || options->timeout == 0)
        load_refuse(L, load, line, "pinpad: expected min up to max, and a timeout of at least 1");
    if (!options->exists)
        *options = (struct pin_pad_options){0};
    lua_pop(L, 1);
}

static void read_antenna(lua_State *L, const struct reader_load *reader, int table)
{
    int type = load_get_field(L, table, "antenna");
    lua_Integer slot = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;

    if (type != LUA_TNIL && type != LUA_TBOOLEAN && (slot < 0 || slot >= LINK_MAX_SLOTS))
        load_refuse(L, &reader->load, load_line_of_field(&reader->load, "antenna"),
                    "antenna: expected the number of a slot, true or false");
    reader->script->antenna = slot >= 0              ? (int)slot
                              : lua_toboolean(L, -1) ? READER_ALL_SLOTS
                                                     : READER_NO_SLOT;
    lua_pop(L, 1);
}

/* The script */

/* A key of --reader would never reach the script. */
static void check_argument_names(lua_State *L, const struct load *load)
{
    for (size_t i = 0; i < load->head->argument_count; i++)
        if (reader_options_is_key(load->head->arguments[i].key))
            load_refuse(L, load, load_line_of_field(load, "arguments"),
                        "arguments: '%s' is a key of --reader: choose another name",
                        load->head->arguments[i].key);
}

int reader_read(lua_State *L)
{
    static const char *const fields[] = {"name",       "options",   "attributes", "features",
                                         "properties", "control",   "command",    "pinpad",
                                         "antenna",    "arguments", NULL};
    struct reader_load *reader = lua_touserdata(L, 1);
    const struct load *load = &reader->load;
    load_run(L, load);
    int table = lua_gettop(L);
    load_check_table(
        L, load, "", fields,
        "name, options, attributes, features, properties, control, command, pinpad, antenna or arguments");
    load_arguments(L, load, table);
    check_argument_names(L, load);
    load_name(L, load, table);
    read_options(L, reader, table);
    read_attributes(L, reader, table);
    read_list(L, load, table, "features", feature_names, &reader->script->features);
    read_list(L, load, table, "properties", feature_property_names, &reader->script->properties);
    read_control(L, reader, table);
    read_command(L, reader, table);
    read_pinpad(L, reader, table);
    read_antenna(L, reader, table);
    return 0;
}
