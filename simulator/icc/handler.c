/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/handler.h"

#include <string.h>

#include <lauxlib.h>

#include "icc/match.h"
#include "icc/persistent.h"
#include "icc/sandbox.h"

/* on_power */

struct power_call {
    int ref;
    enum card_power how;
};

static int call_on_power(lua_State *L)
{
    static const char *const names[] = {[CARD_COLD] = "cold", [CARD_WARM] = "warm", [CARD_OFF] = "off"};
    const struct power_call *call = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, call->ref);
    lua_pushstring(L, names[call->how]);
    lua_call(L, 1, 0);
    persistent_save(L);
    return 0;
}

bool handler_power(struct sandbox *sandbox, const struct script_function *on_power, enum card_power how,
                   struct error *error)
{
    struct power_call call = {.ref = on_power->ref, .how = how};

    if (on_power->ref == LUA_NOREF)
        return true;
    return sandbox_call(sandbox, call_on_power, &call, on_power->line, error);
}

/* Commands */

struct answer_call {
    const struct script_command *entry; /* NULL: none matches any more */
    const struct match_index *index;
    const uint8_t *matched;
    const struct handler_command *command;
    bool has_answered;
    uint8_t *resp;
    size_t capacity, length;
};

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void set_bytes(lua_State *L, const char *field, const uint8_t *bytes, size_t length)
{
    lua_pushlstring(L, length > 0 ? (const char *)bytes : "", length);
    lua_setfield(L, -2, field);
}

void handler_push_command(lua_State *L, const struct handler_command *command)
{
    const struct apdu_command *decoded = &command->decoded;

    lua_createtable(L, 0, 11);
    set_bytes(L, "raw", command->raw, command->length);
    set_integer(L, "cla", decoded->cla);
    set_integer(L, "ins", decoded->ins);
    set_integer(L, "p1", decoded->p1);
    set_integer(L, "p2", decoded->p2);
    set_integer(L, "nc", (lua_Integer)decoded->nc);
    set_bytes(L, "data", decoded->data, decoded->nc);
    set_integer(L, "ne", decoded->ne);
    set_integer(L, "channel", command->channel);
    lua_pushboolean(L, command->is_secure);
    lua_setfield(L, -2, "secure");
    if (command->application)
        set_bytes(L, "application", command->application->aid, command->application->aid_length);
}

static _Noreturn void raise_bad_answer(lua_State *L, const char *what, const char *expected)
{
    const struct answer_call *call = lua_touserdata(L, 1);

    if (call->entry->number == 0)
        lua_pushfstring(L, "%s:%d: select returned %s, expected %s", sandbox_of(L)->chunk,
                        call->entry->handler.line, what, expected);
    else
        lua_pushfstring(L, "%s:%d: commands[%d] returned %s, expected %s", sandbox_of(L)->chunk,
                        call->entry->handler.line, call->entry->number, what, expected);
    lua_error(L);
    __builtin_unreachable();
}

static _Noreturn void refuse_value(lua_State *L, int index)
{
    static const char expected[] = "data and a status word, or one byte string with both";

    if (lua_isnoneornil(L, index))
        raise_bad_answer(L, "nothing", expected);
    raise_bad_answer(L, lua_pushfstring(L, "a %s", luaL_typename(L, index)), expected);
}

static void take_bytes(lua_State *L, struct answer_call *call, const char *bytes, size_t length)
{
    if (length > call->capacity - call->length)
        raise_bad_answer(
            L, lua_pushfstring(L, "%I bytes with the status word", (lua_Integer)(call->length + length)),
            lua_pushfstring(L, "at most %I", (lua_Integer)call->capacity));
    memcpy(call->resp + call->length, bytes, length);
    call->length += length;
}

static void take_status_word(lua_State *L, struct answer_call *call, int index)
{
    lua_Integer sw;
    int is_integer;
    char bytes[2];

    if (lua_type(L, index) != LUA_TNUMBER)
        raise_bad_answer(L, lua_pushfstring(L, "data and a %s", luaL_typename(L, index)),
                         "a status word after the data");
    sw = lua_tointegerx(L, index, &is_integer);
    if (!is_integer || sw < 0 || sw > 0xFFFF) {
        lua_pushvalue(L, index);
        raise_bad_answer(L, lua_pushfstring(L, "the status word %s", lua_tostring(L, -1)), "0 to 0xFFFF");
    }
    bytes[0] = (char)(sw >> 8);
    bytes[1] = (char)(sw & 0xFF);
    take_bytes(L, call, bytes, sizeof bytes);
}

