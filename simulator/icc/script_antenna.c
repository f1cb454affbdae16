/* SPDX-License-Identifier: BSD-3-Clause */
/* The field antenna of a card script. */
#include "icc/script_read.h"

#include <lauxlib.h>

#include "iso7816/hex.h"

static int line_of(const struct load *load, const char *key)
{
    return load_line_or(load_line_of_field(load, key), load_line_of_field(load, "antenna"));
}

/* Reads a string of hexadecimal digits of the table on top of the stack; *length is 0 if there is none. */
static void read_bytes(lua_State *L, const struct load *load, const char *key, uint8_t *out, size_t capacity,
                       size_t *length)
{
    size_t text_length, bad_at;

    *length = 0;
    switch (load_get_field(L, -1, key)) {
    case LUA_TNIL:
        break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, -1, &text_length);
        enum hex_result result = hex_decode(text, text_length, out, capacity, length, &bad_at);
        if (result != HEX_OK)
            load_refuse(L, load, line_of(load, key), "antenna.%s: character %I: %s", key,
                        (lua_Integer)bad_at + 1, hex_result_text(result));
        if (*length == 0 || *length > capacity)
            load_refuse(L, load, line_of(load, key), "antenna.%s has %I bytes, expected 1 to %d", key,
                        (lua_Integer)*length, (int)capacity);
        break;
    }
    default:
        load_refuse(L, load, line_of(load, key),
                    "antenna.%s is a %s, expected a string of hexadecimal digits", key, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

static void read_storage(lua_State *L, const struct load *load, struct antenna *antenna)
{
    int type = load_get_field(L, -1, "storage");

    if (type != LUA_TNIL && (type != LUA_TSTRING || !antenna_find_storage(antenna, lua_tostring(L, -1))))
        load_refuse(L, load, line_of(load, "storage"), "antenna.storage: expected %s",
                    antenna_storage_names());
    lua_pop(L, 1);
}

static void read_frame(lua_State *L, const struct load *load)
{
    int type = load_get_field(L, -1, "frame"), line = line_of(load, "frame");

    if (type == LUA_TFUNCTION && !*load->script->antenna.storage)
        load_refuse(L, load, line, "antenna.frame is for storage cards: this one takes APDUs, see commands");
    if (type == LUA_TFUNCTION)
        load_keep_function(L, line, &load->script->frame);
    else if (type != LUA_TNIL)
        load_refuse(L, load, line, "antenna.frame is a %s, expected a function", luaL_typename(L, -1));
    lua_pop(L, 1);
}

static void check(lua_State *L, const struct load *load, const struct antenna *antenna)
{
    bool is_storage = *antenna->storage;
    const char *wrong = antenna_check_uid(antenna);

    if (antenna->uid_length == 0)
        load_refuse(L, load, load_line_of_field(load, "antenna"), "antenna has no uid");
    if (wrong)
        load_refuse(L, load, line_of(load, "uid"), "antenna.uid: %s", wrong);
    if (is_storage == (antenna->ats_length > 0))
        load_refuse(L, load, load_line_of_field(load, "antenna"),
                    "antenna: expected ats, for a card that takes APDUs, or storage, and not both");
    wrong = is_storage ? NULL : antenna_check_ats(antenna);
    if (wrong)
        load_refuse(L, load, line_of(load, "ats"), "antenna.ats: %s", wrong);
}

void load_antenna(lua_State *L, const struct load *load, int table)
{
    static const char *const fields[] = {"uid", "ats", "storage", "pmm", "frame", NULL};
    struct antenna *antenna = &load->script->antenna;

    if (!load_get_table(L, load, table, "antenna", fields, "uid, ats, storage, pmm or frame"))
        return;
    read_bytes(L, load, "uid", antenna->uid, sizeof antenna->uid, &antenna->uid_length);
    read_bytes(L, load, "ats", antenna->ats, sizeof antenna->ats, &antenna->ats_length);
    read_bytes(L, load, "pmm", antenna->pmm, sizeof antenna->pmm, &antenna->pmm_length);
    read_storage(L, load, antenna);
    read_frame(L, load);
    check(L, load, antenna);
    load->script->at_antenna.length = antenna_atr(antenna, load->script->at_antenna.bytes);
    lua_pop(L, 1);
}
