/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function of a reader script runs in a Lua thread of its own. transmit(), verify_pin() and modify_pin()
 * yield: the call leaves the sandbox, does what is asked for, and goes on in the sandbox with the response.
 * So no script runs inside another one, as the card may be one, and other slots can use the script meanwhile.
 */
#include "rig/reader_call.h"

#include "icc/handler.h"
#include "icc/sandbox.h"
#include "icc/watchdog.h"
#include "link/link.h"
#include "rig/reader_globals.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

struct call {
    struct reader_script *script;
    const struct script_function *function;
    const struct reader_slot *slot;
    bool is_command; /* the input is a command APDU; otherwise that of a control code */
    bool with_code;  /* the function is one for all codes, and is told which one it is */
    uint32_t code;
    const uint8_t *input;
    size_t input_length;

    lua_State *thread;
    int thread_ref;  /* in the registry; LUA_NOREF: none */
    bool yielded;    /* the function waits for the result of `operation` with `command` */
    const char *why; /* why there is no response; NULL: there is one */
    enum reader_operation operation;
    uint8_t *command; /* room for LINK_MAX_COMMAND bytes, from the first operation on */
    size_t command_length;
    uint8_t *response; /* room for LINK_MAX_RESPONSE */
    size_t response_length;

    enum reader_result result;
    uint8_t *out;
    size_t capacity, length;
};

/* What the function is called with */

static void set_bytes(lua_State *L, const char *field, const uint8_t *bytes, size_t length)
{
    lua_pushlstring(L, (const char *)bytes, length);
    lua_setfield(L, -2, field);
}

static void push_antenna(lua_State *L, const struct antenna *antenna)
{
    lua_createtable(L, 0, 3);
    set_bytes(L, "uid", antenna->uid, antenna->uid_length);
    if (antenna->ats_length > 0)
        set_bytes(L, "ats", antenna->ats, antenna->ats_length);
    if (antenna->pmm_length > 0)
        set_bytes(L, "pmm", antenna->pmm, antenna->pmm_length);
    if (*antenna->storage) {
        lua_pushstring(L, antenna->storage);
        lua_setfield(L, -2, "storage");
    }
}

static void push_slot(lua_State *L, const struct reader_slot *slot)
{
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, slot->number);
    lua_setfield(L, -2, "number");
    lua_pushboolean(L, slot->present);
    lua_setfield(L, -2, "present");
    lua_pushboolean(L, slot->powered);
    lua_setfield(L, -2, "powered");
    if (slot->protocol >= 0) {
        lua_pushinteger(L, slot->protocol);
        lua_setfield(L, -2, "protocol");
    }
    set_bytes(L, "atr", slot->atr, slot->atr_length);
    if (slot->antenna) {
        push_antenna(L, slot->antenna);
        lua_setfield(L, -2, "antenna");
    }
}

/* Pushes the command as cards get it, or with raw alone if it is not a command APDU. */
static void push_command(lua_State *L, const struct call *call)
{
    struct handler_command command = {.raw = call->input, .length = call->input_length};
    if (apdu_decode(call->input, call->input_length, &command.decoded, NULL) == APDU_OK) {
        handler_push_command(L, &command);
        return;
    }
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, (const char *)call->input, call->input_length);
    lua_setfield(L, -2, "raw");
}

/* Pushes the arguments, and returns their number. */
static int push_arguments(lua_State *L, const struct call *call)
{
    if (call->with_code)
        lua_pushinteger(L, call->code);
    if (call->is_command)
        push_command(L, call);
    else
        lua_pushlstring(L, call->input_length ? (const char *)call->input : "", call->input_length);
    push_slot(L, call->slot);
    return call->with_code ? 3 : 2;
}

/* What it returns */

static _Noreturn void refuse_result(lua_State *L, const struct call *call, const char *what)
{
    luaL_error(L, "%s:%d: %s returned %s, expected %s, nil, or false", call->script->sandbox->chunk,
               call->function->line, call->is_command ? "command" : "the function of a control code", what,
               call->is_command ? "data and a status word, or a string with both" : "a string");
    __builtin_unreachable();
}

