/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/oneline.h"
#include "icc/watchdog.h"

#define TEXT_OF(number)          TEXT_OF_EXPANDED(number)
#define TEXT_OF_EXPANDED(number) #number

static const char instructions_spent[] =
    "instruction budget used up (" TEXT_OF(SANDBOX_INSTRUCTIONS) " for one call)";
static const char interrupted[] = "interrupted: the card is on its way out";
static const char time_spent[] = "too much processor time for one call";

struct sandbox *sandbox_of(lua_State *L)
{
    /* Lua copies the main thread's extra space to each new thread */
    return *(struct sandbox **)lua_getextraspace(L);
}

bool sandbox_dead(const struct sandbox *sandbox)
{
    return !sandbox->L;
}

/* Host services */

void sandbox_random(struct sandbox *sandbox, void *buf, size_t length)
{
    watchdog_hold();
    sandbox->host.random(sandbox->host.arg, buf, length);
    watchdog_release();
}

bool sandbox_fault(struct sandbox *sandbox, const char *text, struct error *error)
{
    bool ok;

    watchdog_hold();
    ok = faults_set(sandbox->faults, text, error);
    watchdog_release();
    return ok;
}

void sandbox_log(struct sandbox *sandbox, const char *text, size_t length)
{
    char line[SANDBOX_LINE_MAX];

    if (!sandbox->host.log)
        return;
    oneline(line, sizeof line, text, length);
    watchdog_hold();
    sandbox->host.log(sandbox->host.arg, line);
    watchdog_release();
}

/* The instruction budget */

static void on_count(lua_State *L, lua_Debug *ar);

/*
 * The innermost line of the script itself, from `level` on; 0 if there is none nearby. (Not the whole stack:
 * each step counts its levels from the top again.)
 */
static int line_of_script(lua_State *L, int level)
{
    const int last = level + 50;
    const struct sandbox *sandbox = sandbox_of(L);
    lua_Debug ar;

    while (level < last && lua_getstack(L, level++, &ar)) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0 && strcmp(ar.short_src, sandbox->chunk_short) == 0)
            return ar.currentline;
    }
    return 0;
}

void sandbox_interrupt(struct sandbox *sandbox)
{
    atomic_store(&sandbox->interrupted, true);
}

bool sandbox_spent(lua_State *L)
{
    return sandbox_of(L)->spent;
}

static void take_interval(lua_State *L)
{
    struct sandbox *sandbox = sandbox_of(L);

    bool stop = atomic_load_explicit(&sandbox->interrupted, memory_order_relaxed);

    if (!sandbox->spent && sandbox->intervals > 0 && !watchdog_near() && !stop) {
        sandbox->intervals--;
        return;
    }
    if (!sandbox->spent) {
        sandbox->spent = stop ? interrupted : sandbox->intervals == 0 ? instructions_spent : time_spent;
        sandbox->spent_line = line_of_script(L, 0);
    }
    /* the script can catch this error, but from now on no instruction of this thread passes any more */
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_pushstring(L, sandbox->spent);
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    take_interval(L);
    if (lua_gethookcount(L) != SANDBOX_INTERVAL) /* a coroutine that went too far in an earlier call */
        lua_sethook(L, on_count, LUA_MASKCOUNT, SANDBOX_INTERVAL);
}

void sandbox_charge(lua_State *L)
{
    take_interval(L);
}

/* Messages */

/* the length of `name` and a colon at the start of the text; 0 if it does not start so */
static size_t skip_name(const char *text, const char *name)
{
    size_t length = strlen(name);

    return strncmp(text, name, length) == 0 && text[length] == ':' ? length + 1 : 0;
}

/*
 * Makes "file:line: reason" of a message: one that names a place in the script keeps it, but with the full
 * name of the file (Lua shortens it); any other gets `line`.
 */
static void place_message(const struct sandbox *sandbox, const char *text, int line, struct error *error)
{
    char buf[ERROR_TEXT_MAX + 1]; /* so that oneline() sees that a long one is cut off */
    size_t skip = skip_name(text, sandbox->chunk);

    if (skip == 0)
        skip = skip_name(text, sandbox->chunk_short);
    if (skip > 0)
        snprintf(buf, sizeof buf, "%s:%s", sandbox->chunk, text + skip);
    else
        snprintf(buf, sizeof buf, "%s:%d: %s", sandbox->chunk, line > 0 ? line : 1, text);
    oneline(error->text, sizeof error->text, buf, strlen(buf));
}

/* what scripts elsewhere have, and cards do not */
static const char *missing_library(const char *message)
{
    static const char *const names[] = {"io",     "os",       "require",        "package", "debug",
                                        "dofile", "loadfile", "collectgarbage", "warn"};
    char global[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(global, sizeof global, "(global '%s')", names[i]);
        if (strstr(message, global))
            return names[i];
    }
    return NULL;
}

/* the message on top, and that it is the sandbox which lacks what the script asks for */
static void explain_missing(lua_State *L)
{
    const char *name = missing_library(lua_tostring(L, -1));

    if (!name)
        return;
    lua_pushfstring(L, "; the sandbox of card scripts has no '%s' ('man cardrig-card' lists what it has)",
                    name);
    lua_concat(L, 2);
}

