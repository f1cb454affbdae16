/* SPDX-License-Identifier: BSD-3-Clause */
/* What scripts of every kind have in common: their text is run, and the table that it returns has a name. */
#include "icc/script_read.h"

#include <string.h>

#include <lauxlib.h>

#include "base/oneline.h"
#include "icc/sandbox.h"

void load_default_name(struct script_head *head, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash && slash[1] ? slash + 1 : path;
    size_t length = strlen(base);

    if (length > 4 && strcmp(base + length - 4, ".lua") == 0)
        length -= 4;
    oneline(head->name, sizeof head->name, base, length);
    if (!*head->name)
        strcpy(head->name, head->kind);
}

void load_name(lua_State *L, const struct load *load, int table)
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
        memcpy(load->head->name, clean, length + 1);
    }
    lua_pop(L, 1);
}

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
static _Noreturn void refuse_text(lua_State *L, const struct load *load, const char *text, size_t length)
{
    static const char near[] = "unexpected symbol near '{'";
    const char *message = lua_tostring(L, -1), *kind = load->head->kind;
    size_t begin = 0;

    while (begin < length && strchr(" \t\r\n", text[begin]) && text[begin] != '\0')
        begin++;
    if (begin < length && text[begin] == '[')
        lua_pushfstring(L, "; this looks like JSON: a %s is a Lua script", kind);
    else if (strlen(message) > sizeof near && strcmp(message + strlen(message) - sizeof near + 1, near) == 0)
        lua_pushfstring(L, "; a %s is a Lua script that returns its table: return { ... }", kind);
    else
        lua_pushliteral(L, "");
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

void load_run(lua_State *L, const struct load *load)
{
    const struct source *source = load->source;
    size_t at = skip_to_lua(source);

    if (at < source->length && source->text[at] == LUA_SIGNATURE[0])
        load_refuse(L, load, 1, "a compiled Lua chunk, expected source text");
    if (source->length > 0 && memchr(source->text, '\0', source->length))
        load_refuse(L, load, 1, "a binary file, expected the text of a %s script", load->head->kind);
    lua_pushfstring(L, "@%s", source->name);
    if (luaL_loadbufferx(L, source->text + at, source->length - at, lua_tostring(L, -1), "t") != LUA_OK)
        refuse_text(L, load, source->text + at, source->length - at);
    load_args(L, load);
    lua_call(L, 0, 1);
    load->sandbox->is_loaded = true;
    if (lua_type(L, -1) != LUA_TTABLE)
        load_refuse(L, load, 1, "the script returns %s%s, expected a table that describes the %s",
                    lua_isnil(L, -1) ? "" : "a ", lua_isnil(L, -1) ? "nothing" : luaL_typename(L, -1),
                    load->head->kind);
    if (lua_getmetatable(L, -1))
        load_refuse(L, load, 1, "the table that the script returns has a metatable, expected a plain table");
}