/* Takes the results, which are on the thread's stack. */
static void take_results(lua_State *L, struct call *call, int count)
{
    lua_State *thread = call->thread;
    int first = lua_gettop(thread) - count + 1, type = count > 0 ? lua_type(thread, first) : LUA_TNIL;
    size_t length = 0;
    const char *bytes = type == LUA_TSTRING ? lua_tolstring(thread, first, &length) : NULL;
    bool with_sw = call->is_command && count == 2 && lua_isinteger(thread, first + 1);
    lua_Integer sw = with_sw ? lua_tointeger(thread, first + 1) : 0;
    if (type == LUA_TNIL || (type == LUA_TBOOLEAN && !lua_toboolean(thread, first))) {
        call->result = type == LUA_TNIL ? READER_FAILED : READER_PASSED;
        return;
    }
    if (!bytes || (count > 1 && !with_sw))
        refuse_result(L, call,
                      bytes ? "more values" : lua_pushfstring(L, "a %s", lua_typename(thread, type)));
    if (sw < 0 || sw > 0xFFFF || length + (with_sw ? 2 : 0) > call->capacity)
        refuse_result(L, call, "too many bytes, or a status word above 0xFFFF");
    memcpy(call->out, bytes, length);
    if (with_sw) {
        call->out[length++] = (uint8_t)(sw >> 8);
        call->out[length++] = (uint8_t)sw;
    }
    call->length = length;
    call->result = READER_ANSWERED;
}

/* The steps, each inside sandbox_call */

/* Takes the bytes and the mark with which an operation has yielded, and not the script itself. */
static void take_command(lua_State *L, struct call *call, int count)
{
    if (count != 2 || !reader_globals_operation(call->thread, -1, &call->operation))
        luaL_error(L, "a function of the reader yielded, which only coroutines of its own can do");
    const char *bytes = lua_tolstring(call->thread, -2, &call->command_length);
    watchdog_hold();
    if (!call->command)
        call->command = malloc(LINK_MAX_COMMAND);
    if (!call->response)
        call->response = malloc(LINK_MAX_RESPONSE);
    bool ok = call->command && call->response;
    watchdog_release();
    if (!ok)
        luaL_error(L, "not enough memory");
    memcpy(call->command, bytes, call->command_length);
}

static void resume(lua_State *L, struct call *call, int arguments)
{
    int count;
    reader_globals_allow(L, call->thread);
    int status = lua_resume(call->thread, L, arguments, &count);
    reader_globals_allow(L, NULL);
    call->yielded = status == LUA_YIELD;
    if (call->yielded) {
        take_command(L, call, count);
        lua_pop(call->thread, count);
        return;
    }
    if (status != LUA_OK) {
        lua_xmove(call->thread, L, 1);
        lua_error(L);
    }
    take_results(L, call, count);
}

static int begin(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call->thread = lua_newthread(L);
    call->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(call->thread, LUA_REGISTRYINDEX, call->function->ref);
    resume(L, call, push_arguments(call->thread, call));
    return 0;
}

static int go_on(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    if (call->why)
        lua_pushnil(call->thread);
    else
        lua_pushlstring(call->thread, (const char *)call->response, call->response_length);
    if (call->why)
        lua_pushstring(call->thread, call->why);
    resume(L, call, call->why ? 2 : 1);
    return 0;
}

static int end(lua_State *L)
{
    const struct call *call = lua_touserdata(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, call->thread_ref);
    return 0;
}

static void log_line(struct call *call, const char *line)
{
    sandbox_log(call->script->sandbox, line, strlen(line));
}

/* Runs a step, with the lock held. Returns false, and logs why, if it fails. */
static bool step(struct call *call, lua_CFunction body)
{
    struct sandbox *sandbox = call->script->sandbox;
    struct error error;
    bool ok = sandbox_call(sandbox, body, call, call->function->line, &error);
    if (!ok && sandbox_dead(sandbox))
        error_add(&error, "; the reader's script is dead, and answers no more");
    if (!ok)
        log_line(call, error.text);
    return ok;
}