/* makes a string that names the place out of any error value, while the place can still be found */
static int on_error(lua_State *L)
{
    const struct sandbox *sandbox = sandbox_of(L);
    const char *text;
    int line;

    if (lua_type(L, 1) == LUA_TSTRING) {
        explain_missing(L);
        text = lua_tostring(L, 1);
        if (skip_name(text, sandbox->chunk) || skip_name(text, sandbox->chunk_short))
            return 1;
    } else {
        text = lua_pushfstring(L, "error value is a %s, expected a string", luaL_typename(L, 1));
    }
    line = line_of_script(L, 1);
    if (line > 0)
        lua_pushfstring(L, "%s:%d: %s", sandbox->chunk, line, text);
    else
        lua_pushstring(L, text);
    return 1;
}

/* Calls */

struct protected_call {
    lua_State *L;
    lua_CFunction body;
    void *arg;
    int status;
};

static void protected_call(void *arg)
{
    struct protected_call *call = arg;
    lua_State *L = call->L;

    /* none of these allocates, so none can fail outside of lua_pcall */
    lua_settop(L, 0);
    lua_pushcfunction(L, on_error);
    lua_pushcfunction(L, call->body);
    lua_pushlightuserdata(L, call->arg);
    call->status = lua_pcall(L, 1, 0, 1);
}

static void start_budget(struct sandbox *sandbox)
{
    sandbox->intervals = SANDBOX_INSTRUCTIONS / SANDBOX_INTERVAL;
    sandbox->spent = NULL;
    sandbox->lines = 0;
    lua_sethook(sandbox->L, on_count, LUA_MASKCOUNT, SANDBOX_INTERVAL);
}

static void die(struct sandbox *sandbox)
{
    /* the machine was left in the middle of something: not even lua_close would be safe */
    sandbox->L = NULL;
    heap_drop(&sandbox->heap);
}

static bool finish_call(struct sandbox *sandbox, int status, int line, struct error *error)
{
    lua_State *L = sandbox->L;
    const char *text = "error while handling an error";

    if (sandbox->spent) {
        place_message(sandbox, sandbox->spent, sandbox->spent_line > 0 ? sandbox->spent_line : line, error);
    } else if (status != LUA_OK) {
        /* only strings: lua_tostring of anything else allocates, or is NULL */
        if (lua_type(L, -1) == LUA_TSTRING)
            text = lua_tostring(L, -1);
        place_message(sandbox, text, line, error);
    }
    lua_settop(L, 0);
    return status == LUA_OK && !sandbox->spent;
}

bool sandbox_call(struct sandbox *sandbox, lua_CFunction body, void *arg, int line, struct error *error)
{
    struct protected_call call = {.L = sandbox->L, .body = body, .arg = arg};
    char reason[128];

    if (sandbox_dead(sandbox)) {
        place_message(sandbox, "the card is dead", line, error);
        return false;
    }
    start_budget(sandbox);
    switch (watchdog_run(protected_call, &call)) {
    case WATCHDOG_RETURNED:
        return finish_call(sandbox, call.status, line, error);
    case WATCHDOG_EXPIRED:
        die(sandbox);
        place_message(sandbox, "a library function ran for too long", line, error);
        break;
    case WATCHDOG_REFUSED:
        snprintf(reason, sizeof reason, "cannot limit the time of a script: %s", strerror(errno));
        place_message(sandbox, reason, line, error);
        break;
    }
    return false;
}

/* Making and freeing */

struct set_up {
    struct sandbox *sandbox;
    void (*open)(lua_State *L);
};

static int on_panic(lua_State *L)
{
    (void)L;
    watchdog_escape(); /* an error outside of lua_pcall: this card is lost, but only this card */
    return 0;
}

static int set_up(lua_State *L)
{
    const struct set_up *what = lua_touserdata(L, 1);
    struct sandbox *sandbox = what->sandbox;
    lua_Debug ar;

    lua_pushfstring(L, "@%s", sandbox->chunk);
    if (luaL_loadbufferx(L, "", 0, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_getinfo(L, ">S", &ar);
    memcpy(sandbox->chunk_short, ar.short_src, sizeof ar.short_src);
    what->open(L);
    /*
     * Lua makes this string when an error handler fails, at a moment when it cannot cope with a lack of
     * memory. Kept here, it exists already.
     */
    lua_pushliteral(L, "error in error handling");
    luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct sandbox *sandbox_new(const struct card_host *host, struct faults *faults, void (*open)(lua_State *L),
                            const char *chunk, struct error *error)
{
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    struct set_up what = {.sandbox = sandbox, .open = open};
    size_t length = strlen(chunk) + 1;
    char *copy;

    if (!sandbox)
        goto no_memory;
    heap_init(&sandbox->heap, SANDBOX_MEMORY);
    sandbox->host = *host;
    sandbox->faults = faults;
    copy = malloc(length);
    if (!copy)
        goto no_memory;
    sandbox->chunk = memcpy(copy, chunk, length);
    sandbox->L = lua_newstate(heap_lua_alloc, &sandbox->heap);
    if (!sandbox->L)
        goto no_memory;
    lua_atpanic(sandbox->L, on_panic);
    *(struct sandbox **)lua_getextraspace(sandbox->L) = sandbox;
    if (sandbox_call(sandbox, set_up, &what, 1, error))
        return sandbox;
    sandbox_free(sandbox);
    return NULL;

no_memory:
    error_set(error, "%s:1: out of memory", chunk);
    sandbox_free(sandbox);
    return NULL;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    heap_drop(&sandbox->heap);
    free((char *)sandbox->chunk);
    free(sandbox);
}