/* The values that the handler returned are at index 2 and above. */
static void take_answer(lua_State *L, struct answer_call *call)
{
    int count = lua_gettop(L) - 1;
    const char *bytes;
    size_t length;

    if (count > 2)
        raise_bad_answer(L, lua_pushfstring(L, "%d values", count), "at most two");
    if (count == 0 || lua_type(L, 2) != LUA_TSTRING)
        refuse_value(L, 2);
    bytes = lua_tolstring(L, 2, &length);
    if (count == 1 && length < 2)
        raise_bad_answer(L, lua_pushfstring(L, "%d byte%s", (int)length, length == 1 ? "" : "s"),
                         "at least the 2 of a status word");
    /* this fails; with the status word, so that the message names the whole length */
    if (count == 2 && length > call->capacity - 2)
        take_bytes(L, call, bytes, length + 2);
    take_bytes(L, call, bytes, length);
    if (count == 2)
        take_status_word(L, call, 3);
}

static bool is_passed_on(lua_State *L)
{
    return lua_gettop(L) == 2 && lua_isboolean(L, 2) && !lua_toboolean(L, 2);
}

static int call_handlers(lua_State *L)
{
    struct answer_call *call = lua_touserdata(L, 1);

    while (call->entry && !call->entry->answer && !call->has_answered) {
        lua_settop(L, 1);
        lua_rawgeti(L, LUA_REGISTRYINDEX, call->entry->handler.ref);
        handler_push_command(L, call->command);
        lua_call(L, 1, LUA_MULTRET);
        if (is_passed_on(L)) {
            call->entry = call->index ? match_command(call->index, call->matched, call->command->length,
                                                      call->entry->number)
                                      : NULL;
        } else {
            take_answer(L, call);
            call->has_answered = true;
        }
    }
    persistent_save(L);
    return 0;
}

enum handler_result handler_answer(struct sandbox *sandbox, const struct script_command *entry,
                                   const struct match_index *index, const uint8_t *matched,
                                   const struct handler_command *command, uint8_t *resp, size_t capacity,
                                   size_t *resp_length, const struct script_command **next,
                                   struct error *error)
{
    struct answer_call call = {.entry = entry,
                               .index = index,
                               .matched = matched,
                               .command = command,
                               .resp = resp,
                               .capacity = capacity};

    if (!sandbox_call(sandbox, call_handlers, &call, entry->handler.line, error))
        return HANDLER_FAILED;
    *resp_length = call.length;
    *next = call.entry;
    return call.has_answered ? HANDLER_ANSWERED : HANDLER_PASSED;
}

/* Frames of storage cards */

struct frame_call {
    const struct script_function *function;
    const uint8_t *frame;
    size_t length;
    uint8_t *resp;
    size_t capacity, resp_length;
};

static int call_frame(lua_State *L)
{
    struct frame_call *call = lua_touserdata(L, 1);
    const char *chunk = sandbox_of(L)->chunk;
    size_t length = 0;

    lua_rawgeti(L, LUA_REGISTRYINDEX, call->function->ref);
    lua_pushlstring(L, (const char *)call->frame, call->length);
    lua_call(L, 1, 1);
    if (lua_type(L, -1) != LUA_TSTRING && !lua_isnil(L, -1))
        luaL_error(L, "%s:%d: frame returned a %s, expected a string, or nil", chunk, call->function->line,
                   luaL_typename(L, -1));
    const char *bytes = lua_tolstring(L, -1, &length);
    if (length > call->capacity)
        luaL_error(L, "%s:%d: frame returned %d bytes, expected at most %d", chunk, call->function->line,
                   (int)length, (int)call->capacity);
    if (bytes)
        memcpy(call->resp, bytes, length);
    call->resp_length = length;
    persistent_save(L);
    return 0;
}

bool handler_frame(struct sandbox *sandbox, const struct script_function *function, const uint8_t *frame,
                   size_t length, uint8_t *resp, size_t capacity, size_t *resp_length, struct error *error)
{
    struct frame_call call = {
        .function = function, .frame = frame, .length = length, .resp = resp, .capacity = capacity};

    bool ok = function->ref == LUA_NOREF || sandbox_call(sandbox, call_frame, &call, function->line, error);
    *resp_length = ok ? call.resp_length : 0;
    return ok;
}