/* Carries out the yielded operation, without the lock. */
static void perform(struct call *call)
{
    pthread_mutex_unlock(&call->script->lock);
    call->response_length = 0;
    call->why = call->slot->perform(call->slot->arg, call->operation, call->command, call->command_length,
                                    call->response, &call->response_length);
    pthread_mutex_lock(&call->script->lock);
}

/* Does what the function asks for, until it ends. Returns false if it fails. */
static bool run_to_end(struct call *call)
{
    bool ok = step(call, begin);
    for (unsigned done = 0; ok && call->yielded; done++) {
        if (done == READER_OPERATIONS_MAX) {
            log_line(call, "a function of the reader has sent too many commands in one call");
            return false;
        }
        perform(call);
        ok = !sandbox_dead(call->script->sandbox) && step(call, go_on); /* another call may have killed it */
    }
    return ok;
}

/* Calls the function. The caller holds the lock. */
static enum reader_result run(struct call *call)
{
    call->thread_ref = LUA_NOREF;
    bool ok = run_to_end(call);
    if (call->thread_ref != LUA_NOREF && !sandbox_dead(call->script->sandbox))
        step(call, end);
    if (call->command)
        explicit_bzero(call->command, call->command_length);
    free(call->command);
    free(call->response);
    return ok ? call->result : READER_FAILED;
}

static const struct reader_code *find_code(const struct reader_script *script, uint32_t code)
{
    for (size_t i = 0; i < script->code_count; i++)
        if (script->codes[i].code == code)
            return &script->codes[i];
    return NULL;
}

static enum reader_result answer_constant(const struct reader_code *code, struct call *call)
{
    if (code->answer_length > call->capacity)
        return READER_FAILED;
    memcpy(call->out, code->answer, code->answer_length);
    call->length = code->answer_length;
    return READER_ANSWERED;
}

/* The caller holds the lock. */
static enum reader_result control(struct call *call)
{
    const struct reader_script *script = call->script;
    const struct reader_code *code = find_code(script, call->code);
    if (code && code->kind == READER_CODE_REFUSED)
        return READER_REFUSED;
    if (code && code->kind == READER_CODE_ANSWERED)
        return answer_constant(code, call);
    call->function = code ? &code->function : &script->control;
    call->with_code = !code;
    return call->function->ref == LUA_NOREF ? READER_PASSED : run(call);
}

enum reader_result reader_call_control(struct reader_script *script, const struct reader_slot *slot,
                                       uint32_t code, const uint8_t *input, size_t input_length, uint8_t *out,
                                       size_t capacity, size_t *length)
{
    struct call call = {.script = script,
                        .slot = slot,
                        .code = code,
                        .input = input,
                        .input_length = input_length,
                        .out = out,
                        .capacity = capacity};
    pthread_mutex_lock(&script->lock);
    enum reader_result result = sandbox_dead(script->sandbox) ? READER_FAILED : control(&call);
    pthread_mutex_unlock(&script->lock);
    *length = call.length;
    return result;
}

enum reader_result reader_call_command(struct reader_script *script, const struct reader_slot *slot,
                                       const uint8_t *command, size_t command_length, uint8_t *out,
                                       size_t capacity, size_t *length)
{
    struct call call = {.script = script,
                        .function = &script->command,
                        .slot = slot,
                        .is_command = true,
                        .input = command,
                        .input_length = command_length,
                        .out = out,
                        .capacity = capacity};
    *length = 0;
    if (script->command.ref == LUA_NOREF)
        return READER_PASSED;
    pthread_mutex_lock(&script->lock);
    enum reader_result result = sandbox_dead(script->sandbox) ? READER_FAILED : run(&call);
    pthread_mutex_unlock(&script->lock);
    *length = call.length;
    return result;
}
