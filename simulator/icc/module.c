/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/module.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "icc/folder.h"
#include "icc/library.h"
#include "icc/sandbox.h"
#include "icc/watchdog.h"

#define MODULE_NAME_MAX 100 /* bytes */

/* Its address is the registry key of the table of modules: name to value. A module that is being run has the value
 * of this address, as a light userdata. */
static const char modules;

/* While the script is loaded. Later, a file could make runs differ. */
static void check_is_loading(lua_State *L, const char *function)
{
    if (sandbox_of(L)->is_loaded)
        luaL_error(L, "%s() works only while the script is loaded, not in its functions", function);
}

/*
 * Pushes the bytes of a file of the script's folder. Returns false, with the reason in error, and pushes nothing,
 * if it cannot be read. No file is open while memory is allocated: an error would leave it open.
 */
static bool push_file(lua_State *L, const char *name, struct error *error)
{
    const char *folder = sandbox_of(L)->folder;
    size_t size, length;
    char *bytes;
    bool ok;

    if (!folder)
        return error_set(error, "the script has no folder");
    watchdog_hold();
    ok = folder_size(folder, name, &size, error);
    watchdog_release();
    if (!ok)
        return false;
    bytes = lua_newuserdatauv(L, size + 1, 0);
    watchdog_hold();
    ok = folder_read(folder, name, bytes, size, &length, error);
    watchdog_release();
    if (ok)
        lua_pushlstring(L, bytes, length);
    lua_remove(L, ok ? -2 : -1);
    return ok;
}

static int global_file(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    struct error error;

    check_is_loading(L, "file");
    luaL_argcheck(L, strlen(name) == length, 1, "the path has a zero byte");
    if (!push_file(L, name, &error))
        return luaL_error(L, "file: %s: %s", name, error.text);
    return 1;
}

/* Writes the path of the module of that name. Returns false if the name is not one. */
static bool path_of_module(const char *name, size_t length, char path[MODULE_NAME_MAX + 5])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    if (length == 0 || length > MODULE_NAME_MAX || strspn(name, allowed) != length || strstr(name, "..") ||
        name[0] == '.' || name[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++)
        path[i] = name[i] == '.' ? '/' : name[i];
    memcpy(path + length, ".lua", 5);
    return true;
}

/* The names of cardrig's modules in messages begin with this, and also their keys in the table of modules. */
#define OURS "cardrig:"

/* Returns whether the function that calls require is one of cardrig's modules. */
static bool is_called_by_library(lua_State *L)
{
    lua_Debug ar;

    return lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar) &&
           strncmp(ar.source, "@" OURS, sizeof OURS) == 0;
}

/* Pushes the value of a module that was run before, or nil. */
static void push_module(lua_State *L, const char *key)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &modules) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &modules);
    }
    lua_getfield(L, -1, key);
    lua_remove(L, -2);
    if (lua_islightuserdata(L, -1))
        luaL_error(L, "require: '%s' is required while it is being loaded", key);
}

/* Sets the value of the module to the one on top of the stack, which stays there. */
static void set_module(lua_State *L, const char *key)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &modules);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, key);
    lua_pop(L, 1);
}

/* Runs the text of the module, and pushes its value. */
static void run_module(lua_State *L, const char *key, const char *chunk, const char *bytes, size_t length)
{
    lua_pushlightuserdata(L, (void *)&modules);
    set_module(L, key);
    lua_pop(L, 1);
    int status = luaL_loadbufferx(L, bytes, length, chunk, "t");
    if (status == LUA_OK) {
        lua_pushvalue(L, 1); /* its name */
        status = lua_pcall(L, 1, 1, 0);
    }
    if (status != LUA_OK) {
        lua_pushnil(L);
        set_module(L, key); /* the next require tries again */
        lua_pop(L, 1);
        lua_error(L);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
    set_module(L, key);
}

/* Pushes the value of one of cardrig's modules. */
static void push_library_module(lua_State *L, const struct library_text *text)
{
    const char *key = lua_pushfstring(L, OURS "%s", text->name);
    const char *chunk = lua_pushfstring(L, "@" OURS "%s.lua", text->name);

    push_module(L, key);
    if (lua_isnil(L, -1)) {
        check_is_loading(L, "require");
        run_module(L, key, chunk, text->text, text->length);
    }
}

static int global_require(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    char path[MODULE_NAME_MAX + 5];
    struct error error;

    luaL_argcheck(L, path_of_module(name, length, path), 1,
                  "expected a module's name of letters, digits, '_' and '-', with dots between folders");
    const struct library_text *text = library_find(library_modules, name, length);
    if (text && is_called_by_library(L)) { /* they mean each other, whatever is in the script's folder */
        push_library_module(L, text);
        return 1;
    }
    push_module(L, name);
    if (!lua_isnil(L, -1))
        return 1;
    check_is_loading(L, "require");
    if (push_file(L, path, &error)) {
        const char *bytes = lua_tolstring(L, -1, &length);
        run_module(L, name, lua_pushfstring(L, "@%s", path), bytes, length);
        return 1;
    }
    if (!text)
        return luaL_error(L, "require: '%s': %s: %s; nor is it a module of cardrig", name, path, error.text);
    push_library_module(L, text);
    set_module(L, name);
    return 1;
}

void module_open(lua_State *L)
{
    lua_register(L, "require", global_require);
    lua_register(L, "file", global_file);
}
