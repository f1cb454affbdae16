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
    /* Lua copies the extra space of the main thread to each new thread */
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
 * Returns the current line of the innermost function of the script, from stack level `level` on, or 0 if none
 * is within 50 levels. Does not search the whole stack, because each lua_getstack counts the levels from the
 * top again.
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

void sandbox_charge(lua_State *L, int intervals)
{
    struct sandbox *sandbox = sandbox_of(L);

    bool stop = atomic_load_explicit(&sandbox->interrupted, memory_order_relaxed);

    if (!sandbox->spent && sandbox->intervals >= intervals && !watchdog_near() && !stop) {
        sandbox->intervals -= intervals;
        return;
    }
    if (!sandbox->spent) {
        sandbox->spent = stop                             ? interrupted
                         : sandbox->intervals < intervals ? instructions_spent
                                                          : time_spent;
        sandbox->spent_line = line_of_script(L, 0);
    }
    /* the script can catch this error, but from now on each instruction of this thread raises it again */
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_pushstring(L, sandbox->spent);
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sandbox_charge(L, 1);
    if (lua_gethookcount(L) != SANDBOX_INTERVAL) /* a coroutine that spent the budget of an earlier call */
        lua_sethook(L, on_count, LUA_MASKCOUNT, SANDBOX_INTERVAL);
}

/* Messages */

/* Returns the length of "name:" if the text begins with it, otherwise 0. */
static size_t skip_name(const char *text, const char *name)
{
    size_t length = strlen(name);

    return strncmp(text, name, length) == 0 && text[length] == ':' ? length + 1 : 0;
}

/*
 * Writes "file:line: reason" to error. A message that begins with a place in the script keeps its line, but
 * gets the full file name instead of the one that Lua has shortened. Any other message gets `line`.
 */
static void place_message(const struct sandbox *sandbox, const char *text, int line, struct error *error)
{
    char buf[ERROR_TEXT_MAX + 1]; /* longer than error->text, so that oneline() marks a text as cut off */
    size_t skip = skip_name(text, sandbox->chunk);

    if (skip == 0)
        skip = skip_name(text, sandbox->chunk_short);
    if (skip > 0)
        snprintf(buf, sizeof buf, "%s:%s", sandbox->chunk, text + skip);
    else
        snprintf(buf, sizeof buf, "%s:%d: %s", sandbox->chunk, line > 0 ? line : 1, text);
    oneline(error->text, sizeof error->text, buf, strlen(buf));
}

/* If the message is about a global that scripts elsewhere have, but cards do not, returns its name. */
static const char *missing_library(const char *message)
{
    static const char *const names[] = {"io",     "os",       "package",        "debug",
                                        "dofile", "loadfile", "collectgarbage", "warn"};
    char global[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(global, sizeof global, "(global '%s')", names[i]);
        if (strstr(message, global))
            return names[i];
    }
    return NULL;
}

/* Adds to the message on top of the stack that the sandbox does not have the global it names. */
static void explain_missing(lua_State *L)
{
    const char *name = missing_library(lua_tostring(L, -1));

    if (!name)
        return;
    lua_pushfstring(L, "; the sandbox of card scripts has no '%s' ('man cardrig-card' lists what it has)",
                    name);
    lua_concat(L, 2);
}

/* The message handler: turns any error value into a string with its place, which is known only while the
 * stack still exists. */
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

    /* none of these allocates memory, so none can fail outside of lua_pcall */
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

void sandbox_attach(struct sandbox *sandbox, void *attached, void (*free_attached)(void *attached))
{
    sandbox->attached = attached;
    sandbox->free_attached = free_attached;
}

static void free_contents(struct sandbox *sandbox)
{
    if (sandbox->attached)
        sandbox->free_attached(sandbox->attached);
    sandbox->attached = NULL;
    heap_drop(&sandbox->heap);
}

static void free_aborted(struct sandbox *sandbox)
{
    /* the call was aborted at an arbitrary point: not even lua_close would be safe */
    sandbox->L = NULL;
    free_contents(sandbox);
}

static bool finish_call(struct sandbox *sandbox, int status, int line, struct error *error)
{
    lua_State *L = sandbox->L;
    const char *text = "error while handling an error";

    if (sandbox->spent) {
        place_message(sandbox, sandbox->spent, sandbox->spent_line > 0 ? sandbox->spent_line : line, error);
    } else if (status != LUA_OK) {
        /* only if it is a string: otherwise lua_tostring allocates, or returns NULL */
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
        free_aborted(sandbox);
        place_message(sandbox, "a library function ran for too long", line, error);
        break;
    case WATCHDOG_REFUSED:
        snprintf(reason, sizeof reason, "cannot limit the time of a script: %s", strerror(errno));
        place_message(sandbox, reason, line, error);
        break;
    }
    return false;
}

/* Creation and destruction */

struct set_up {
    struct sandbox *sandbox;
    void (*open)(lua_State *L);
};

static int on_panic(lua_State *L)
{
    (void)L;
    watchdog_escape(); /* an error outside of lua_pcall kills this card, but not the program */
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
     * Lua creates this string when an error handler fails, at a point where it cannot handle a lack of
     * memory. The reference keeps the string in existence, so Lua need not allocate it then.
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

bool sandbox_set_folder(struct sandbox *sandbox, const char *path)
{
    const char *slash = strrchr(path, '/');

    sandbox->folder = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
    return sandbox->folder;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    free_contents(sandbox);
    free((char *)sandbox->chunk);
    free((char *)sandbox->folder);
    free(sandbox);
}
